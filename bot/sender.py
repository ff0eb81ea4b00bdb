"""The sender of one account: claim → pace → send → record, one message after the other.

Durable marks surround every send: `sending` before the first byte leaves and the outcome after. Whatever instant
the process dies at, at most the one message in between is in doubt. When the next message is due at once, its mark
shares the transaction of the last outcome. Every mark is refused to whoever has lost the account's lease, and no send
begins unless the lease goes on for long enough (`bot.lease`, `bot.ledger`).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.alert_texts import AlertTexts
from bot.breaker import open_breaker
from bot.channels.base import Channel
from bot.clock import Clock
from bot.database import is_away
from bot.errors import (
    AccountOffline,
    MessageRefused,
    OutcomeUnknown,
    RoomGone,
    SendError,
    TemporaryFailure,
    Throttled,
)
from bot.events import Events, wait_for
from bot.lease import Lease
from bot.ledger import FencedOff, Ledger
from bot.mentions import Mentions
from bot.messages import Outgoing
from bot.metrics import FENCED, PACING_WAIT, SENDS
from bot.pacing import Pacer
from bot.quiet import in_quiet_hours, sendable
from bot.settings import Settings
from db import deliveries as store
from db import marks
from db.accounts import record_account_state
from db.groups import mark_lost
from db.marks import Claim, Turn, Wanted
from db.models import Account
from db.session import Database
from db.states import AccountState, ContentKind, DeliveryState

log = logging.getLogger(__name__)

REPLY_USEFUL = timedelta(minutes=30)  # an answer later than this only confuses
LEAD = 0.02  # seconds before the allowed start at which the mark is begun, so that it costs no time
IDLE = 1.0  # seconds between looks at the rows when nothing nudges; other processes cannot nudge


class Sender:
    """Serves `account` for as long as `lease` is ours."""

    def __init__(
        self,
        account: Account,
        *,
        lease: Lease,
        channel: Channel,
        pacer: Pacer,
        settings: Settings,
        database: Database,
        clock: Clock,
        events: Events,
        texts: AlertTexts,
        mentions: Mentions,
    ) -> None:
        self.account = account
        self.lease = lease
        self._channel = channel
        self._pacer = pacer
        self._settings = settings
        self._database = database
        self._ledger = Ledger(account, lease, database)
        self._clock = clock
        self._events = events
        self._stopping = asyncio.Event()
        self._texts = texts
        self._mentions = mentions
        self._margin = lease_margin(settings)
        self._waiting = False  # for the database, which is said once

    def stop(self) -> None:
        """Finish what is being sent, then end."""
        self._stopping.set()

    async def run(self) -> None:
        with self._events.listen("alerts", "replies", "accounts") as nudge:
            while not self._stopping.is_set():
                try:
                    busy = await self._step()
                except FencedOff:
                    self._fenced()
                    return
                except Exception as error:
                    # Rows are the truth, so look again.
                    self._tell(error)
                    busy = False
                if not busy:
                    await self._idle(nudge)

    def _fenced(self) -> None:
        FENCED.add(account=self.account.name)
        log.warning("fenced off: the account has another holder", extra=self._named())
        self.lease.lose()
        self._events.publish("accounts")

    def _tell(self, error: Exception) -> None:
        if is_away(error):
            if not self._waiting:
                log.warning("the database is away, waiting", extra={**self._named(), "why": type(error).__name__})
            self._waiting = True
        else:
            log.exception("sender step failed", extra=self._named())

    def _named(self) -> dict[str, Any]:
        return {"account": self.account.name, "fence": self.lease.fence}

    async def _idle(self, nudge: asyncio.Event) -> None:
        stopping = asyncio.ensure_future(self._stopping.wait())
        nudged = asyncio.ensure_future(wait_for(nudge, IDLE))
        try:
            await asyncio.wait({stopping, nudged}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            nudged.cancel()

    async def _step(self) -> bool:
        """Send until nothing is due; False when there was nothing to do."""
        if await self._ledger.settle():
            self._pacer.started()  # a start is on record that was none
        waited = self._pacer.delay()
        if not await self._until_slot():
            return True
        if not self.lease.lasts(self._margin):
            return False  # the heartbeat is late: claiming now would only mean putting back
        now = self._clock.now()
        claim = await self._ledger.claim(self._turn(now, wanted=self._wanted(now)))
        self._waiting = False
        busy = claim is not None
        while claim is not None:
            log.info("sending", extra=self._ledger.named(claim) | {"attempt": claim.attempts})
            await self._pacer.wait()
            claim = await self._send(claim, waited)
            waited = 0.0  # the next one was due at once
            self._events.publish("deliveries")
        return busy

    async def _until_slot(self) -> bool:
        """Wait for the next allowed start, in pieces so that a stop is heard; False when stopping."""
        while (left := self._pacer.delay() - LEAD) > 0:
            if self._stopping.is_set():
                return False
            await self._clock.sleep(min(left, 0.5))
        return not self._stopping.is_set()

    def _wanted(self, now: datetime) -> Wanted:
        return Wanted(
            planned=self._pacer.planned(),
            severities=sendable(now, self._settings),
            replies_since=now - REPLY_USEFUL,
            cards=self._pacer.card_allowed(),
            reminders=not in_quiet_hours(now, self._settings),
            margin=self._margin,
        )

    def _turn(self, now: datetime, done: Claim | None = None, wanted: Wanted | None = None) -> Turn:
        return Turn(self.account.id, now, self.lease.owner, self.lease.fence, done, wanted)

    async def _sent(self, claim: Claim) -> Claim | None:
        """Write down that it was sent, and claim the next one if that may start at once."""
        SENDS.add(outcome="sent")
        log.info("sent", extra=self._ledger.named(claim))
        now = self._clock.now()
        due = not self._stopping.is_set() and self._pacer.delay() <= LEAD and self.lease.lasts(self._margin)
        following = self._turn(now, claim, self._wanted(now) if due else None)
        return await self._ledger.sent(self._turn(now, claim), following)

    async def _send(self, claim: Claim, waited: float) -> Claim | None:
        """Send it and write down what became of it; returns the next one when that is due."""
        try:
            message = await self._message(claim)
        except Exception as error:
            self._tell(error)
            await self._put_back(claim, "the text could not be read")
            return None
        if not self.lease.lasts(self._margin):  # we were paused, or the database is away: it has another holder soon
            await self._put_back(claim, "the lease ends")
            return None
        PACING_WAIT.observe(waited)
        self._pacer.started(card=claim.card)
        return await self._say_all(claim, message)

    async def _put_back(self, claim: Claim, why: str) -> None:
        log.warning("not begun, waits again", extra=self._ledger.named(claim) | {"why": why})
        self._pacer.started(card=claim.card)  # its start is on record, and the next keeps its distance from that
        await self._ledger.record(
            claim, lambda session: store.record_not_sent(session, claim, state=DeliveryState.WAITING, reason="")
        )

    async def _say_all(self, claim: Claim, message: Outgoing) -> Claim | None:
        said = 0
        try:
            for part in parts(message, captions=self._channel.capabilities.captions):
                if said:
                    await self._next_part()
                async with asyncio.timeout(self._settings.send_timeout):
                    await self._say(claim.room_id, part)
                said += 1
        except SendError as error:
            await self._record_error(claim, error, partly=said > 0)
        except TimeoutError:
            await self._record_error(claim, OutcomeUnknown("平台没有答复"))
        except asyncio.CancelledError:
            # Stopping took too long. The message may have left: say so before the process ends.
            await self._record_at_the_end(claim, OutcomeUnknown("停止程序时正在发送"))
            raise
        except Exception as error:
            log.exception("channel broke", extra=self._ledger.named(claim) | {"room": claim.room_id})
            await self._record_error(claim, OutcomeUnknown(f"通道异常：{type(error).__name__}"))
        else:
            return await self._sent(claim)
        return None

    async def _say(self, room_id: str, part: Outgoing) -> None:
        # This process may be held up between its look at the clock and the channel: the gap counts from when the loop
        # goes on, so that the channel never sees less of it.
        asyncio.get_running_loop().call_soon(self._pacer.arrived)
        try:
            await self._channel.send(self.account.name, room_id, part)
        finally:
            if self._channel.capabilities.counts_arrivals:
                self._pacer.arrived()

    async def _next_part(self) -> None:
        """What is said in two messages counts as two, and keeps the gap."""
        await self._pacer.wait()
        if not self.lease.lasts(self._margin):
            raise OutcomeUnknown("账号租约已到期")
        start = self._pacer.planned()
        self._pacer.started()
        await self._database.share(marks.record_sends, (self.account.id, start, False))

    async def _message(self, claim: Claim) -> Outgoing:
        alert_id = claim.alert_id
        if alert_id is None:
            return Outgoing(ContentKind.TEXT, claim.text, mention_ids=self._mentions.of(claim.id))
        kept = self._texts.find(alert_id)
        if kept is None:
            kept = await self._database.share(self._texts.load, alert_id)
        return self._texts.for_unit(kept, alert_id, claim.unit_id)

    async def _record_error(self, claim: Claim, error: SendError, *, partly: bool = False) -> None:
        self._tell_error(claim, error)
        await self._ledger.record(claim, lambda session: self._apply_error(session, claim, error, partly))
        self._events.publish("accounts")

    async def _record_at_the_end(self, claim: Claim, error: SendError) -> None:
        """Once: whoever takes the account next finds what could not be written."""
        self._tell_error(claim, error)
        with contextlib.suppress(FencedOff):
            await self._ledger.write(lambda session: self._apply_error(session, claim, error, False))

    def _tell_error(self, claim: Claim, error: SendError) -> None:
        SENDS.add(outcome=type(error).__name__)
        what = {"room": claim.room_id, "error": type(error).__name__, "why": str(error)}
        log.warning("not sent", extra=self._ledger.named(claim) | what)

    async def _apply_error(self, session: AsyncSession, claim: Claim, error: SendError, partly: bool) -> None:
        """One place decides what each error means for the delivery, the group and the account."""
        now = self._clock.now()
        state, not_before = DeliveryState.FAILED, None
        if isinstance(error, OutcomeUnknown):
            state = DeliveryState.UNKNOWN
        elif isinstance(error, RoomGone):
            if claim.group_id is not None:
                await mark_lost(session, claim.group_id)
        elif isinstance(error, AccountOffline):
            state = DeliveryState.WAITING
            await record_account_state(session, self.account.id, AccountState.OFFLINE, at=now, reason=str(error))
        elif isinstance(error, Throttled):
            state = DeliveryState.WAITING
        elif isinstance(error, TemporaryFailure) and claim.attempts < self._settings.max_attempts:
            state, not_before = DeliveryState.WAITING, now + timedelta(seconds=5 * 3 ** (claim.attempts - 1))
        elif not isinstance(error, MessageRefused | TemporaryFailure):
            state = DeliveryState.UNKNOWN  # a kind of error that says nothing about the outcome
        reason = str(error)
        if partly:  # the picture or card is there, its text is not: only a person can say what is right
            state, not_before, reason = DeliveryState.UNKNOWN, None, f"只发出了一部分：{error}"
        await store.record_not_sent(session, claim, state=state, reason=reason, not_before=not_before)
        if isinstance(error, Throttled):  # after the delivery waits again, so that it is handed over with the others
            await open_breaker(session, self.account.id, seconds=error.retry_after, reason=str(error), now=now)


def lease_margin(settings: Settings) -> float:
    """Seconds that a lease must go on for a send to begin: more than it takes from the look to the first byte."""
    return min(1.0, settings.lease_seconds / 4)


def parts(message: Outgoing, *, captions: bool) -> list[Outgoing]:
    """The messages of the platform that say this. The text comes last: its echo then proves the whole."""
    if captions or message.kind is ContentKind.TEXT or not message.text.strip():
        return [message]
    return [replace(message, text=""), Outgoing(ContentKind.TEXT, message.text)]
