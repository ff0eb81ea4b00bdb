"""By when an alert must have reached its groups. Frozen at the release, so that figures never change afterwards."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.quiet import next_quiet, quiet_until
from bot.settings import Settings
from db.states import Severity


def deadline_of(severity: Severity, released_at: datetime, settings: Settings) -> datetime:
    """The end of the severity's minutes (setting) from the release on.

    Quiet hours do not count, except for severities that are pushed in them: nobody is late for having slept.
    """
    left = timedelta(minutes=settings.deadline_minutes(severity))
    if severity in settings.quiet_exempt:
        return released_at + left
    at = quiet_until(released_at, settings) or released_at
    while at + left > (begin := next_quiet(at, settings)):
        left -= begin - at
        at = quiet_until(begin, settings) or begin
    return at + left
