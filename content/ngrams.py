"""Fold chat text to the bare characters that survive copying, and cut it into 3-grams.

This fold is harsher than ``content.normalising``: a copy keeps its letters but loses its punctuation, spacing, emoji,
script and figures on the way, so none of those are kept. It also never rewrites words, because a copied word
needs no interpretation.
"""

from __future__ import annotations

import re
import unicodedata
from itertools import compress, count
from typing import Final

import opencc

GRAM: Final = 3
"""Characters in a gram: two are shared by any two texts on a topic, four are lost to every typing error."""

_MEMO_LIMIT: Final = 60_000
_BRACKET_CODE: Final = re.compile(r"\[[^\[\]\s]{1,6}\]")  # WeChat writes its own emoji as [强], [玫瑰]
_LINK: Final = re.compile(r"(?:https?://|www\.)[!-~]+", re.IGNORECASE)  # tokens differ from unit to unit
# The office's or the forwarder's name behind a dash at the end of a line.
_SIGNATURE: Final = re.compile(r"(?:^|(?<=[。！？!?\s]))[—－-]{2,4}[^—－\n-]{2,24}$", re.MULTILINE)
_DIGITS: Final = re.compile(r"\d+")
_TO_SIMPLIFIED: Final = opencc.OpenCC("t2s")
# Regional forms that OpenCC's general table leaves alone, and two that writers of simplified text mix up.
_REGIONAL: Final = dict(zip("著裡妳祂牠帳衹隻", "着里你他它账只只", strict=True))


DROPPED: Final = "\0"
"""Stands in :func:`kept` for a character that a copy may lose."""


class _Fold(dict[int, str]):
    """Character table that fills itself: code point → its folded form, always one character."""

    def __missing__(self, code: int) -> str:
        folded = _fold_char(chr(code))
        if len(self) < _MEMO_LIMIT:  # so that hostile text cannot fill the memory with rare characters
            self[code] = folded
        return folded


def _fold_char(char: str) -> str:
    letters = [c for c in unicodedata.normalize("NFKC", char).casefold() if c.isalnum()]
    if not letters:
        return DROPPED
    # The first letter stands for a ligature, so that every index of the fold is an index of the text. Character by
    # character, not by phrase: both sides of a comparison are folded alike, and a table is faster than a converter.
    letter = letters[0]
    return _REGIONAL.get(letter) or str(_TO_SIMPLIFIED.convert(letter))[0]


_FOLD: Final = _Fold()


def _blank(match: re.Match[str]) -> str:
    return DROPPED * len(match[0])


def kept(text: str) -> str:
    """Return ``text`` at the same length with its letters folded and all else :data:`DROPPED`."""
    if "[" in text:
        text = _BRACKET_CODE.sub(_blank, text)
    if "://" in text or "www." in text:
        text = _LINK.sub(_blank, text)
    if "——" in text or "--" in text:
        text = _SIGNATURE.sub(_blank, text)
    return text.translate(_FOLD)


def joined(kept_text: str) -> str:
    """Return the folded text: what :func:`kept` kept, each figure as one ``0``."""
    return _DIGITS.sub("0", kept_text.replace(DROPPED, ""))


def fold(text: str) -> str:
    """Return the characters of ``text`` that a copy keeps: simplified, lower case, each figure as one ``0``."""
    return joined(kept(text))


def figures(kept_text: str) -> frozenset[str]:
    """Return the numbers that :func:`joined` hides, to tell apart alerts that differ in nothing else."""
    return frozenset(_DIGITS.findall(kept_text.replace(DROPPED, "")))


def grams(folded: str) -> list[str]:
    """Return the 3-grams of folded text in their order, repeats included."""
    return [folded[at : at + GRAM] for at in range(len(folded) - GRAM + 1)]


def origins(kept_text: str) -> list[int]:
    """Return, for each character of ``joined(kept_text)``, its index in the text."""
    places = list(compress(count(), map(DROPPED.__ne__, kept_text)))
    for figure in reversed(list(_DIGITS.finditer(kept_text.replace(DROPPED, "")))):
        del places[figure.start() + 1 : figure.end()]
    return places
