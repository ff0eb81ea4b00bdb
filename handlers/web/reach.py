"""Forwarding reach for officers: how one alert spread, who passed it on, and who is behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.alerts import get_alert
from bot.clock import duration_text
from bot.errors import NotFound
from bot.identity import Actor
from bot.permissions import Permission, allowed
from db.console import find_top_unit
from db.figures import Figures, get_figures, list_forwards, read_ranked
from db.leagues import list_laggards, list_relayers
from db.models import Alert, Unit
from db.periods import Span
from db.ranking import Among
from db.seen import count_seen_each
from db.timeline import Timeline, read_timeline
from db.units import get_unit, list_ancestors, within
from handlers.web.forms import Paging, int_of, page_number, path_id
from handlers.web.keys import ENGINE
from handlers.web.views import fragment, page

CHILDREN = 50  # of one page
LAGGARDS = 15
LOG = 20
NOT_THERE = "没有找到，或不在您的管辖范围内"


@dataclass(frozen=True)
class View:
    """One alert in one unit's subtree, both of which the visitor may see."""

    alert: Alert
    unit: Unit
    figures: Figures


async def find_view(request: web.Request, session: AsyncSession, actor: Actor) -> View:
    """By the address's alert and its `unit`, else the top of what the visitor may see. Raises `NotFound`."""
    alert = await get_alert(session, path_id(request))
    top = await find_top_unit(session, actor.scope)
    if top is None or alert.released_at is None:
        raise NotFound(NOT_THERE)
    if actor.scope and not (await get_figures(session, alert.id, top.id)).expected_groups:
        raise NotFound(NOT_THERE)  # an alert for others is none of a liaison's business
    unit = await visible_unit(session, actor, int_of(request.query, "unit") or top.id)
    return View(alert, unit, await get_figures(session, alert.id, unit.id))


async def visible_unit(session: AsyncSession, actor: Actor, unit_id: int) -> Unit:
    unit = await get_unit(session, unit_id)
    if not within(unit.path, actor.scope):
        raise NotFound(NOT_THERE)
    return unit


async def alert_reach(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    async with engine.browse() as session:
        view = await find_view(request, session, actor)
        alert, unit = view.alert, view.unit
        context: dict[str, Any] = {
            "view": view,
            "alert": alert,
            "unit": unit,
            "figures": view.figures,
            "trail": [one for one in await list_ancestors(session, unit) if within(one.path, actor.scope)],
        }
        children, seen, paging = await _children(session, view, page_number(request))
        laggards, behind = await list_laggards(session, alert.id, unit.path, limit=LAGGARDS)
        context |= {
            "children": children,
            "seen": seen,
            "paging": paging,
            "laggards": laggards,
            "behind": behind,
            "relayers": await list_relayers(session, [alert.id], unit.path, limit=LOG),
            "forwards": await list_forwards(session, alert.id, unit.path, limit=LOG),
            "gaps": await engine.gaps.look(session, unit),
        }
    return await page(
        request,
        "reach_alert.html",
        heat=heat,
        live=allowed(actor.role, Permission.SEE_ALERTS),
        remindable=allowed(actor.role, Permission.RUN_ALERT) and has_route(request, "/alerts/{id}/remind"),
        **context,
    )


async def alert_reach_rows(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The next level of the tree, for a script that unfolds it in place."""
    async with request.app[ENGINE].browse() as session:
        view = await find_view(request, session, actor)
        children, seen, paging = await _children(session, view, 1)
    return fragment(
        request,
        "_reach_rows.html",
        alert=view.alert,
        unit=view.unit,
        children=children,
        seen=seen,
        paging=paging,
        heat=heat,
    )


async def _children(session: AsyncSession, view: View, number: int) -> tuple[list[Figures], dict[str, int], Paging]:
    """One page of the unit's children, ranked, with the views of their short pages."""
    span, offset = Span(alert_ids=(view.alert.id,)), (number - 1) * CHILDREN
    children, total = await read_ranked(session, span, Among(parent_id=view.unit.id), limit=CHILDREN, offset=offset)
    seen = await count_seen_each(session, view.alert.id, [view.unit.path, *(row.unit.path for row in children)])
    return children, seen, Paging(number, CHILDREN, total)


async def alert_timeline(request: web.Request, actor: Actor) -> web.StreamResponse:
    """For the replay: what had been reached in each child at each step."""
    async with request.app[ENGINE].browse() as session:
        view = await find_view(request, session, actor)
        timeline = await read_timeline(session, view.alert, view.unit)
    return web.json_response(_timeline_json(timeline, view.unit))


def _timeline_json(timeline: Timeline, unit: Unit) -> dict[str, Any]:
    return {
        "steps": [{"seconds": seconds, "text": duration_text(seconds)} for seconds in timeline.seconds],
        "strands": [
            {
                "name": strand.unit.name if strand.unit else f"{unit.name}本级",
                "expected": strand.expected_groups,
                "expected_members": strand.expected_members,
                "groups": strand.groups,
                "members": strand.members,
            }
            for strand in timeline.strands
        ],
    }


def heat(share: float | None) -> str:
    """The class of a share's colour: none, 0 … 4. Only what is complete is 4; what has nothing is 0."""
    if share is None:
        return "heat-none"
    if share <= 0:
        return "heat-0"
    return "heat-4" if share >= 1 else f"heat-{1 + int(share * 100) // 34}"


def has_route(request: web.Request, path: str) -> bool:
    return any(resource.canonical == path for resource in request.app.router.resources())
