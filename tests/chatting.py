"""A small town with people in its groups, for tests of what the bot does with what they say."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from bot.alert_texts import AlertTexts
from bot.app import Services
from bot.events import Events
from bot.forwarding import LiveAlerts
from bot.identity import member_hash
from bot.knowledge import Knowledge
from bot.messages import Incoming
from bot.routing import Router
from bot.settings import Settings, load_settings
from db import rollup
from db.models import Account, Alert, Group, Person, Reach, Reply, Unit
from db.models import Incoming as IncomingRow
from db.session import Database
from db.states import AlertState, ContentKind, GroupMode, Role, UnitKind
from handlers.chat import chat_handlers, may_act
from tests.factories import make_account, make_alert, make_group, make_unit
from tests.fakes import FakeClock

TITLE = "冒充快递理赔的诈骗又来了"
BODY = (
    "11月20日，菜园镇居民王女士接到自称快递公司的来电，对方说包裹丢失可以三倍赔付，"
    "诱导她下载会议软件并打开屏幕共享，随后以验证银行流水为由让她转账四笔，共损失86500元。"
    "快递公司不会主动来电要求共享屏幕，更不会让您转账验证。"
)
ALERT_TEXT = f"{TITLE}\n{BODY}"


@cache
def knowledge() -> Knowledge:
    """Built once for all tests, before any transaction: it is free of state."""
    known = Knowledge()
    known.load()
    return known


@dataclass
class Town:
    """County → town → two communities → a grid each; a pushed group per unit, relay groups below."""

    units: dict[str, Unit] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)


class Chat:
    """The way in, over a database: `say` hands a message to the router and returns what the bot replies."""

    def __init__(self, database: Database, settings: Settings | None = None) -> None:
        self.database = database
        self.settings = settings or load_settings()
        self.clock = FakeClock()
        self.events = Events()
        self.live = LiveAlerts(self.settings, database, self.clock)
        services = Services(self.settings, knowledge(), self.live)
        self.router = Router(
            database,
            self.clock,
            self.events,
            chat_handlers(),
            services,
            AlertTexts(services.settings),
            may_act=may_act,
            look=self.live.look,
        )
        self.town = Town()
        self.account: Account
        self.last_id = ""
        self._numbers = itertools.count(1)

    async def build(self) -> Chat:
        async with self.database.write() as session:
            self.account = await make_account(session, name="心防一号")
            units, groups = self.town.units, self.town.groups
            units["county"] = await make_unit(session, name="嵊泗县", code="330922")
            for name, parent, kind in (
                ("菜园镇", "county", UnitKind.TOWN),
                ("洋山镇", "county", UnitKind.TOWN),
                ("海滨社区", "菜园镇", UnitKind.COMMUNITY),
                ("金平社区", "菜园镇", UnitKind.COMMUNITY),
                ("海滨一网格", "海滨社区", UnitKind.GRID),
            ):
                units[name] = await make_unit(session, name=name, parent=units[parent], kind=kind)
            for code, name, unit, mode in (
                ("CY01", "菜园镇反诈工作群", "菜园镇", GroupMode.PUSH),
                ("HB01", "海滨社区反诈群", "海滨社区", GroupMode.PUSH),
                ("HB02", "海滨社区一网格反诈群（东）", "海滨一网格", GroupMode.RELAY),
                ("HB03", "海滨社区一网格反诈群（西）", "海滨一网格", GroupMode.RELAY),
                ("JP01", "金平社区反诈群", "金平社区", GroupMode.RELAY),
                ("YS01", "洋山镇反诈群", "洋山镇", GroupMode.PUSH),
            ):
                groups[code] = await make_group(
                    session, unit=units[unit], account=self.account, code=code, name=name, mode=mode, members=80
                )
        return self

    async def release(self, **columns: Any) -> Alert:
        """A live alert to every group, as `bot.alerts.start` leaves it."""
        async with self.database.write() as session:
            now = self.clock.now()
            values = {"title": TITLE, "body": BODY, "state": AlertState.RUNNING, "released_at": now} | columns
            values.setdefault("expires_at", now + timedelta(days=1))
            alert = await make_alert(session, **values)
            for group in self.town.groups.values():
                session.add(Reach(alert_id=alert.id, group_id=group.id, unit_id=group.unit_id, members=group.members))
        await self.live.refresh()
        await self.fold()
        return alert

    async def fold(self) -> None:
        async with self.database.write() as session:
            while await rollup.fold_step(session):
                pass

    async def bind(self, sender: str, unit: str, role: Role = Role.LIAISON) -> Person:
        async with self.database.write() as session:
            person = Person(
                name=sender,
                role=role,
                unit_id=self.town.units[unit].id,
                channel="local",
                member_hash=member_hash("local", sender),
                bound_at=self.clock.now(),
            )
            session.add(person)
        return person

    async def say(self, sender: str, text: str, group: str = "", **values: Any) -> str:
        """What `sender` says in a group, or in the private chat; returns the reply, "" for silence."""
        message = self.message(text, sender, group, **values)
        await self.router.take(message)
        async with self.database.read() as session:
            query = sa.select(Reply.text).where(Reply.message_id == message.message_id)
            reply: str | None = await session.scalar(query)
        return reply or ""

    def message(self, text: str, sender: str = "wang", group: str = "", **values: Any) -> Incoming:
        """A new message in a group, or in the private chat."""
        self.last_id = message_id = f"m{next(self._numbers)}"
        room = self.town.groups[group].room_id or "" if group in self.town.groups else group or f"private:{sender}"
        fields: dict[str, Any] = {
            "channel": "local",
            "account": self.account.name,
            "message_id": message_id,
            "room_id": room,
            "private": not group,
            "sender_id": sender,
            "sender_name": sender,
            "kind": ContentKind.TEXT,
            "text": text,
            "at": self.clock.now(),
        }
        return Incoming(**(fields | values))

    async def outcome(self) -> str:
        """The name of the handler that took the last message."""
        async with self.database.read() as session:
            query = sa.select(IncomingRow.outcome).where(IncomingRow.message_id == self.last_id)
            return (await session.scalar(query)) or ""

    async def rows(self, table: type[Any]) -> list[Any]:
        async with self.database.read() as session:
            return list(await session.scalars(sa.select(table).order_by(*sa.inspect(table).primary_key)))
