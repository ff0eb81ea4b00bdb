"""How much a text resembles each of several groups of texts, by the character 1- to 3-grams they use.

A smoothed language model per group, against the background of all groups together: the score of a group is the sum,
over the grams of a text, of ``log(1 + count / (SMOOTHING * background))``. All groups' values of one gram are
packed into one integer (32 bits each), so that adding up a text costs one addition per gram, however many groups
there are: 34 types at plain-dict speed, without numpy and in a few megabytes.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from math import log
from operator import add
from typing import Final

LONGEST: Final = 1_500
"""Characters that are scored: a lane stays below 2**32 and a hostile message below a few milliseconds."""

_LANE_BYTES: Final = 4
_SCALE: Final = 256
_ORDER_WEIGHTS: Final = (0.0, 0.35, 1.0, 0.9)
"""Single characters say little and overlap their pairs; tuned by leave-out runs over the library itself."""


def grams(text: str) -> list[str]:
    """All runs of one, two and three characters of ``text``, in C loops only."""
    pairs = list(map(add, text, text[1:]))
    return [*text, *pairs, *map(add, pairs, text[2:])]


class Resemblance:
    """Scores of a text against the groups it was built from, in their order."""

    def __init__(self, groups: Sequence[Iterable[tuple[str, float]]], smoothing: float) -> None:
        """``groups``: for each, its (normalised text, weight) pairs. ``smoothing``: mass of the background, in grams."""
        counts = [_count(group) for group in groups]
        background: Counter[str] = Counter()
        for count in counts:
            background.update(count)
        whole = sum(background.values()) or 1.0
        self._size = len(groups) * _LANE_BYTES
        self._smoothing = smoothing
        self.masses = [sum(count.values()) for count in counts]
        self._packed: dict[str, int] = {}
        for lane, count in enumerate(counts):
            shift = lane * _LANE_BYTES * 8
            for gram, seen in count.items():
                value = _ORDER_WEIGHTS[len(gram)] * log(1 + seen * whole / (smoothing * background[gram]))
                self._packed[gram] = self._packed.get(gram, 0) | int(value * _SCALE) << shift

    def scores(self, text: str) -> list[float]:
        """One value ≥ 0 per group, higher for closer; ``text`` must be normalised."""
        total = sum(map(self._packed.get, grams(text[:LONGEST]), repeat(0)))
        lanes = array("I", total.to_bytes(self._size, "little"))
        return [lane / _SCALE for lane in lanes]


def _count(group: Iterable[tuple[str, float]]) -> Counter[str]:
    count: Counter[str] = Counter()
    for text, weight in group:
        for gram in grams(text):
            count[gram] += weight  # type: ignore[assignment]  # fractional weights
    return count
