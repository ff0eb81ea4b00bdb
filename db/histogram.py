"""Latencies counted in fixed logarithmic buckets, so that the subtrees' counts add up and any quantile can be read.

Bucket `i` holds latencies from `EDGES[i]` up to, not including, `EDGES[i + 1]` (in ms); the first one also holds all
that is quicker than 100 ms and the last one all that took longer than 10 days. `PER_DECADE` buckets per factor of
ten make two neighbouring edges differ by a factor of 10^(1/32) = 1.0746: within 100 ms … 10 days a quantile is off
by at most `MAX_ERROR` (7.5 %) of the true one, which is what "a quarter of an hour" may mean to a reader.

Stored sparsely, as a sorted list of [bucket, groups], because a building's roll-up holds one or two groups.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Any, Final

PER_DECADE: Final = 32
LOWEST_MS: Final = 100
HIGHEST_MS: Final = 10 * 86_400_000
_COUNT: Final = math.ceil(PER_DECADE * math.log10(HIGHEST_MS / LOWEST_MS))
EDGES: Final = tuple(LOWEST_MS * 10 ** (i / PER_DECADE) for i in range(_COUNT + 1))
MAX_ERROR: Final = 10 ** (1 / PER_DECADE) - 1

Histogram = dict[int, int]
"""bucket → groups"""


def bucket_of(latency_ms: float) -> int:
    return min(max(bisect_right(EDGES, latency_ms) - 1, 0), _COUNT - 1)


def to_stored(histogram: Mapping[int, int]) -> list[list[int]]:
    return [[bucket, histogram[bucket]] for bucket in sorted(histogram)]


def from_stored(stored: list[Any]) -> Histogram:
    return {int(bucket): int(groups) for bucket, groups in stored}


def add(histogram: Histogram, other: Mapping[int, int]) -> None:
    """Add the counts of `other` to `histogram`."""
    for bucket, groups in other.items():
        histogram[bucket] = histogram.get(bucket, 0) + groups


def add_stored(stored: Iterable[list[Any]]) -> list[list[int]]:
    """Stored histograms together, as one."""
    together: Histogram = {}
    for each in stored:
        add(together, from_stored(each))
    return to_stored(together)


def quantile_ms(stored: list[Any], share: float, *, first_ms: int | None = None) -> float | None:
    """The latency within which `share` (0 … 1) of the counted groups were reached; None when there are none.

    The nearest-rank quantile, placed inside its bucket as if the bucket's groups were spread evenly on the
    logarithmic scale. `first_ms`, known exactly, is used where it says more: no quantile is below it.
    """
    total = sum(groups for _, groups in stored)
    if not total:
        return None
    rank = max(1, math.ceil(share * total))
    if rank == 1 and first_ms is not None:
        return float(first_ms)
    below = 0
    for bucket, groups in stored:
        if below + groups >= rank:
            part = (rank - below - 0.5) / groups
            value = float(EDGES[bucket] * (EDGES[bucket + 1] / EDGES[bucket]) ** part)
            return max(value, float(first_ms or 0))
        below += groups
    raise AssertionError("the rank is never above the total")
