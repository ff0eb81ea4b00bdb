"""Latency buckets: what they promise about quantiles."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from db import histogram as h

latencies = st.lists(st.floats(min_value=h.LOWEST_MS, max_value=h.HIGHEST_MS * 0.999), min_size=1, max_size=60)


def stored(values: list[float]) -> list[list[int]]:
    counts: h.Histogram = {}
    for value in values:
        h.add(counts, {h.bucket_of(value): 1})
    return h.to_stored(counts)


def test_edges_run_from_a_tenth_of_a_second_to_ten_days_with_at_least_eight_per_decade() -> None:
    assert h.EDGES[0] == 100
    assert h.EDGES[-1] >= 10 * 86_400_000
    assert h.PER_DECADE >= 8
    assert all(low < high for low, high in zip(h.EDGES, h.EDGES[1:], strict=False))


def test_nothing_in_gives_no_quantile() -> None:
    assert h.quantile_ms([], 0.5) is None


def test_extremes_fall_into_the_outer_buckets() -> None:
    assert h.bucket_of(0) == h.bucket_of(100) == 0
    assert h.bucket_of(10**12) == len(h.EDGES) - 2


@given(latencies, st.sampled_from([0.01, 0.25, 0.5, 0.9, 1.0]))
def test_a_quantile_is_within_the_promised_error_of_the_true_one(values: list[float], share: float) -> None:
    true = sorted(values)[max(1, math.ceil(share * len(values))) - 1]
    estimate = h.quantile_ms(stored(values), share)
    assert estimate is not None
    assert 1 / (1 + h.MAX_ERROR) - 1e-9 <= estimate / true <= 1 + h.MAX_ERROR + 1e-9


@given(latencies, latencies)
def test_adding_two_subtrees_is_counting_them_together(one: list[float], other: list[float]) -> None:
    total = h.from_stored(stored(one))
    h.add(total, h.from_stored(stored(other)))
    assert h.to_stored(total) == stored(one + other)


@given(latencies)
def test_the_median_of_one_group_is_exact_and_never_below_the_first(values: list[float]) -> None:
    first = round(min(values))
    assert h.quantile_ms(stored([first]), 0.5, first_ms=first) == first
    median = h.quantile_ms(stored(values), 0.5, first_ms=first)
    assert median is not None
    assert median >= first
