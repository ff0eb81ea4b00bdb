"""Reach: how far alerts have come, for staff everywhere and for liaisons in their own subtree."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, NotFound
from db.console import find_top_unit
from db.figures import (
    count_missing_groups,
    get_figures,
    latest_released,
    list_child_figures,
    list_forwards,
    list_missing_groups,
)
from db.leagues import count_span_seen, get_span_figures, list_alert_ids, list_months, list_relayers, read_league
from db.models import Alert, Unit
from db.periods import BadPeriod, Period, Span, find_span, parse_period, recent_months
from db.timeline import read_timeline
from handlers.web.api.definitions import Call
from handlers.web.api.models import reach as shapes
from handlers.web.api.models.common import Found, Id, Named, Page, page_of
from handlers.web.api.registry import visible_unit

MONTHS = 12  # of a record, when nothing else is asked for
MOST_MONTHS = 120
RELAYERS = 50
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


async def timeline(call: Call, session: AsyncSession, alert: Id, query: shapes.ReachAsk) -> shapes.Timeline:
    """At each step, in seconds from the release: what had been reached in each child so far."""
    found, unit = await _seen(call, session, alert, query.unit)
    steps = await read_timeline(session, found, unit)
    return shapes.Timeline(
        seconds=list(steps.seconds),
        strands=[
            shapes.Strand(
                unit=None if strand.unit is None else Named.model_validate(strand.unit),
                expected_groups=strand.expected_groups,
                expected_members=strand.expected_members,
                groups=list(strand.groups),
                members=list(strand.members),
            )
            for strand in steps.strands
        ],
    )


async def _seen(call: Call, session: AsyncSession, alert_id: int, unit_id: int | None) -> tuple[Alert, Unit]:
    """A released alert, and a unit of the caller's subtree; a liaison's alert must concern the own unit."""
    top = await find_top_unit(session, call.actor.scope)
    alert = await session.get(Alert, alert_id)
    if top is None or alert is None or alert.released_at is None:
        raise NotFound("没有这条已发布的预警")
    if call.actor.scope and not (await get_figures(session, alert_id, top.id)).expected_groups:
        raise NotFound("没有这条已发布的预警")
    return alert, top if unit_id is None else await visible_unit(call, session, unit_id)


# ── units among their like, and one unit over time ──────────────────────────


async def league(call: Call, session: AsyncSession, query: shapes.LeagueListing) -> Page[shapes.RankedFigures]:
    """Best first, by the rule of `db.ranking`."""
    parent = await _parent(call, session, query.parent)
    if query.alert is not None:
        await _seen(call, session, query.alert, None)
        span = Span(alert_ids=(query.alert,))
    else:
        span = await find_span(session, _period(call, query.period, 1), call.engine.settings.zone)
    found = await read_league(
        session,
        span,
        level=parent.level + 1 if query.level is None else query.level,
        scope=parent.path,
        kinds=(query.kind,) if query.kind else (),
        limit=query.limit,
        offset=query.cursor,
    )
    rows = [shapes.RankedFigures.model_validate(row) for row in found.rows]
    return page_of(rows, total=found.total, query=query)


async def record(call: Call, session: AsyncSession, id: Id, query: shapes.RecordAsk) -> shapes.Record:
    unit = await visible_unit(call, session, id)
    period, zone = _period(call, query.period, MONTHS), call.engine.settings.zone
    alert_ids = await list_alert_ids(session, *period.instants(zone))
    figures = await get_span_figures(session, await find_span(session, period, zone), unit.id)
    months = await list_months(session, unit.id, period.months)
    relayers = await list_relayers(session, alert_ids, unit.path, limit=RELAYERS)
    return shapes.Record(
        period=period.text,
        figures=shapes.RankedFigures.model_validate(figures),
        seen=await count_span_seen(session, alert_ids, unit.path),
        months=[
            shapes.MonthFigures(month=month, figures=shapes.RankedFigures.model_validate(one))
            for month, one in months
        ],
        relayers=[shapes.Relayer.model_validate(one) for one in relayers],
    )


async def _parent(call: Call, session: AsyncSession, unit_id: int | None) -> Unit:
    if unit_id is not None:
        return await visible_unit(call, session, unit_id)
    top = await find_top_unit(session, call.actor.scope)
    if top is None:
        raise NotFound("登记表是空的，请先导入单位和群")
    return top


def _period(call: Call, text: str, months: int) -> Period:
    try:
        period = (
            parse_period(text)
            if text
            else recent_months(call.now.astimezone(call.engine.settings.zone).date(), months)
        )
    except BadPeriod as error:
        raise Invalid({"period": str(error)}) from error
    if len(period.months) > MOST_MONTHS:
        raise Invalid({"period": "期间最长 10 年"})
    return period
