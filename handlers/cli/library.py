"""Commands of the fraud library: `library check|export|import`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, UserError
from bot.library_exchange import Planned, export_files, import_drafts, plan_import
from bot.settings import Settings
from content.library import DEFAULT_FOLDER, LibraryError
from content.library_check import Checked, check_folder
from content.library_files import Fault
from handlers.cli.common import EXIT_FAULT, command_actor, open_database, out, print_json, run_command, shown_errors

library_app = typer.Typer(help="反诈知识库：检查、导出、导入", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")]
_KINDS = {"new": "新增", "changed": "改动", "same": "不变", "blocked": "跳过（有还没完成的修改）"}


@library_app.command("check")
def check_command(
    folder: Annotated[Path, typer.Argument(help="类型文件所在的文件夹，默认为程序自带的")] = DEFAULT_FOLDER,
    strict: Annotated[bool, typer.Option("--strict", help="有提醒也算不通过")] = False,
    as_json: Json = False,
) -> None:
    """检查类型文件：逐行列出错误，以及几乎一样的例句、指向多个类型的短语。有错误时退出码为 2。"""
    with shown_errors(as_json=as_json):
        checked = _check(folder)
        if as_json:
            print_json(_json(checked))
        else:
            _show(checked)
    if checked.faults or (strict and checked.doubts):
        raise typer.Exit(EXIT_FAULT)


@library_app.command("export")
def export_command(
    folder: Annotated[Path, typer.Argument(help="要写入的文件夹")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="先删去文件夹里原有的 .yaml 文件")] = False,
    as_json: Json = False,
) -> None:
    """把正在使用的知识库写成文件：与程序自带的同一格式，可以修改后再导入。"""

    async def work(settings: Settings) -> dict[str, bytes]:
        async with open_database(settings) as database, database.read() as session:
            return await export_files(session)

    files = run_command(work, as_json=as_json)
    with shown_errors(as_json=as_json):
        _write(folder, files, overwrite)
        checked = _check(folder)
    if as_json:
        print_json({"types": len(files), "faults": [str(fault) for fault in checked.faults]})
    else:
        out.print(Text(f"已把 {len(files)} 个类型写到 {folder}"))
        _show_faults("错误", checked.faults, "red")
    if checked.faults:  # the rules have become stricter since those words went live
        raise typer.Exit(EXIT_FAULT)


@library_app.command("import")
def import_command(
    folder: Annotated[Path, typer.Argument(help="类型文件所在的文件夹", exists=True, file_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只预览，不导入")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="不询问，直接导入")] = False,
    submit: Annotated[bool, typer.Option("--submit", help="导入后直接提交审核")] = False,
    note: Annotated[str, typer.Option("--note", help="改了什么、为什么改，审核的同事会看到")] = "从文件导入",
    as_json: Json = False,
) -> None:
    """把文件里新增和改动的类型导入为草稿，由同事在控制台审核后使用；没有的类型不受影响。"""

    async def work(settings: Settings) -> None:
        if as_json and not (yes or dry_run):
            raise UserError("使用 --json 时不能询问，请加上 --yes（导入）或 --dry-run（只预览）")
        async with open_database(settings) as database:
            async with database.read() as session:
                plan = await _plan(session, folder)
            counts = {kind: sum(each.kind == kind for each in plan) for kind in _KINDS}
            if not as_json:
                _show_plan(plan, counts)
            wanted = not dry_run and bool(counts["new"] + counts["changed"])
            applied = wanted and (yes or typer.confirm("确认导入为草稿？"))
            if applied:
                async with database.write() as session:
                    now = datetime.now(UTC)
                    await import_drafts(session, command_actor(), plan, note=note, submit=submit, now=now)
        if as_json:
            print_json({"applied": applied, **counts})
        elif applied:
            out.print(Text("已导入，等待同事审核" if submit else "已导入为草稿", style="bold green"))
        elif wanted or dry_run:
            out.print(Text("以上是预览，未导入", style="yellow"))
        else:
            out.print(Text("没有需要导入的改动", style="green"))

    run_command(work, as_json=as_json)


# ── work ────────────────────────────────────────────────────────────────────


async def _plan(session: AsyncSession, folder: Path) -> list[Planned]:
    try:
        return await plan_import(session, folder)
    except LibraryError as error:
        raise Invalid({str(fault).partition(" ")[0]: str(fault) for fault in error.faults}) from error


def _check(folder: Path) -> Checked:
    try:
        return check_folder(folder)
    except OSError as error:
        raise UserError(f"读不出 {folder}：{error.strerror}；请检查路径和权限") from error


def _write(folder: Path, files: dict[str, bytes], overwrite: bool) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = list(folder.glob("*.yaml"))
        if old and not overwrite:
            raise UserError(f"{folder} 里已有 {len(old)} 个 .yaml 文件；请换一个空文件夹，或加上 --overwrite")
        for path in old:
            path.unlink()
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise UserError(f"写不进 {folder}：{error.strerror}；请检查路径和权限") from error


# ── views ───────────────────────────────────────────────────────────────────


def _json(checked: Checked) -> dict[str, object]:
    def rows(found: Sequence[Fault]) -> list[dict[str, object]]:
        return [{"file": each.file, "line": each.line, "message": each.message} for each in found]

    return {
        "types": checked.types,
        "phrases": checked.phrases,
        "examples": checked.examples,
        "faults": rows(checked.faults),
        "doubts": rows(checked.doubts),
    }


def _show(checked: Checked) -> None:
    _show_faults("错误", checked.faults, "red")
    _show_faults("提醒", checked.doubts, "yellow")
    counted = f"{checked.types} 个类型，{checked.phrases:,} 条短语，{checked.examples:,} 条例句"
    found = f"{len(checked.faults)} 处错误，{len(checked.doubts)} 处提醒"
    out.print(Text(f"{counted}；{found}", style="red" if checked.faults else "green"))


def _show_faults(label: str, found: Sequence[Fault], style: str) -> None:
    for fault in found:  # file:line first, as editors and scripts expect it
        out.print(
            Text(f"{fault.file}:{fault.line} ").append(label, style=style).append(f" {fault.message}"), soft_wrap=True
        )


def _show_plan(plan: Sequence[Planned], counts: dict[str, int]) -> None:
    for each in plan:
        if each.kind != "same":
            fields = f"：{'、'.join(each.fields)}" if each.fields else ""
            out.print(Text(f"{_KINDS[each.kind]} {each.type_id} {each.name}{fields}"))
    out.print(Text("，".join(f"{label} {counts[kind]}" for kind, label in _KINDS.items())))
