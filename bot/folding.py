"""Keeps the roll-up in step: whenever groups were reached, their figures are folded in, in small transactions."""

from __future__ import annotations

import asyncio
import logging
from datetime import tzinfo

from bot.events import Events, set_within, wait_for
from db import rollup
from db.session import Database

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0  # other processes cannot nudge this one
GATHER_SECONDS = 1.0  # a broadcast or a burst of forwards becomes a few batches, not one transaction each


class Folding:
    """The background task. Many processes may run one: only one at a time folds, the others find nothing to do."""

    def __init__(self, database: Database, events: Events, zone: tzinfo = rollup.OFFICE) -> None:
        self._database = database
        self._zone = zone  # whose calendar decides to which month an alert belongs
        self._events = events
        self._stopping = asyncio.Event()
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._stopping.clear()
        self._task = asyncio.create_task(self._run(), name="folding")

    async def stop(self) -> None:
        """The batch being folded is finished first; the rest waits in its rows for the next start."""
        self._stopping.set()
        self._nudged.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def fold_now(self) -> int:
        """Fold everything that waits; returns how many rows. Stops early when another process is folding."""
        total = 0
        while folded := await self._fold_batch():
            total += folded
            if self._stopping.is_set():
                break
        if total:
            self._events.publish("figures")
        return total

    async def _fold_batch(self) -> int:
        async with self._database.read() as session:
            if not await rollup.has_work(session):
                return 0
        async with self._database.write() as session:
            return await rollup.fold_step(session, zone=self._zone) if await rollup.lead(session) else 0

    async def _run(self) -> None:
        with self._events.listen("reach", "alerts", "deliveries") as self._nudged:
            while not self._stopping.is_set():
                try:
                    await self.fold_now()
                except Exception:
                    log.exception("figures could not be folded; trying again")
                await wait_for(self._nudged, POLL_SECONDS)
                await set_within(self._stopping, GATHER_SECONDS)
