"""Delivery: one sender for every account that this process holds, and what a person decides about doubts."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.alert_texts import AlertTexts
from bot.alerts import reopen
from bot.audit import audit
from bot.channels.base import Channel
from bot.clock import Clock
from bot.errors import Invalid, NotFound, WrongState
from bot.events import Events, wait_for
from bot.identity import Actor
from bot.mentions import Mentions
from bot.pacing import Limits, Pacer
from bot.permissions import Permission, require
from bot.sender import Sender
from bot.settings import Settings
from db import deliveries as store
from db import leases
from db.accounts import end_blocks, get_account, set_offline
from db.models import Account
from db.models import Delivery as DeliveryRow
from db.session import Database
from db.states import DeliveryState

log = logging.getLogger(__name__)

STOP_SECONDS = 3.0  # for what is being sent; the whole program stops within 5


class Delivery:
    """Holds leases, and runs a `Sender` for each account it holds."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        channels: Mapping[str, Channel],
        clock: Clock,
        events: Events,
        texts: AlertTexts,
        mentions: Mentions | None = None,
    ) -> None:
        self._texts = texts
        self._mentions = mentions or Mentions()
        self._settings = settings
        self._database = database
        self._channels = channels
        self._clock = clock
        self._events = events
        self.owner = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._senders: dict[int, tuple[Sender, asyncio.Task[None]]] = {}
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        self._supervisor = asyncio.create_task(self._supervise(), name="delivery")

    async def stop(self) -> None:
        """Let every sender finish its message; what does not finish in time is recorded as unknown."""
        self._stopping.set()
        self._events.publish("accounts")  # the supervisor looks up; what it is writing is finished
        if self._supervisor is not None:
            await asyncio.wait([self._supervisor], timeout=STOP_SECONDS)
            self._supervisor.cancel()  # only a database that does not answer keeps it that long
        await self._end(list(self._senders))
        async with self._database.write() as session:
            await set_offline(session, self.owner, reason="程序已停止", now=self._clock.now())
            await leases.give_back(session, self.owner)

    async def _supervise(self) -> None:
        period = min(1.0, self._settings.lease_seconds / 3)
        with self._events.listen("accounts") as nudge:
            while not self._stopping.is_set():
                try:
                    await self._tend()
                except Exception:
                    log.exception("tending accounts failed; trying again")
                await wait_for(nudge, period)

    async def _tend(self) -> None:
        now = self._clock.now()
        until = now + timedelta(seconds=self._settings.lease_seconds)
        async with self._database.write() as session:
            held = await leases.renew(session, owner=self.owner, now=now, until=until)
            owners = await leases.list_owners(session, list(self._channels))
            dead = {owner for owner in owners.values() if _is_dead(owner)}
            gained = [
                await self._gain(session, account_id, now, until, dead)
                for account_id, owner in owners.items()
                if owner != self.owner or account_id not in held
            ]
            ended = await end_blocks(session, now)
        await self._end([account_id for account_id in self._senders if account_id not in held])
        for account in filter(None, gained):
            await self._begin(account)
        if ended:
            self._events.publish("accounts")

    async def _gain(
        self, session: AsyncSession, account_id: int, now: datetime, until: datetime, dead: set[str]
    ) -> Account | None:
        """Take the account if it is free: what its last holder left in flight is unknown from now on."""
        if not await leases.take(session, account_id, owner=self.owner, now=now, until=until, dead=dead):
            return None
        stranded = await store.strand_in_flight(session, account_id)
        account = await get_account(session, account_id)
        log.info("account taken", extra={"account": account.name, "stranded": stranded})
        return account

    async def _begin(self, account: Account) -> None:
        """Only now, when a sender that lost the lease has ended, is everything on record that pacing must know."""
        async with self._database.read() as session:
            pacer = await self._pacer(session, account, self._clock.now())
        sender = Sender(
            account,
            owner=self.owner,
            channel=self._channels[account.channel],
            pacer=pacer,
            settings=self._settings,
            database=self._database,
            clock=self._clock,
            events=self._events,
            texts=self._texts,
            mentions=self._mentions,
        )
        task = asyncio.create_task(sender.run(), name=f"sender-{account.name}")
        self._senders[account.id] = (sender, task)

    async def _pacer(self, session: AsyncSession, account: Account, now: datetime) -> Pacer:
        limits = account_limits(account, self._settings)
        midnight = now.astimezone(self._settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        window = timedelta(seconds=max(60.0, limits.gap))
        return Pacer(
            limits,
            self._clock,
            self._settings.zone,
            history=await store.list_sends(session, account.id, now - window),
            today=await store.count_sends(session, account.id, midnight),
            cards=await store.count_sends(session, account.id, midnight, cards=True),
        )

    async def _end(self, account_ids: list[int]) -> None:
        pairs = [self._senders.pop(account_id) for account_id in account_ids]
        for sender, _ in pairs:
            sender.stop()
        tasks = [task for _, task in pairs]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
        for task in late:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*late, return_exceptions=True)


def account_limits(account: Account, settings: Settings) -> Limits:
    """The account's own limits where it has them, else the settings'."""
    return Limits(
        gap=(settings.gap_ms if account.gap_ms is None else account.gap_ms) / 1000,
        per_minute=account.per_minute or settings.per_minute,
        per_day=account.per_day or settings.per_day,
        cards_per_day=settings.cards_per_day if account.cards_per_day is None else account.cards_per_day,
    )


def _is_dead(owner: str) -> bool:
    """Is the holder a process of this machine that no longer exists? Unknown machines count as alive."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


async def decide_unknown(
    session: AsyncSession, actor: Actor, delivery_id: int, decision: str, *, now: datetime
) -> None:
    """A person decides about a delivery in doubt: "resend" (it waits again) or "leave" (it stays unsent)."""
    require(actor, Permission.RUN_ALERT)
    outcomes = {
        "resend": (DeliveryState.WAITING, "人工决定重发"),
        "leave": (DeliveryState.SKIPPED, "人工决定不再重发"),
    }
    if decision not in outcomes:
        raise Invalid({"decision": "只能选择重发或不再重发"})
    row = await session.get(DeliveryRow, delivery_id)
    if row is None:
        raise NotFound("没有这条投递")
    state, reason = outcomes[decision]
    if decision == "resend":
        await reopen(session, actor, row.alert_id, now=now)
    if not await store.decide(session, delivery_id, state=state, reason=reason):
        raise WrongState("这条投递已经不是“待确认”，无需处理")
    await audit(
        session,
        actor,
        now,
        f"delivery.{decision}",
        f"投递 {delivery_id}",
        {"alert": row.alert_id, "group": row.group_id},
    )
