"""Lay a message along an alert: which passages were copied, and what was put in their place elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final, NamedTuple

from content.ngrams import FIGURE, GRAM

_TYPO_GAP: Final = 1
"""Characters that a typing error adds, drops or changes; two at a time are a different name or a paraphrase."""
_LONG_GAP: Final = 80
"""Characters between two passages that are still compared with each other."""
_BESIDE: Final = 30
"""Characters that may lie between a passage and one that continues it."""
_OCCURRENCES: Final = 4
"""Places of a repeated gram that are tried before the longest run so far is taken."""
_STRIDE: Final = 16
"""Characters that are compared at once."""
_LONG_RUN: Final = 8
"""A run of this many characters is not looked for elsewhere."""


class Passage(NamedTuple):
    """Characters ``start`` to ``end`` of the message lie along ``alert_start`` to ``alert_end`` of the alert."""

    start: int
    end: int
    alert_start: int
    alert_end: int
    slips: int = 0  # typing errors within


def _run_end(message: str, alert: str, at: int, place: int) -> int:
    """Return where the run of equal characters that starts at ``message[at]`` and ``alert[place]`` ends."""
    shift = place - at
    end = at + GRAM
    longest = min(len(message), len(alert) - shift)
    while end + _STRIDE <= longest and message[end : end + _STRIDE] == alert[end + shift : end + shift + _STRIDE]:
        end += _STRIDE
    while end < longest and message[end] == alert[end + shift]:
        end += 1
    return end


def _longest_run(message: str, alert: str, gram: str, at: int, place: int) -> tuple[int, int]:
    """Return (place in the alert, end in the message) of the longest run among the next places of ``gram``."""
    best_place, best_end = place, at
    for _ in range(_OCCURRENCES):
        end = _run_end(message, alert, at, place)
        if end > best_end:
            best_place, best_end = place, end
        if end - at >= _LONG_RUN:
            break
        place = alert.find(gram, place + 1)
        if place < 0:
            break
    return best_place, best_end


def _runs(message: str, sequence: Sequence[str], alert: str) -> Iterator[Passage]:
    find = alert.find
    at = after = 0
    while at < len(sequence):
        gram = sequence[at]
        place = find(gram)
        if place < 0:
            at += 1
            continue
        if place < after:
            # Places behind the last run come first: copies keep the order of what they copy.
            later = find(gram, after)
            place = later if later >= 0 else place
        place, end = _longest_run(message, alert, gram, at, place)
        after = place + end - at
        yield Passage(at, end, place, after)
        at = end - GRAM + 1


def _is_slip(message: str, alert: str, before: Passage, run: Passage) -> bool:
    """Whether nothing but a typing error parts two runs: a character more, less or other, or two in each other's
    place."""
    here, there = run.start - before.end, run.alert_start - before.alert_end
    if min(here, there) <= -GRAM:
        return False
    if here == there == 2:
        return message[before.end : run.start] == alert[before.alert_end : run.alert_start][::-1]
    return max(here, there) <= _TYPO_GAP and abs(here - there) <= _TYPO_GAP


def passages(message: str, sequence: Sequence[str], alert: str) -> list[Passage]:
    """Return the copied passages in message order; typing errors and small insertions do not end a passage.

    ``message`` and ``alert`` are folded; ``sequence`` holds the grams of the message.
    """
    found: list[Passage] = []
    for run in _runs(message, sequence, alert):
        if found and _is_slip(message, alert, found[-1], run):
            last = found[-1]
            end = max(last.alert_end, run.alert_end)
            found[-1] = Passage(last.start, run.end, last.alert_start, end, last.slips + 1)
        else:
            found.append(run)
    return found


def exchanged(message: str, alert: str, found: Sequence[Passage]) -> int:
    """Return how many characters of the alert other words stand for, between passages that follow each other.

    A cut leaves nothing in its place and an insertion replaces nothing; another case told in the same form exchanges
    names, places and means throughout. Figures are not counted: people change those. Nor is what leaves only one
    character behind: that is a typing error.
    """
    total = 0
    for before, after in pairwise(found):
        if after.start > before.end and after.alert_start > before.alert_end:
            here = message[before.end : after.start].replace(FIGURE, "")
            there = alert[before.alert_end : after.alert_start].replace(FIGURE, "")
            total += _exchanged(here, there)
    return total


def _is_beside(one: Passage, other: Passage) -> bool:
    """Whether the second passage follows the first at about the same distance in the message and in the alert."""
    here, there = other.start - one.end, other.alert_start - one.alert_end
    return 0 <= here <= _BESIDE and 0 <= there <= _BESIDE


def with_neighbours(every: Sequence[Passage], found: Collection[Passage]) -> list[Passage]:
    """Return ``found`` and the short passages that continue it: a form goes on where its words say too little to
    count by themselves."""
    chosen = set(found)
    for passages_in_turn in (every, every[::-1]):
        last: Passage | None = None
        for passage in passages_in_turn:
            first, second = (last, passage) if passages_in_turn is every else (passage, last)
            near = first and second and passage.end - passage.start > GRAM and _is_beside(first, second)
            if near or passage in chosen:
                chosen.add(passage)
                last = passage
    return [passage for passage in every if passage in chosen]


def _exchanged(here: str, there: str) -> int:
    """Return the characters exchanged in a gap: what is left of the shorter side without what the longer has, too."""
    least = min(len(here), len(there))
    if least <= _TYPO_GAP or max(len(here), len(there)) > _LONG_GAP:
        return least if least > _TYPO_GAP else 0
    match = SequenceMatcher(None, here, there, autojunk=False).find_longest_match()
    if match.size > _TYPO_GAP:
        before = _exchanged(here[: match.a], there[: match.b])
        return before + _exchanged(here[match.a + match.size :], there[match.b + match.size :])
    left = least - (Counter(here) & Counter(there)).total()
    return left if left > _TYPO_GAP else 0
