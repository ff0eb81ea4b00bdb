"""A real process, killed with -9 again and again while it broadcasts. The local channel's own record is the witness.

Invariant 2: nothing is lost, nothing arrives twice, and at most one delivery per account is in doubt per kill.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot import alerts
from bot.alerts import rendered_text
from bot.channels.local_people import sync_rooms
from bot.clock import SystemClock
from bot.delivery import decide_unknown
from bot.invariants import check_invariants, local_arrivals
from db.alerts import count_deliveries
from db.deliveries import list_deliveries
from db.session import Database
from db.states import AlertState, DeliveryState, UnitKind
from tests.acceptance.lives import ROOT, Nursery
from tests.factories import make_account, make_group, make_unit
from tests.world import World, build_world, content, quick_environment, quick_settings, release, until

KILLS = 26  # on each of two databases
ACCOUNTS = 3
GROUPS = 1000
GAP = 0.05
ENVIRONMENT = {
    **quick_environment(GAP),
    "XINFANG_LOG_LEVEL": "error",
}
SETTINGS = quick_settings(gap_seconds=GAP)
CLOCK = SystemClock()

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(600)]


def environment(url: str, folder: Path) -> dict[str, str]:
    return {**ENVIRONMENT, "XINFANG_DATABASE_URL": url, "XINFANG_DATA_DIR": str(folder)}


@contextmanager
def program(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`python bot.py run` as an office runs it."""
    with (folder / "errors.txt").open("ab") as errors:
        process = subprocess.Popen(
            [sys.executable, "bot.py", "run"],
            cwd=ROOT,
            env={**os.environ, **environment(url, folder)},
            stdout=subprocess.PIPE,
            stderr=errors,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()


@pytest.fixture
def nursery(database_url: str, tmp_path: Path) -> Iterator[Nursery]:
    opened = Nursery(tmp_path / "errors.txt", environment(database_url, tmp_path))
    yield opened
    opened.close()


async def build(database: Database) -> World:
    async with database.write() as session:
        world = await build_world(session, villages=0)
        accounts = [*world.accounts, *[await make_account(session) for _ in range(ACCOUNTS - 1)]]
        town = await make_unit(session, kind=UnitKind.TOWN, parent=await make_unit(session))
        for number in range(GROUPS):
            await make_group(session, unit=town, account=accounts[number % ACCOUNTS])
        await sync_rooms(session)
    return world


async def count(database: Database, alert_id: int, *states: DeliveryState) -> int:
    async with database.read() as session:
        counts = (await count_deliveries(session, [alert_id]))[alert_id]
    return sum(getattr(counts, state.value) for state in states)


async def test_killed_at_any_instant(database: Database, nursery: Nursery) -> None:
    world = await build(database)
    alert = await release(database, world, SETTINGS, CLOCK.now(), content())
    chance = random.Random()
    kills = 0
    while kills < KILLS and await count(database, alert.id, DeliveryState.WAITING):
        await _one_life(database, nursery, alert.id, chance.uniform(0, 0.6))
        kills += 1
    assert kills == KILLS, "the broadcast ended before it was killed often enough: give it more groups"
    with nursery.life():
        await until(lambda: _ended(database, alert.id), 150)
        await _echoes_heard(database)
    unknown = await count(database, alert.id, DeliveryState.UNKNOWN)
    assert unknown <= ACCOUNTS * KILLS
    await _holds(database)
    await _decide(database, world, alert.id)
    with nursery.life():
        await until(lambda: _ended(database, alert.id), 150)
        await _echoes_heard(database)
    await _holds(database)
    async with database.read() as session:
        arrived = await local_arrivals(session, rendered_text(alert, SETTINGS))
    assert len(arrived) == GROUPS + 2  # the county's and the town's own group as well
    assert set(arrived.values()) == {1}
    print(f"{database.url.get_backend_name()}: {kills} kills, {unknown} in doubt after echoes, 0 lost, 0 twice")


async def _one_life(database: Database, nursery: Nursery, alert_id: int, seconds: float) -> None:
    """Start, wait until it sends, let it go on for a random while, kill."""
    before = await count(database, alert_id, DeliveryState.WAITING)
    with nursery.life() as pid:

        async def sending() -> bool:
            nursery.check(pid)
            return await count(database, alert_id, DeliveryState.WAITING) < before

        await until(sending, 60)
        await asyncio.sleep(seconds)


async def _ended(database: Database, alert_id: int) -> bool:
    async with database.read() as session:
        return (await alerts.get_alert(session, alert_id)).state is AlertState.FINISHED


async def _echoes_heard(database: Database) -> None:
    """Every message of the local channel has been given to the engine, so every echo has been matched."""
    from db.models import LocalMessage

    async def heard() -> bool:
        async with database.read() as session:
            return await session.scalar(sa.select(LocalMessage.id).where(~LocalMessage.taken).limit(1)) is None

    await until(heard, 30)


async def _holds(database: Database) -> None:
    async with database.snapshot() as session:
        checks = await check_invariants(session, SETTINGS)
    assert [check for check in checks if not check.holds] == []


async def _decide(database: Database, world: World, alert_id: int) -> None:
    """What no echo confirmed did not arrive: the officer sends it again."""
    async with database.read() as session:
        doubtful = await list_deliveries(session, alert_id, states=[DeliveryState.UNKNOWN], limit=1000)
    for row in doubtful:
        async with database.write() as session:
            await decide_unknown(session, world.reviewer, row.id, "resend", now=CLOCK.now())


async def test_sigterm_stops_within_five_seconds(sqlite_database: Database, tmp_path: Path) -> None:
    world = await build(sqlite_database)
    alert = await release(sqlite_database, world, SETTINGS, CLOCK.now(), content())
    url = sqlite_database.url.set(drivername="sqlite").render_as_string(hide_password=False)
    with program(url, tmp_path) as process:
        await until(lambda: _some_sent(sqlite_database, alert.id), 30)
        started = time.monotonic()
        process.terminate()
        code = await asyncio.to_thread(process.wait, 10)
        seconds = time.monotonic() - started
    assert code == 0
    assert seconds <= 5
    assert await count(sqlite_database, alert.id, DeliveryState.SENDING, DeliveryState.UNKNOWN) == 0
    await _holds(sqlite_database)


@pytest.mark.parametrize("wait", [0.0, 0.5])
async def test_sigterm_breaks_a_start_off(sqlite_database: Database, tmp_path: Path, wait: float) -> None:
    """Told to stop while it still learns the library: it ends at once, and cleanly."""
    url = sqlite_database.url.set(drivername="sqlite").render_as_string(hide_password=False)
    with program(url, tmp_path) as process:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)  # the first password: the handlers of signals are there
        await asyncio.sleep(wait)
        started = time.monotonic()
        process.terminate()
        code = await asyncio.to_thread(process.wait, 10)
    assert code == 0
    assert time.monotonic() - started <= 5


async def _some_sent(database: Database, alert_id: int) -> bool:
    return await count(database, alert_id, DeliveryState.SENT) > 5
