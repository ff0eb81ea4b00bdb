"""Units among their like, and one unit's record over months."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import NotFound
from bot.identity import Actor
from bot.reach_reports import RULE, period_text
from db.console import find_top_unit, list_used_levels
from db.figures import latest_released
from db.leagues import (
    count_span_seen,
    get_span_figures,
    list_alert_figures,
    list_alert_ids,
    list_months,
    list_relayers,
    read_league,
)
from db.models import Alert, Unit
from db.periods import BadPeriod, Period, Span, find_span, parse_period, recent_months
from db.states import LEVEL_LABELS, UnitKind
from db.units import list_ancestors, list_children, within
from handlers.web.forms import Paging, choice_of, int_of, page_number, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.reach import heat, visible_unit
from handlers.web.views import page

ROWS = 50  # of one page
ALERTS = 20
CHOICES = 30  # alerts and parents to choose from
MONTHS = 12


@dataclass(frozen=True)
class Choice:
    """What the filters of the league page say. `alert` None: all alerts of `period`."""

    level: int
    kind: UnitKind | None
    parent: Unit
    alert: Alert | None
    period: Period
    fault: str = ""

    @property
    def query(self) -> str:
        values = {
            "level": self.level,
            "kind": self.kind.value if self.kind else "",  # "": all of them
            "parent": self.parent.id,
            "alert": self.alert.id if self.alert else "",
            "period": self.period.text,
        }
        return urlencode(values)

    @property
    def kinds(self) -> tuple[UnitKind, ...]:
        return (self.kind,) if self.kind else ()

    @property
    def what(self) -> str:
        """Over which alerts, for people."""
        if self.alert:
            return f"{self.alert.number}【{self.alert.severity.label}】{self.alert.title}"
        return f"{period_text(self.period)}发布的全部预警"

    async def span(self, session: AsyncSession, request: web.Request) -> Span:
        if self.alert:
            return Span(alert_ids=(self.alert.id,))
        return await find_span(session, self.period, request.app[ENGINE].settings.zone)


async def find_choice(request: web.Request, session: AsyncSession, actor: Actor) -> Choice:
    """What was chosen, else the level below the top of what the visitor may see, this month. Raises `NotFound`."""
    top = await find_top_unit(session, actor.scope)
    if top is None:
        raise NotFound("登记表是空的，请先导入单位和群")
    parent = await visible_unit(session, actor, int_of(request.query, "parent") or top.id)
    level = text_of(request.query, "level")
    wanted = int(level) if level.lstrip("-").isdigit() and len(level) < 4 else parent.level + 1
    alerts = await latest_released(session, CHOICES, unit_id=top.id)
    alert_id = int_of(request.query, "alert")
    period, fault = read_period(request, today(request))
    return Choice(
        level=max(wanted, parent.level + 1),
        kind=await _kind(request, session, max(wanted, parent.level + 1)),
        parent=parent,
        alert=next((alert for alert in alerts if alert.id == alert_id), None),
        period=period,
        fault=fault,
    )


async def _kind(request: web.Request, session: AsyncSession, level: int) -> UnitKind | None:
    """What was chosen; nothing said: the first kind of the level, because a department is not like a town."""
    if "kind" in request.query:
        kind = choice_of(UnitKind, request.query, "kind")
        return kind if kind is None or kind.level == level else None
    return next((kind for used, kind in await list_used_levels(session) if used == level), None)


def today(request: web.Request) -> date:
    engine = request.app[ENGINE]
    return engine.clock.now().astimezone(engine.settings.zone).date()


def read_period(request: web.Request, day: date, months: int = 1) -> tuple[Period, str]:
    """`period`, or the months `from` and `to`; else the last `months`. What cannot be read is said."""
    text = text_of(request.query, "period")
    first, last = text_of(request.query, "from"), text_of(request.query, "to")
    if first or last:
        text = f"{first or last}..{last or first}"
    try:
        period = parse_period(text) if text else recent_months(day, months)
    except BadPeriod as error:
        return recent_months(day, months), str(error)
    if len(period.months) > 120:
        return recent_months(day, months), "期间最长 10 年"
    return period, ""


async def league_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    period, _ = read_period(request, today(request))
    # Odd days are added up from the alerts' own rows, all of them.
    async with engine.browse() if period.is_months else engine.database.read() as session:
        top = await find_top_unit(session, actor.scope)
        if top is None:
            return await page(request, "units_empty.html")
        choice = await find_choice(request, session, actor)
        number = page_number(request)
        league = await read_league(
            session,
            await choice.span(session, request),
            level=choice.level,
            scope=choice.parent.path,
            kinds=choice.kinds,
            limit=ROWS,
            offset=(number - 1) * ROWS,
        )
        context: dict[str, Any] = {
            "choice": choice,
            "rows": league.rows,
            "paging": Paging(number, ROWS, league.total),
            "alerts": await latest_released(session, CHOICES, unit_id=top.id),
            "levels": await _levels(session, top),
            "parents": await _parents(session, top, choice.parent),
        }
    return await page(request, "reach_league.html", heat=heat, rule=RULE, period_text=period_text, **context)


async def _levels(session: AsyncSession, top: Unit) -> list[tuple[int, str, list[UnitKind]]]:
    """Levels below the top that are in use: number, name, kinds."""
    kinds: dict[int, list[UnitKind]] = {}
    for level, kind in await list_used_levels(session):
        if level > top.level:
            kinds.setdefault(level, []).append(kind)
    return [(level, LEVEL_LABELS.get(level, str(level)), found) for level, found in sorted(kinds.items())]


async def _parents(session: AsyncSession, top: Unit, chosen: Unit) -> list[Unit]:
    """The top, what is above the chosen one, and the chosen one's neighbours below the top."""
    below = list(await list_children(session, top.id))[:200]
    above = [unit for unit in await list_ancestors(session, chosen) if within(unit.path, top.path)]
    return list({unit.id: unit for unit in (top, *above, *below)}.values())


# ── one unit ────────────────────────────────────────────────────────────────


async def unit_reach(request: web.Request, actor: Actor) -> web.StreamResponse:
    """A unit's record: months, alerts, who relays, gaps."""
    engine = request.app[ENGINE]
    period, fault = read_period(request, today(request), MONTHS)
    number = page_number(request)
    since, until = period.instants(engine.settings.zone)
    async with engine.database.read() as session:
        unit = await visible_unit(session, actor, path_id(request))
        alert_ids = await list_alert_ids(session, since, until)
        figures = await get_span_figures(session, await find_span(session, period, engine.settings.zone), unit.id)
        context: dict[str, Any] = {
            "unit": unit,
            "trail": [one for one in await list_ancestors(session, unit) if within(one.path, actor.scope)],
            "figures": figures,
            "seen": await count_span_seen(session, alert_ids, unit.path),
            "months": await list_months(session, unit.id, period.months),
            "alerts": await list_alert_figures(
                session, unit.id, since, until, limit=ALERTS, offset=(number - 1) * ALERTS
            ),
            "paging": Paging(number, ALERTS, figures.alerts),
            "relayers": await list_relayers(session, alert_ids, unit.path, limit=ALERTS),
            "gaps": await engine.gaps.look(session, unit),
        }
    months = {"from": f"{period.first:%Y-%m}", "to": f"{period.last:%Y-%m}"}
    return await page(
        request,
        "reach_unit.html",
        heat=heat,
        fault=fault,
        chosen=months,
        query=urlencode({"period": period.text}),
        period=period,
        period_text=period_text,
        **context,
    )
