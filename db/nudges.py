"""PostgreSQL's LISTEN and NOTIFY: a connection of its own, over which processes tell each other where to look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from db.session import Database

CHANNEL = "xinfang"
OPEN_SECONDS = 5.0


class Line:
    """An open connection. `broken` is set when the server or the network ends it."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.broken = asyncio.Event()
        connection.add_termination_listener(lambda _: self.broken.set())

    async def tell(self, text: str) -> None:
        """Every process that listens hears `text`, this one as well."""
        await self._connection.execute("SELECT pg_notify($1, $2)", CHANNEL, text)

    async def check(self) -> None:
        """Raises when the connection is gone without having said so."""
        await self._connection.execute("SELECT 1")


@asynccontextmanager
async def listening(database: Database, hear: Callable[[str], None]) -> AsyncIterator[Line]:
    """Call `hear` with every text from now on."""
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(address, timeout=OPEN_SECONDS)
    try:
        line = Line(connection)
        await connection.add_listener(CHANNEL, lambda _connection, _pid, _channel, text: hear(text))
        yield line
    finally:
        connection.terminate()
