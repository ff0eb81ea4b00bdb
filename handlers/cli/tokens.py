"""Commands for personal tokens: `user token add`, `list` and `revoke`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import local_text
from bot.errors import NotFound
from bot.settings import Settings
from bot.tokens import MAX_DAYS, create_token, revoke_token, scopes_of
from db.models import ApiToken, User
from db.states import TokenScope
from db.tokens import list_tokens
from db.users import find_user
from handlers.cli.common import command_actor, open_database, out, print_json, run_command

token_app = typer.Typer(help="程序访问接口用的个人令牌", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")]
Username = Annotated[str, typer.Argument(help="用户名")]


@token_app.command("add")
def add_command(
    username: Username,
    name: Annotated[str, typer.Option("--name", help="用途，如 每日报表")],
    scope: Annotated[
        list[TokenScope],
        typer.Option("--scope", help="范围，可重复：read 查看、write 编写与处理、release 审核发布、admin 用户管理"),
    ] = [TokenScope.READ],  # noqa: B006 - typer copies it
    days: Annotated[int, typer.Option("--days", min=1, max=MAX_DAYS, help="有效天数")] = 90,
    as_json: Json = False,
) -> None:
    """生成令牌：以该用户的名义、不超过其权限；只显示这一次。"""

    async def work(settings: Settings) -> tuple[ApiToken, str]:
        async with open_database(settings) as database, database.write() as session:
            user = await _user(session, username)
            return await create_token(
                session, command_actor(), user, name=name, scopes=scope, days=days, now=datetime.now(UTC)
            )

    token, text = run_command(work, as_json=as_json)
    if as_json:
        print_json({**_facts(token), "token": text})
        return
    out.print(Text(f"令牌：{text}", style="bold green"), soft_wrap=True)
    out.print(Text(f"只显示这一次，{days} 天内有效。放在请求头 Authorization: Bearer 之后。", style="yellow"))


@token_app.command("list")
def list_command(username: Username, as_json: Json = False) -> None:
    """列出某用户的令牌，已过期和已吊销的也在内。"""

    async def work(settings: Settings) -> tuple[list[ApiToken], Settings]:
        async with open_database(settings) as database, database.read() as session:
            return list(await list_tokens(session, (await _user(session, username)).id)), settings

    tokens, settings = run_command(work, as_json=as_json)
    if as_json:
        print_json([_facts(token) for token in tokens])
        return
    table = Table("编号", "用途", "范围", "有效期至", "最近使用", "状态", header_style="bold")
    for token in tokens:
        scopes = "、".join(scope.label for scope in scopes_of(token))
        times = (local_text(at, settings.zone) for at in (token.expires_at, token.used_at))
        table.add_row(str(token.id), Text(token.name), scopes, *times, _state(token))
    out.print(table)


@token_app.command("revoke")
def revoke_command(
    username: Username,
    number: Annotated[int, typer.Argument(help="令牌的编号，见 user token list")],
    as_json: Json = False,
) -> None:
    """吊销令牌：立即不能再用。"""

    async def work(settings: Settings) -> None:
        async with open_database(settings) as database, database.write() as session:
            user = await _user(session, username)
            await revoke_token(session, command_actor(), user, number, now=datetime.now(UTC))

    run_command(work, as_json=as_json)
    if as_json:
        print_json({"id": number, "revoked": True})
    else:
        out.print(Text(f"令牌 {number} 已吊销", style="green"))


async def _user(session: AsyncSession, username: str) -> User:
    user = await find_user(session, username)
    if user is None:
        raise NotFound(f"没有用户 {username}，可用 user list 查看全部用户")
    return user


def _state(token: ApiToken) -> str:
    if token.revoked_at is not None:
        return "已吊销"
    return "已过期" if token.expires_at <= datetime.now(UTC) else "有效"


def _facts(token: ApiToken) -> dict[str, Any]:
    return {
        "id": token.id,
        "name": token.name,
        "hint": token.hint,
        "scopes": [scope.value for scope in scopes_of(token)],
        "expires_at": token.expires_at.isoformat(),
        "used_at": token.used_at.isoformat() if token.used_at else None,
        "revoked": token.revoked_at is not None,
    }
