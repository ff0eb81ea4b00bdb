"""Coverage gaps for pages: counted at once for a part of the tree, beside the page for a city or a province."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import Clock
from bot.recent import Recent
from db.console import count_subtree
from db.coverage_gaps import CoverageGaps, find_coverage_gaps
from db.models import Unit
from db.session import Database

log = logging.getLogger(__name__)

AT_ONCE = 10_000  # groups; some 0.1 s
KEPT = timedelta(minutes=10)
PATIENCE = 0.5  # seconds that a page waits for what is being counted


@dataclass(frozen=True)
class Gaps:
    """`found` None: they are being counted, and are there when the page is opened again."""

    found: CoverageGaps | None
    at: datetime | None = None  # counted then; None: within the last half minute


class GapWatch:
    """Remembers the gaps of large subtrees, and counts them anew when somebody looks at old ones."""

    def __init__(self, database: Database, clock: Clock, recent: Recent) -> None:
        self._database = database
        self._clock = clock
        self._recent = recent
        self._known: dict[str, tuple[CoverageGaps, datetime]] = {}  # by path; few subtrees are that large
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def look(self, session: AsyncSession, unit: Unit) -> Gaps:
        groups, _ = await self._recent.look(("size", unit.path), lambda: count_subtree(session, unit.path))
        if groups <= AT_ONCE:
            return Gaps(await self._recent.look(("gaps", unit.path), lambda: self._find(unit.path)))
        known = self._known.get(unit.path)
        if known is None or self._clock.now() - known[1] > KEPT:
            await asyncio.wait([self._start(unit.path)], timeout=PATIENCE)
            known = self._known.get(unit.path)
        return Gaps(*known) if known else Gaps(None)

    async def _find(self, path: str) -> CoverageGaps:
        async with self._database.read() as session:
            return await find_coverage_gaps(session, path, self._clock.now())

    def _start(self, path: str) -> asyncio.Task[None]:
        if path not in self._tasks:
            self._tasks[path] = asyncio.create_task(self._count(path), name="gaps")
            self._tasks[path].add_done_callback(lambda _: self._tasks.pop(path))
        return self._tasks[path]

    async def _count(self, path: str) -> None:
        try:
            now = self._clock.now()
            self._known[path] = await self._find(path), now
        except Exception:
            log.exception("the gaps of %s could not be counted", path)

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
