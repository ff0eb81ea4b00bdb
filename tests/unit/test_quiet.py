"""Quiet hours in the office's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.quiet import in_quiet_hours, quiet_until, sendable
from db.states import Severity
from tests.world import quick_settings

NIGHT = quick_settings(quiet_start="22:00", quiet_end="07:00")
NOON = quick_settings(quiet_start="12:00", quiet_end="14:00")
NONE = quick_settings(quiet_start="00:00", quiet_end="00:00")


def at(hour: int, minute: int = 0) -> datetime:
    """That time of day in Shanghai."""
    return datetime(2026, 11, 21, hour, minute, tzinfo=NIGHT.zone).astimezone(UTC)


@pytest.mark.parametrize(
    ("hour", "minute", "quiet"), [(21, 59, False), (22, 0, True), (3, 0, True), (6, 59, True), (7, 0, False)]
)
def test_night(hour: int, minute: int, quiet: bool) -> None:
    assert in_quiet_hours(at(hour, minute), NIGHT) is quiet


def test_noon_and_none() -> None:
    assert in_quiet_hours(at(13), NOON)
    assert not in_quiet_hours(at(14), NOON)
    assert not any(in_quiet_hours(at(hour), NONE) for hour in range(24))


def test_who_may_be_sent() -> None:
    assert sendable(at(23), NIGHT) == {Severity.RED}
    assert sendable(at(12), NIGHT) == set(Severity)


@given(st.integers(0, 60 * 48))
def test_quiet_hours_end_where_they_say(minutes: int) -> None:
    now = at(0) + timedelta(minutes=minutes)
    until = quiet_until(now, NIGHT)
    if until is None:
        assert not in_quiet_hours(now, NIGHT)
    else:
        assert now < until <= now + timedelta(hours=9)
        assert in_quiet_hours(until - timedelta(minutes=1), NIGHT)
        assert not in_quiet_hours(until, NIGHT)
