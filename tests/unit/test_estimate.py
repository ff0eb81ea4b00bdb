"""When a broadcast will be through."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.estimate import Load, estimate_finish
from bot.pacing import Limits
from bot.quiet import in_quiet_hours
from bot.settings import Settings
from db.states import Severity
from handlers.web.progress import finish_text

OFFICE = Settings()  # 3 s, 40 a minute, 2,000 a day, quiet from 22:00 to 07:00, red exempt
USUAL = Limits(gap=3.0, per_minute=40, per_day=2000)
NINE = datetime(2026, 11, 21, 9, 0, tzinfo=OFFICE.zone)


def finish(*loads: Load, start: datetime = NINE, severity: Severity = Severity.BLUE, **changed: object) -> datetime:
    return estimate_finish(loads, start=start, severity=severity, settings=Settings(**changed))  # type: ignore[arg-type]


def test_nothing_to_send_is_through_at_once() -> None:
    assert finish() == NINE
    assert finish(Load(0, USUAL)) == NINE


def test_the_slower_of_gap_and_budget_per_minute_counts() -> None:
    assert finish(Load(100, USUAL)) == NINE + timedelta(seconds=300)
    assert finish(Load(100, Limits(1.0, 20, 2000))) == NINE + timedelta(seconds=300)
    assert finish(Load(100, Limits(0.0, 6000, 2000))) == NINE + timedelta(seconds=1)


def test_accounts_work_side_by_side_and_the_slowest_decides() -> None:
    assert finish(Load(100, USUAL), Load(10, USUAL)) == NINE + timedelta(seconds=300)


def test_what_does_not_fit_before_the_quiet_hours_waits_for_the_morning() -> None:
    start = NINE.replace(hour=21, minute=59)  # 20 sends fit
    assert finish(Load(20, USUAL), start=start) == NINE.replace(hour=22)
    assert finish(Load(21, USUAL), start=start) == NINE.replace(hour=7) + timedelta(days=1, seconds=3)
    assert finish(Load(21, USUAL), start=start, severity=Severity.RED) == start + timedelta(seconds=63)


def test_beginning_at_night_begins_in_the_morning() -> None:
    late, early = NINE.replace(hour=23), NINE.replace(hour=3)
    assert finish(Load(1, USUAL), start=late) == NINE.replace(hour=7) + timedelta(days=1, seconds=3)
    assert finish(Load(1, USUAL), start=early) == NINE.replace(hour=7, second=3)


def test_the_budget_of_a_day_is_not_exceeded() -> None:
    quick = Limits(0.1, 600, 100)
    after_one_day = NINE.replace(hour=0) + timedelta(days=1)
    assert finish(Load(101, quick), severity=Severity.RED) == after_one_day + timedelta(seconds=0.1)
    assert finish(Load(101, quick)) == after_one_day.replace(hour=7) + timedelta(seconds=0.1)
    assert finish(Load(1, quick, used_today=100), severity=Severity.RED) == after_one_day + timedelta(seconds=0.1)


def test_without_quiet_hours_nights_are_used() -> None:
    none = {"quiet_start": time(0), "quiet_end": time(0)}
    start = NINE.replace(hour=23, minute=59)
    assert finish(Load(100, USUAL), start=start, **none) == start + timedelta(seconds=300)


@settings(max_examples=150, deadline=None)
@given(
    groups=st.integers(0, 9000),
    gap=st.floats(0, 60),
    per_minute=st.integers(1, 200),
    per_day=st.integers(1, 3000),
    used=st.integers(0, 4000),
    hour=st.integers(0, 23),
    severity=st.sampled_from(Severity),
)
def test_an_estimate_is_never_faster_than_the_limits_and_never_in_the_night(
    groups: int, gap: float, per_minute: int, per_day: int, used: int, hour: int, severity: Severity
) -> None:
    start = NINE.replace(hour=hour)
    end = finish(Load(groups, Limits(gap, per_minute, per_day), used), start=start, severity=severity)
    assert end >= start + timedelta(seconds=groups * max(gap, 60 / per_minute) - 0.001 * (groups + 1))
    days = (end.astimezone(OFFICE.zone).date() - start.date()).days + 1
    assert groups <= days * per_day
    if groups and severity is not Severity.RED:
        # The last send began before: its own interval may reach into the night.
        last, rounding = end - timedelta(seconds=max(gap, 60 / per_minute)), timedelta(milliseconds=1)
        assert not (in_quiet_hours(last - rounding, OFFICE) and in_quiet_hours(last + rounding, OFFICE))


def test_the_estimate_in_words() -> None:
    def words(**span: float) -> str:
        return finish_text(NINE + timedelta(**span), now=NINE, zone=OFFICE.zone)

    assert words(seconds=20) == "不到 1 分钟，预计 09:00 完成"
    assert words(minutes=11) == "约 11 分钟，预计 09:11 完成"
    assert words(hours=3, minutes=5) == "约 3 小时 5 分钟，预计 12:05 完成"
    assert words(days=1, hours=2) == "约 1 天 2 小时，预计 11-22 11:00 完成"
    assert finish_text(None, now=NINE, zone=OFFICE.zone) == ""
