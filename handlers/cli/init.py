"""Command `init`: the database and the first administrator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from bot.database import Upgrade, create_or_upgrade, open_any, shown_url
from bot.settings import Settings
from bot.users import FIRST_ADMIN, ensure_first_admin
from handlers.cli.common import out, print_json, run_command


@dataclass(frozen=True)
class Done:
    where: str
    upgrade: Upgrade | None
    password: str | None


def init(as_json: Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")] = False) -> None:
    """建立或升级数据库，并建立第一个管理员；可以重复运行。"""
    done = run_command(_prepare, as_json=as_json)
    if as_json:
        upgrade = done.upgrade
        print_json(
            {
                "database": done.where,
                "before": upgrade.before if upgrade else None,
                "after": upgrade.after if upgrade else None,
                "copy": upgrade.copy if upgrade else None,
                "admin": FIRST_ADMIN if done.password else None,
                "password": done.password,
            }
        )
        return
    for line, style in _lines(done):
        out.print(Text(line, style=style), soft_wrap=True)


async def _prepare(settings: Settings) -> Done:
    now = datetime.now(UTC)
    database = open_any(settings)
    try:
        upgrade = await create_or_upgrade(database, now=now)
        async with database.write() as session:
            password = await ensure_first_admin(session, now)
        return Done(shown_url(database), upgrade, password)
    finally:
        await database.close()


def _lines(done: Done) -> list[tuple[str, str]]:
    lines = []
    if done.upgrade is not None and done.upgrade.before is None:
        lines.append((f"已建立数据库：{done.where}", "green"))
    elif done.upgrade is not None:
        lines.append((f"已把数据库从版本 {done.upgrade.before} 升级到 {done.upgrade.after}：{done.where}", "green"))
        if done.upgrade.copy is not None:
            lines.append((f"升级前的副本：{done.upgrade.copy}", ""))
    if done.password is not None:
        lines.append((f"已建立管理员 {FIRST_ADMIN}，一次性密码：{done.password}", "bold green"))
        lines.append(("密码只显示这一次；首次登录后须修改。", "yellow"))
    return lines or [(f"数据库已是最新，管理员已存在，没有需要做的：{done.where}", "green")]
