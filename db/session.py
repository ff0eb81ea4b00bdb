"""The database: one engine, readers, one kind of writer, and a group commit for the hot paths.

SQLite has one writer at a time, so writers of this process queue on a lock instead of colliding, and each takes
the write lock of the file when it begins (`BEGIN IMMEDIATE`) instead of failing half way. Every commit is durable
before the call returns (`synchronous=FULL`): `sending` must survive a power cut, not only a crash.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

import db.in_place  # noqa: F401  registers the driver that `batched` uses on SQLite
from db.group_commit import GroupCommit
from db.whole_statements import creator, prepare

PAUSE_SECONDS = 3.0  # that a batch may stand still between two statements; PostgreSQL then undoes it
BATCH_SECONDS = 5.0  # that it may take in all; from PostgreSQL 17

T = TypeVar("T")
Item = TypeVar("Item")


def async_url(url: str) -> sa.URL:
    """The URL with the async driver filled in: people write `sqlite:///…` and `postgresql://…`."""
    parsed = make_url(url)
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg"}
    return parsed.set(drivername=drivers.get(parsed.drivername, parsed.drivername))


class Database:
    """Sessions to read, to write, and `batched` writes that share one durable commit."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.url = async_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        options: dict[str, Any] = (
            {"async_creator": creator(self.url.database or "")} if self.is_sqlite else {"pool_pre_ping": True}
        )
        options["json_deserializer"] = orjson.loads  # histograms are read by the hundred
        # What was used last goes out first: it has the pages that are wanted in its cache, and the others need none.
        pool: dict[str, Any] = {"pool_size": pool_size, "max_overflow": 10, "pool_use_lifo": True}
        self.engine = create_async_engine(self.url, **pool, **options)
        if self.is_sqlite:
            sa.event.listen(self.engine.sync_engine, "begin", _begin_sqlite)
            self._batches = create_async_engine(
                self.url.set(drivername="sqlite+inplace"), pool_size=1, max_overflow=0
            )
            self._glances = create_async_engine(
                self.url.set(drivername="sqlite+glance"), json_deserializer=orjson.loads, **pool
            )
            for engine in (self._batches, self._glances):
                sa.event.listen(engine.sync_engine, "connect", _prepare_in_place)
        else:
            self._glances = self.engine
            # A process that is stopped in the middle of a batch holds its accounts' rows: the server lets go of them.
            limit = {"idle_in_transaction_session_timeout": str(round(PAUSE_SECONDS * 1000))}
            self._batches = create_async_engine(
                self.url, pool_size=1, max_overflow=0, connect_args={"server_settings": limit}, **options
            )
            sa.event.listen(self._batches.sync_engine, "connect", _limit_transactions)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)
        self._glancing = async_sessionmaker(self._glances, expire_on_commit=False)
        self._write_lock = asyncio.Lock()
        self._group_commit = GroupCommit(self._batches, self._write_guard)

    @contextlib.asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; whatever it changed is thrown away."""
        async with self._sessions() as session:
            yield session

    @contextlib.asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """`read` of which every statement sees the same instant, for checks that compare tables while others write.
        (On SQLite every transaction does.)"""
        async with self._sessions() as session:
            if not self.is_sqlite:
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    @contextlib.asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncSession]:
        """`read` for a few rows found by an index: on SQLite in place, where a hop to a thread costs more than they do
        and, when the loop is busy, much more. Never for what may look through many rows: everybody waits meanwhile."""
        async with self._glancing() as session:
            yield session

    @contextlib.asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncSession]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        async with self._write_guard(), self._sessions() as session:
            if self.is_sqlite:
                await session.connection(execution_options={"sqlite_begin": "IMMEDIATE"})
            async with _transaction(session):
                yield session

    async def batched(self, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
        """Run `work` in a transaction shared with whoever calls at the same time; returns when it is durable.

        `work` must do nothing but use the session: it is run again when a neighbour's fails.
        """
        result: T = await self._group_commit.work(work)
        return result

    async def share(self, work: Callable[[sa.Connection, Sequence[Item]], Sequence[T]], item: Item) -> T:
        """`batched` for work that is done for many items at once (`db.marks`): whoever asks for the same `work` at
        the same time is served by the same statements."""
        result: T = await self._group_commit.share(work, item)
        return result

    @property
    def engines(self) -> tuple[AsyncEngine, ...]:
        """Every engine, for whoever watches what they do."""
        return tuple(dict.fromkeys((self.engine, self._batches, self._glances)))

    async def close(self) -> None:
        await self._group_commit.close()
        await self.engine.dispose()
        await self._batches.dispose()
        await self._glances.dispose()

    def _write_guard(self) -> contextlib.AbstractAsyncContextManager[Any]:
        return self._write_lock if self.is_sqlite else contextlib.nullcontext()


@contextlib.asynccontextmanager
async def _transaction(session: AsyncSession) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        await session.rollback()
        raise
    await session.commit()


def _prepare_in_place(connection: Any, _record: Any) -> None:
    prepare(connection)


def _limit_transactions(connection: Any, _record: Any) -> None:
    """A process that is stopped while a statement is being prepared does not count as standing still, and would hold
    its locks for ever. Servers before PostgreSQL 17 have no such limit."""
    cursor = connection.cursor()
    limit = "SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'transaction_timeout'"
    cursor.execute(limit, (f"{round(BATCH_SECONDS * 1000)}ms",))
    cursor.close()
    connection.commit()


def _begin_sqlite(connection: sa.Connection) -> None:
    mode = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {mode}")
