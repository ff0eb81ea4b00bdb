"""Periods of the office's calendar: days for people, whole months and single alerts for the figures."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Alert

_PART = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?")
EARLIEST = date(2000, 1, 1)
LATEST = date(2999, 12, 31)


class BadPeriod(ValueError):
    """It is no month, no day, or ends before it begins."""


@dataclass(frozen=True)
class Period:
    """From the first to the last day, both included."""

    first: date
    last: date

    @property
    def months(self) -> list[int]:
        """202610, 202611 … : every month that a day of the period lies in."""
        begin, end = self.first.year * 12 + self.first.month - 1, self.last.year * 12 + self.last.month - 1
        return [number // 12 * 100 + number % 12 + 1 for number in range(begin, end + 1)]

    @property
    def is_months(self) -> bool:
        return self.first.day == 1 and _is_month_end(self.last)

    @property
    def text(self) -> str:
        """2026-10 or 2026-10..2026-11 for whole months, else with days; `parse_period` reads it."""
        if self.is_months:
            begin, end = f"{self.first:%Y-%m}", f"{self.last:%Y-%m}"
        else:
            begin, end = f"{self.first:%Y-%m-%d}", f"{self.last:%Y-%m-%d}"
        return begin if begin == end else f"{begin}..{end}"

    def instants(self, zone: tzinfo) -> tuple[datetime, datetime]:
        """The beginning of the first day and the end of the last."""
        return _midnight(self.first, zone), _midnight(self.last + timedelta(days=1), zone)


@dataclass(frozen=True)
class Span:
    """What is to be added up: the roll-ups of these months and of these alerts. Nothing is in both."""

    months: tuple[int, ...] = ()
    alert_ids: tuple[int, ...] = ()


def parse_period(text: str) -> Period:
    """`2026-10`, `2026-10..2026-11`, `2026-10-05..2026-11-03`, `2026-10-05`. Raises `BadPeriod`."""
    begin, dots, end = text.strip().partition("..")
    first, last = _parse(begin), _parse(end if dots else begin)
    if last[1] < first[0]:
        raise BadPeriod(f"期间“{text}”的结束早于开始")
    return Period(first[0], last[1])


def month_period(month: int) -> Period:
    """The whole month 202611."""
    return parse_period(f"{month // 100:04}-{month % 100:02}")


def recent_months(today: date, months: int) -> Period:
    """The month of `today` and those before it, `months` in all."""
    number = today.year * 12 + today.month - months
    return Period(date(number // 12, number % 12 + 1, 1), _month_end(today))


async def find_span(session: AsyncSession, period: Period, zone: tzinfo) -> Span:
    """Months that lie wholly within the period are read as such; of the others, the alerts of the days in question."""
    whole = [month for month in period.months if _lies_within(month, period)]
    broken = [month for month in period.months if month not in whole]
    if not broken:
        return Span(tuple(whole))
    begin, end = period.instants(zone)
    query = sa.select(Alert.id).where(Alert.month.in_(broken), Alert.released_at >= begin, Alert.released_at < end)
    return Span(tuple(whole), tuple(await session.scalars(query.order_by(Alert.id))))


def _lies_within(month: int, period: Period) -> bool:
    first = date(month // 100, month % 100, 1)
    return period.first <= first and _month_end(first) <= period.last


def _parse(text: str) -> tuple[date, date]:
    """The first and the last day that the text means."""
    found = _PART.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError(text)
        first = date(int(found[1]), int(found[2]), int(found[3] or 1))
    except ValueError as error:
        raise BadPeriod(
            f"“{text}”不是月份或日期；应写成 2026-10、2026-10..2026-11 或 2026-10-05..2026-11-03"
        ) from error
    if not EARLIEST <= first <= LATEST:
        raise BadPeriod(f"“{text}”不在 {EARLIEST.year} 年到 {LATEST.year} 年之间")
    return first, first if found[3] else _month_end(first)


def _month_end(day: date) -> date:
    following = day.replace(day=28) + timedelta(days=4)
    return following.replace(day=1) - timedelta(days=1)


def _is_month_end(day: date) -> bool:
    return day == _month_end(day)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(0), tzinfo=zone)
