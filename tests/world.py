"""A small county with groups on accounts, and what it takes to release an alert into it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.alert_texts import AlertTexts
from bot.alerts import AlertContent
from bot.delivery import Delivery
from bot.events import Events
from bot.identity import Actor
from bot.routing import Router
from bot.settings import Settings, load_settings
from db.models import Account, Alert, Group, User
from db.models import Delivery as DeliveryRow
from db.session import Database
from db.states import AlertState, DeliveryState, Role, Severity, UnitKind
from tests.factories import make_account, make_group, make_unit, make_user
from tests.fakes import FakeChannel

BODY = "今日我县发生一起冒充快递理赔的诈骗，骗子谎称快件丢失，诱导下载会议软件共享屏幕。"


_QUICK: dict[str, object] = {
    "gap_seconds": 0,
    "per_minute": 100_000,
    "per_day": 1_000_000,
    "quiet_start": "00:00",
    "quiet_end": "00:00",
}


def quick_settings(**values: object) -> Settings:
    """Settings with which a test does not wait: no gap, no budgets, no quiet hours."""
    defaults: dict[str, object] = {
        "lease_seconds": 3,  # a heartbeat may come late on a busy machine
        "send_timeout": 0.3,
    }
    return load_settings(**(_QUICK | defaults | values))


def quick_environment(gap: float) -> dict[str, str]:
    """The same for a program of its own, with a gap between messages in seconds."""
    values = _QUICK | {"gap_seconds": gap, "port": 0}
    return {f"XINFANG_{name.upper()}": str(value) for name, value in values.items()}


@dataclass
class World:
    publisher: Actor
    reviewer: Actor
    accounts: list[Account]
    groups: list[Group]  # upper levels first


async def build_world(session: AsyncSession, *, villages: int = 3, accounts: int = 1) -> World:
    """County, one town, some villages; a group each, served in turn by the accounts."""
    county = await make_unit(session, name="嵊泗县")
    town = await make_unit(session, parent=county, name="菜园镇", kind=UnitKind.TOWN)
    units = [county, town]
    units += [await make_unit(session, parent=town, kind=UnitKind.VILLAGE) for _ in range(villages)]
    served = [await make_account(session, name=f"心防{number}号") for number in range(1, accounts + 1)]
    groups = [
        await make_group(session, unit=unit, account=served[index % accounts]) for index, unit in enumerate(units)
    ]
    writer = await make_user(session, role=Role.PUBLISHER)
    second = await make_user(session, role=Role.REVIEWER)
    return World(_actor(writer), _actor(second), served, groups)


def _actor(user: User) -> Actor:
    return Actor(name=user.name, role=user.role, user_id=user.id)


def content(severity: Severity = Severity.RED, **values: object) -> AlertContent:
    return AlertContent(**({"title": "快递理赔是骗局", "body": BODY, "severity": severity} | values))  # type: ignore[arg-type]


async def release(
    database: Database, world: World, settings: Settings, now: datetime, wanted: AlertContent | None = None
) -> Alert:
    """Write, submit and release an alert to everybody."""
    async with database.write() as session:
        alert = await alerts.create(session, world.publisher, wanted or content(), settings=settings, now=now)
    async with database.write() as session:
        await alerts.submit(session, world.publisher, alert.id, now=now)
    async with database.write() as session:
        return await alerts.release(session, world.reviewer, alert.id, settings=settings, now=now)


async def states(database: Database, alert_id: int) -> dict[int, tuple[DeliveryState, str]]:
    """group id → state and reason of its delivery."""
    async with database.read() as session:
        rows = await session.execute(
            sa.select(DeliveryRow.group_id, DeliveryRow.state, DeliveryRow.reason).where(
                DeliveryRow.alert_id == alert_id
            )
        )
        return {row.group_id: (row.state, row.reason) for row in rows}


async def alert_state(database: Database, alert_id: int) -> AlertState:
    async with database.read() as session:
        return (await alerts.get_alert(session, alert_id)).state


class Post:
    """The sending half of the engine over a channel, with echoes coming back: `async with Post(…)`."""

    def __init__(self, database: Database, settings: Settings, channel: FakeChannel, clock: object) -> None:
        self.events = Events()
        self.channel = channel
        texts = AlertTexts(settings)
        self.router = Router(database, clock, self.events, [], settings, texts)  # type: ignore[arg-type]
        self.delivery = Delivery(settings, database, {"local": channel}, clock, self.events, texts)  # type: ignore[arg-type]
        self._database, self._clock = database, clock

    async def __aenter__(self) -> Post:
        from db.accounts import report_account_state

        async def changed(name: str, state: object, reason: str) -> None:
            async with self._database.write() as session:
                await report_account_state(session, "local", name, state, at=self._clock.now(), reason=reason)  # type: ignore[arg-type,attr-defined]

        await self.delivery.start()
        await self.channel.start(self.router.take, changed)
        self.events.publish("accounts")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.channel.stop()
        await self.delivery.stop()


async def until(condition: Callable[[], object], seconds: float = 10) -> None:
    """Wait for an asynchronous or plain condition; a failure says that it never came true."""
    async with asyncio.timeout(seconds):
        while True:
            result = condition()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return
            await asyncio.sleep(0.01)


async def settled(database: Database, alert_id: int, *final: DeliveryState) -> bool:
    """Has every delivery of the alert come to an end (or to one of `final`)?"""
    open_states = {DeliveryState.WAITING, DeliveryState.SENDING} - set(final)
    return not any(state in open_states for state, _ in (await states(database, alert_id)).values())
