"""Commands for the users of the console: `user add|list|reset|disable|enable|unlock|second-factor-off|second-factor-key`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import local_text
from bot.errors import NotFound
from bot.sealing import FILE as KEY_FILE
from bot.second_factor import change_key, has_second_factor, turn_off_for
from bot.settings import Settings
from bot.users import (
    create_user,
    disable_user,
    enable_user,
    reset_password,
    unlock_addresses,
    unlock_user,
)
from db.models import User
from db.states import Role, UserState
from db.units import find_unit
from db.users import find_user, list_users
from handlers.cli.common import command_actor, open_database, out, print_json, run_command
from handlers.cli.tokens import token_app

T = TypeVar("T")

user_app = typer.Typer(help="控制台用户", no_args_is_help=True)
user_app.add_typer(token_app, name="token")

Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")]
Username = Annotated[str, typer.Argument(help="用户名")]


@user_app.command("add")
def add_command(
    username: Annotated[str, typer.Argument(help="用户名：2–40 个字母、数字或汉字")],
    name: Annotated[str, typer.Option("--name", help="姓名")],
    role: Annotated[Role, typer.Option("--role", help="角色：admin、publisher 编写、reviewer 审核、liaison 联络")],
    unit: Annotated[str, typer.Option("--unit", help="单位编码；联络员必填")] = "",
    as_json: Json = False,
) -> None:
    """添加用户；一次性密码只显示这一次。"""

    async def work(session: AsyncSession) -> tuple[User, str]:
        unit_id = await _unit_id(session, unit) if unit else None
        return await create_user(
            session, command_actor(), username=username, name=name, role=role, unit_id=unit_id, now=datetime.now(UTC)
        )

    user, password = _change(work, as_json=as_json)
    _show_password(user, password, as_json=as_json)


@user_app.command("list")
def list_command(as_json: Json = False) -> None:
    """列出全部用户。"""

    async def work(settings: Settings) -> tuple[list[tuple[User, str]], Settings]:
        async with open_database(settings) as database, database.read() as session:
            return list(await list_users(session)), settings

    users, settings = run_command(work, as_json=as_json)
    if as_json:
        print_json([{**_facts(user), "unit": unit} for user, unit in users])
        return
    table = Table("用户名", "姓名", "角色", "单位", "状态", "建立时间", header_style="bold")
    for user, unit in users:
        state = user.state.label + ("，待改密码" if user.must_change and user.state is UserState.ACTIVE else "")
        cells = (user.username, user.name, user.role.label, unit or "—", state)
        table.add_row(*map(Text, cells), local_text(user.created_at, settings.zone))
    out.print(table)


@user_app.command("reset")
def reset_command(username: Username, as_json: Json = False) -> None:
    """重设密码：发放新的一次性密码，原有登录全部失效。"""

    async def work(session: AsyncSession) -> tuple[User, str]:
        user = await _user(session, username)
        return await reset_password(session, command_actor(), user.id, now=datetime.now(UTC))

    user, password = _change(work, as_json=as_json)
    _show_password(user, password, as_json=as_json)


@user_app.command("disable")
def disable_command(username: Username, as_json: Json = False) -> None:
    """停用用户：立即不能登录。"""

    async def work(session: AsyncSession) -> User:
        user = await _user(session, username)
        return await disable_user(session, command_actor(), user.id, now=datetime.now(UTC))

    _show_state(_change(work, as_json=as_json), as_json=as_json)


@user_app.command("enable")
def enable_command(username: Username, as_json: Json = False) -> None:
    """重新启用用户，密码不变。"""

    async def work(session: AsyncSession) -> User:
        user = await _user(session, username)
        return await enable_user(session, command_actor(), user.id, now=datetime.now(UTC))

    _show_state(_change(work, as_json=as_json), as_json=as_json)


@user_app.command("unlock")
def unlock_command(username: Username, as_json: Json = False) -> None:
    """解除登录锁定：忘掉该用户和全部地址的登录失败。"""

    async def work(session: AsyncSession) -> User:
        user = await _user(session, username)
        await unlock_addresses(session, command_actor(), now=datetime.now(UTC))
        return await unlock_user(session, command_actor(), user.id, now=datetime.now(UTC))

    _show_state(_change(work, as_json=as_json), as_json=as_json)


@user_app.command("second-factor-off")
def second_factor_off_command(username: Username, as_json: Json = False) -> None:
    """关闭两步验证：手机和恢复码都找不到时用，之后只用密码登录。"""

    async def work(session: AsyncSession) -> User:
        user = await _user(session, username)
        return await turn_off_for(session, command_actor(), user.id, now=datetime.now(UTC))

    _show_state(_change(work, as_json=as_json), as_json=as_json)


@user_app.command("second-factor-key")
def second_factor_key_command(
    old: Annotated[
        typer.FileText | None,
        typer.Option("--old-file", help="写有原来的 XINFANG_SECRET_KEY 的文件，或原来的 secret.key；- 为标准输入"),
    ] = None,
    as_json: Json = False,
) -> None:
    """更换两步验证的加密密钥：全部重新加密，要么全部完成，要么什么都不变。"""
    text = old.read() if old else None

    async def work(settings: Settings) -> tuple[int, Settings]:
        async with open_database(settings) as database:
            return await change_key(database, command_actor(), settings, old=text, now=datetime.now(UTC)), settings

    count, settings = run_command(work, as_json=as_json)
    place = "XINFANG_SECRET_KEY" if settings.secret_key else str(settings.data_dir / KEY_FILE)
    if as_json:
        print_json({"secrets": count, "key": place})
        return
    out.print(Text(f"{count} 个用户的两步验证已改用 {place} 加密", style="green"), soft_wrap=True)
    out.print(Text("请另外保存新的密钥；更换之前的备份仍要用原来的密钥打开。", style="yellow"), soft_wrap=True)


def _change(step: Callable[[AsyncSession], Awaitable[T]], *, as_json: bool) -> T:
    """Take one step in one transaction."""

    async def work(settings: Settings) -> T:
        async with open_database(settings) as database, database.write() as session:
            return await step(session)

    return run_command(work, as_json=as_json)


async def _user(session: AsyncSession, username: str) -> User:
    user = await find_user(session, username)
    if user is None:
        raise NotFound(f"没有用户 {username}，可用 user list 查看全部用户")
    return user


async def _unit_id(session: AsyncSession, code: str) -> int:
    unit = await find_unit(session, code)
    if unit is None:
        raise NotFound(f"没有编码为 {code} 的单位，可用 units export 查看全部编码")
    return unit.id


def _facts(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "name": user.name,
        "role": user.role.value,
        "state": user.state.value,
        "must_change": user.must_change,
        "second_factor": has_second_factor(user),
    }


def _show_password(user: User, password: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**_facts(user), "password": password})
        return
    out.print(Text(f"用户 {user.username}（{user.name}，{user.role.label}）", style="green"), soft_wrap=True)
    out.print(Text(f"一次性密码：{password}", style="bold green"), soft_wrap=True)
    out.print(Text("密码只显示这一次；登录后须修改。", style="yellow"))


def _show_state(user: User, *, as_json: bool) -> None:
    if as_json:
        print_json(_facts(user))
    else:
        out.print(Text(f"用户 {user.username}（{user.name}）：{user.state.label}", style="green"), soft_wrap=True)
