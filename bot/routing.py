"""Every incoming message is taken once; the first handler that answers for it acts; at most one reply.

Taking a message, whatever its handler writes, and the reply it asks for are one transaction: after a crash the
message is either wholly done or given again by its channel.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.addressing import names_sender
from bot.alert_texts import AlertTexts
from bot.clock import Clock
from bot.echoes import Echoes
from bot.events import Events
from bot.identity import member_hash
from bot.mentions import Mentions
from bot.messages import Incoming
from db import incoming
from db.dml import insert_row
from db.models import Account, Group, Person, Reply
from db.people import keep_room
from db.session import Database
from db.states import DeliveryState

log = logging.getLogger(__name__)

S = TypeVar("S")


@dataclass(frozen=True)
class Context(Generic[S]):
    """What a handler may use. `services` is what the composition gave the router (see `bot.app.Services`)."""

    session: AsyncSession
    message: Incoming
    now: datetime
    account: Account
    group: Group | None  # None: a private chat, or a room that the registry does not know
    person: Person | None  # someone bound by a code; residents are nobody
    services: S

    @property
    def member(self) -> str:
        """The sender, hashed as stored."""
        return member_hash(self.message.channel, self.message.sender_id)


@dataclass(frozen=True)
class Outcome:
    """What a handler did: its name for the log, a reply if any, and which topics changed."""

    name: str
    reply: str = ""
    changed: tuple[str, ...] = ()


Handler = Callable[[Context[S]], Awaitable[Outcome | None]]
"""Returns None to let the next handler look at the message."""

Look = Callable[[Incoming], Awaitable[Incoming]]
"""What takes too long for a transaction that many messages share, such as comparing a picture."""

SILENT = Outcome("silent")

# Put together once: SQLAlchemy takes longer over a statement than SQLite over its answer.
_CHANNEL: sa.BindParameter[str] = sa.bindparam("channel")
_KNOWN = (
    sa.select(Account, Group, Person)
    .select_from(Account)
    .outerjoin(Group, sa.and_(Group.channel == _CHANNEL, Group.room_id == sa.bindparam("room")))
    .outerjoin(Person, sa.and_(Person.channel == _CHANNEL, Person.member_hash == sa.bindparam("member")))
    .where(Account.channel == _CHANNEL, Account.name == sa.bindparam("account"))
)
"""The account that heard a message, and its group and sender where they are known; no row for an unknown account."""

MayAct = Callable[[Incoming, S], bool]
"""False when no handler would do anything with the message."""


def always(_message: Incoming, _services: object) -> bool:
    return True


class Router(Generic[S]):
    def __init__(
        self,
        database: Database,
        clock: Clock,
        events: Events,
        handlers: Sequence[Handler[S]],
        services: S,
        texts: AlertTexts,
        mentions: Mentions | None = None,
        look: Look | None = None,
        may_act: MayAct[S] = always,
    ) -> None:
        self._database = database
        self._mentions = mentions or Mentions()
        self._may_act = may_act
        self._take_echoes = Echoes(texts, clock).take
        self._clock = clock
        self._events = events
        self._handlers = handlers
        self._services = services
        self._look = look

    async def take(self, message: Incoming) -> None:
        """The channels' `Deliver`. Returns when the message and everything it caused are durable."""
        if message.is_self:  # no handler ever sees one
            if await self._database.share(self._take_echoes, message):
                self._events.publish("deliveries", "reach")
            return
        if not self._may_act(message, self._services):
            await self._database.share(_take_silently, (message, self._clock.now()))
            return
        seen = await self._look(message) if self._look is not None else message
        outcome = await self._database.batched(lambda session: self._take(session, seen))
        if outcome is None:
            return
        log.debug("message taken", extra={"channel": message.channel, "outcome": outcome.name})
        self._events.publish(*outcome.changed, *(("replies",) if outcome.reply else ()))

    async def _take(self, session: AsyncSession, message: Incoming) -> Outcome | None:
        now = self._clock.now()
        if not await session.run_sync(lambda inner: _take_once(inner.connection(), message, now)):
            return None
        context = await self._context(session, message, now)
        if context is None:
            return SILENT
        for handler in self._handlers:
            outcome = await handler(context)
            if outcome is not None:
                await self._record(context, outcome)
                return outcome
        return SILENT

    async def _context(self, session: AsyncSession, message: Incoming, now: datetime) -> Context[S] | None:
        values = {
            "channel": message.channel,
            "account": message.account,
            "room": None if message.private else message.room_id,
            "member": member_hash(message.channel, message.sender_id),
        }
        known = (await session.execute(_KNOWN, values)).one_or_none()
        if known is None:
            log.warning(
                "message for an unknown account", extra={"channel": message.channel, "account": message.account}
            )
            return None
        account, group, person = known
        if person is not None and message.private:
            await keep_room(session, person.id, account.id, message.room_id, at=now)
        return Context(session, message, now, account, group, person, self._services)

    async def _record(self, context: Context[S], outcome: Outcome) -> None:
        message = context.message
        if outcome.reply:
            reply = Reply(
                channel=message.channel,
                account_id=context.account.id,
                room_id=message.room_id,
                message_id=message.message_id,
                text=outcome.reply,
                state=DeliveryState.WAITING,
                created_at=context.now,
            )
            await insert_row(context.session, reply)
            if names_sender(message, outcome.reply):
                self._mentions.remember(reply.id, message.sender_id)
        await context.session.run_sync(
            lambda inner: incoming.record_outcome(
                inner.connection(), message.channel, message.message_id, outcome.name
            )
        )


def _take_silently(connection: sa.Connection, taken: Sequence[tuple[Incoming, datetime]]) -> list[None]:
    keys = [(message.channel, message.message_id) for message, _ in taken]
    incoming.take(connection, keys, at=taken[0][1], outcome=SILENT.name)
    return [None] * len(taken)


def _take_once(connection: sa.Connection, message: Incoming, now: datetime) -> bool:
    key = (message.channel, message.message_id)
    return key in incoming.take(connection, [key], at=now, outcome=SILENT.name)
