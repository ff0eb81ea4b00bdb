"""Pacing: never faster than any limit, and no slower than the limits demand."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as h
from hypothesis import strategies as st

from bot.pacing import Limits, Pacer
from tests.fakes import JumpingClock

ZONE = ZoneInfo("Asia/Shanghai")


async def _starts(pacer: Pacer, clock: JumpingClock, sends: list[float]) -> list[float]:
    """The starts of as many sends, each taking so many seconds."""
    starts = []
    for seconds in sends:
        await pacer.wait()
        pacer.started()
        starts.append(clock.monotonic())
        clock.advance(seconds)
    return starts


async def test_gap_counts_from_start_to_start() -> None:
    clock = JumpingClock()
    starts = await _starts(Pacer(Limits(3, 1000, 1000), clock, ZONE), clock, [1.2, 0.3, 4.5, 0.1])
    assert starts == pytest.approx([0, 3, 6, 10.5])


async def test_minute_budget_is_a_sliding_window() -> None:
    clock = JumpingClock()
    starts = await _starts(Pacer(Limits(0, 3, 1000), clock, ZONE), clock, [0] * 7)
    assert starts == pytest.approx([0, 0, 0, 60, 60, 60, 120])


async def test_day_budget_ends_at_midnight_of_the_office() -> None:
    clock = JumpingClock()  # 09:00
    starts = await _starts(Pacer(Limits(0, 1000, 2), clock, ZONE), clock, [0] * 5)
    assert starts == pytest.approx([0, 0, 15 * 3600, 15 * 3600, 39 * 3600])


class UneasyClock(JumpingClock):
    """Its time of day is put right by some milliseconds, and the process is held up between looks at it."""

    def __init__(self, right: list[float], held_up: list[float]) -> None:
        super().__init__()
        self.right, self.held_up = right, held_up

    def now(self) -> datetime:
        if self.held_up:
            self.advance(self.held_up.pop())
        return super().now() + timedelta(seconds=self.right[0])

    def monotonic(self) -> float:
        if self.held_up:
            self.advance(self.held_up.pop())
        return super().monotonic()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds + 1e-6)  # nobody wakes exactly in time


@h(max_examples=60, deadline=None)
@given(
    right=st.lists(st.floats(-0.1, 0.1), min_size=1, max_size=20), held_up=st.lists(st.floats(0, 0.05), max_size=200)
)
async def test_what_is_on_record_keeps_the_gap_too(right: list[float], held_up: list[float]) -> None:
    clock = UneasyClock(right, held_up)
    pacer = Pacer(Limits(0.25, 1000, 1000), clock, ZONE)
    record = []
    while len(clock.right) > 1:
        clock.right.pop(0)
        await pacer.wait(lead=0.02)
        record.append(pacer.planned())
        await pacer.wait()
        pacer.started()
    assert all(later - earlier >= timedelta(seconds=0.25 - 0.0004) for earlier, later in pairwise(record))


async def test_a_time_of_day_that_was_wrong_is_believed_when_it_is_set() -> None:
    clock = UneasyClock([3600.0], [])
    pacer = Pacer(Limits(0.25, 1000, 1000), clock, ZONE)
    before = pacer.planned()
    clock.right = [0.0]
    assert pacer.planned() == before - timedelta(hours=1)


@h(max_examples=60, deadline=None)
@given(
    gap=st.floats(0, 10),
    per_minute=st.integers(1, 30),
    per_day=st.integers(1, 60),
    sends=st.lists(st.floats(0, 20), max_size=120),
)
async def test_no_limit_is_ever_broken(gap: float, per_minute: int, per_day: int, sends: list[float]) -> None:
    clock = JumpingClock()
    starts = await _starts(Pacer(Limits(gap, per_minute, per_day), clock, ZONE), clock, sends)
    assert all(later - earlier >= gap - 1e-6 for earlier, later in pairwise(starts))
    for at in starts:
        assert sum(1 for start in starts if at <= start < at + 60 - 1e-6) <= per_minute
    days = Counter((clock._start + timedelta(seconds=at)).astimezone(ZONE).date() for at in starts)
    assert all(count <= per_day for count in days.values())


async def test_limits_hold_across_a_restart() -> None:
    clock = JumpingClock()
    limits = Limits(3, 4, 6)
    await _starts(Pacer(limits, clock, ZONE), clock, [0] * 3)  # 0, 3, 6
    history = [clock.now() - timedelta(seconds=age) for age in (6, 3, 0)]
    clock.advance(1)
    again = Pacer(limits, clock, ZONE, history=history, today=3, margin=1.0)
    starts = await _starts(again, clock, [0] * 4)
    assert starts[0] == pytest.approx(10)  # 6 + gap, and the margin for what the dead process did not write
    assert starts[1] == pytest.approx(61)  # the fourth in a minute was the last; the first start of all was at 0
    assert starts[3] >= 15 * 3600 - 1  # and six a day


async def test_a_start_that_was_planned_a_moment_ahead_is_counted_from_then() -> None:
    """The process died between its mark and the send; the next one came up at once."""
    clock = JumpingClock()
    planned = clock.now() + timedelta(milliseconds=20)
    again = Pacer(Limits(0.05, 60, 1000), clock, ZONE, history=[planned], today=1, margin=1.0)
    assert again.planned() >= planned + timedelta(milliseconds=50)
