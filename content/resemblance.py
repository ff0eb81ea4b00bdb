"""How much a text resembles each of several groups of texts, by the characters and pairs they use.

A smoothed language model per group, against the background of all groups together: the score of a group is the sum,
over the characters and character pairs of a text, of ``log(1 + STRENGTH * share in the group / share in the
background)``. All groups' values of one gram are packed into one integer (32 bits each), so that adding up a text
costs one addition per gram, however many groups there are: 34 types at plain-dict speed, without numpy and in a few
megabytes. (Triples were tried: three times the memory and time, and no better on held-out examples.)
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from math import log1p
from operator import add, mul
from typing import Final

LONGEST: Final = 1_500
"""Characters that are scored: a lane stays below 2**32 and a hostile message below a few milliseconds."""

STRENGTH: Final = 5.0
"""How far a group's own counts are trusted against the background: about the share of seen to unseen usage."""

LENGTH_POWER: Final = 0.45
_LANE_BYTES: Final = 4
_SCALE: Final = 256
_ORDER_WEIGHTS: Final = (0.0, 0.5, 1.0)
"""By length of the gram: single characters say little by themselves."""
_WEIGHT_BY_LENGTH: Final = tuple(weight * _SCALE for weight in _ORDER_WEIGHTS)
_BETWEEN: Final = "\uf8ff"
"""Stands between texts that are counted together; no normalised text has it."""


def grams(text: str) -> list[str]:
    """All characters and all pairs of neighbours, in C loops only."""
    return [*text, *map(add, text, text[1:])]


class _Lanes(dict[str, int]):
    """Gram → all groups' values packed; worked out when a gram is first met, for most of a library's never are."""

    def __init__(self, counts: Sequence[dict[str, float]]) -> None:
        super().__init__()
        self._counts = [(count.get, 1 / sum(count.values())) for count in counts]
        self._known = frozenset().union(*counts)

    def __missing__(self, gram: str) -> int:
        if gram not in self._known:
            return 0
        shares = [get(gram, 0.0) * scale for get, scale in self._counts]
        # Every group counts the same, so that a group with more examples does not win by its size.
        strength = STRENGTH * len(shares) / sum(shares)
        weight = _WEIGHT_BY_LENGTH[len(gram)]
        lanes = array("I", [int(weight * log1p(strength * share)) if share else 0 for share in shares])
        packed = int.from_bytes(lanes.tobytes(), sys.byteorder)
        self[gram] = packed
        return packed


class Resemblance:
    """Scores of a text against the groups it was built from, in their order."""

    def __init__(self, groups: Sequence[Iterable[tuple[str, float]]]) -> None:
        """``groups``: for each, its (normalised text, weight) pairs. Those that say most come first: the integer of a gram
        that only they have is short."""
        counts = [_count(group) for group in groups]
        self._size = len(groups) * _LANE_BYTES
        self._packed = _Lanes(counts)

    def scores(self, text: str) -> list[float]:
        """For each group the log-likelihood of ``text`` (normalised) above the background's, in nats; ≥ 0.

        Divided by ``length ** LENGTH_POWER``: neighbouring grams overlap, so plain sums would be far too sure of
        long texts.
        """
        text = text[:LONGEST]
        total = sum(map(self._packed.__getitem__, grams(text)))
        scale = 1 / (_SCALE * max(1, len(text)) ** LENGTH_POWER)
        return [lane * scale for lane in array("I", total.to_bytes(self._size, sys.byteorder))]


def _count(group: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Weighted counts of all grams."""
    by_weight: dict[float, list[str]] = {}
    for text, weight in group:
        by_weight.setdefault(weight, []).append(text)
    count: dict[str, float] = {}
    for weight, texts in by_weight.items():
        seen = Counter(grams(_BETWEEN.join(texts)))
        weighed = map(add, map(count.get, seen, repeat(0.0)), map(mul, seen.values(), repeat(weight)))
        count.update(zip(seen, weighed, strict=True))
    for gram in [gram for gram in count if _BETWEEN in gram]:
        del count[gram]
    return count
