"""Reach as files: charts, the table for a spreadsheet, the picture of the table for a chat, and an alert with it."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from aiohttp import web

from bot import alerts
from bot.alerts import AlertContent
from bot.chart_specs import Spec, Theme, coverage_curve, months_chart
from bot.charts import Charts
from bot.errors import NotFound
from bot.identity import Actor
from bot.pictures import save_picture
from bot.reach_reports import Report, alert_report, league_report, period_report, to_csv, to_picture, to_xlsx
from bot.sheets import XLSX_TYPE
from db.leagues import list_months
from db.states import ContentKind, Severity
from db.timeline import read_timeline
from handlers.web.forms import path_id
from handlers.web.keys import ENGINE
from handlers.web.reach import find_view, visible_unit
from handlers.web.reach_league import MONTHS, find_choice, read_period, today

CHARTS: web.AppKey[Charts] = web.AppKey("charts", Charts)
_NO_FILE = "没有这个文件"


def create_charts(app: web.Application) -> None:
    app[CHARTS] = Charts()
    app.on_cleanup.append(_close)


async def _close(app: web.Application) -> None:
    await app[CHARTS].close()


async def alert_file(request: web.Request, actor: Actor) -> web.StreamResponse:
    """`table.xlsx`, `table.csv`, `table.png`, `curve.svg` or `curve.png` of an alert and a unit."""
    engine, name = request.app[ENGINE], request.match_info["name"]
    now = engine.clock.now()
    async with engine.database.read() as session:
        view = await find_view(request, session, actor)
        if name in ("curve.svg", "curve.png"):
            alert = view.alert
            assert alert.released_at is not None
            deadline = (alert.deadline_at - alert.released_at).total_seconds() if alert.deadline_at else None
            timeline = await read_timeline(session, alert, view.unit)
            last = max([timeline.seconds[-1] if timeline.seconds else 0, deadline or 0, 60])
            theme, narrow = _look(request)
            spec = coverage_curve(timeline, deadline_s=deadline, until_s=last * 1.2, theme=theme, narrow=narrow)
            return await _picture(request, spec, name, f"覆盖曲线-{alert.number}")
        report = await alert_report(session, view.alert, view.unit, settings=engine.settings, now=now)
    return await _table(request, report, name, f"触达-{view.alert.number}-{view.unit.name}")


async def unit_file(request: web.Request, actor: Actor) -> web.StreamResponse:
    """`table.xlsx`, `table.csv`, `table.png` over a period, or `months.svg` and `months.png`."""
    engine, name = request.app[ENGINE], request.match_info["name"]
    period, _ = read_period(request, today(request), MONTHS)
    async with engine.database.read() as session:
        unit = await visible_unit(session, actor, path_id(request))
        if name in ("months.svg", "months.png"):
            months = await list_months(session, unit.id, period.months)
            theme, narrow = _look(request)
            return await _picture(
                request, months_chart(months, theme=theme, narrow=narrow), name, f"{unit.name}各月触达"
            )
        now = engine.clock.now()
        report = await period_report(session, period, unit, settings=engine.settings, now=now)
    return await _table(request, report, name, f"触达-{unit.name}-{period.text}")


async def league_file(request: web.Request, actor: Actor) -> web.StreamResponse:
    """`table.xlsx`, `table.csv` or `table.png` of the league that the filters name."""
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        choice = await find_choice(request, session, actor)
        span = await choice.span(session, request)
        report = await league_report(
            session,
            span,
            choice.parent,
            choice.level,
            choice.kinds,
            choice.what,
            settings=engine.settings,
            now=engine.clock.now(),
        )
    return await _table(request, report, request.match_info["name"], f"触达排名-{choice.parent.name}")


async def draft_with_picture(request: web.Request, actor: Actor) -> web.StreamResponse:
    """A draft alert that shows the picture of the table: it is reviewed, and goes out paced, like every other."""
    engine = request.app[ENGINE]
    now = engine.clock.now()
    async with engine.database.read() as session:
        view = await find_view(request, session, actor)
        report = await alert_report(session, view.alert, view.unit, settings=engine.settings, now=now)
    picture = await save_picture(engine.database, await request.app[CHARTS].draw(to_picture(report), "png"))
    content = AlertContent(
        title=f"{view.unit.name}预警转发情况通报"[:40],
        body=f"{report.notes[0]}：截至 {report.made_at}，各单位转发触达情况见图，请尚未完成的单位抓紧转发。",
        severity=Severity.BLUE,
        kind=ContentKind.PICTURE,
        picture_id=picture.id,
    )
    async with engine.database.write() as session:
        alert = await alerts.create(session, actor, content, settings=engine.settings, now=now)
    raise web.HTTPSeeOther(f"/alerts/{alert.id}/edit")


def _look(request: web.Request) -> tuple[Theme, bool]:
    """In which colours, and for a phone's width."""
    return "dark" if request.query.get("theme") == "dark" else "light", "narrow" in request.query


async def _table(request: web.Request, report: Report, name: str, title: str) -> web.StreamResponse:
    if name == "table.xlsx":
        return _download(await asyncio.to_thread(to_xlsx, report), f"{title}.xlsx", XLSX_TYPE)
    if name == "table.csv":
        return _download(await asyncio.to_thread(to_csv, report), f"{title}.csv", "text/csv")
    if name == "table.png":
        return await _picture(request, to_picture(report), name, title)
    raise NotFound(_NO_FILE)


async def _picture(request: web.Request, spec: Spec, name: str, title: str) -> web.StreamResponse:
    if name.endswith(".svg"):
        data = await request.app[CHARTS].draw(spec, "svg")
        return web.Response(body=data, content_type="image/svg+xml")
    return _download(await request.app[CHARTS].draw(spec, "png"), f"{title}.png", "image/png")


def _download(data: bytes, name: str, media_type: str) -> web.Response:
    response = web.Response(body=data, content_type=media_type)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return response
