"""Reach: how far alerts have come, for staff everywhere and for liaisons in their own subtree."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import NotFound
from db.console import find_top_unit
from db.figures import (
    count_missing_groups,
    get_figures,
    latest_released,
    list_child_figures,
    list_forwards,
    list_missing_groups,
)
from db.models import Alert, Unit
from handlers.web.api.definitions import Call
from handlers.web.api.models import registry as shapes
from handlers.web.api.models.common import Found, Id, Page, page_of
from handlers.web.api.registry import visible_unit

NEWEST = 100  # released alerts that are listed; older ones are read by their number


async def list_all(call: Call, session: AsyncSession) -> Found[shapes.Released]:
    top = await find_top_unit(session, call.actor.scope) if call.actor.scope else None
    found = await latest_released(session, NEWEST, unit_id=top.id if top else None)
    return Found(items=[shapes.Released.model_validate(alert) for alert in found])


async def read(call: Call, session: AsyncSession, alert: Id, query: shapes.ReachAsk) -> shapes.Reach:
    _, unit = await _seen(call, session, alert, query.unit)
    return shapes.Reach(
        figures=shapes.Figures.model_validate(await get_figures(session, alert, unit.id)),
        children=[shapes.Figures.model_validate(one) for one in await list_child_figures(session, alert, unit.id)],
    )


async def missing(
    call: Call, session: AsyncSession, alert: Id, query: shapes.ReachListing
) -> Page[shapes.MissingGroup]:
    _, unit = await _seen(call, session, alert, query.unit)
    rows = await list_missing_groups(session, alert, unit.path, query.limit, query.cursor)
    total = await count_missing_groups(session, alert, unit.path)
    return page_of([shapes.MissingGroup.model_validate(row) for row in rows], total=total, query=query)


async def forwards(call: Call, session: AsyncSession, alert: Id, query: shapes.ReachListing) -> Page[shapes.Forward]:
    """Newest first; how many there are in all is not counted."""
    _, unit = await _seen(call, session, alert, query.unit)
    rows = await list_forwards(session, alert, unit.path, query.limit + 1, query.cursor)
    shown = [shapes.Forward.model_validate(row) for row in rows[: query.limit]]
    more = query.cursor + query.limit if len(rows) > query.limit else None
    return Page(items=shown, total=None, next=more)


async def _seen(call: Call, session: AsyncSession, alert_id: int, unit_id: int | None) -> tuple[Alert, Unit]:
    """A released alert, and a unit of the caller's subtree; a liaison's alert must concern the own unit."""
    top = await find_top_unit(session, call.actor.scope)
    alert = await session.get(Alert, alert_id)
    if top is None or alert is None or alert.released_at is None:
        raise NotFound("没有这条已发布的预警")
    if call.actor.scope and not (await get_figures(session, alert_id, top.id)).expected_groups:
        raise NotFound("没有这条已发布的预警")
    return alert, top if unit_id is None else await visible_unit(call, session, unit_id)
