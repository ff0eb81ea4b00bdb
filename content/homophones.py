"""Words of fraud written with other characters of the same sound: voice typing, haste, or to pass keyword filters.

Only a fixed list of words is restored, and only where the writing is hardly meant otherwise: at least one character
is right, the others sound alike (zh/z, ch/c, sh/s, n/l, ang/an, eng/en, ing/in count as one), and what is written is
no ordinary word. Ordinary text must come out as it went in.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Final

from ahocorasick_rs import AhoCorasick, MatchKind

_TABLE: Final = Path(__file__).parent / "syllables.txt"
_LISTS: Final = Path(__file__).parent / "homophones.txt"


def _read_lists() -> dict[str, frozenset[str]]:
    lists: dict[str, list[str]] = {}
    for line in _LISTS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            lists[line[3:]] = []
        elif not line.startswith("#"):
            lists[next(reversed(lists))] += line.split()
    return {name: frozenset(items) for name, items in lists.items()}


_READ: Final = _read_lists()
WORDS: Final = tuple(sorted(_READ["words"]))
"""What is restored."""
_ORDINARY: Final = _READ["ordinary"]
_COMMON: Final = frozenset("".join(_READ["common"]))
_FUNCTION: Final = frozenset("".join(_READ["function"]))
_FOLDS: Final = (("zh", "z"), ("ch", "c"), ("sh", "s"))
_ENDINGS: Final = (("iang", "ian"), ("uang", "uan"), ("ang", "an"), ("eng", "en"), ("ing", "in"))
_PLACE: Final = 0xF0000
"""Private characters stand for syllables, so that the automaton reads sounds as it reads text."""


def fold_syllable(syllable: str) -> str:
    """The syllable without the differences that many speakers do not make."""
    for full, short in _FOLDS:
        if syllable.startswith(full):
            syllable = short + syllable[2:]
    if syllable[0] == "n" and len(syllable) > 1:
        syllable = "l" + syllable[1:]
    for full, short in _ENDINGS:
        if syllable.endswith(full):
            return syllable[: -len(full)] + short
    return syllable


@cache
def readings() -> dict[str, str]:
    """The commonest reading of each character of the table, without tone."""
    lines = _TABLE.read_text(encoding="utf-8").splitlines()
    pairs = (line.split(" ") for line in lines if not line.startswith("#"))
    return {char: syllable for syllable, chars in pairs for char in chars}


def spelt_in_letters() -> dict[str, str]:
    """Words in letters, whole (shuadan) or by halves (刷dan), with the word that is meant."""
    spellings: dict[str, str] = {}
    for word in WORDS:
        syllables = [readings()[char] for char in word]
        for choice in product(*([char, syllable] for char, syllable in zip(word, syllables, strict=True))):
            written = "".join(choice)
            letters = sum(map(len, choice)) - sum(char == part for char, part in zip(word, choice, strict=True))
            # Short runs of letters are English or initials; a word of letters alone must be long to be sure.
            if letters >= (3 if len(written) > letters else 6) and len(word) < 4:
                spellings[written] = word
    return spellings


class _Sounds:
    """The automaton over sounds, built when the first text is read (some milliseconds)."""

    def __init__(self) -> None:
        folded = {char: fold_syllable(syllable) for char, syllable in readings().items()}
        places = {sound: chr(_PLACE + place) for place, sound in enumerate(sorted(set(folded.values())))}
        self._table = {ord(char): places[sound] for char, sound in folded.items()}
        self._automaton = AhoCorasick([word.translate(self._table) for word in WORDS], matchkind=MatchKind.Standard)
        self._exact = frozenset(WORDS)

    def restore(self, text: str) -> str:
        """``text`` with the words restored; its length does not change."""
        sounds = text.translate(self._table)
        try:
            found = self._automaton.find_matches_as_indexes(sounds, overlapping=True)
        except UnicodeEncodeError:  # half a pair of surrogates
            found = self._automaton.find_matches_as_indexes(_HALVES.sub("?", sounds), overlapping=True)
        chars: list[str] | None = None
        for number, start, end in found:
            written, word = text[start:end], WORDS[number]
            if written != word and written not in self._exact and _is_slip(written, word):
                chars = chars or list(text)
                chars[start:end] = word
        return "".join(chars) if chars else text


def _is_slip(written: str, word: str) -> bool:
    if written in _ORDINARY:
        return False
    kept = [char for char, right in zip(written, word, strict=True) if char == right]
    put = [char for char, right in zip(written, word, strict=True) if char != right]
    if not kept or len(put) > len(kept) or not _FUNCTION.isdisjoint(put):
        return False
    return len(word) > 2 or put[0] not in _COMMON or kept[0] not in _COMMON


@cache
def _sounds() -> _Sounds:
    return _Sounds()


_HAN: Final = re.compile("[\u4e00-\u9fff]")
_HALVES: Final = re.compile("[\ud800-\udfff]")


def restore_words(text: str) -> str:
    """``text`` (simplified characters) with the words of fraud that are written by sound put right."""
    return _sounds().restore(text) if _HAN.search(text) else text
