"""Fold chat text to the bare characters that survive copying, and cut it into 3-grams.

This fold is harsher than ``content.normalising``: a copy keeps its letters but loses its punctuation, spacing, emoji,
script and figures on the way, so none of those are kept. It also never rewrites words, because a copied word
needs no interpretation.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import opencc

GRAM: Final = 3
"""Characters in a gram: two are shared by any two texts on a topic, four are lost to every typing error."""

_MEMO_LIMIT: Final = 60_000
_BRACKET_CODE: Final = re.compile(r"\[[^\[\]\s]{1,6}\]")  # WeChat writes its own emoji as [强], [玫瑰]
_LINK: Final = re.compile(r"(?:https?://|www\.)[!-~]+", re.IGNORECASE)  # tokens differ from unit to unit
_DIGITS: Final = re.compile(r"\d+")
_TO_SIMPLIFIED: Final = opencc.OpenCC("t2s")
# Regional forms that OpenCC's general table leaves alone, and two that writers of simplified text mix up.
_REGIONAL: Final = dict(zip("著裡妳祂牠帳衹隻", "着里你他它账只只", strict=True))


class _Fold(dict[int, str]):
    """Character table that fills itself: code point → its folded form, empty when nothing is kept."""

    def __missing__(self, code: int) -> str:
        folded = _fold_char(chr(code))
        if len(self) < _MEMO_LIMIT:  # so that hostile text cannot fill the memory with rare characters
            self[code] = folded
        return folded


def _fold_char(char: str) -> str:
    kept = "".join(c for c in unicodedata.normalize("NFKD", char).casefold() if c.isalnum())
    # Character by character, not by phrase: both sides of a comparison are folded alike, and a table is ten
    # times faster than converting every message.
    return "".join(_REGIONAL.get(c) or str(_TO_SIMPLIFIED.convert(c)) for c in kept)


_FOLD: Final = _Fold()


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _without_codes(text: str) -> str:
    """Blank out emoji codes and links, keeping every other character in its place."""
    if "[" in text:
        text = _BRACKET_CODE.sub(_blank, text)
    if "://" in text or "www." in text:
        text = _LINK.sub(_blank, text)
    return text


def fold(text: str) -> str:
    """Return the characters of ``text`` that a copy keeps: simplified, lower case, each figure as one ``0``."""
    return _DIGITS.sub("0", _without_codes(text).translate(_FOLD))


def figures(text: str) -> frozenset[str]:
    """Return the numbers of ``text`` that :func:`fold` hides, to tell apart alerts that differ in nothing else."""
    return frozenset(_DIGITS.findall(_without_codes(text).translate(_FOLD)))


def grams(folded: str) -> list[str]:
    """Return the 3-grams of folded text in their order, repeats included."""
    return list(map("".join, zip(folded, folded[1:], folded[2:], strict=False)))


def origins(text: str) -> list[int]:
    """Return, for each character of ``fold(text)``, its index in ``text``."""
    places: list[int] = []
    in_figure = False
    for index, char in enumerate(_without_codes(text)):
        for folded in _FOLD[ord(char)]:
            is_digit = folded.isdecimal()
            if not (is_digit and in_figure):
                places.append(index)
            in_figure = is_digit
    return places
