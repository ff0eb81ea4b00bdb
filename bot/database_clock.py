"""Machines' clocks differ; with one PostgreSQL for all of them, its clock is the time of all."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from bot.clock import SystemClock
from bot.lease import boot_time
from db.session import Database

log = logging.getLogger(__name__)

LOOKS = 3  # of which the quickest counts
STEP = 0.005  # seconds: smaller differences are the network's
TOLD = 2.0  # seconds by which a machine's clock may be wrong before somebody is told


class DatabaseClock(SystemClock):
    """The database's time, reckoned on from the last look at it. Before the first look, this machine's."""

    def __init__(self) -> None:
        self._at, self._seen = datetime.now(UTC), boot_time()
        self.ahead_ms = 0
        """This machine's clock minus the database's, in milliseconds."""

    def now(self) -> datetime:
        return self._at + timedelta(seconds=boot_time() - self._seen)

    async def measure(self, database: Database) -> None:
        """Look at the database's clock. Raises what the database raises when it is away."""
        looks = []
        async with database.engine.connect() as connection:
            for _ in range(LOOKS):
                before = boot_time()
                at = await connection.scalar(sa.text("SELECT clock_timestamp()"))
                after = boot_time()
                looks.append((after - before, at, (before + after) / 2))
        took, at, seen = min(looks)
        known = self._at + timedelta(seconds=seen - self._seen)
        if abs((at - known).total_seconds()) > max(STEP, took):
            self._at, self._seen = at.astimezone(UTC), seen
        self._compare()

    def _compare(self) -> None:
        before, self.ahead_ms = self.ahead_ms, round((datetime.now(UTC) - self.now()).total_seconds() * 1000)
        if abs(self.ahead_ms) > TOLD * 1000 >= abs(before):
            log.warning("this machine's clock is wrong, the database's counts", extra={"ahead_ms": self.ahead_ms})
