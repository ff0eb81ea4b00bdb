"""Which of some names somebody means who writes one from memory: by sound, with slips, shortened, in letters.

What most of the names have in common (反诈, 群) says little; what only one of them has says much. Numbers must agree:
the group of house 2 is never that of house 3.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Final

import opencc

from content.homophones import fold_syllable, readings

SURE: Final = 0.72
"""Score from which a name is taken for the one that is meant, if no other comes near."""
LIKELY: Final = 0.5
"""Score from which a name is offered as a choice."""
NEAR: Final = 0.12
"""Scores that differ by less are a matter of taste: then the writer must choose."""
CHOICES: Final = 6
_LONGEST: Final = 40  # characters of a name that are compared
_COMPARED: Final = 150  # names that share most with what was written
_TO_SIMPLIFIED: Final = opencc.OpenCC("t2s")
_DIGITS: Final = str.maketrans("零〇一二两三四五六七八九", "001223456789")
_SPELT: Final = str.maketrans("0123456789", "零一二三四五六七八九")
_COUNTED: Final = re.compile(r"[零〇一二两三四五六七八九十]+(?=[号栋幢楼单组网格区村社期队班年])")
_TENS: Final = re.compile(r"(\d?)十(\d?)")
_NUMBER: Final = re.compile(r"\d+")
_LETTERS: Final = re.compile(r"[a-z]{3,}")


def meant(written: str, names: Sequence[str]) -> tuple[list[int], bool]:
    """Places of the names that may be meant, likeliest first, and whether the only one is surely the one."""
    scores = score_names(written, names)
    ranked = sorted(
        (place for place, score in enumerate(scores) if score >= LIKELY), key=lambda place: -scores[place]
    )
    if not ranked:
        return [], False
    best = scores[ranked[0]]
    rivals = [place for place in ranked if scores[place] > best - NEAR]
    return rivals[:CHOICES], best >= SURE and len(rivals) == 1


def score_names(written: str, names: Sequence[str]) -> list[float]:
    """How well each name fits what was written, 0 … 1."""
    wanted = _Name(written)
    known = [_name(name) for name in names]
    weights = _weights(known)
    shared = [sum(weights(sound) for sound in wanted.sounds & name.sounds) for name in known]
    least = sorted(shared, reverse=True)[_COMPARED - 1] if len(shared) > _COMPARED else 0.0
    return [
        _score(wanted, name, weights) if share >= least or wanted.letters else 0.0
        for name, share in zip(known, shared, strict=True)
    ]


class _Name:
    """A name as it is compared: its characters and how each sounds, in the order in which they are written."""

    def __init__(self, text: str) -> None:
        plain = _TO_SIMPLIFIED.convert(unicodedata.normalize("NFKC", text)).lower()
        spelt = [char.translate(_SPELT) for char in plain if char.isalnum()][:_LONGEST]
        plain = _COUNTED.sub(lambda match: _in_digits(match[0]), plain)
        self.numbers = Counter(_NUMBER.findall(plain))
        self.chars = [char for char in plain if char.isalnum()][:_LONGEST]
        self.line = [_sound(char) for char in self.chars]
        self.sounds = frozenset(self.line)
        syllables = [readings().get(char, char) for char in spelt]
        self.spellings = ("".join(syllable[0] for syllable in syllables), "".join(syllables))
        whole = "".join(self.chars)
        self.letters = whole if _LETTERS.fullmatch(whole) else ""


def _in_digits(number: str) -> str:
    return _TENS.sub(lambda match: f"{match[1] or 1}{match[2] or 0}", number.translate(_DIGITS))


@cache
def _sound(char: str) -> str:
    reading = readings().get(char)
    return char if reading is None else fold_syllable(reading)


_name = cache(_Name)


class _Weights:
    """How much a sound tells: the rarer among the names, the more."""

    def __init__(self, names: Sequence[_Name]) -> None:
        self._names = len(names)
        self._seen = Counter(sound for name in names for sound in name.sounds)

    def __call__(self, sound: str) -> float:
        return 0.15 + math.log((self._names + 1) / (self._seen[sound] + 0.5))


def _weights(names: Sequence[_Name]) -> _Weights:
    return _Weights(names)


def _score(wanted: _Name, name: _Name, weight: _Weights) -> float:
    if wanted.numbers - name.numbers:
        return 0.0
    if wanted.letters:
        return _letters_score(wanted.letters, name)
    total = sum(weight(sound) for sound in wanted.line)
    if not total or not wanted.sounds & name.sounds:
        return 0.0
    found = _common(wanted, name, weight) / total
    # Of two names that contain everything written, the one with less besides is meant.
    besides = len(name.line) - len(wanted.line)
    return found * (1 - min(0.1, 0.005 * max(0, besides)))


def _letters_score(letters: str, name: _Name) -> float:
    """jpsq or jinping for 金平社区: the whole from the start is likeliest."""
    if any(spelling.startswith(letters) for spelling in name.spellings):
        return 0.95
    return 0.8 if any(letters in spelling for spelling in name.spellings) else 0.0


def _common(wanted: _Name, name: _Name, weight: _Weights) -> float:
    """The weight of the longest common subsequence; the same sound in another character counts somewhat less."""
    row = [0.0] * (len(name.line) + 1)
    for char, sound in zip(wanted.chars, wanted.line, strict=True):
        value, before = weight(sound), 0.0
        for place, (other, heard) in enumerate(zip(name.chars, name.line, strict=True), 1):
            above = row[place]
            hit = before + value * (1.0 if char == other else 0.9) if sound == heard else 0.0
            row[place] = max(above, row[place - 1], hit)
            before = above
    return row[-1]
