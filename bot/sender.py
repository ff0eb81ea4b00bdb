"""The sender of one account: claim → pace → send → record, one message after the other.

Durable marks surround every send: `sending` before the first byte leaves and the outcome after. Whatever instant
the process dies at, at most the one message in between is in doubt. When the next message is due at once, its mark
shares the transaction of the last outcome.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.alert_texts import AlertTexts
from bot.breaker import open_breaker
from bot.channels.base import Channel
from bot.clock import Clock
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
from bot.mentions import Mentions
from bot.messages import Outgoing
from bot.metrics import PACING_WAIT
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
    """Serves `account` for as long as `owner` holds its lease."""

    def __init__(
        self,
        account: Account,
        *,
        owner: str,
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
        self._owner = owner
        self._channel = channel
        self._pacer = pacer
        self._settings = settings
        self._database = database
        self._clock = clock
        self._events = events
        self._stopping = asyncio.Event()
        self._texts = texts
        self._mentions = mentions

    def stop(self) -> None:
        """Finish what is being sent, then end."""
        self._stopping.set()

    async def run(self) -> None:
        with self._events.listen("alerts", "replies", "accounts") as nudge:
            while not self._stopping.is_set():
                try:
                    busy = await self._step()
                except Exception:
                    # The database may be away; rows are the truth, so look again. Nothing is in doubt that the
                    # recovery of the lease does not find.
                    log.exception("sender step failed", extra={"account": self.account.name})
                    busy = False
                if not busy:
                    await self._idle(nudge)

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
        waited = self._pacer.delay()
        if not await self._until_slot():
            return True
        claim = await self._advance()
        busy = claim is not None
        while claim is not None:
            PACING_WAIT.observe(waited)
            await self._pacer.wait()
            self._pacer.started(card=claim.card)
            claim = await self._send(claim)
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
            owner=self._owner,
            planned=self._pacer.planned(),
            severities=sendable(now, self._settings),
            replies_since=now - REPLY_USEFUL,
            cards=self._pacer.card_allowed(),
            reminders=not in_quiet_hours(now, self._settings),
        )

    async def _advance(self, done: Claim | None = None) -> Claim | None:
        """Mark what was sent, and claim the next one if that may start at once."""
        now = self._clock.now()
        due = done is None or (not self._stopping.is_set() and self._pacer.delay() <= LEAD)
        turn = Turn(self.account.id, now, done, self._wanted(now) if due else None)
        return await self._database.share(marks.advance, turn)

    async def _send(self, claim: Claim) -> Claim | None:
        """Send it and write down what became of it; returns the next one when that is due."""
        said = 0
        try:
            for part in parts(await self._message(claim), captions=self._channel.capabilities.captions):
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
            await self._record_error(claim, OutcomeUnknown("停止程序时正在发送"))
            raise
        except Exception as error:
            log.exception("channel broke", extra={"account": self.account.name, "room": claim.room_id})
            await self._record_error(claim, OutcomeUnknown(f"通道异常：{type(error).__name__}"))
        else:
            return await self._advance(claim)
        return None

    async def _say(self, room_id: str, part: Outgoing) -> None:
        try:
            await self._channel.send(self.account.name, room_id, part)
        finally:
            if self._channel.capabilities.counts_arrivals:
                self._pacer.arrived()

    async def _next_part(self) -> None:
        """What is said in two messages counts as two, and keeps the gap."""
        await self._pacer.wait()
        self._pacer.started()
        await self._database.share(marks.record_sends, (self.account.id, self._clock.now(), False))

    async def _message(self, claim: Claim) -> Outgoing:
        alert_id = claim.alert_id
        if alert_id is None:
            return Outgoing(ContentKind.TEXT, claim.text, mention_ids=self._mentions.of(claim.id))
        kept = self._texts.find(alert_id)
        if kept is None:
            kept = await self._database.share(self._texts.load, alert_id)
        return kept

    async def _record_error(self, claim: Claim, error: SendError, *, partly: bool = False) -> None:
        log.warning(
            "not sent",
            extra={
                "account": self.account.name,
                "room": claim.room_id,
                "error": type(error).__name__,
                "why": str(error),
            },
        )
        await self._database.batched(lambda session: self._apply_error(session, claim, error, partly))
        self._events.publish("accounts")

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


def parts(message: Outgoing, *, captions: bool) -> list[Outgoing]:
    """The messages of the platform that say this. The text comes last: its echo then proves the whole."""
    if captions or message.kind is ContentKind.TEXT or not message.text.strip():
        return [message]
    return [replace(message, text=""), Outgoing(ContentKind.TEXT, message.text)]
