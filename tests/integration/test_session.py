"""Sessions: durable when the call returns, shared commits that fail alone, writers that queue."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Tick
from db.session import Database
from tests.conftest import PostgresTemplates
from tests.fakes import START


async def _names(database: Database) -> set[str]:
    async with database.read() as session:
        return set(await session.scalars(sa.select(Tick.name)))


def _insert(name: str):  # type: ignore[no-untyped-def]
    async def work(session: AsyncSession) -> str:
        await session.execute(sa.insert(Tick).values(name=name, at=START))
        return name

    return work


async def test_batched_work_shares_commits(database: Database) -> None:
    commits = 0

    @sa.event.listens_for(database._batches.sync_engine, "commit")
    def count(_: object) -> None:
        nonlocal commits
        commits += 1

    names = [f"t{number}" for number in range(200)]
    assert await asyncio.gather(*(database.batched(_insert(name)) for name in names)) == names
    assert await _names(database) == set(names)
    assert commits <= 5


async def test_only_the_guilty_one_of_a_batch_fails(database: Database) -> None:
    await database.batched(_insert("taken"))
    results = await asyncio.gather(
        *(database.batched(_insert(name)) for name in ("a", "taken", "b")), return_exceptions=True
    )
    assert results[0] == "a"
    assert isinstance(results[1], IntegrityError)
    assert results[2] == "b"
    assert await _names(database) == {"taken", "a", "b"}


async def test_a_batch_that_stood_still_is_done_once_more(
    postgres: PostgresTemplates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL ends a connection that stands still in a transaction; nothing of it was done, and it may be again."""
    monkeypatch.setattr("db.session.PAUSE_SECONDS", 0.2)
    database = Database(url := await postgres.create())
    runs = 0

    async def held_up(session: AsyncSession) -> int:
        nonlocal runs
        runs += 1
        session.add(Tick(name=f"run {runs}", at=START))
        await session.flush()
        if runs == 1:
            await asyncio.sleep(0.8)
        return await session.scalar(sa.select(sa.func.count()).select_from(Tick)) or 0

    try:
        assert await database.batched(held_up) == 1
        assert runs == 2
        async with database.read() as session:
            assert (await session.scalars(sa.select(Tick.name))).all() == ["run 2"]
    finally:
        await database.close()
        await postgres.drop(url)


async def test_no_batch_of_a_stopped_process_holds_its_locks_for_ever(postgres: PostgresTemplates) -> None:
    """Standing still between two statements and in the middle of one are two limits to the server."""
    database = Database(url := await postgres.create())

    async def limits(session: AsyncSession) -> list[str]:
        names = ("idle_in_transaction_session_timeout", "transaction_timeout")
        return [str(await session.scalar(sa.text(f"SHOW {name}"))) for name in names]

    try:
        assert await database.batched(limits) == ["3s", "5s"]
    finally:
        await database.close()
        await postgres.drop(url)


async def test_a_cancelled_caller_does_not_tear_the_batch(database: Database) -> None:
    caller = asyncio.create_task(database.batched(_insert("left")))
    neighbour = asyncio.create_task(database.batched(_insert("stayed")))
    await asyncio.sleep(0)
    caller.cancel()
    assert await neighbour == "stayed"
    assert await _names(database) == {"left", "stayed"}


async def test_write_rolls_back_when_it_raises(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.write() as session:
            await _insert("half")(session)
            raise ZeroDivisionError
    assert await _names(database) == set()


async def test_many_writers_queue_instead_of_colliding(database: Database) -> None:
    async def write(number: int) -> None:
        async with database.write() as session:
            await session.scalar(
                sa.select(sa.func.count()).select_from(Tick)
            )  # read, then write: where SQLite collides
            await _insert(f"w{number}")(session)

    await asyncio.gather(*(write(number) for number in range(40)))
    assert len(await _names(database)) == 40


async def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    async with database.write() as session:
        await _insert("unseen")(session)
        async with asyncio.timeout(1):
            assert await _names(database) == set()


async def test_close_finishes_what_was_asked(database: Database) -> None:
    task = asyncio.create_task(database.batched(_insert("last")))
    await asyncio.sleep(0)
    await database.close()
    assert await task == "last"
    assert await _names(database) == {"last"}


async def test_a_cancelled_write_lets_go_of_the_database(database: Database) -> None:
    """At whatever instant a writer is cancelled, the next one does not wait for it."""
    chance = random.Random(7)

    async def write() -> None:
        async with database.write() as session:
            for name in ("a", "b", "c"):
                await session.execute(sa.insert(Tick).values(name=name, at=datetime.now(UTC)))

    for _ in range(150):
        task = asyncio.create_task(write())
        await asyncio.sleep(chance.uniform(0, 0.006))
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(5):
            await write()


async def test_a_first_connection_that_is_cancelled_lets_go_of_the_file(tmp_path: Path) -> None:
    """Making a file WAL locks everybody out until the answer was read: no cancelled task leaves it unread."""
    for step in range(60):
        path = tmp_path / f"{step}.db"
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE ticks (name TEXT PRIMARY KEY, at TEXT)")
        database = Database(f"sqlite:///{path}")
        task = asyncio.create_task(_one_write(database))
        await asyncio.sleep(step / 20_000)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(5):
            await _one_write(database)
        await database.close()


async def _one_write(database: Database) -> None:
    async with database.write() as session:
        await session.execute(sa.text("INSERT OR REPLACE INTO ticks VALUES ('a', '')"))


async def test_a_cancelled_read_leaves_no_view_of_the_file_behind(sqlite_database: Database) -> None:
    """An unread statement would keep an old view of the file, and the write-ahead log could never be taken in."""
    async with sqlite_database.write() as session:
        for number in range(300):
            await session.execute(sa.insert(Tick).values(name=f"n{number}", at=START))
    kept: list[asyncio.Task[set[str]]] = []  # a task keeps its traceback, and that the cursor
    for step in range(40):
        kept.append(asyncio.create_task(_names(sqlite_database)))
        await asyncio.sleep(step / 20_000)
        kept[-1].cancel()
        await asyncio.wait([kept[-1]])
    async with sqlite_database.write() as session:
        await session.execute(sa.insert(Tick).values(name="after", at=START))
    async with sqlite_database.read() as session:
        busy, log, taken_in = (await session.execute(sa.text("PRAGMA wal_checkpoint(PASSIVE)"))).one()
    assert busy == 0
    assert log == taken_in
