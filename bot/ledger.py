"""What a sender writes down: durable before it goes on, and nothing once it has lost its lease.

While the database is away a sender waits with what it has to write. An answer of the database that was lost on its way
leaves a question, which the rows answer: what was sent is marked again, what was claimed and never sent waits again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from bot.database import is_away
from bot.lease import Lease
from db import deliveries, leases, marks
from db.marks import Claim, Fenced, Turn
from db.models import Account, Delivery
from db.session import Database

log = logging.getLogger(__name__)

RETRY_SECONDS = 0.5  # while the database is away
T = TypeVar("T")


class FencedOff(Exception):
    """The account has another holder. What was in flight is its to find; we write and send nothing more."""


class Ledger:
    """The books of one account, kept by whoever holds `lease`."""

    def __init__(self, account: Account, lease: Lease, database: Database) -> None:
        self._account = account
        self._lease = lease
        self._database = database
        self._unsure = False  # whether a claim was made whose answer was lost

    def named(self, claim: Claim) -> dict[str, Any]:
        """By what a message is followed through the logs of all processes."""
        kind = "delivery" if claim.table is Delivery else "reply"
        alert = {} if claim.alert_id is None else {"alert": claim.alert_id, "group": claim.group_id}
        return {kind: claim.id, "account": self._account.name, "fence": self._lease.fence, **alert}

    async def settle(self) -> bool:
        """Find out about a claim whose answer was lost; True when there was one: the budgets may count it. Raises what
        the database raises."""
        if not self._unsure:
            return False
        await self.write(self._put_back)
        self._unsure = False
        return True

    async def claim(self, turn: Turn) -> Claim | None:
        """What is to be sent now, marked `sending`. Raises what the database raises."""
        return await self._advance(turn)

    async def sent(self, done: Turn, next_turn: Turn) -> Claim | None:
        """What `done` says was sent is on record when this returns; `next_turn` says the same and wants the next one."""
        assert done.done is not None
        try:
            return await self._advance(next_turn)
        except FencedOff:
            raise
        except Exception as error:
            self._tell(error, done.done)
        await self._until_durable(lambda: self._advance(done), done.done)
        return None

    async def record(self, claim: Claim, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Do `work`, which says what became of `claim`; waits for the database as long as it must."""
        return await self._until_durable(lambda: self.write(work), claim)

    async def write(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Do `work` if the account is still ours, in the transaction that makes sure of it."""

        async def guarded(session: AsyncSession) -> T | Fenced:
            lease = self._lease
            if not await leases.locked(session, lease.account_id, owner=lease.owner, fence=lease.fence):
                return marks.FENCED
            return await work(session)

        result = await self._database.batched(guarded)
        if isinstance(result, Fenced):
            raise FencedOff
        return result

    async def _advance(self, turn: Turn) -> Claim | None:
        try:
            result = await self._database.share(marks.advance, turn)
        except BaseException:
            self._unsure = self._unsure or turn.wanted is not None
            raise
        if isinstance(result, Fenced):
            raise FencedOff
        return result

    async def _put_back(self, session: AsyncSession) -> None:
        found = await deliveries.put_back_unsent(session, self._account.id)
        what = {"account": self._account.name, "deliveries": found.deliveries, "replies": found.replies}
        if found.deliveries or found.replies:
            log.info("claimed and never sent: waits again", extra=what)

    async def _until_durable(self, attempt: Callable[[], Awaitable[T]], claim: Claim) -> T:
        failed = False
        while True:
            try:
                result = await attempt()
            except FencedOff:
                raise
            except Exception as error:
                if not failed:
                    self._tell(error, claim)
                failed = True
                await asyncio.sleep(RETRY_SECONDS)
            else:
                if failed:
                    log.info("written down after all", extra=self.named(claim))
                return result

    def _tell(self, error: Exception, claim: Claim) -> None:
        known = is_away(error)
        log.log(
            logging.WARNING if known else logging.ERROR,
            "not written down yet, waiting for the database",
            extra={
                **self.named(claim),
                "why": str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
            },
            exc_info=None if known else error,
        )
