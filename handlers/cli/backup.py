"""Commands `backup` and `restore`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bot.backup import Backup, default_path, make_backup
from bot.backups import BackupFile, list_backups
from bot.clock import local_text
from bot.errors import UserError
from bot.restoring import BackupFacts, Restored, inspect_backup, restore_backup
from bot.settings import Settings
from handlers.cli.common import Stages, command_actor, out, print_json, progress, run_command

Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")]


def backup(
    file: Annotated[Path | None, typer.Argument(help="备份文件；默认在数据目录的 backups 下，以时间命名")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="文件已存在时覆盖")] = False,
    listing: Annotated[bool, typer.Option("--list", help="只列出已有的备份，最近的在前")] = False,
    as_json: Json = False,
) -> None:
    """备份全部数据为一个文件；程序运行时也可以备份。"""
    if listing:
        _list(as_json=as_json)
        return

    async def work(settings: Settings) -> Backup:
        now = datetime.now(UTC)
        target = file or default_path(settings, now)
        with progress(as_json=as_json) as bar:
            shown = Stages(bar)
            return await make_backup(
                settings, target, overwrite=overwrite, now=now, progress=lambda *at: shown("正在备份", *at)
            )

    made = run_command(work, as_json=as_json)
    if as_json:
        print_json({"file": made.path, "size": made.size, "rows": made.rows})
        return
    rows = sum(made.rows.values())
    out.print(Text(f"已备份到 {made.path}", style="green"), soft_wrap=True)
    out.print(
        Text(f"{_size(made.size)}，{len(made.rows)} 张表 {rows:,} 行，已核对。备份含口令散列和咨询内容，请妥善保管。")
    )


def _list(*, as_json: bool) -> None:
    async def work(settings: Settings) -> tuple[list[BackupFile], Settings]:
        return list_backups(settings), settings

    files, settings = run_command(work, as_json=as_json)
    if as_json:
        print_json(
            [{"file": each.path, "made_at": each.made_at, "size": each.size, "auto": each.auto} for each in files]
        )
        return
    if not files:
        out.print(Text("还没有备份", style="yellow"))
        return
    table = Table("时间", "大小", "方式", "文件", header_style="bold")
    for each in files:
        made = local_text(each.made_at, settings.zone, seconds=True)
        table.add_row(made, _size(each.size), "自动" if each.auto else "手动", Text(str(each.path), overflow="fold"))
    out.print(table)


def restore(
    file: Annotated[Path, typer.Argument(help="备份文件")],
    yes: Annotated[bool, typer.Option("--yes", help="不询问，直接恢复")] = False,
    as_json: Json = False,
) -> None:
    """用备份替换全部数据；须先停止程序。现有数据会先保留一份。"""

    async def work(settings: Settings) -> Restored | None:
        if as_json and not yes:
            raise UserError("使用 --json 时不能询问，请加上 --yes")
        facts = inspect_backup(file)
        if not as_json:
            _show_facts(facts, settings)
        if not (yes or typer.confirm("用它替换现有的全部数据？")):
            return None
        with progress(as_json=as_json) as bar:
            return await restore_backup(settings, facts, command_actor(), now=datetime.now(UTC), progress=Stages(bar))

    restored = run_command(work, as_json=as_json)
    if restored is None:
        out.print(Text("已取消，未改动任何内容", style="yellow"))
    elif as_json:
        print_json(
            {
                "rows": restored.rows,
                "kept": restored.kept,
                "paused": restored.paused,
                "cancelled": restored.cancelled,
                "scheduled": restored.scheduled,
            }
        )
    else:
        _show_restored(restored)


def _show_facts(facts: BackupFacts, settings: Settings) -> None:
    made = local_text(datetime.fromtimestamp(facts.made_at, UTC), settings.zone)
    out.print(
        Text(
            f"备份 {facts.path}：{made}，{_size(facts.size)}，版本 {facts.revision}，{sum(facts.rows.values()):,} 行"
        ),
        soft_wrap=True,
    )


def _show_restored(restored: Restored) -> None:
    out.print(Text(f"已恢复 {restored.rows:,} 行", style="bold green"))
    if restored.kept is not None:
        out.print(Text(f"恢复前的数据保留在 {restored.kept}"), soft_wrap=True)
    for numbers, meaning in (
        (restored.paused, "备份时正在推送，现已暂停：备份之后可能已经推送过，请核对后再继续"),
        (restored.cancelled, "定时已过，现已取消：备份之后可能已经推送过"),
        (restored.scheduled, "仍会按时发布，请核对是否需要"),
    ):
        if numbers:
            out.print(Text(f"预警 {'、'.join(numbers)}：{meaning}", style="yellow"), soft_wrap=True)
    out.print(Text("控制台的登录已全部失效，请重新登录"))


def _size(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB" if size >= 1024 * 1024 else f"{size / 1024:.0f} KB"
