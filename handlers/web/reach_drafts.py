"""Reach told to groups: a table or a chart becomes the picture of a draft alert, which is reviewed, and goes out paced,
like every other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from bot import alerts
from bot.alerts import AlertContent
from bot.chart_specs import Spec
from bot.clock import local_text
from bot.errors import UserError
from bot.identity import Actor
from bot.pictures import save_picture
from bot.reach_reports import Report, alert_report, period_report, period_text, to_picture
from db.audience import Audience
from db.leagues import list_months
from db.models import Unit
from db.states import ContentKind, Severity
from handlers.web.forms import path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.reach import find_view, visible_unit
from handlers.web.reach_files import CHARTS, curve_heading, curve_spec, months_spec, report_of_choice
from handlers.web.reach_league import MONTHS, find_choice, read_period, today

TABLE, CURVE, CHART = "table", "curve", "months"


@dataclass(frozen=True)
class Telling:
    """What the draft says: `about` which alerts, in the subtree of `unit`, to whose groups it goes at first."""

    title: str
    about: str
    unit: Unit
    spec: Spec


async def draft_of_alert(request: web.Request, actor: Actor) -> web.StreamResponse:
    """One alert in a unit: the table of its children, or the curve."""
    wanted = await _wanted(request, (TABLE, CURVE))
    engine, now = request.app[ENGINE], request.app[ENGINE].clock.now()
    async with engine.database.read() as session:
        view = await find_view(request, session, actor)
        report = await alert_report(session, view.alert, view.unit, settings=engine.settings, now=now)
        spec = to_picture(report)
        if wanted == CURVE:
            spec = curve_heading(await curve_spec(session, view), view, report.made_at)
    return await _draft(request, actor, now, Telling("预警转发情况通报", report.notes[0], view.unit, spec))


async def draft_of_unit(request: web.Request, actor: Actor) -> web.StreamResponse:
    """A unit over a period: the table of its children, or its months."""
    wanted = await _wanted(request, (TABLE, CHART))
    engine, now = request.app[ENGINE], request.app[ENGINE].clock.now()
    period, _ = read_period(request, today(request), MONTHS)
    async with engine.database.read() as session:
        unit = await visible_unit(session, actor, path_id(request))
        if wanted == CHART:
            made_at = local_text(now, engine.settings.zone)
            spec = months_spec(await list_months(session, unit.id, period.months), unit, made_at)
        else:
            spec = to_picture(await period_report(session, period, unit, settings=engine.settings, now=now))
    about = f"{period_text(period)}发布的全部预警"
    return await _draft(request, actor, now, Telling("预警转发情况通报", about, unit, spec))


async def draft_of_league(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The league table that the filters name."""
    now = request.app[ENGINE].clock.now()
    async with request.app[ENGINE].database.read() as session:
        choice = await find_choice(request, session, actor)
        report: Report = await report_of_choice(request, session, choice)
    return await _draft(request, actor, now, Telling("触达排名通报", choice.what, choice.parent, to_picture(report)))


async def _wanted(request: web.Request, pictures: tuple[str, ...]) -> str:
    """Which picture was chosen; the first when nothing was said."""
    wanted = text_of(await request.post(), "picture") or pictures[0]
    if wanted not in pictures:
        raise UserError("没有这种图片")
    return wanted


async def _draft(request: web.Request, actor: Actor, now: datetime, telling: Telling) -> web.StreamResponse:
    engine = request.app[ENGINE]
    picture = await save_picture(engine.database, await request.app[CHARTS].draw(telling.spec, "png"))
    made_at = local_text(now, engine.settings.zone)
    content = AlertContent(
        title=f"{telling.unit.name}{telling.title}"[:40],
        body=f"{telling.about}：截至 {made_at}，转发触达情况见图，请尚未完成的单位抓紧转发。",
        severity=Severity.BLUE,
        kind=ContentKind.PICTURE,
        picture_id=picture.id,
        audience=Audience(units=(telling.unit.id,)),
    )
    async with engine.database.write() as session:
        alert = await alerts.create(session, actor, content, settings=engine.settings, now=now)
    raise web.HTTPSeeOther(f"/alerts/{alert.id}/edit")
