"""Commands of the registry: `units import|export|template|gaps`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as View
from rich.text import Text

from bot.channels.local_people import sync_rooms
from bot.errors import UserError
from bot.registry import apply_import, plan_import
from bot.registry_export import export_groups_csv, export_registry, export_units_csv, registry_template
from bot.registry_gaps import GAP_LABELS, GapGroup, Gaps, GapUnit, find_gaps
from bot.registry_plan import ImportPlan, Section
from bot.registry_records import GroupRecord, UnitRecord
from bot.settings import Settings
from bot.sheets import Table, read_tables
from db.session import Database
from handlers.cli.common import command_actor, open_database, out, print_json, progress, run_command, shown_errors

units_app = typer.Typer(help="单位与群登记表：导入、导出、查缺", no_args_is_help=True)

MAX_SHOWN = 20  # rows of each sort in a preview
Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")]


@units_app.command("import")
def import_command(
    file: Annotated[Path, typer.Argument(help="xlsx 或 csv 文件")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只预览，不导入")] = False,
    retire_missing: Annotated[bool, typer.Option("--retire-missing", help="停用文件中没有的单位和群")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不询问，直接导入")] = False,
    as_json: Json = False,
) -> None:
    """导入单位和群：先预览新增、变更和停用，确认后一次完成；有任何错误都不导入。"""

    async def work(settings: Settings) -> None:
        if as_json and not (yes or dry_run):
            raise UserError("使用 --json 时不能询问，请加上 --yes（导入）或 --dry-run（只预览）")
        tables = read_tables(await asyncio.to_thread(_read_file, file))
        async with open_database(settings) as database:
            plan = await _plan(database, tables, retire_missing, as_json)
            if not as_json:
                _show_plan(plan)
            wanted = not dry_run and not plan.is_empty
            applied = wanted and (yes or typer.confirm("确认导入？"))
            if applied:
                await _apply(database, plan, as_json)
        if as_json:
            print_json({"applied": applied, **plan.counts(), "notes": plan.notes})
        else:
            out.print(_outcome(plan, applied, dry_run))

    run_command(work, as_json=as_json)


@units_app.command("export")
def export_command(
    file: Annotated[Path, typer.Argument(help="要写入的文件：.xlsx 含两张表，.csv 含一张")],
    table: Annotated[str, typer.Option("--table", help="写 csv 时导出哪张表：units 或 groups")] = "units",
) -> None:
    """导出在用的单位和群；导出的文件可以修改后再导入。"""
    writers = {(".csv", "units"): export_units_csv, (".csv", "groups"): export_groups_csv}

    async def work(settings: Settings) -> None:
        writer = export_registry if file.suffix == ".xlsx" else writers.get((file.suffix, table))
        if writer is None:
            raise UserError("文件名请以 .xlsx 或 .csv 结尾；csv 的 --table 只能是 units 或 groups")
        async with open_database(settings) as database, database.read() as session:
            data = await writer(session)
        await asyncio.to_thread(_write_file, file, data)

    run_command(work)
    out.print(Text(f"已导出到 {file}"))


@units_app.command("template")
def template_command(file: Annotated[Path, typer.Argument(help="要写入的 xlsx 文件")]) -> None:
    """写出空白模板：含填写说明和示例行。"""
    with shown_errors():
        if file.suffix != ".xlsx":
            raise UserError("模板是 Excel 文件，文件名请以 .xlsx 结尾")
        _write_file(file, registry_template())
    out.print(Text(f"模板已写入 {file}"))


@units_app.command("gaps")
def gaps_command(as_json: Json = False) -> None:
    """查缺：没有群的单位、没有账号的群、失联的群、将满的群。"""

    async def work(settings: Settings) -> Gaps:
        async with open_database(settings) as database, database.read() as session:
            return await find_gaps(session)

    gaps = run_command(work, as_json=as_json)
    if as_json:
        print_json({"counts": gaps.counts(), **asdict(gaps)})
    else:
        _show_gaps(gaps)


# ── work ────────────────────────────────────────────────────────────────────


async def _plan(database: Database, tables: Sequence[Table], retire_missing: bool, as_json: bool) -> ImportPlan:
    with progress(as_json=as_json) as bar:
        rows = sum(len(table.rows) for table in tables)
        task = bar.add_task("正在比对", total=rows)
        async with database.read() as session:
            plan = await plan_import(session, tables, retire_missing=retire_missing)
        bar.update(task, completed=rows)
    return plan


async def _apply(database: Database, plan: ImportPlan, as_json: bool) -> None:
    with progress(as_json=as_json) as bar:
        task = bar.add_task("正在导入", total=1)
        async with database.write() as session:
            await apply_import(session, plan, command_actor(), datetime.now(UTC))
            await sync_rooms(session)  # a program that runs meanwhile hears the new rooms
        bar.update(task, completed=1)


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"无法读取文件 {file}：请检查路径是否正确、文件是否被占用") from error


def _write_file(file: Path, data: bytes) -> None:
    try:
        file.write_bytes(data)
    except OSError as error:
        raise UserError(f"无法写入文件 {file}：请检查文件夹是否存在、文件是否正被 Excel 打开") from error


# ── views ───────────────────────────────────────────────────────────────────


def _outcome(plan: ImportPlan, applied: bool, dry_run: bool) -> Text:
    if plan.is_empty:
        return Text("文件与登记表一致，没有需要导入的内容", style="green")
    if applied:
        return Text("已导入", style="bold green")
    return Text("以上是预览，未导入" if dry_run else "已取消，未导入", style="yellow")


def _show_plan(plan: ImportPlan) -> None:
    view = View("", "新增", "变更", "停用", "不变", header_style="bold")
    for label, counts in (("单位", plan.units.counts()), ("群", plan.groups.counts())):
        view.add_row(label, *(f"{counts[sort]:,}" for sort in ("added", "changed", "retired", "unchanged")))
    out.print(view)
    for channel, name in plan.accounts:
        out.print(Text(f"新账号：{name}（{channel}），导入后为离线状态"))
    for note in plan.notes:
        out.print(Text(f"注意：{note}", style="yellow"))
    _show_section("单位", plan.units)
    _show_section("群", plan.groups)


def _show_section(label: str, section: Section[UnitRecord] | Section[GroupRecord]) -> None:
    for change in section.changed[:MAX_SHOWN]:
        fields = "，".join(f"{column}“{old}”→“{new}”" for column, (old, new) in change.fields.items())
        out.print(Text(f"变更{label} {change.after.code} {change.after.name}：{fields}"))
    for row in section.retired[:MAX_SHOWN]:
        out.print(Text(f"停用{label} {row.code} {row.name}", style="yellow"))


def _show_gaps(gaps: Gaps) -> None:
    counts = gaps.counts()
    for sort, label in GAP_LABELS.items():
        rows: Sequence[GapUnit | GapGroup] = getattr(gaps, sort)
        out.print(Text(f"{label}：{counts[sort]:,}", style="bold" if rows else "green"))
        for row in rows[:MAX_SHOWN]:
            out.print(Text(f"  {row.code}  {row.name}{_more(row)}"))
        if len(rows) > MAX_SHOWN:
            out.print(Text(f"  ……共 {len(rows):,} 条，加 --json 可列出全部"))


def _more(row: GapUnit | GapGroup) -> str:
    if isinstance(row, GapGroup):
        return f"  {row.unit_name}  {row.members} 人"
    return f"  连同下级共 {row.units:,} 个单位" if row.units > 1 else ""
