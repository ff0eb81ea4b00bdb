"""SQLite in a thread, with statements that a cancelled task does not leave half done.

A statement that was begun runs to its end before the cancellation goes on, and one that has rows left is closed: SQLite
keeps the lock of an unread statement (worst of all that of `PRAGMA journal_mode`, which locks everybody out) until
somebody collects the garbage. Opening and setting up a connection is one step of its thread.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from functools import partial
from typing import Any

import aiosqlite

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
LOCK_SECONDS = 15.0  # how long another process may keep the file locked
CURSORS_AT_ONCE = 64  # rows that iterating an aiosqlite cursor takes in one step of the thread


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
        try:
            return await _to_its_end(call)
        except asyncio.CancelledError:
            if not call.exception() and isinstance(call.result(), sqlite3.Cursor):
                self._tx.put_nowait((None, call.result().close))
            raise

    async def _connect(self) -> Connection:
        opening = asyncio.ensure_future(super()._connect())
        try:
            await _to_its_end(opening)
        except asyncio.CancelledError:
            if not opening.exception():
                await _to_its_end(asyncio.ensure_future(self.close()))
            raise
        return self


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
        connection = Connection(open_and_prepare, CURSORS_AT_ONCE)
        connection._thread.daemon = True
        return connection

    return create
