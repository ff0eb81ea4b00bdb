"""The audit log: who did what, when, from where. Nothing here can be changed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from bot.identity import Actor
from db.console import list_audit_page
from handlers.web.audit_words import GROUPS, action_label, detail_lines
from handlers.web.forms import int_of, text_of
from handlers.web.keys import ENGINE
from handlers.web.views import page

PAGE_SIZE = 50


@dataclass(frozen=True)
class AuditFilter:
    """What of the log is wanted: `group` is the first word of the action, `since` and `until` are instants."""

    group: str = ""
    search: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def noted(self) -> dict[str, Any]:
        """For the log itself, which says what was taken out of it."""
        return {
            key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(self).items()
        }


def filter_of(request: web.Request) -> tuple[AuditFilter, dict[str, str]]:
    """The filter of the address, and its fields as they are shown again. Days are the office's, both included."""
    group = text_of(request.query, "group")
    fields = {"group": group if group in GROUPS else "", "search": text_of(request.query, "search")[:60]}
    days = {name: _day(text_of(request.query, name)) for name in ("since", "until")}
    zone = request.app[ENGINE].settings.zone
    since, until = days["since"], days["until"]
    wanted = AuditFilter(
        **fields,
        since=_begin(since, zone) if since else None,
        until=_begin(until + timedelta(days=1), zone) if until else None,
    )
    return wanted, fields | {name: day.isoformat() if day else "" for name, day in days.items()}


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year < 2100 else None


def _begin(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


async def audit_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    wanted, fields = filter_of(request)
    async with request.app[ENGINE].database.read() as session:
        entries = await list_audit_page(
            session, **vars(wanted), before_id=int_of(request.query, "before"), limit=PAGE_SIZE + 1
        )
    return await page(
        request,
        "audit.html",
        entries=entries[:PAGE_SIZE],
        more=len(entries) > PAGE_SIZE,
        groups=GROUPS,
        fields=fields,
        query=urlencode({key: value for key, value in fields.items() if value}),
        paged="before" in request.query,
        label=action_label,
        details=partial(detail_lines, zone=request.app[ENGINE].settings.zone),
    )
