"""Several real processes with a role each, as on several machines, over one database."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.alerts import rendered_text
from bot.channels.local_people import sync_rooms
from bot.invariants import check_invariants, local_arrivals
from db.alerts import count_deliveries
from db.models import Account, Alert, LocalMessage
from db.processes import Alive, list_alive
from db.session import Database
from db.states import AlertState, DeliveryState, UnitKind
from tests.acceptance.lives import Nursery
from tests.factories import make_account, make_group, make_unit
from tests.world import World, build_world, quick_environment, quick_settings, until

LEASE = 2.5  # seconds: the product's own 8 would only make the tests longer
GAP = 0.25
SETTINGS = quick_settings(gap_seconds=GAP)
ENVIRONMENT = {
    **quick_environment(GAP),
    "XINFANG_STATUS_PORT": "0",
    "XINFANG_LEASE_SECONDS": str(LEASE),
    "XINFANG_LOG_FORMAT": "json",
}


@dataclass(frozen=True)
class Life:
    pid: int

    def stop(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


class Fleet:
    """`start` gives a running process, each on a machine of its own."""

    def __init__(self, url: str, folder: Path, **environment: str) -> None:
        self.log = folder / "fleet.log"
        self.lives: list[Life] = []
        where = {"XINFANG_DATABASE_URL": url, "XINFANG_DATA_DIR": str(folder)}
        self._nursery = Nursery(self.log, {**ENVIRONMENT, **where, **environment})

    def start(self, *roles: str, ahead: float = 0) -> Life:
        clock = [f"ahead={ahead}"] if ahead else []
        life = Life(self._nursery.start(*roles, f"host=machine{len(self.lives)}", *clock))
        self.lives.append(life)
        return life

    def said(self, **fields: Any) -> list[dict[str, Any]]:
        """The log lines of all processes that have these fields."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if fields.items() <= line.items()]

    def close(self) -> None:
        for life in self.lives:
            for number in (signal.SIGKILL, signal.SIGCONT):
                try:
                    life.stop(number)
                except ProcessLookupError:
                    break
        self._nursery.close()


@contextmanager
def fleet(url: str, folder: Path, **environment: str) -> Iterator[Fleet]:
    opened = Fleet(url, folder, **environment)
    try:
        yield opened
    finally:
        opened.close()


async def build(database: Database, *, accounts: int, groups: int) -> World:
    """A county and `groups` groups, spread over the accounts."""
    async with database.write() as session:
        world = await build_world(session, villages=0)
        served = [*world.accounts, *[await make_account(session) for _ in range(accounts - 1)]]
        town = await make_unit(session, kind=UnitKind.TOWN, parent=await make_unit(session))
        for number in range(groups):
            world.groups.append(await make_group(session, unit=town, account=served[number % accounts]))
        await sync_rooms(session)
    return world


async def count(database: Database, alert: Alert, *states: DeliveryState) -> int:
    async with database.read() as session:
        counts = (await count_deliveries(session, [alert.id]))[alert.id]
    return sum(getattr(counts, state.value) for state in states)


async def alive(database: Database) -> list[Alive]:
    async with database.read() as session:
        return list(await list_alive(session))


async def holders(database: Database) -> Counter[str]:
    """Machine → how many accounts it holds; "" for nobody."""
    async with database.read() as session:
        owners = await session.scalars(sa.select(Account.lease_owner))
        return Counter(owner.partition(":")[0] for owner in owners)


async def spread(database: Database, *counts: int) -> None:
    """Wait until the accounts are spread like this."""

    async def even() -> bool:
        held = await holders(database)
        return sorted(held.values()) == sorted(counts) and "" not in held

    await until(even, 20)


async def ended(database: Database, alert: Alert) -> bool:
    """Nothing is left to send, the scheduler has closed it, and every echo was heard."""
    async with database.read() as session:
        state = await session.scalar(sa.select(Alert.state).where(Alert.id == alert.id))
        unheard = await session.scalar(sa.select(LocalMessage.id).where(~LocalMessage.taken).limit(1))
    return state is AlertState.FINISHED and unheard is None


async def prove(database: Database, alert: Alert, groups: int, *, unknown: int) -> None:
    """Nothing lost, nothing twice, at most `unknown` in doubt, and the invariants hold."""
    in_doubt = await count(database, alert, DeliveryState.UNKNOWN)
    async with database.read() as session:
        arrived = await local_arrivals(session, rendered_text(alert, SETTINGS))
    async with database.snapshot() as session:
        checks = await check_invariants(session, SETTINGS)
    broken = [check for check in checks if not check.holds]
    assert not broken, broken
    assert set(arrived.values()) == {1}, "twice"
    assert len(arrived) + in_doubt == groups
    assert in_doubt <= unknown
    if await count(database, alert, DeliveryState.SENT) + in_doubt != groups:
        pytest.fail("lost")
