"""Sessions: durable when the call returns, shared commits that fail alone, writers that queue."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Tick
from db.session import Database
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
