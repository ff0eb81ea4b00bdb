"""Command `migrate-database`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bot.moving import Moved, move_database
from bot.settings import Settings
from handlers.cli.common import Stages, command_actor, out, print_json, progress, run_command


def migrate_database(
    to: Annotated[str, typer.Option("--to", help="新数据库的地址，如 postgresql://用户:口令@主机/库名；必须是空的")],
    as_json: Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")] = False,
) -> None:
    """把全部数据迁到另一个数据库，逐表核对行数和校验和；须先停止程序。现有数据库只读，不会改动。"""

    async def work(settings: Settings) -> Moved:
        with progress(as_json=as_json) as bar:
            return await move_database(settings, to, command_actor(), now=datetime.now(UTC), progress=Stages(bar))

    moved = run_command(work, as_json=as_json)
    if as_json:
        tables = {name: {"rows": each.rows, "checksum": str(each)} for name, each in moved.tables.items()}
        print_json({"from": moved.source, "to": moved.target, "rows": moved.rows, "tables": tables})
        return
    table = Table("表", "行数", "校验和（两边相同）", header_style="bold")
    table.columns[1].justify = "right"
    for name, each in moved.tables.items():
        if each.rows:
            table.add_row(name, f"{each.rows:,}", str(each))
    out.print(table)
    out.print(Text(f"已迁移 {moved.rows:,} 行，逐表核对一致：{moved.source} → {moved.target}", style="bold green"))
    out.print(Text("请把设置 database_url 改为新地址再启动；核对无误前请保留原数据库。"))
