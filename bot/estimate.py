"""When a broadcast will be through: from pacing, quiet hours, the day's budget and what waits before it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.delivery import account_limits
from bot.pacing import MINUTE, Limits
from bot.quiet import next_quiet, quiet_until
from bot.settings import Settings
from db.accounts import list_accounts
from db.backlog import count_backlog, count_sends_each
from db.states import Severity


@dataclass(frozen=True)
class Load:
    """What one account has to send. `used_today` counts against the first day's budget."""

    groups: int
    limits: Limits
    used_today: int = 0


def estimate_finish(loads: Iterable[Load], *, start: datetime, severity: Severity, settings: Settings) -> datetime:
    """When the last account is through; `start` when there is nothing to send."""
    exempt = severity in settings.quiet_exempt
    return max((_finish(load, start, settings, exempt=exempt) for load in loads), default=start)


def _finish(load: Load, start: datetime, settings: Settings, *, exempt: bool) -> datetime:
    """Step from one stop (quiet hours, midnight) to the next; between two stops sends go out evenly."""
    interval = max(load.limits.gap, MINUTE / load.limits.per_minute)
    at, left = start, load.groups
    midnight = _next_midnight(at, settings.zone)
    budget = max(0, load.limits.per_day - load.used_today)
    while left:
        at = (None if exempt else quiet_until(at, settings)) or at
        if budget == 0:
            at = max(at, midnight)
        if at >= midnight:
            midnight, budget = _next_midnight(at, settings.zone), load.limits.per_day
            continue
        stop = midnight if exempt else min(midnight, next_quiet(at, settings))
        sends = min(left, budget, math.ceil((stop - at).total_seconds() / interval) if interval else left)
        at += timedelta(seconds=sends * interval)
        left, budget = left - sends, budget - sends
    return at


def _next_midnight(at: datetime, zone: ZoneInfo) -> datetime:
    local = at.astimezone(zone)
    return (local + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)


async def expected_finish(
    session: AsyncSession,
    groups: Mapping[int, int],
    *,
    severity: Severity,
    start: datetime,
    settings: Settings,
    apart_from: int | None = None,
) -> datetime:
    """When `groups` (account id → how many groups) would be through if they began at `start`.

    What already waits with the same or a higher urgency goes first, except that of the alert `apart_from`.
    """
    backlog = await count_backlog(session, rank=severity.rank, apart_from=apart_from)
    today = _next_midnight(start, settings.zone) - timedelta(days=1)
    accounts = [account for account in await list_accounts(session) if groups.get(account.id)]
    used = await count_sends_each(session, [account.id for account in accounts], today)
    loads = [
        Load(
            groups[account.id] + backlog.get(account.id, 0),
            account_limits(account, settings),
            used.get(account.id, 0),
        )
        for account in accounts
    ]
    return estimate_finish(loads, start=start, severity=severity, settings=settings)
