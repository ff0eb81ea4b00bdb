"""Reach as files: charts, the table for a spreadsheet, the picture of the table for a chat."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.chart_specs import Spec, Theme, coverage_curve, months_chart, titled
from bot.charts import Charts
from bot.clock import local_text
from bot.errors import NotFound
from bot.identity import Actor
from bot.reach_reports import Report, alert_report, league_report, period_report, to_csv, to_picture, to_xlsx
from bot.sheets import XLSX_TYPE
from db.figures import Figures
from db.leagues import list_months
from db.models import Unit
from db.timeline import read_timeline
from handlers.web.forms import path_id
from handlers.web.keys import ENGINE
from handlers.web.reach import View, find_view, visible_unit
from handlers.web.reach_league import MONTHS, Choice, find_choice, read_period, today

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
    async with engine.database.read() as session:
        view = await find_view(request, session, actor)
        if name == "curve.svg":
            theme, narrow = _look(request)
            return await _svg(request, await curve_spec(session, view, theme=theme, narrow=narrow))
        if name == "curve.png":
            spec = curve_heading(await curve_spec(session, view), view, _now_text(request))
            return await _png(request, spec, f"覆盖曲线-{view.alert.number}")
        report = await alert_report(session, view.alert, view.unit, settings=engine.settings, now=engine.clock.now())
    return await _table(request, report, name, f"触达-{view.alert.number}-{view.unit.name}")


async def curve_spec(session: AsyncSession, view: View, *, theme: Theme = "light", narrow: bool = False) -> Spec:
    """The coverage of an alert in a unit over the time since its release."""
    alert = view.alert
    assert alert.released_at is not None
    deadline = (alert.deadline_at - alert.released_at).total_seconds() if alert.deadline_at else None
    timeline = await read_timeline(session, alert, view.unit)
    last = max([timeline.seconds[-1] if timeline.seconds else 0, deadline or 0, 60])
    return coverage_curve(timeline, deadline_s=deadline, until_s=last * 1.2, theme=theme, narrow=narrow)


def curve_heading(spec: Spec, view: View, made_at: str) -> Spec:
    notes = (f"{view.alert.number}【{view.alert.severity.label}】{view.alert.title}", f"{made_at} 统计")
    return titled(spec, f"{view.unit.name}覆盖曲线", notes)


async def unit_file(request: web.Request, actor: Actor) -> web.StreamResponse:
    """`table.xlsx`, `table.csv`, `table.png` over a period, or `months.svg` and `months.png`."""
    engine, name = request.app[ENGINE], request.match_info["name"]
    period, _ = read_period(request, today(request), MONTHS)
    async with engine.database.read() as session:
        unit = await visible_unit(session, actor, path_id(request))
        if name in ("months.svg", "months.png"):
            months = await list_months(session, unit.id, period.months)
            if name == "months.png":
                return await _png(request, months_spec(months, unit, _now_text(request)), f"{unit.name}各月触达")
            theme, narrow = _look(request)
            return await _svg(request, months_chart(months, theme=theme, narrow=narrow))
        now = engine.clock.now()
        report = await period_report(session, period, unit, settings=engine.settings, now=now)
    return await _table(request, report, name, f"触达-{unit.name}-{period.text}")


def months_spec(months: Sequence[tuple[int, Figures]], unit: Unit, made_at: str) -> Spec:
    return titled(months_chart(months), f"{unit.name}各月触达", (f"{made_at} 统计",))


async def league_file(request: web.Request, actor: Actor) -> web.StreamResponse:
    """`table.xlsx`, `table.csv` or `table.png` of the league that the filters name."""
    async with request.app[ENGINE].database.read() as session:
        choice = await find_choice(request, session, actor)
        report = await report_of_choice(request, session, choice)
    return await _table(request, report, request.match_info["name"], f"触达排名-{choice.parent.name}")


async def report_of_choice(request: web.Request, session: AsyncSession, choice: Choice) -> Report:
    engine = request.app[ENGINE]
    return await league_report(
        session,
        await choice.span(session, request),
        choice.parent,
        choice.level,
        choice.kinds,
        choice.what,
        settings=engine.settings,
        now=engine.clock.now(),
    )


def _look(request: web.Request) -> tuple[Theme, bool]:
    """In which colours, and for a phone's width."""
    return "dark" if request.query.get("theme") == "dark" else "light", "narrow" in request.query


async def _table(request: web.Request, report: Report, name: str, title: str) -> web.StreamResponse:
    if name == "table.xlsx":
        return _download(await asyncio.to_thread(to_xlsx, report), f"{title}.xlsx", XLSX_TYPE)
    if name == "table.csv":
        return _download(await asyncio.to_thread(to_csv, report), f"{title}.csv", "text/csv")
    if name == "table.png":
        return await _png(request, to_picture(report), title)
    raise NotFound(_NO_FILE)


async def _svg(request: web.Request, spec: Spec) -> web.Response:
    return web.Response(body=await request.app[CHARTS].draw(spec, "svg"), content_type="image/svg+xml")


async def _png(request: web.Request, spec: Spec, title: str) -> web.Response:
    return _download(await request.app[CHARTS].draw(spec, "png"), f"{title}.png", "image/png")


def _now_text(request: web.Request) -> str:
    engine = request.app[ENGINE]
    return local_text(engine.clock.now(), engine.settings.zone)


def _download(data: bytes, name: str, media_type: str) -> web.Response:
    response = web.Response(body=data, content_type=media_type)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return response
