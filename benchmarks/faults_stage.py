"""Where faults are tried: a fresh database, whole programs on it, an officer, and the judge.

The witness is what arrived: the local channel's own record, a row for each message that was said.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.alerts import AlertContent, rendered_text
from bot.clock import SystemClock
from bot.delivery import decide_unknown
from bot.invariants import check_invariants, local_arrivals
from db.migrating import upgrade
from db.models import Account, Alert, Delivery, Group, LocalMessage, Send
from db.session import Database
from db.states import AlertState, DeliveryState
from tests.acceptance.fleet import build
from tests.acceptance.lives import Nursery
from tests.conftest import PostgresTemplates
from tests.world import World, quick_environment, quick_settings, release

ACCOUNTS = 4
GROUPS = 200
GAP = 0.05  # seconds between two messages of an account
LEASE = 2.5  # seconds; the product's own 8 would only make this longer
SENDING = "sender"
CLOCK = SystemClock()
LOOK = 0.03  # seconds between two looks at the rows
Condition = Callable[[], Awaitable[bool]]
LEFT = (DeliveryState.WAITING, DeliveryState.SENDING, DeliveryState.FAILED, DeliveryState.SKIPPED)


class Ended(AssertionError):
    """A program is no more though nobody has killed it."""


@dataclass
class Row:
    """One line of the table. `unknown` is what was in doubt after every echo was heard, before officers decided."""

    fault: str
    database: str
    runs: str
    groups: int
    lost: int
    twice: int
    unknown: int
    wrong: list[str]
    kills: int = 0

    @property
    def holds(self) -> bool:
        return not (self.lost or self.twice or self.wrong)

    def __str__(self) -> str:
        cells = (self.fault, self.database, self.runs, f"{self.groups:,}", self.lost, self.twice, self.unknown)
        return (
            f"| {' | '.join(str(cell) for cell in cells)} | {'hold' if not self.wrong else '；'.join(self.wrong)} |"
        )


@dataclass
class Stage:
    """One fault on one database. `folder` is the programs' own, what they say is in `log`; `server` is PostgreSQL's."""

    database: Database
    url: str
    folder: Path
    log: Path
    chance: random.Random
    environment: dict[str, str] = field(default_factory=dict)
    gap: float = GAP
    server: Any = None

    def __post_init__(self) -> None:
        self.settings = quick_settings(gap_seconds=self.gap)
        self.name = "SQLite" if self.database.is_sqlite else "PostgreSQL"
        self.sender = () if self.database.is_sqlite else (SENDING,)
        self.kills = 0
        self.wrong: list[str] = []
        self.living: set[int] = set()
        self._far = 0
        self._nursery: Nursery | None = None

    @property
    def nursery(self) -> Nursery:
        """Made with the first program: until then `environment` may grow."""
        if self._nursery is None:
            where = {"XINFANG_DATABASE_URL": self.url, "XINFANG_DATA_DIR": str(self.folder)}
            told = {"XINFANG_STATUS_PORT": "0", "XINFANG_LEASE_SECONDS": str(LEASE), "XINFANG_LOG_FORMAT": "json"}
            self._nursery = Nursery(self.log, quick_environment(self.gap) | told | where | self.environment)
        return self._nursery

    def close(self) -> None:
        for pid in list(self.living):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                os.kill(pid, signal.SIGCONT)
        if self._nursery is not None:
            self._nursery.close()

    # ── programs ──

    def start(self, *roles: str, far: bool = False) -> int:
        """A program; `far` puts it on a machine of its own: only its lease tells that it is dead."""
        self._far += far
        pid = self.nursery.start(*roles, *([f"host=far{self._far}"] if far else []))
        self.living.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        self.kills += 1
        self.living.discard(pid)
        os.kill(pid, signal.SIGKILL)

    def lives(self, pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True

    async def wait(self, condition: Condition, pid: int, seconds: float, what: str) -> None:
        """Like `until`, but it looks less often, and fails with the end of the log, also when the program `pid` has ended."""

        end = time.monotonic() + seconds
        while not await condition():
            if pid and not self.lives(pid):
                raise Ended(f"the program ended: {self.said()}")
            if time.monotonic() > end:
                raise AssertionError(f"{what} did not come within {seconds} s: {self.said()}")
            await asyncio.sleep(LOOK)

    def said(self, lines: int = 12) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def blame(self, what: str) -> None:
        self.wrong.append(what)

    # ── the office ──

    async def build(self, groups: int = GROUPS, accounts: int = ACCOUNTS) -> World:
        self.world = await build(self.database, accounts=accounts, groups=groups - 2)
        return self.world

    async def release(self, wanted: AlertContent | None = None) -> Alert:
        return await release(self.database, self.world, self.settings, CLOCK.now(), wanted)

    async def feed(self, low: int = 60) -> None:
        """Another broadcast when the present ones have little left to send."""
        if await self.count_deliveries(DeliveryState.WAITING) < low:
            await self.release()

    async def take_step(self, step: str, alert_id: int) -> datetime:
        """`step` is pause, resume or cancel; when it was durable."""
        more = ["试验"] if step == "cancel" else []
        async with self.database.write() as session:
            await getattr(alerts, step)(session, self.world.reviewer, alert_id, *more, now=CLOCK.now())
        return CLOCK.now()

    async def ids(self, *states: AlertState) -> Sequence[int]:
        async with self.database.read() as session:
            return (await session.scalars(sa.select(Alert.id).where(Alert.state.in_(states)))).all()

    async def count_deliveries(self, *states: DeliveryState) -> int:
        return await self.number(sa.select(sa.func.count()).where(Delivery.state.in_(states)))

    async def arrived(self, after: datetime | None = None) -> int:
        """How many messages the bot has said, or those that it said after an instant."""
        query = sa.select(sa.func.count()).where(LocalMessage.sender_id.startswith("bot:"))
        return await self.number(query if after is None else query.where(LocalMessage.at > after))

    async def number(self, query: sa.Select[int]) -> int:
        """What a count gives."""
        async with self.database.read() as session:
            return int(await session.scalar(query) or 0)

    async def sends(self, pid: int, seconds: float = 60) -> None:
        """Wait until something arrives that had not."""
        before = await self.arrived()

        async def more() -> bool:
            return await self.arrived() > before

        await self.wait(more, pid, seconds, "a message")

    async def holds(self, pid: int) -> None:
        """Wait until the program has taken the accounts."""

        async def has() -> bool:
            async with self.database.read() as session:
                owners = list(await session.scalars(sa.select(Account.lease_owner)))
            return all(owner.split(":")[1:2] == [str(pid)] for owner in owners)

        await self.wait(has, pid, 30, "the accounts' lease")

    # ── the judge ──

    async def judge(self, fault: str, runs: str, *, seconds: float = 150) -> Row:
        """When everything has come to its end: what was in doubt, and, after officers had that sent again, the rest."""
        await self.settle(seconds)
        unknown = await self.count_deliveries(DeliveryState.UNKNOWN)
        await self.check()
        await self._resend()
        await self.settle(seconds)
        await self.check()
        lost, twice, groups = await self._reckon()
        return Row(fault, self.name, runs, groups, lost, twice, unknown, list(dict.fromkeys(self.wrong)), self.kills)

    async def settle(self, seconds: float) -> None:
        async def settled() -> bool:
            if await self.ids(AlertState.RUNNING, AlertState.SCHEDULED, AlertState.PAUSED):
                return False
            if await self.count_deliveries(DeliveryState.SENDING):
                return False
            return not await self.number(sa.select(sa.func.count()).where(~LocalMessage.taken))

        await self.wait(settled, 0, seconds, "the end of every broadcast")

    async def check(self) -> None:
        async with self.database.snapshot() as session:
            checks = await check_invariants(session, self.settings)
        for check in checks:
            if not check.holds:
                self.blame(f"{check.name}: {'，'.join(check.faults[:3])}")
                self.blame(await self._by_how_much())

    async def _by_how_much(self) -> str:
        """How far the rows are from what the invariants of time ask: the clocks behind them agree to some ms only."""
        gaps = after = 0.0
        async with self.database.read() as session:
            for account in (await session.scalars(sa.select(Account.id))).all():
                starts = list(await session.scalars(sa.select(Send.at).where(Send.account_id == account)))
                starts.sort()
                gaps = max([gaps, *(self.gap - (b - a).total_seconds() for a, b in pairwise(starts))])
            begun = sa.select(Delivery.sending_at, Alert.finished_at).join(Alert, Alert.id == Delivery.alert_id)
            rows = await session.execute(
                begun.where(Alert.state == AlertState.CANCELLED, Delivery.sending_at > Alert.finished_at)
            )
            after = max([0.0, *((row[0] - row[1]).total_seconds() for row in rows)])
        return (
            f"gaps too short by at most {gaps * 1000:.1f} ms, begun after a cancel by at most {after * 1000:.1f} ms"
        )

    async def _resend(self) -> None:
        """What no echo confirmed did not arrive: it is sent again, where the alert has not been cancelled."""
        async with self.database.read() as session:
            doubtful = sa.select(Delivery.id).join(Alert, Alert.id == Delivery.alert_id)
            doubtful = doubtful.where(Delivery.state == DeliveryState.UNKNOWN, Alert.state == AlertState.FINISHED)
            rows = list(await session.scalars(doubtful))
        for delivery_id in rows:
            async with self.database.write() as session:
                await decide_unknown(session, self.world.reviewer, delivery_id, "resend", now=CLOCK.now())

    async def _reckon(self) -> tuple[int, int, int]:
        """(lost, twice, groups) by the witness: what a broadcast that was not cancelled owes is there, once."""
        lost = twice = groups = 0
        async with self.database.read() as session:
            for alert in (await session.scalars(sa.select(Alert).where(Alert.released_at.is_not(None)))).all():
                there = await local_arrivals(session, rendered_text(alert, self.settings))
                for room, state in await _rows(session, alert):
                    groups += 1
                    owed = state is DeliveryState.SENT or alert.state is not AlertState.CANCELLED
                    lost += state in LEFT or (owed and not there[room])
                twice += sum(count > 1 for count in there.values())
        return lost, twice, groups


async def _rows(session: AsyncSession, alert: Alert) -> list[tuple[str, DeliveryState]]:
    query = sa.select(Group.room_id, Delivery.state).join(Group, Group.id == Delivery.group_id)
    rows = await session.execute(query.where(Delivery.alert_id == alert.id))
    return [(str(row.room_id), row.state) for row in rows]


@contextlib.asynccontextmanager
async def stage(
    templates: PostgresTemplates | None,
    chance: random.Random,
    *,
    gap: float = GAP,
    folder: Path | None = None,
    server: Any = None,
    **environment: str,
) -> AsyncIterator[Stage]:
    """A fresh SQLite file, or a PostgreSQL database by `templates`. `folder`: where the programs' files are to be."""
    with tempfile.TemporaryDirectory(prefix="xf-fault-") as own:
        where = folder or Path(own)
        url = await templates.create() if templates else f"sqlite:///{where / 'xinfang.db'}"
        database = Database(url)
        if not templates:
            await upgrade(database)
        opened = Stage(database, url, where, Path(own) / "log.txt", chance, environment, gap, server)
        try:
            yield opened
        finally:
            opened.close()
            await opened.database.close()
            if templates:
                await templates.drop(url)
