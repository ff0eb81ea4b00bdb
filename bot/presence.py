"""This process among the others: who it is, what it does, and its sign of life."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import socket
import uuid
from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import Clock, SystemClock
from bot.database import is_away
from bot.database_clock import DatabaseClock
from bot.errors import UserError
from bot.events import set_within
from bot.lease import boot_time
from bot.roles import ALL, Part
from bot.settings import Settings
from db import migrating, processes
from db.session import Database

log = logging.getLogger(__name__)

CLOCK_SECONDS = 10.0  # between looks at the database's clock


class Presence:
    """One for each process. `owner` is its name in leases, logs and on the page of the state: "host:pid:nonce"."""

    def __init__(
        self, settings: Settings, database: Database, parts: Collection[Part] = ALL, clock: Clock | None = None
    ) -> None:
        self.owner = f"{process_name()}:{uuid.uuid4().hex[:8]}"
        self.parts = frozenset(parts)
        self.pool = _pool(settings) if Part.SENDER in self.parts else ""
        self.address = ""
        self.note = ""
        self._settings = settings
        self._database = database
        self._clock = clock or SystemClock()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def period(self) -> float:
        """Seconds between two signs of life, and between two heartbeats of leases."""
        return min(1.0, self._settings.lease_seconds / 3)

    async def start(self) -> None:
        """Be known from now on; what is long dead is forgotten."""
        await self._database.batched(self.beat)
        await self._database.batched(processes.forget_the_dead)
        self._task = asyncio.create_task(self._live(), name="presence")

    async def stop(self) -> None:
        """The row is removed by `leave`, in the transaction that gives the leases back."""
        self._stopping.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def beat(self, session: AsyncSession) -> None:
        """A sign of life, for the transaction of `session`."""
        sign = processes.Sign(
            owner=self.owner,
            roles=self.parts,
            pool=self.pool,
            address=self.address,
            revision=migrating.HEAD,
            clock_ms=self._clock.ahead_ms if isinstance(self._clock, DatabaseClock) else 0,
            note=self.note,
        )
        await processes.beat(session, sign, seconds=self._settings.lease_seconds)

    async def leave(self) -> None:
        async def work(session: AsyncSession) -> None:
            await processes.leave(session, self.owner)

        await self._database.batched(work)

    async def _live(self) -> None:
        """Senders give their sign of life with their heartbeats (`bot.delivery`); the others here. All look at the
        clock."""
        elapsed = 0.0
        while not self._stopping.is_set():
            try:
                if Part.SENDER not in self.parts:
                    await self._database.batched(self.beat)
                if isinstance(self._clock, DatabaseClock) and elapsed >= CLOCK_SECONDS:
                    elapsed = 0.0
                    await self._clock.measure(self._database)
            except Exception as error:
                log.log(
                    logging.WARNING if is_away(error) else logging.ERROR, "no sign of life", extra={"why": str(error)}
                )
            elapsed += self.period
            await set_within(self._stopping, self.period)


def _pool(settings: Settings) -> str:
    """Senders with the same channels and gateways can serve the same accounts: they share them evenly."""
    what = [*sorted(settings.channels), *sorted(gateway.name for gateway in settings.wechaty_gateways)]
    return hashlib.sha256("\n".join(what).encode()).hexdigest()[:16]


def process_name() -> str:
    """As it stands in logs and at the beginning of `Presence.owner`."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def require_alone(presence: Presence, settings: Settings, database: Database, stop: asyncio.Event) -> None:
    """An SQLite file has one sending process and one scheduling process: it has one writer at a time, and gains nothing
    by more. One that died on another machine is waited for until its lease is over.

    Raises `UserError` when it lives on.
    """
    mine = presence.parts - {Part.WEB}
    if not database.is_sqlite or not mine:
        return
    end = boot_time() + settings.lease_seconds + 1
    while not stop.is_set():
        async with database.read() as session:
            others = [one for one in await processes.list_alive(session) if not _was(one.owner)]
        found = [one for one in others if mine & {Part(role) for role in one.roles}]
        if not found:
            return
        if boot_time() > end:
            raise UserError(
                f"已有进程在用这个 SQLite 数据库发送（{':'.join(found[0].owner.split(':')[:2])}）。内置数据库只能有一个"
                "发送或定时进程；要分成多个进程，请改用 PostgreSQL（database_url），见 docs/scaling.md"
            )
        await asyncio.sleep(0.5)


def _was(owner: str) -> bool:
    """Is it no more? A container that starts again has the name and the number of its last life."""
    return is_dead(owner) or owner.startswith(f"{process_name()}:")


def is_dead(owner: str) -> bool:
    """Is this a process of this machine that no longer exists? Unknown machines count as alive."""
    host, _, rest = owner.partition(":")
    pid = rest.partition(":")[0]
    if host != socket.gethostname() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
