"""Commands for people with a task: `people bind`, `people end-links`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from bot.errors import NotFound
from bot.liaison_links import revoke_links
from bot.people import create_bind_code
from bot.settings import Settings
from db.people import list_people
from db.states import Role
from db.units import find_unit
from handlers.cli.common import command_actor, open_database, out, print_json, run_command

people_app = typer.Typer(help="联络员与工作人员", no_args_is_help=True)


@people_app.callback()
def people() -> None:
    """联络员与工作人员：发放绑定码，作废手机页链接。"""


@people_app.command("bind")
def bind_command(
    name: Annotated[str, typer.Option("--name", help="姓名")],
    unit: Annotated[str, typer.Option("--unit", help="单位编码")],
    role: Annotated[
        Role, typer.Option("--role", help="角色：liaison 联络员、publisher、reviewer、admin")
    ] = Role.LIAISON,
    hours: Annotated[int, typer.Option("--hours", min=1, max=720, help="有效小时数")] = 72,
    as_json: Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")] = False,
) -> None:
    """发放一次性绑定码：本人私聊机器人发送“绑定 XXXXXXXX”即可。"""

    async def work(settings: Settings) -> str:
        async with open_database(settings) as database, database.write() as session:
            found = await find_unit(session, unit)
            if found is None:
                raise NotFound(f"没有编码为 {unit} 的单位，可用 units export 查看全部编码")
            return await create_bind_code(
                session,
                command_actor(),
                name=name,
                role=role,
                unit_id=found.id,
                now=datetime.now(UTC),
                valid_hours=hours,
            )

    code = run_command(work, as_json=as_json)
    if as_json:
        print_json({"code": code, "valid_hours": hours})
    else:
        out.print(Text(f"绑定码 {code[:4]} {code[4:]}", style="bold green"))
        out.print(Text(f"只显示这一次，{hours} 小时内有效，只能用一次。请 {name} 私聊机器人发送：绑定 {code}"))


@people_app.command("end-links")
def end_links_command(
    name: Annotated[str, typer.Option("--name", help="姓名")],
    unit: Annotated[str, typer.Option("--unit", help="单位编码")],
) -> None:
    """作废一位联络员的全部手机页链接：手机丢失或链接外传时用。"""

    async def work(settings: Settings) -> int:
        async with open_database(settings) as database, database.write() as session:
            found = await find_unit(session, unit)
            people = await list_people(session, scope=found.path) if found is not None else []
            ids = [person.id for person in people if found and person.unit_id == found.id and person.name == name]
            if not ids:
                raise NotFound(f"单位 {unit} 没有叫{name}的联络员，请核对单位编码和姓名")
            for person_id in ids:
                await revoke_links(session, command_actor(), person_id, now=datetime.now(UTC))
            return len(ids)

    run_command(work)
    out.print(Text(f"{name} 的手机页链接已全部作废；本人私聊机器人发“链接”可得到新的", style="bold green"))
