"""`stats`: how far an alert has come in a unit and its children; `stats verify`: do the figures agree with the rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import duration_text, local_text
from bot.errors import NotFound, UserError
from bot.events import Events
from bot.folding import Folding
from bot.settings import Settings
from db import rollup
from db.alerts import find_alert_by_number
from db.figures import Figures, get_figures, latest_released, list_child_figures
from db.models import Alert, Unit
from db.units import find_root, find_unit
from handlers.cli.common import open_database, out, print_json, run_command


class Action(StrEnum):
    SHOW = "show"
    VERIFY = "verify"


@dataclass(frozen=True)
class _Report:
    alert: Alert
    figures: Figures
    children: list[Figures]
    zone_time: str


@dataclass(frozen=True)
class _Verdict:
    differences: list[rollup.Difference]
    waiting: int  # reached groups that the next batch will fold


def stats(
    action: Annotated[Action, typer.Argument(help="show 显示统计；verify 核对统计与明细是否一致")] = Action.SHOW,
    alert: Annotated[str, typer.Option("--alert", help="预警编号，默认最近发布的一条")] = "",
    unit: Annotated[str, typer.Option("--unit", help="单位编码，默认全部")] = "",
    repair: Annotated[bool, typer.Option("--repair", help="与 verify 同用：把不一致的预警重新汇总")] = False,
    as_json: Annotated[bool, typer.Option("--json/--table", help="输出一行 JSON，供脚本使用；默认输出表格")] = False,
) -> None:
    """预警的转发统计：群和人的覆盖率、首个和中位用时，以及各下级单位的情况。"""
    if action is Action.VERIFY:
        verdict = run_command(_repair if repair else _verify, as_json=as_json)
        _show_verdict(verdict, as_json=as_json)
        if verdict.differences:
            raise typer.Exit(1)
        return

    async def work(settings: Settings) -> _Report:
        async with open_database(settings) as database, database.read() as session:
            return await _read(session, settings, alert, unit)

    report = run_command(work, as_json=as_json)
    if as_json:
        print_json(_as_json(report))
    else:
        _show(report)


async def _read(session: AsyncSession, settings: Settings, number: str, code: str) -> _Report:
    alert = await _alert(session, number)
    unit = await _unit(session, code)
    return _Report(
        alert,
        await get_figures(session, alert.id, unit.id),
        await list_child_figures(session, alert.id, unit.id),
        local_text(alert.released_at, settings.zone),
    )


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


async def _verify(settings: Settings) -> _Verdict:
    async with open_database(settings) as database, database.read() as session:
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


def _as_json(report: _Report) -> dict[str, Any]:
    alert = report.alert
    return {
        "alert": {
            "number": alert.number,
            "title": alert.title,
            "severity": alert.severity.value,
            "state": alert.state.value,
            "released_at": alert.released_at.isoformat() if alert.released_at else None,
        },
        **report.figures.to_json(),
        "children": [child.to_json() for child in report.children],
    }


def _show(report: _Report) -> None:
    alert = report.alert
    out.print(Text(f"【{alert.severity.label}】{alert.title}", style="bold"))
    out.print(Text(f"{alert.number}，{report.zone_time} 发布，{alert.state.label}"))
    table = Table("单位", "群", "人", "推送", "转发", "报告", "首个", "中位", header_style="bold")
    table.add_row(*_row(report.figures), style="bold", end_section=True)
    for child in report.children:
        table.add_row(*_row(child), style="" if child.expected_groups else "dim")
    out.print(table)


def _row(figures: Figures) -> list[Text]:
    name = figures.unit.name
    if not figures.expected_groups:
        return [Text(cell) for cell in (name, "没有群", "—", "—", "—", "—", "—", "—")]
    return [
        Text(name),
        Text(_share(figures.reached_groups, figures.expected_groups)),
        Text(_share(figures.reached_members, figures.expected_members)),
        Text(f"{figures.pushed_groups:,}"),
        Text(f"{figures.forwarded_groups:,}"),
        Text(f"{figures.reported_groups:,}"),
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
        table = Table("预警", "单位", "项目", "统计", "重新计算", header_style="bold")
        for each in verdict.differences[:50]:
            cells = (each.alert_id, each.unit_id, each.name, each.stored, each.counted)
            table.add_row(*(Text(str(cell)) for cell in cells))
        out.print(table)
