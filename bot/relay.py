"""Carries the nudges of `bot.events` to other processes and theirs to us, over PostgreSQL's LISTEN and NOTIFY.

A nudge that gets lost costs a second at most: whoever waits looks at the rows by itself as well. A connection that is
lost is made again, and then everybody looks, for nobody knows what was said meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re

from bot.events import Events, set_within
from db.nudges import Line, listening
from db.session import Database

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.05  # nudges of a moment travel together
CHECK_SECONDS = 5.0  # between looks whether a silent connection still stands
ANSWER_SECONDS = 5.0
RETRY_SECONDS = 1.0
MESSAGE = re.compile(r"(\S+) ([a-z ]+)")


class Relay:
    """One for each process on PostgreSQL; `owner` is this process, which need not hear itself."""

    def __init__(self, database: Database, events: Events, owner: str) -> None:
        self._database = database
        self._events = events
        self._owner = owner
        self._topics: set[str] = set()
        self._news = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()

    async def start(self) -> None:
        self._events.relay = self._take
        self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """What was just published is still told."""
        self._events.relay = None
        self._stopping.set()
        self._news.set()
        if self._task is not None:
            await asyncio.wait([self._task], timeout=1.0)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _take(self, topics: tuple[str, ...]) -> None:
        self._topics.update(topics)
        self._news.set()

    def _hear(self, text: str) -> None:
        message = MESSAGE.fullmatch(text)
        if message and message[1] != self._owner:
            self._events.hear(*message[2].split())

    async def _run(self) -> None:
        lost = False
        while not self._stopping.is_set():
            try:
                async with listening(self._database, self._hear) as line:
                    if lost:
                        log.info("connection for nudges is there again")
                    lost = False
                    self.connected.set()
                    self._events.hear_all()
                    await self._serve(line)
            except Exception as error:
                self.connected.clear()
                if not lost:
                    log.warning(
                        "connection for nudges lost, looking every second", extra={"why": type(error).__name__}
                    )
                lost = True
                await set_within(self._stopping, RETRY_SECONDS)

    async def _serve(self, line: Line) -> None:
        broken = asyncio.ensure_future(line.broken.wait())
        try:
            while not (self._stopping.is_set() and not self._topics):
                news = asyncio.ensure_future(self._news.wait())
                await asyncio.wait({news, broken}, timeout=CHECK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if broken.done():
                    raise ConnectionResetError("the server ended the connection")
                await self._tell(line)
                await set_within(self._stopping, GATHER_SECONDS)
        finally:
            broken.cancel()

    async def _tell(self, line: Line) -> None:
        self._news.clear()
        topics, self._topics = self._topics, set()
        async with asyncio.timeout(ANSWER_SECONDS):
            if topics:
                await line.tell(f"{self._owner} {' '.join(sorted(topics))}")
            else:
                await line.check()
