"""SQLite called in place: for short transactions a hop to another thread costs more than the statement.

`Database.batched` and `Database.glance` use it. A statement runs where it is called, in a few µs; what may take long waits outside
the event loop: the commit, which waits for the disk, in a thread, and another process's write lock by trying again.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import deque
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.pool import AsyncAdaptedQueuePool, Pool
from sqlalchemy.util.concurrency import await_

from db.whole_statements import LOCK_SECONDS

RETRY_SECONDS = 0.002


class _Cursor(sqlite3.Cursor):
    """Takes all rows at once: a statement that is left half read would keep its view of the file past the commit."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._rows: deque[Any] = deque()

    def execute(self, *args: Any) -> _Cursor:
        super().execute(*args)
        self._rows = deque(super().fetchall()) if self.description else deque()
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        return [self._rows.popleft() for _ in range(min(size or self.arraysize, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows, self._rows = list(self._rows), deque()
        return rows

    async def _async_soft_close(self) -> None:
        """SQLAlchemy calls it on the cursors of async drivers; there is nothing to wait for."""


class _Connection(sqlite3.Connection):
    def cursor(self, *_args: Any) -> _Cursor:  # type: ignore[override]
        return super().cursor(_Cursor)


class InPlaceDialect(SQLiteDialect_pysqlite):
    """`sqlite+inplace:///file`; every transaction takes the write lock when it begins."""

    driver = "inplace"
    is_async = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: sa.URL) -> type[Pool]:
        return AsyncAdaptedQueuePool

    def create_connect_args(self, url: sa.URL) -> Any:
        args, options = super().create_connect_args(url)
        return args, {**options, "factory": _Connection, "check_same_thread": False, "timeout": 0}

    def do_begin(self, dbapi_connection: Any) -> None:
        until = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                dbapi_connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                    raise
                await_(asyncio.sleep(RETRY_SECONDS))
            else:
                return

    def do_commit(self, dbapi_connection: Any) -> None:
        await_(asyncio.get_running_loop().run_in_executor(None, dbapi_connection.commit))


class GlanceDialect(InPlaceDialect):
    """`sqlite+glance:///file`: only reads, so it takes no lock and waits for nothing."""

    driver = "glance"
    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        dbapi_connection.execute("BEGIN")


registry.register("sqlite.inplace", "db.in_place", "InPlaceDialect")
registry.register("sqlite.glance", "db.in_place", "GlanceDialect")
