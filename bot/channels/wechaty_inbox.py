"""What a gateway's stream brings is handed to the engine: in each room one message after the other, in order; rooms
do not wait for each other. What could not be handed over is kept for the next run, by its id only."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from pathlib import Path

from bot.channels.base import Deliver
from bot.events import set_within
from bot.messages import Incoming

log = logging.getLogger(__name__)

MAX_TRIES = 5  # then a message that the engine cannot take is given up, so that its room goes on
REMEMBERED = 5000  # ids; gateways give an event twice within seconds, if they do
FETCHING = 32  # messages being asked for at the same time
RETRY_SECONDS = 0.2
STOP_SECONDS = 3.0  # what a handler may still take when we stop; the whole program has 5
MAX_KEPT = 1000

Fetch = Callable[[str], Awaitable[Incoming | None]]
"""Asks the gateway for a message by its id; None when it is nothing for the engine. Raises `GatewayAway` when the
question may be asked again later."""


class GatewayAway(Exception):
    """The gateway could not be asked."""


class Inbox:
    def __init__(self, kept: Path, fetch: Fetch, deliver: Deliver) -> None:
        self._kept = kept
        self._fetch = fetch
        self._deliver = deliver
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._untaken: OrderedDict[str, None] = OrderedDict()
        self._unread: list[str] = []  # could not be asked for
        self._fetches: asyncio.Queue[tuple[str, asyncio.Task[Incoming | None]]] = asyncio.Queue()
        self._slots = asyncio.Semaphore(FETCHING)
        self._rooms: dict[str, deque[Incoming]] = {}
        self._workers: dict[str, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._sorter = asyncio.create_task(self._sort(), name="wechaty-inbox")

    def take_kept(self) -> None:
        """Ask again for what the last run, or the last connection, did not get rid of. Call it when the gateway can
        be asked."""
        unread, self._unread = self._unread, []
        for message_id in unread:
            self._begin(message_id)
        if not self._kept.exists():
            return
        try:
            ids = json.loads(self._kept.read_text(encoding="utf-8"))
        except ValueError:
            ids = []  # the last run died while it wrote
        self._kept.unlink()
        for message_id in ids:
            self.add(str(message_id))

    def add(self, message_id: str) -> None:
        """A message event. Given twice it counts once."""
        if message_id in self._seen or self._stopping.is_set():
            return
        self._seen[message_id] = self._untaken[message_id] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        self._begin(message_id)

    def _begin(self, message_id: str) -> None:
        self._fetches.put_nowait((message_id, asyncio.create_task(self._ask(message_id))))

    async def stop(self) -> None:
        """What is being handed over is finished first, for at most `STOP_SECONDS`; the rest is kept."""
        self._stopping.set()
        self._sorter.cancel()
        workers = list(self._workers.values())
        if workers:
            _, late = await asyncio.wait(workers, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
        asked = []
        while not self._fetches.empty():
            asked.append(self._fetches.get_nowait()[1])
        for fetch in asked:
            fetch.cancel()
        await asyncio.gather(self._sorter, *workers, *asked, return_exceptions=True)
        if self._untaken:
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            self._kept.write_text(json.dumps(list(self._untaken)[-MAX_KEPT:]), encoding="utf-8")

    async def _ask(self, message_id: str) -> Incoming | None:
        async with self._slots:
            try:
                message = await self._fetch(message_id)
            except GatewayAway:
                self._unread.append(message_id)
                return None
            except Exception:
                log.warning("message could not be read", extra={"id": message_id}, exc_info=True)
                message = None
        if message is None:
            self._untaken.pop(message_id, None)
        return message

    async def _sort(self) -> None:
        while True:
            _, fetch = await self._fetches.get()
            try:
                message = await asyncio.shield(fetch)
            except asyncio.CancelledError:
                fetch.cancel()
                raise
            if message is None:
                continue
            self._rooms.setdefault(message.room_id, deque()).append(message)
            if message.room_id not in self._workers:
                self._workers[message.room_id] = asyncio.create_task(self._work(message.room_id), name="wechaty-room")

    async def _work(self, room_id: str) -> None:
        waiting = self._rooms[room_id]
        try:
            while waiting and not self._stopping.is_set():
                if not await self._hand_over(waiting[0]):
                    return
                self._untaken.pop(waiting.popleft().message_id, None)
        finally:
            del self._workers[room_id]
            if not waiting:
                del self._rooms[room_id]

    async def _hand_over(self, message: Incoming) -> bool:
        """False when we stop before the engine has taken it."""
        for attempt in range(1, MAX_TRIES + 1):
            try:
                await self._deliver(message)
                return True
            except Exception:
                log.exception("message %s was not taken, try %d of %d", message.message_id, attempt, MAX_TRIES)
            if attempt < MAX_TRIES and await set_within(self._stopping, RETRY_SECONDS * 2 ** (attempt - 1)):
                return False
        log.error("message %s given up after %d tries", message.message_id, MAX_TRIES)
        return True
