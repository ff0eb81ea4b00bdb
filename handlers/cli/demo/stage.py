"""The demo's stage: registry, logins, people. Each function does with the product's own functions what a user does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa

from bot.app import Engine
from bot.identity import Actor
from bot.people import create_bind_code
from bot.registry import ImportResult, apply_import, plan_import
from bot.sample_county import SAMPLE
from bot.sheets import read_tables
from bot.users import change_password, create_user, reset_password
from db.models import Alert, Delivery, Group, Unit, User
from db.states import GroupMode, GroupState, Role
from db.units import find_root
from db.users import find_user
from handlers.cli.demo.script import PASSWORD
from handlers.cli.demo.town import Town

Condition = Callable[[], Awaitable[bool]]


class DemoFailed(Exception):
    """The story did not go as it must; the message says where."""


@dataclass
class Stage:
    engine: Engine
    people: Town
    admin: Actor
    writer: Actor | None = None
    reviewer: Actor | None = None
    logins: list[tuple[str, str]] = field(default_factory=list)  # username, what they are

    @property
    def now(self) -> datetime:
        return self.engine.clock.now()


def set_stage(engine: Engine, town: Town) -> Stage:
    return Stage(engine, town, Actor(name="演示管理员", role=Role.ADMIN, origin="演示"))


async def import_county(stage: Stage) -> ImportResult:
    """The Excel file through the same preview and import as the console's."""
    tables = read_tables(await asyncio.to_thread(SAMPLE.read_bytes))
    for table in tables:
        for row in table.rows:
            if "通道" in row.cells:
                row.cells["通道"] = stage.people.channel
    async with stage.engine.database.write() as session:
        plan = await plan_import(session, tables)
        result = await apply_import(session, plan, stage.admin, stage.now)
    await stage.people.build()
    stage.engine.events.publish("accounts", "alerts")
    return result


async def make_logins(stage: Stage) -> None:
    """Four console users, one per role, all with the demo's password; the first admin gets it too."""
    async with stage.engine.database.read() as session:
        root = await find_root(session)
        town = await session.scalar(sa.select(Unit).where(Unit.name == "菜园镇"))
    if root is None or town is None:
        raise DemoFailed("登记表没有导入")
    wanted = [
        ("writer", "林警官", Role.PUBLISHER, None, "编写员"),
        ("reviewer", "顾警官", Role.REVIEWER, None, "审核员"),
        ("caiyuan", "菜园镇联络员", Role.LIAISON, town.id, "联络员（只见菜园镇）"),
    ]
    stage.logins.append(("admin", "管理员"))
    await _set_password(stage, "admin")
    for username, name, role, unit_id, label in wanted:
        async with stage.engine.database.write() as session:
            _, once = await create_user(
                session, stage.admin, username=username, name=name, role=role, unit_id=unit_id, now=stage.now
            )
        user = await _set_password(stage, username, once)
        stage.logins.append((username, label))
        actor = Actor(name=user.name, role=user.role, user_id=user.id, origin="演示")
        if role is Role.PUBLISHER:
            stage.writer = actor
        elif role is Role.REVIEWER:
            stage.reviewer = actor


async def _set_password(stage: Stage, username: str, once: str = "") -> User:
    async with stage.engine.database.write() as session:
        user = await find_user(session, username)
        if user is None:
            raise DemoFailed(f"没有用户 {username}")
        if not once:
            _, once = await reset_password(session, stage.admin, user.id, now=stage.now)
        await change_password(session, user.id, old=once, new=PASSWORD, origin="演示", now=stage.now)
        return user


async def remove_bot_from_one_room(stage: Stage, alert: Alert) -> None:
    """Somebody removes the bot from the room that the alert comes to last, after the release has counted on it."""
    async with stage.engine.database.read() as session:
        query = sa.select(Group.room_id).join(Delivery, Delivery.group_id == Group.id)
        query = query.where(Delivery.alert_id == alert.id).order_by(Delivery.level.desc(), Delivery.id.desc())
        room_id = await session.scalar(query.limit(1))
    await stage.people.remove_bot(str(room_id))


@dataclass(frozen=True)
class Liaison:
    person_id: str
    name: str
    unit: Unit
    private_room: str


async def bind_liaison(stage: Stage, unit: Unit, account: str) -> Liaison:
    """The liaison gets a one-time code on paper and says it to the bot in a private chat."""
    person_id, name = f"l-{unit.code}", f"{unit.name}{unit.liaison}"[:12]
    async with stage.engine.database.write() as session:
        code = await create_bind_code(
            session, stage.admin, name=unit.liaison or name, role=Role.LIAISON, unit_id=unit.id, now=stage.now
        )
    await stage.people.ensure_person(person_id, name)
    room = await stage.people.open_private(person_id, account)
    await stage.people.say(person_id, room, f"绑定 {code}")
    return Liaison(person_id, name, unit, room)


async def list_relay_groups(stage: Stage, *, heard: bool) -> list[tuple[Group, Unit]]:
    """Relay-only groups in which an account hears, or in which nobody of ours is."""
    listening = Group.account_id.is_not(None) if heard else Group.account_id.is_(None)
    query = (
        sa.select(Group, Unit)
        .join(Unit, Unit.id == Group.unit_id)
        .where(Group.mode == GroupMode.RELAY, Group.state == GroupState.ACTIVE, listening, Unit.liaison != "")
        .order_by(Group.id)
    )
    async with stage.engine.database.read() as session:
        return [(row[0], row[1]) for row in await session.execute(query)]


async def list_heard_groups(stage: Stage, limit: int) -> list[Group]:
    """Groups of the lower levels in which the bot can be asked."""
    query = (
        sa.select(Group)
        .join(Unit, Unit.id == Group.unit_id)
        .where(Group.account_id.is_not(None), Group.mode == GroupMode.PUSH, Unit.level >= 3)
        .order_by(Group.id)
        .limit(limit)
    )
    async with stage.engine.database.read() as session:
        return list(await session.scalars(query))


async def until(condition: Condition, what: str, seconds: float = 30) -> None:
    """Wait for what must come; raises `DemoFailed` naming it."""
    try:
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110 - rows are looked at, there is no event to wait for
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise DemoFailed(f"{seconds:.0f} 秒内没有等到：{what}") from error
