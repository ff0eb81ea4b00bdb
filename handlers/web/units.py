"""The tree of units: how far an alert has come in each, which groups still wait, and searching."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import NotFound
from bot.identity import Actor
from db.console import (
    count_subtree,
    find_top_unit,
    list_child_sizes,
    list_group_reach,
    list_unit_trails,
    list_units_by_id,
)
from db.figures import (
    count_missing_groups,
    get_figures,
    latest_released,
    list_child_figures,
    list_missing_groups,
)
from db.groups import list_groups_named
from db.models import Alert, Group, Unit
from db.units import get_unit, list_ancestors, list_units_named, within
from handlers.web.forms import Paging, int_of, page_number, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.views import fragment, page

CHOICES = 30  # alerts to choose from
MISSING = 30  # of one page
FOUND = 20


async def unit_tree(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The top of what the visitor may see."""
    async with request.app[ENGINE].browse() as session:
        top = await find_top_unit(session, actor.scope)
    if top is None:
        return await page(request, "units_empty.html")
    return await _show(request, actor, top.id)


async def unit_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show(request, actor, path_id(request))


async def _show(request: web.Request, actor: Actor, unit_id: int) -> web.StreamResponse:
    search = text_of(request.query, "q")[:60]
    async with request.app[ENGINE].browse() as session:
        unit = await _visible(session, actor, unit_id)
        alerts = await _alerts(session, actor)
        alert = _chosen(request, alerts)
        paging = Paging(page_number(request), MISSING, await _count_missing(session, alert, unit))
        context = {
            "unit": unit,
            "trail": [one for one in await list_ancestors(session, unit) if within(one.path, actor.scope)],
            "alerts": alerts,
            "alert": alert,
            "query": urlencode({"alert": alert.id}) if alert else "",
            "figures": await get_figures(session, alert.id, unit.id) if alert else None,
            "size": await request.app[ENGINE].recent.look(
                ("size", unit.path), lambda: count_subtree(session, unit.path)
            ),
            "groups": await list_group_reach(session, unit.id, alert.id if alert else None),
            "missing": await list_missing_groups(session, alert.id, unit.path, paging.size, paging.offset)
            if alert
            else [],
            "paging": paging,
            "search": search,
            "found": await _search(session, actor, search) if search else None,
            **await _children(request, session, unit, alert),
        }
    return await page(request, "units.html", **context)


async def unit_children(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The next level of the tree, for a script that unfolds it in place."""
    async with request.app[ENGINE].browse() as session:
        unit = await _visible(session, actor, path_id(request))
        alert = _chosen(request, await _alerts(session, actor))
        context = await _children(request, session, unit, alert)
    return fragment(request, "_unit_rows.html", alert=alert, **context)


async def _children(request: web.Request, session: AsyncSession, unit: Unit, alert: Alert | None) -> dict[str, Any]:
    """Children with figures of the alert, or with their size when there is none yet."""
    recent, unit_id = request.app[ENGINE].recent, unit.id
    sizes = await recent.look(("sizes", unit_id), lambda: list_child_sizes(session, unit_id))
    rows = await list_child_figures(session, alert.id, unit.id) if alert else []
    return {"children": rows, "sizes": sizes, "size_of": {size.unit.id: size for size in sizes}}


async def _count_missing(session: AsyncSession, alert: Alert | None, unit: Unit) -> int:
    return 0 if alert is None else await count_missing_groups(session, alert.id, unit.path)


async def _alerts(session: AsyncSession, actor: Actor) -> Sequence[Alert]:
    """What one may look at: a liaison chooses among the alerts that concern the own unit."""
    top = await find_top_unit(session, actor.scope) if actor.scope else None
    return await latest_released(session, CHOICES, unit_id=top.id if top else None)


def _chosen(request: web.Request, alerts: Sequence[Alert]) -> Alert | None:
    """The alert that the address names, else the newest."""
    wanted = int_of(request.query, "alert")
    return next((alert for alert in alerts if alert.id == wanted), next(iter(alerts), None))


async def _visible(session: AsyncSession, actor: Actor, unit_id: int) -> Unit:
    unit = await get_unit(session, unit_id)
    if not within(unit.path, actor.scope):
        raise NotFound("没有找到，或不在您的管辖范围内")
    return unit


# ── searching ───────────────────────────────────────────────────────────────


async def search_units(request: web.Request, actor: Actor) -> web.StreamResponse:
    text = text_of(request.query, "q")[:60]
    async with request.app[ENGINE].database.read() as session:
        units = await list_units_named(session, text, scope=actor.scope, limit=FOUND) if text else []
        trails = await list_unit_trails(session, [unit.path for unit in units])
    found = [{"id": unit.id, "name": unit.name, "code": unit.code, "hint": _hint(unit, trails)} for unit in units]
    return web.json_response({"found": found})


async def search_groups(request: web.Request, actor: Actor) -> web.StreamResponse:
    text = text_of(request.query, "q")[:60]
    async with request.app[ENGINE].database.read() as session:
        groups = await list_groups_named(session, text, scope=actor.scope, limit=FOUND) if text else []
    found = [{"id": group.id, "name": group.name, "code": group.code, "hint": group.code} for group in groups]
    return web.json_response({"found": found})


def _hint(unit: Unit, trails: dict[str, str]) -> str:
    return f"{unit.kind.label} · {trails[unit.path]}" if trails[unit.path] else unit.kind.label


async def _search(session: AsyncSession, actor: Actor, text: str) -> dict[str, Any]:
    units = await list_units_named(session, text, scope=actor.scope, limit=FOUND)
    groups = await list_groups_named(session, text, scope=actor.scope, limit=FOUND)
    trails = await list_unit_trails(session, [unit.path for unit in units])
    homes = await _homes(session, groups)
    return {
        "units": [(unit, _hint(unit, trails)) for unit in units],
        "groups": [(group, homes[group.unit_id]) for group in groups],
    }


async def _homes(session: AsyncSession, groups: Sequence[Group]) -> dict[int, Unit]:
    ids = {group.unit_id for group in groups}
    return {unit.id: unit for unit in await list_units_by_id(session, ids)}
