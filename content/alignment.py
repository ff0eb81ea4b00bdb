"""Lay a message along an alert: which passages were copied, and what was put in their place elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

from content.ngrams import GRAM

_TYPO_GAP: Final = 1
"""Characters that a typing error adds, drops or changes; two at a time are a different name or a paraphrase."""
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


def _is_typo(before: Passage, run: Passage) -> bool:
    here, there = run.start - before.end, run.alert_start - before.alert_end
    return min(here, there) > -GRAM and max(here, there) <= _TYPO_GAP and abs(here - there) <= _TYPO_GAP


def passages(message: str, sequence: Sequence[str], alert: str) -> list[Passage]:
    """Return the copied passages in message order; typing errors and small insertions do not end a passage.

    ``message`` and ``alert`` are folded; ``sequence`` holds the grams of the message.
    """
    found: list[Passage] = []
    for run in _runs(message, sequence, alert):
        if found and _is_typo(found[-1], run):
            last = found[-1]
            found[-1] = Passage(last.start, run.end, last.alert_start, max(last.alert_end, run.alert_end))
        else:
            found.append(run)
    return found


def replaced(found: Sequence[Passage]) -> int:
    """Return how many characters of the alert other words stand for, between passages that follow each other.

    A cut leaves nothing in its place and an insertion replaces nothing; another case told in the same template
    replaces names, places and means throughout.
    """
    total = 0
    for before, after in pairwise(found):
        here, there = after.start - before.end, after.alert_start - before.alert_end
        if min(here, there) > _TYPO_GAP:
            total += min(here, there)
    return total
