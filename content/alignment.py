"""Lay a message along an alert: which passages were copied, and what was put in their place elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from content.ngrams import GRAM

_TYPO_GAP: Final = 2
"""A difference of at most this many characters on both sides is a typing error inside one passage."""
_OCCURRENCES: Final = 4
"""Places of a repeated gram that are tried before the longest run so far is taken."""
_LONG_RUN: Final = 8
"""A run of this many characters is not looked for elsewhere."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters ``start`` to ``end`` of the message lie along ``alert_start`` to ``alert_end`` of the alert."""

    start: int
    end: int
    alert_start: int
    alert_end: int


def _run_length(message: str, alert: str, at: int, place: int) -> int:
    longest = min(len(message) - at, len(alert) - place)
    length = GRAM
    while length < longest and message[at + length] == alert[place + length]:
        length += 1
    return length


def _longest_run(message: str, alert: str, at: int, after: int) -> tuple[int, int]:
    """Return (place in the alert, length) of the run that starts at ``message[at]``; length 0 if there is none.

    Places behind the last run are tried first: copies keep the order of what they copy.
    """
    gram = message[at : at + GRAM]
    place = alert.find(gram, after)
    if place < 0 and after > 0:
        place = alert.find(gram, 0)
    best_place, best_length = place, 0
    for _ in range(_OCCURRENCES):
        if place < 0:
            break
        length = _run_length(message, alert, at, place)
        if length > best_length:
            best_place, best_length = place, length
        if length >= _LONG_RUN:
            break
        place = alert.find(gram, place + 1)
    return best_place, best_length


def _runs(message: str, alert: str) -> Iterator[Passage]:
    at = after = 0
    while at <= len(message) - GRAM:
        place, length = _longest_run(message, alert, at, after)
        if length:
            yield Passage(at, at + length, place, place + length)
            after = place + length
            at += length - GRAM + 1
        else:
            at += 1


def _is_typo(before: Passage, run: Passage) -> bool:
    here, there = run.start - before.end, run.alert_start - before.alert_end
    return -GRAM < here <= _TYPO_GAP and -GRAM < there <= _TYPO_GAP and abs(here - there) <= _TYPO_GAP


def passages(message: str, alert: str) -> list[Passage]:
    """Return the copied passages in message order; typing errors and small insertions do not end a passage."""
    found: list[Passage] = []
    for run in _runs(message, alert):
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
    for before, after in zip(found, found[1:], strict=False):
        here, there = after.start - before.end, after.alert_start - before.alert_end
        if here > _TYPO_GAP and there > _TYPO_GAP:
            total += min(here, there)
    return total
