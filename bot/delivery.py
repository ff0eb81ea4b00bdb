"""Delivery: one sender for every account that this process holds, and what a person decides about doubts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.alert_texts import AlertTexts
from bot.alerts import reopen
from bot.audit import audit
from bot.channels.base import Channel
from bot.clock import Clock, duration_text, local_text
from bot.database import has_no_room, is_away, what_happened
from bot.errors import Invalid, NotFound, WrongState
from bot.events import Events, wait_for
from bot.identity import Actor
from bot.lease import Lease, boot_time
from bot.mentions import Mentions
from bot.metrics import TAKEN
from bot.pacing import Limits, Pacer
from bot.permissions import Permission, require
from bot.presence import Presence, is_dead
from bot.roles import Part
from bot.sender import Sender
from bot.settings import Settings
from bot.sharing import quota
from db import deliveries as store
from db import leases, processes
from db.accounts import end_blocks, get_account, report_account_state, set_offline
from db.models import Account
from db.models import Delivery as DeliveryRow
from db.session import Database
from db.states import AccountState, DeliveryState

log = logging.getLogger(__name__)

STOP_SECONDS = 3.0  # for what is being sent; the whole program stops within 5
LAST_WORD_SECONDS = 1.0  # for what a stop still has to write


@dataclass(frozen=True)
class _Gained:
    """An account that this process holds and does not serve yet."""

    account: Account
    fence: int
    stranded: store.InFlight  # what its last holder was sending


@dataclass(frozen=True)
class _Look:
    """What one heartbeat found."""

    held: Mapping[int, int]  # account id → fencing number
    gained: Sequence[_Gained]
    surplus: Collection[int]  # for others: there are more senders now
    unblocked: int


@dataclass
class _Served:
    sender: Sender
    task: asyncio.Task[None]


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
        presence: Presence | None = None,
    ) -> None:
        self._texts = texts
        self._mentions = mentions or Mentions()
        self._settings = settings
        self._database = database
        self._channels = channels
        self._clock = clock
        self._events = events
        self._presence = presence or Presence(settings, database, [Part.SENDER], clock)
        self.owner = self._presence.owner
        self._served: dict[int, _Served] = {}
        self._closing: dict[int, asyncio.Task[None]] = {}  # account id → the end of its sender here
        self._reported: dict[tuple[str, str], tuple[AccountState, str]] = {}  # (channel, account) → what it said last
        self._supervisor: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._away_since: float | None = None  # the database does not answer, on `boot_time`
        self._takes_from = 0.0  # when it is back, everybody first prolongs what it holds

    async def start(self) -> None:
        self._supervisor = asyncio.create_task(self._supervise(), name="delivery")

    async def stop(self) -> None:
        """Let every sender finish its message; what does not finish in time is recorded as unknown."""
        self._stopping.set()
        self._events.publish("accounts")  # the supervisor looks up; what it is writing is finished
        if self._supervisor is not None:
            await asyncio.wait([self._supervisor], timeout=STOP_SECONDS)
            self._supervisor.cancel()  # only a database that does not answer keeps it that long
        for account_id in list(self._served):
            self._close(account_id, patience=STOP_SECONDS)
        if self._closing:
            await asyncio.wait(list(self._closing.values()), timeout=STOP_SECONDS + 0.5)
        try:
            async with asyncio.timeout(LAST_WORD_SECONDS):
                await self._database.batched(self._leave)
        except Exception as error:
            log.warning("leases not given back, they run out by themselves", extra={"why": type(error).__name__})
        self._events.publish("accounts")

    async def _leave(self, session: AsyncSession) -> None:
        await set_offline(session, self.owner, reason="程序已停止", now=self._clock.now())
        await leases.give_back(session, self.owner)
        await processes.leave(session, self.owner)

    async def report(self, channel: str, name: str, state: AccountState, reason: str) -> None:
        """A channel says how its account does. The row is the holder's to write; whoever takes the account writes what
        it was told last."""
        self._reported[channel, name] = (state, reason)
        async with self._database.write() as session:
            if not await leases.held_by_another(session, channel, name, self.owner):
                await report_account_state(session, channel, name, state, at=self._clock.now(), reason=reason)
        self._events.publish("accounts")

    async def _supervise(self) -> None:
        with self._events.listen("accounts") as nudge:
            while not self._stopping.is_set():
                try:
                    await self._tend()
                except Exception as error:
                    self._missed(error)
                else:
                    self._answered()
                await wait_for(nudge, self._presence.period)

    def _missed(self, error: Exception) -> None:
        if not is_away(error):
            log.exception("tending accounts failed; trying again")
        elif self._away_since is None:
            self._away_since = boot_time()
            said = "the disk is full" if has_no_room(error) else "the database is away"
            log.warning(f"{said}, senders wait", extra={"why": what_happened(error)})

    def _answered(self) -> None:
        if self._away_since is None:
            return
        seconds, self._away_since = boot_time() - self._away_since, None
        self._takes_from = boot_time() + self._settings.lease_seconds / 2
        log.warning("the database is back, senders go on", extra={"seconds": round(seconds, 1)})
        when = local_text(self._clock.now(), self._settings.zone, seconds=True)
        self._presence.note = f"数据库曾中断 {duration_text(seconds)}，{when} 恢复，其间等待，没有丢失"

    async def _tend(self) -> None:
        """One heartbeat: hold what is held, take what is free, let go what others should have."""
        until = boot_time() + self._settings.lease_seconds
        look = await self._database.batched(self._look)
        for account_id, served in list(self._served.items()):
            if look.held.get(account_id) == served.sender.lease.fence:
                served.sender.lease.prolong(until)
            else:
                served.sender.lease.lose()
                self._close(account_id, patience=STOP_SECONDS)
        for account_id in look.surplus:
            self._close(account_id, patience=self._settings.send_timeout + STOP_SECONDS, give_back=True)
        for gained in look.gained:
            await self._begin(gained, until)
        if look.unblocked:
            self._events.publish("accounts")

    async def _look(self, session: AsyncSession) -> _Look:
        """In one transaction, which may be done again: nothing here is remembered."""
        seconds = self._settings.lease_seconds
        await self._presence.beat(session)
        held = dict(await leases.renew(session, owner=self.owner, seconds=seconds))
        known = [lease for lease in await leases.list_leases(session, list(self._channels)) if self._serves(lease)]
        peers = await processes.list_peers(session, self._presence.pool)
        dead = {owner for owner in {lease.owner for lease in known} | peers.keys() if is_dead(owner)}
        alive = {owner: count for owner, count in peers.items() if owner not in dead} | {self.owner: len(held)}
        ours = [lease for lease in known if lease.owner in alive or not lease.live or lease.owner in dead]
        kept = held.keys() - self._closing.keys()
        # After an outage the others' leases have run out as well: whoever is back first leaves them time.
        waits = self._away_since is not None or boot_time() < self._takes_from
        room = 0 if waits else quota(self.owner, alive, len(ours)) - len(kept)
        free = [lease.id for lease in ours if lease.owner not in alive or not lease.live]
        held |= await leases.take(session, free, owner=self.owner, seconds=seconds, limit=room, dead=dead)
        gained = [
            await self._gain(session, account_id, fence)
            for account_id, fence in held.items()
            if account_id not in self._served and account_id not in self._closing
        ]
        surplus = sorted(kept & self._served.keys())[room:] if room < 0 else []
        return _Look(held, gained, surplus, await end_blocks(session, self._clock.now()))

    def _serves(self, lease: leases.Leased) -> bool:
        """A gateway's account can only be served where its gateway is set."""
        return lease.channel != "wechaty" or lease.name in {one.name for one in self._settings.wechaty_gateways}

    async def _gain(self, session: AsyncSession, account_id: int, fence: int) -> _Gained:
        """What the last holder left in flight is unknown from now on."""
        stranded = await store.strand_in_flight(session, account_id)
        account = await get_account(session, account_id)
        state, reason = self._reported.get((account.channel, account.name), (None, ""))
        if state is not None:
            now = self._clock.now()
            await report_account_state(session, account.channel, account.name, state, at=now, reason=reason)
        return _Gained(account, fence, stranded)

    async def _begin(self, gained: _Gained, until: float) -> None:
        """Only now, when a sender that lost the lease has ended, is everything on record that pacing must know."""
        account, fence = gained.account, gained.fence
        TAKEN.add(account=account.name)
        stranded = {"stranded": gained.stranded.deliveries, "stranded_replies": gained.stranded.replies}
        log.info("account taken", extra={"account": account.name, "fence": fence, **stranded})
        channel = self._channels[account.channel]
        await channel.hold(account.name)
        async with self._database.read() as session:
            pacer = await self._pacer(session, account, self._clock.now())
        sender = Sender(
            account,
            lease=Lease(account.id, owner=self.owner, fence=fence, until=until),
            channel=channel,
            pacer=pacer,
            settings=self._settings,
            database=self._database,
            clock=self._clock,
            events=self._events,
            texts=self._texts,
            mentions=self._mentions,
        )
        self._served[account.id] = _Served(sender, asyncio.create_task(sender.run(), name=f"sender-{account.name}"))

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

    def _close(self, account_id: int, *, patience: float, give_back: bool = False) -> None:
        """End the account's sender, beside the heartbeats: what it is sending is finished, within `patience` seconds."""
        served = self._served.pop(account_id)
        served.sender.stop()
        ending = self._end(served, patience, give_back=give_back)
        task = asyncio.create_task(ending, name=f"end-{served.sender.account.name}")
        self._closing[account_id] = task
        task.add_done_callback(lambda _: self._closed(account_id))

    def _closed(self, account_id: int) -> None:
        del self._closing[account_id]
        self._events.publish("accounts")

    async def _end(self, served: _Served, patience: float, *, give_back: bool) -> None:
        _, late = await asyncio.wait([served.task], timeout=patience)
        for task in late:
            task.cancel()
            await asyncio.wait([task], timeout=LAST_WORD_SECONDS)
        account, fence = served.sender.account, served.sender.lease.fence
        try:
            if not self._stopping.is_set():  # else every channel stops as a whole
                await self._channels[account.channel].let_go(account.name)
            if give_back:
                log.info("account given to another sender", extra={"account": account.name, "fence": fence})
                await self._database.batched(lambda session: leases.give_back(session, self.owner, [account.id]))
        except Exception as error:
            log.warning("account not given back yet", extra={"account": account.name, "why": type(error).__name__})


def account_limits(account: Account, settings: Settings) -> Limits:
    """The account's own limits where it has them, else the settings'."""
    return Limits(
        gap=(settings.gap_ms if account.gap_ms is None else account.gap_ms) / 1000,
        per_minute=account.per_minute or settings.per_minute,
        per_day=account.per_day or settings.per_day,
        cards_per_day=settings.cards_per_day if account.cards_per_day is None else account.cards_per_day,
    )


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
