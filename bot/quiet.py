"""Quiet hours: when most alerts wait for the morning."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.settings import Settings
from db.states import Severity


def in_quiet_hours(now: datetime, settings: Settings) -> bool:
    """Is it between `quiet_start` and `quiet_end` in the office's zone? Equal times mean there are none."""
    start, end = settings.quiet_start, settings.quiet_end
    at = now.astimezone(settings.zone).time()
    if start <= end:
        return start <= at < end
    return at >= start or at < end


def quiet_until(now: datetime, settings: Settings) -> datetime | None:
    """The end of the present quiet hours, or None outside of them."""
    if not in_quiet_hours(now, settings):
        return None
    local = now.astimezone(settings.zone)
    end = local.replace(
        hour=settings.quiet_end.hour,
        minute=settings.quiet_end.minute,
        second=settings.quiet_end.second,
        microsecond=0,
    )
    return end if end > local else end + timedelta(days=1)


def next_quiet(now: datetime, settings: Settings) -> datetime:
    """The next beginning of the quiet hours after `now`, which is outside of them; far away when there are none."""
    if settings.quiet_start == settings.quiet_end:
        return now + timedelta(days=365)
    local = now.astimezone(settings.zone)
    begin = local.replace(
        hour=settings.quiet_start.hour,
        minute=settings.quiet_start.minute,
        second=settings.quiet_start.second,
        microsecond=0,
    )
    return begin if begin > local else begin + timedelta(days=1)


def sendable(now: datetime, settings: Settings) -> frozenset[Severity]:
    """The severities that may be pushed at this moment."""
    return frozenset(settings.quiet_exempt if in_quiet_hours(now, settings) else Severity)
