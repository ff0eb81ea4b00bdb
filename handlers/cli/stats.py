"""`stats`: how far alerts have come in a unit and its children, of one alert or of a period, on screen or as a file;
`stats verify`: do the figures agree with the rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.charts import Charts
from bot.clock import duration_text, local_text
from bot.errors import NotFound, UserError
from bot.events import Events
from bot.folding import Folding
from bot.reach_reports import Report, alert_report, period_report, to_csv, to_json, to_picture, to_xlsx
from bot.settings import Settings
from db import rollup
from db.alerts import find_alert_by_number
from db.figures import Figures, latest_released
from db.models import Alert, Unit
from db.periods import BadPeriod, Period, parse_period
from db.units import find_root, find_unit
from handlers.cli.common import open_database, out, print_json, run_command


class Action(StrEnum):
    SHOW = "show"
    VERIFY = "verify"


@dataclass(frozen=True)
class _Answer:
    """What was asked for. `alert` None: all alerts of `period`."""

    alert: Alert | None
    period: Period | None
    report: Report
    zone_time: str


@dataclass(frozen=True)
class _Verdict:
    differences: list[rollup.Difference]
    waiting: int  # reached groups that the next batch will fold


def stats(
    action: Annotated[Action, typer.Argument(help="show 显示统计；verify 核对统计与明细是否一致")] = Action.SHOW,
    alert: Annotated[str, typer.Option("--alert", help="预警编号，默认最近发布的一条")] = "",
    unit: Annotated[str, typer.Option("--unit", help="单位编码，默认全部")] = "",
    period: Annotated[
        str, typer.Option("--period", help="期间内全部预警，如 2026-10..2026-11 或 2026-10-05..2026-11-03")
    ] = "",
    repair: Annotated[bool, typer.Option("--repair", help="与 verify 同用：把不一致的预警重新汇总")] = False,
    as_json: Annotated[bool, typer.Option("--json/--table", help="输出一行 JSON，供脚本使用；默认输出表格")] = False,
    xlsx: Annotated[Path | None, typer.Option("--xlsx", help="写成 Excel 文件，附指标说明")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", help="写成 CSV 文件")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="把表画成图片，可以发到群里")] = None,
) -> None:
    """预警的转发统计：群和人的覆盖率、按时率、首个和中位用时，以及各下级单位的情况。"""
    if action is Action.VERIFY:
        verdict = run_command(_repair if repair else _verify, as_json=as_json)
        _show_verdict(verdict, as_json=as_json)
        if verdict.differences:
            raise typer.Exit(1)
        return

    async def work(settings: Settings) -> _Answer:
        async with open_database(settings) as database, database.read() as session:
            answer = await _read(session, settings, alert, unit, period)
        for path, render in ((xlsx, to_xlsx), (csv, to_csv)):
            if path is not None:
                _write(path, render(answer.report))
        if png is not None:
            _write(png, await _drawn(answer.report))
        return answer

    answer = run_command(work, as_json=as_json)
    if as_json:
        print_json(_as_json(answer))
    elif files := [str(path) for path in (xlsx, csv, png) if path]:
        out.print(Text(f"{'、'.join(files)} 已写好"))
    else:
        _show(answer)


async def _read(session: AsyncSession, settings: Settings, number: str, code: str, period: str) -> _Answer:
    now = datetime.now(UTC)
    if period:
        if number:
            raise UserError("--alert 和 --period 只能写一个")
        days = _period(period)
        report = await period_report(session, days, await _unit(session, code), settings=settings, now=now)
        return _Answer(None, days, report, "")
    alert = await _alert(session, number)
    report = await alert_report(session, alert, await _unit(session, code), settings=settings, now=now)
    return _Answer(alert, None, report, local_text(alert.released_at, settings.zone))


def _period(text: str) -> Period:
    try:
        return parse_period(text)
    except BadPeriod as error:
        raise UserError(str(error)) from error


async def _alert(session: AsyncSession, number: str) -> Alert:
    if number:
        found = await find_alert_by_number(session, number)
        if found is None:
            raise NotFound(f"没有编号为 {number} 的预警")
        if found.released_at is None:
            raise UserError(f"预警 {number} 还没有发布，没有统计")
        return found
    latest = await latest_released(session, 1)
    if not latest:
        raise UserError("还没有发布过预警，没有统计")
    return latest[0]


async def _unit(session: AsyncSession, code: str) -> Unit:
    unit = await find_unit(session, code) if code else await find_root(session)
    if unit is None:
        raise NotFound(f"没有编码为 {code} 的单位" if code else "登记表是空的，请先导入单位和群")
    return unit


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UserError(f"无法写入 {path}：{error.strerror}") from error


async def _drawn(report: Report) -> bytes:
    charts = Charts()
    try:
        return await charts.draw(to_picture(report), "png")
    finally:
        await charts.close()


async def _verify(settings: Settings) -> _Verdict:
    async with open_database(settings) as database, database.snapshot() as session:
        differences = await rollup.verify_rollup(session)
        return _Verdict(differences, await rollup.count_unfolded(session))


async def _repair(settings: Settings) -> _Verdict:
    """Sum up anew whatever does not agree; the verdict is that of afterwards."""
    verdict = await _verify(settings)
    async with open_database(settings) as database:
        async with database.write() as session:
            for month in sorted({difference.month for difference in verdict.differences}):
                await rollup.forget_rollup(session, month=month)
        await Folding(database, Events(), settings.zone).fold_now()
    return await _verify(settings)


def _as_json(answer: _Answer) -> dict[str, Any]:
    alert, period = answer.alert, answer.period
    head: dict[str, Any] = {}
    if alert is not None:
        head["alert"] = {
            "number": alert.number,
            "title": alert.title,
            "severity": alert.severity.value,
            "state": alert.state.value,
            "released_at": alert.released_at.isoformat() if alert.released_at else None,
            "deadline_at": alert.deadline_at.isoformat() if alert.deadline_at else None,
        }
    if period is not None:
        whole = answer.report.whole
        head["period"] = {"text": period.text, "first": f"{period.first}", "last": f"{period.last}"}
        head["alerts"] = whole.alerts if whole else 0
    return head | to_json(answer.report)


def _show(answer: _Answer) -> None:
    alert, report = answer.alert, answer.report
    if alert is not None:
        out.print(Text(f"【{alert.severity.label}】{alert.title}", style="bold"))
        out.print(Text(f"{alert.number}，{answer.zone_time} 发布，{alert.state.label}"))
    else:
        out.print(Text(f"{report.title}：{report.notes[0]}", style="bold"))
    listed = ([report.whole] if report.whole else []) + report.rows
    rows = [_row(figures) for figures in listed]
    names = ("单位", "群", "人", "推送", "转发", "报告", "按时", "首个", "中位")
    columns = (Column(name, overflow="fold") for name in names)  # on a narrow terminal no figure is cut off
    table = Table(*columns, header_style="bold", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 0))
    for row, figures in zip(rows, listed, strict=True):
        whole = figures is report.whole
        table.add_row(*row, style="bold" if whole else "" if figures.expected_groups else "dim", end_section=whole)
    out.print(table)


def _row(figures: Figures) -> list[Text]:
    name = figures.unit.name
    if not figures.expected_groups:
        return [Text(cell) for cell in (name, "没有群", *["—"] * 7)]
    return [
        Text(name),
        Text(_share(figures.reached_groups, figures.expected_groups)),
        Text(_share(figures.reached_members, figures.expected_members)),
        Text(f"{figures.pushed_groups:,}"),
        Text(f"{figures.forwarded_groups:,}"),
        Text(f"{figures.reported_groups:,}"),
        Text(f"{figures.ontime_groups:,}"),
        Text(duration_text(figures.first_s)),
        Text(duration_text(figures.median_s)),
    ]


def _share(reached: int, expected: int) -> str:
    percent = f" {reached * 100 // expected}%" if expected else ""
    return f"{reached:,}/{expected:,}{percent}"


def _show_verdict(verdict: _Verdict, *, as_json: bool) -> None:
    if as_json:
        differences = [asdict(difference) for difference in verdict.differences]
        print_json({"agree": not differences, "differences": differences, "waiting": verdict.waiting})
    elif not verdict.differences:
        out.print(Text(f"统计与明细完全一致；另有 {verdict.waiting} 个群等待并入统计", style="green"))
    else:
        out.print(Text(f"有 {len(verdict.differences)} 处不一致", style="bold red"))
        table = Table("预警", "月份", "单位", "项目", "统计", "重新计算", header_style="bold")
        for each in verdict.differences[:50]:
            cells = (each.alert_id or "", each.month, each.unit_id, each.name, each.stored, each.counted)
            table.add_row(*(Text(str(cell)) for cell in cells))
        out.print(table)
