"""Acting on alerts from the command line, in the name of a console user.

The rights of that user and the rule of the second person apply as in the console, so that what the audit log and the
alert say about authors and reviewers stays true. This is order, not protection: whoever may run commands on this
machine can read and change the database file anyway, which is why no password is asked for. The audit log names the
operating system's account beside the user.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, TypeVar

import typer
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Forbidden, NotFound
from bot.identity import Actor
from bot.settings import Settings
from db.alerts import find_alert_by_number
from db.models import Alert, Unit
from db.states import Role, UserState
from db.users import find_user
from handlers.cli.common import command_actor, open_database, run_command

T = TypeVar("T")

Number = Annotated[str, typer.Argument(help="预警编号，如 20261121-01")]
As = Annotated[str, typer.Option("--as", help="以哪个控制台用户的身份操作（用户名）")]
Json = Annotated[bool, typer.Option("--json", help="输出一行 JSON，供脚本使用")]


@dataclass(frozen=True)
class Desk:
    """What a command works with inside its transaction."""

    session: AsyncSession
    settings: Settings
    now: datetime


def read_desk(work: Callable[[Desk], Awaitable[T]], *, as_json: bool) -> T:
    """Run a command that only looks."""

    async def run(settings: Settings) -> T:
        async with open_database(settings) as database, database.read() as session:
            return await work(Desk(session, settings, datetime.now(UTC)))

    return run_command(run, as_json=as_json)


def change_desk(work: Callable[[Desk], Awaitable[T]], *, as_json: bool) -> T:
    """Run a command that changes something: one transaction, nothing of it remains when it is refused."""

    async def run(settings: Settings) -> T:
        async with open_database(settings) as database, database.write() as session:
            return await work(Desk(session, settings, datetime.now(UTC)))

    return run_command(run, as_json=as_json)


async def get_actor(desk: Desk, username: str) -> Actor:
    """The user in whose name a command acts. Raises `NotFound`, or `Forbidden` for one who is disabled."""
    user = await find_user(desk.session, username)
    if user is None:
        raise NotFound(f"没有用户 {username}，可用 user list 查看全部用户")
    if user.state is not UserState.ACTIVE:
        raise Forbidden(f"用户 {username} 已停用，不能以其身份操作")
    unit = await desk.session.get(Unit, user.unit_id) if user.role is Role.LIAISON else None
    return Actor(
        name=user.name,
        role=user.role,
        user_id=user.id,
        scope=unit.path if unit is not None else "",
        origin=command_actor().name,
    )


async def get_numbered(desk: Desk, number: str) -> Alert:
    alert = await find_alert_by_number(desk.session, number)
    if alert is None:
        raise NotFound(f"没有编号为 {number} 的预警，可用 alert list 查看")
    return alert
