"""An office whose groups are rooms on a gateway, and its engine in this process."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot import alerts
from bot.alerts import AlertContent
from bot.app import Engine
from bot.identity import Actor
from bot.settings import Settings
from db.deliveries import list_deliveries
from db.models import Account, Alert, Delivery, Group, Room
from db.session import Database
from db.states import AccountState, AlertState, DeliveryState, Role, UnitKind
from handlers.compose import build_engine
from tests.factories import make_account, make_group, make_unit, make_user
from tests.gateway.driver import TOKEN, Gateway
from tests.world import content, quick_settings, until

ACCOUNT = "心防一号"
LEVELS = [UnitKind.COUNTY, UnitKind.TOWN, UnitKind.VILLAGE, UnitKind.GRID, UnitKind.BUILDING]


def room_id(number: int) -> str:
    return f"r{number}@chatroom"


@dataclass
class Office:
    database: Database
    settings: Settings
    writer: Actor
    reviewer: Actor

    async def release(self, wanted: AlertContent | None = None, engine: Engine | None = None) -> Alert:
        """Write, submit and release an alert to everybody."""
        now = engine.clock.now() if engine else _now()
        async with self.database.write() as session:
            alert = await alerts.create(session, self.writer, wanted or content(), settings=self.settings, now=now)
            await alerts.submit(session, self.writer, alert.id, now=now)
        async with self.database.write() as session:
            alert = await alerts.release(
                session, self.reviewer, alert.id, settings=self.settings, now=now, version=alert.version
            )
        if engine is not None:
            engine.events.publish("alerts")
        return alert

    async def count(self, table: Any, *conditions: Any) -> int:
        async with self.database.read() as session:
            return int(await session.scalar(sa.select(sa.func.count()).select_from(table).where(*conditions)) or 0)

    async def account(self, name: str = ACCOUNT) -> Account:
        async with self.database.read() as session:
            return (await session.scalars(sa.select(Account).where(Account.name == name))).one()

    async def group_of(self, room: str) -> Group:
        async with self.database.read() as session:
            return (await session.scalars(sa.select(Group).where(Group.room_id == room))).one()

    async def rooms_known(self) -> int:
        return await self.count(Room, Room.left_at.is_(None))

    async def finished(self, alert: Alert) -> bool:
        async with self.database.read() as session:
            return (await alerts.get_alert(session, alert.id)).state is AlertState.FINISHED

    async def confirmed(self, alert: Alert) -> int:
        return await self.count(Delivery, Delivery.alert_id == alert.id, Delivery.echo_at.is_not(None))

    async def deliveries(self, alert: Alert, *states: DeliveryState) -> int:
        return await self.count(Delivery, Delivery.alert_id == alert.id, Delivery.state.in_(states))

    async def rooms_in(self, alert: Alert, *states: DeliveryState) -> list[str]:
        async with self.database.read() as session:
            rows = await list_deliveries(session, alert.id, states=states, limit=10_000)
            by_code = dict((await session.execute(sa.select(Group.code, Group.room_id))).all())
        return [str(by_code[row.group_code]) for row in rows]

    async def levels(self) -> dict[str, int]:
        """Room → level of its unit."""
        from db.models import Unit

        async with self.database.read() as session:
            rows = await session.execute(sa.select(Group.room_id, Unit.level).join(Unit, Unit.id == Group.unit_id))
            return {str(room): level for room, level in rows}


def _now() -> Any:
    from bot.clock import SystemClock

    return SystemClock().now()


def gateway_settings(gateways: dict[str, Gateway], folder: Path, **values: object) -> Settings:
    """Settings that wait for nothing, with one gateway for each named account."""
    listed = [{"name": name, "endpoint": each.endpoint, "token": TOKEN} for name, each in gateways.items()]
    defaults: dict[str, object] = {"send_timeout": 5, "lease_seconds": 5}
    return quick_settings(
        **(defaults | {"channels": ["wechaty"], "wechaty_gateways": listed, "data_dir": folder} | values)
    )


async def open_office(
    database: Database, settings: Settings, rooms: Sequence[str], *, register: Callable[[int], bool] = lambda _: True
) -> Office:
    """Groups for these rooms, spread over five levels of units, served by the first account."""
    async with database.write() as session:
        account = await make_account(
            session, channel="wechaty", name=settings.wechaty_gateways[0].name, state=AccountState.OFFLINE
        )
        units = [await make_unit(session, kind=LEVELS[0])]
        for kind in LEVELS[1:]:
            units.append(await make_unit(session, parent=units[-1], kind=kind))
        for number, room in enumerate(rooms):
            if register(number):
                # Lower levels first, so that the order of sending is not the order of the rows.
                unit = units[-1 - number % len(units)]
                await make_group(session, unit=unit, account=account, channel="wechaty", room_id=room)
        writer, reviewer = await make_user(session, role=Role.PUBLISHER), await make_user(session, role=Role.REVIEWER)
    actors = [Actor(name=user.name, role=user.role, user_id=user.id) for user in (writer, reviewer)]
    return Office(database, settings, *actors)


@contextlib.asynccontextmanager
async def running_engine(office: Office, *, online: bool = True) -> AsyncIterator[Engine]:
    """The whole engine; `online` waits until every account is logged in."""
    engine = build_engine(office.settings, office.database)
    await engine.start()
    try:
        if online:
            await until(lambda: _all_online(office), 20)
        yield engine
    finally:
        await engine.stop()


async def _all_online(office: Office) -> bool:
    return not await office.count(Account, Account.state != AccountState.ONLINE)
