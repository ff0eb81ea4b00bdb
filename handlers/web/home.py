"""The dashboard: what is going on today, and what waits for the visitor."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.identity import Actor
from bot.library_revisions import name_of
from bot.permissions import Permission, allowed
from db.accounts import list_accounts
from db.alerts import list_alerts
from db.console import find_top_unit, list_alerts_around
from db.figures import Figures, get_figures, latest_released, list_child_figures, list_missing_groups
from db.leads import count_leads, list_leads
from db.library import list_open
from db.models import Alert, LibraryRevision, Unit
from db.states import AlertState, LeadState, RevisionState, Role
from handlers.web.keys import ENGINE
from handlers.web.progress import list_progress
from handlers.web.views import page

LAGGARDS = 8
LEADS = 5


async def dashboard(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await (_liaison(request, actor) if actor.role is Role.LIAISON else _staff(request, actor))


async def _staff(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    now = engine.clock.now()
    async with engine.browse() as session:
        top = await find_top_unit(session, "")
        alerts = await list_alerts_around(session, *_today(now, request))
        latest = next(iter(await latest_released(session, 1)), None)
        context: dict[str, Any] = {
            "top": top,
            "accounts": await list_accounts(session),
            "reviews": await list_alerts(session, states=[AlertState.IN_REVIEW], limit=10),
            "edits": await _edits(session),
            "leads": await list_leads(session, state=LeadState.OPEN, limit=LEADS),
            "open_leads": await count_leads(session, state=LeadState.OPEN),
            "latest": latest,
            "laggards": await _laggards(session, latest, top),
        }
        progress = await list_progress(session, alerts, top.id if top else None)
    running = (AlertState.RUNNING, AlertState.PAUSED)
    context["running"] = [one for one in progress if one.alert.state in running]
    context["today"] = [one for one in progress if one.alert.state not in running]
    return await page(request, "home.html", reviewer=allowed(actor.role, Permission.REVIEW_ALERT), **context)


async def _edits(session: AsyncSession) -> list[tuple[LibraryRevision, str]]:
    """Edits of the library that wait for review, with the names of their types."""
    found = [each for each in await list_open(session) if each.state is RevisionState.IN_REVIEW]
    return await asyncio.to_thread(lambda: [(each, name_of(each)) for each in found]) if found else []


async def _liaison(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Their own subtree only: the latest alerts, and the groups that still wait for the newest one."""
    async with request.app[ENGINE].browse() as session:
        top = await find_top_unit(session, actor.scope)
        alerts = await latest_released(session, 10, unit_id=top.id) if top else []
        figures = [(alert, await get_figures(session, alert.id, top.id)) for alert in alerts if top]
        missing = await list_missing_groups(session, alerts[0].id, actor.scope, limit=30) if alerts else []
    return await page(request, "home_liaison.html", top=top, figures=figures, missing=missing)


def _today(now: datetime, request: web.Request) -> tuple[datetime, datetime]:
    local = now.astimezone(request.app[ENGINE].settings.zone)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight, midnight + timedelta(days=1)


async def _laggards(session: AsyncSession, alert: Alert | None, top: Unit | None) -> list[Figures]:
    """Units right below the top that have most to catch up on the newest alert, the worst first."""
    if alert is None or top is None:
        return []
    figures = await list_child_figures(session, alert.id, top.id)
    behind = [row for row in figures if row.missing_groups > 0]
    return sorted(behind, key=lambda row: (row.coverage_groups or 0, -row.missing_groups))[:LAGGARDS]
