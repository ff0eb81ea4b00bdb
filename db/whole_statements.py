"""SQLite in a thread, a whole statement at a time: begun, read and closed in one step of the thread.

A cancelled task leaves nothing half done, because a statement that was begun runs to its end before the cancellation
goes on: SQLite keeps the lock of an unread statement (worst of all that of `PRAGMA journal_mode`, which locks everybody
out) until somebody collects the garbage. And a hop to the thread costs more than most statements do: aiosqlite alone
makes four for each (cursor, execute, fetch, close). Opening and setting up a connection is one step, too.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import aiosqlite

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
ROWS_AT_ONCE = 200  # of a longer answer the rest takes one more step, or several for who reads it piece by piece
LOCK_SECONDS = 15.0  # how long another process may keep the file locked


def prepare(connection: sqlite3.Connection) -> None:
    """WAL, durable commits, foreign keys; transactions begin when we say BEGIN."""
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}").fetchall()


class Connection(aiosqlite.Connection):
    """An aiosqlite connection whose calls end before a cancellation goes on."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if not self._running or self._connection is None:
            raise ValueError("Connection closed")
        call = asyncio.get_running_loop().create_future()
        self._tx.put_nowait((call, partial(fn, *args, **kwargs)))
        return await _to_its_end(call)

    def cursor(self) -> WholeCursor:  # type: ignore[override]
        """Not yet SQLite's: that one lives in the thread, for as long as a statement takes."""
        return WholeCursor(self)

    async def _connect(self) -> Connection:
        opening = asyncio.ensure_future(super()._connect())
        try:
            await _to_its_end(opening)
        except asyncio.CancelledError:
            if not opening.exception():
                await _to_its_end(asyncio.ensure_future(self.close()))
            raise
        return self


class WholeCursor:
    """What SQLAlchemy uses of an asynchronous cursor. A short answer is all here when `execute` returns."""

    arraysize = 1

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: deque[Any] = deque()
        self._unread: sqlite3.Cursor | None = None  # of a long answer
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> WholeCursor:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> WholeCursor:
        return await self._do("execute", sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Any]) -> WholeCursor:
        return await self._do("executemany", sql, parameters)

    async def _do(self, method: str, sql: str, parameters: Iterable[Any]) -> WholeCursor:
        try:
            await self._connection._execute(self._run, method, sql, parameters)
        except asyncio.CancelledError:
            await self.close()
            raise
        return self

    def _run(self, method: str, sql: str, parameters: Iterable[Any]) -> None:
        """In the thread."""
        cursor = self._connection._conn.cursor()
        try:
            getattr(cursor, method)(sql, parameters)
            self.description, self.lastrowid = cursor.description, cursor.lastrowid
            rows = cursor.fetchmany(ROWS_AT_ONCE) if self.description else []
            self.rowcount = cursor.rowcount  # of a statement with RETURNING only known after its rows
        except BaseException:
            cursor.close()
            raise
        self._rows = deque(rows)
        if len(rows) == ROWS_AT_ONCE:
            self._unread = cursor
        else:
            cursor.close()

    async def fetchone(self) -> Any:
        rows = await self.fetchmany(1)
        return rows[0] if rows else None

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        size = size or self.arraysize
        if self._unread is not None and len(self._rows) < size:
            self._rows.extend(await self._connection._execute(self._unread.fetchmany, size - len(self._rows)))
        return [self._rows.popleft() for _ in range(min(size, len(self._rows)))]

    async def fetchall(self) -> list[Any]:
        rows, self._rows = list(self._rows), deque()
        if self._unread is not None:
            rows += await self._connection._execute(self._unread.fetchall)
            await self.close()
        return rows

    async def close(self) -> None:
        self._rows.clear()
        unread, self._unread = self._unread, None
        if unread is not None:
            await self._connection._execute(unread.close)


async def _to_its_end(call: asyncio.Future[Any]) -> Any:
    """What `call` gives; when cancelled meanwhile it is waited for all the same, then the cancellation goes on."""
    cancelled: asyncio.CancelledError | None = None
    while not call.done():
        try:
            await asyncio.wait((call,))
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled:
        raise cancelled
    return call.result()


def creator(path: str) -> Callable[[], Connection]:
    """What SQLAlchemy calls for each new connection of the pool."""

    def open_and_prepare() -> sqlite3.Connection:
        connection = sqlite3.connect(path, timeout=LOCK_SECONDS, check_same_thread=False)
        try:
            prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def create() -> Connection:
        connection = Connection(open_and_prepare, ROWS_AT_ONCE)
        connection._thread.daemon = True
        return connection

    return create
