"""A live feed of everything said on the built-in channel, for the pages that show it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from db import local_chat
from db.models import LocalMessage
from db.session import Database

log = logging.getLogger(__name__)

GAP_SECONDS = 10.0  # how long an id that was jumped over may still appear: its transaction is slow, or was undone
MAX_GAP = 1000  # ids; a sequence may jump by any amount
MAX_BEHIND = 2000  # messages kept for a subscriber that does not read


class Subscription:
    """Batches of new messages, oldest first; ends when the feed is closed. `missed` says that some were dropped."""

    def __init__(self) -> None:
        self.missed = False
        self._waiting: list[LocalMessage] = []
        self._something = asyncio.Event()
        self._ended = False

    def put(self, messages: Sequence[LocalMessage]) -> None:
        self._waiting.extend(messages)
        if len(self._waiting) > MAX_BEHIND:
            self.missed = True
            del self._waiting[:-MAX_BEHIND]
        self._something.set()

    def end(self) -> None:
        self._ended = True
        self._something.set()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> list[LocalMessage]:
        await self._something.wait()
        if self._ended:
            raise StopAsyncIteration
        self._something.clear()
        batch, self._waiting = self._waiting, []
        return batch


class Feed:
    """Reads new messages while somebody is subscribed: at once after `wake`, and every `poll_seconds` for what
    other processes insert."""

    def __init__(self, database: Database, poll_seconds: float) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._subscribers: set[Subscription] = set()
        self._woken = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._last_id = 0
        self._gaps: dict[int, float] = {}  # id that was jumped over → when we stop waiting for it

    def wake(self) -> None:
        self._woken.set()

    @contextlib.asynccontextmanager
    async def subscribe(self) -> AsyncIterator[Subscription]:
        """Everything that is said from now on."""
        subscription = Subscription()
        async with self._starting:
            if self._reader is None or self._reader.done():
                async with self._database.read() as session:
                    self._last_id = await local_chat.last_message_id(session)
                self._gaps.clear()
                self._reader = asyncio.create_task(self._read(), name="local-feed")
            self._subscribers.add(subscription)
        try:
            yield subscription
        finally:
            self._subscribers.discard(subscription)
            await self._finish_reading()

    async def close(self) -> None:
        """End every subscription."""
        for subscription in self._subscribers:
            subscription.end()
        self._subscribers.clear()
        await self._finish_reading()

    async def _finish_reading(self) -> None:
        """The reader ends when nobody is left; it is never cancelled in the middle of a query."""
        self.wake()
        async with self._reading:
            pass

    async def _read(self) -> None:
        while self._subscribers:
            try:
                async with self._reading:
                    messages = await self._new_messages()
                for subscription in self._subscribers if messages else ():
                    subscription.put(messages)
            except Exception:
                log.exception("the live feed could not be read; trying again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()
            self._woken.clear()

    async def _new_messages(self) -> Sequence[LocalMessage]:
        now = asyncio.get_running_loop().time()
        self._gaps = {number: until for number, until in self._gaps.items() if until > now}
        async with self._database.read() as session:
            late = await local_chat.list_messages(session, list(self._gaps)) if self._gaps else []
            messages = [*late, *await local_chat.list_new(session, after=self._last_id)]
        for message in messages:
            self._gaps.pop(message.id, None)
            # PostgreSQL numbers rows before they are committed, so a lower id can appear after a higher one.
            for jumped in range(max(self._last_id + 1, message.id - MAX_GAP), message.id):
                self._gaps[jumped] = now + GAP_SECONDS
            self._last_id = max(self._last_id, message.id)
        if messages:
            self.wake()  # there may be more than one page
        return messages
