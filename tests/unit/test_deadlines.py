"""By when an alert must have reached its groups: minutes from the release, quiet hours left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from bot.deadlines import deadline_of
from bot.quiet import in_quiet_hours
from bot.settings import load_settings
from db.states import Severity

OFFICE = load_settings()


def at(clock: str, day: int = 21) -> datetime:
    return datetime.fromisoformat(f"2026-11-{day}T{clock}:00+08:00").astimezone(UTC)


@pytest.mark.parametrize(
    ("severity", "released", "deadline"),
    [
        (Severity.RED, at("09:00"), at("09:30")),
        (Severity.ORANGE, at("09:00"), at("10:00")),
        (Severity.YELLOW, at("09:00"), at("11:00")),
        (Severity.BLUE, at("09:00"), at("17:00")),
        (Severity.RED, at("23:00"), at("23:30")),  # pushed in quiet hours as well
        (Severity.YELLOW, at("21:30"), at("08:30", 22)),
        (Severity.YELLOW, at("20:00"), at("22:00")),
        (Severity.ORANGE, at("23:10"), at("08:00", 22)),
        (Severity.BLUE, at("06:00"), at("15:00")),
    ],
)
def test_deadlines(severity: Severity, released: datetime, deadline: datetime) -> None:
    assert deadline_of(severity, released, OFFICE) == deadline


def test_without_quiet_hours_it_is_plain_addition() -> None:
    always = load_settings(quiet_start="00:00", quiet_end="00:00", deadline_blue=3000)
    assert deadline_of(Severity.BLUE, at("21:00"), always) == at("21:00") + timedelta(minutes=3000)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 3 * 1440), st.integers(1, 5000))
def test_the_awake_minutes_between_release_and_deadline_are_the_settings(start: int, minutes: int) -> None:
    office = load_settings(deadline_yellow=minutes)
    released = at("00:00") + timedelta(minutes=start)
    deadline = deadline_of(Severity.YELLOW, released, office)
    span = int((deadline - released).total_seconds() // 60)
    awake = sum(not in_quiet_hours(released + timedelta(minutes=each), office) for each in range(span))
    assert awake == minutes
