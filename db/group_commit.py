"""Group commit: whoever writes at the same time shares one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

GATHER_TURNS = 4  # of the event loop: whoever the last commit let go may join the next
MAX_BATCH = 500  # pieces of work per transaction; more adds latency and no throughput


Share = Callable[[sa.Connection, Sequence[Any]], Sequence[Any]]
"""Does the same for several at once: as many results as items, in their order."""


@dataclass(frozen=True)
class _Piece:
    """Either a `share` with its `item`, or `work`."""

    future: asyncio.Future[Any]
    share: Share | None = None
    item: Any = None
    work: Callable[[AsyncSession], Awaitable[Any]] | None = None


class GroupCommit:
    """`guard` is held during each transaction."""

    def __init__(self, engine: AsyncEngine, guard: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._engine = engine
        self._guard = guard
        self._queue: list[_Piece] = []
        self._flusher: asyncio.Task[None] | None = None
        self._complete = False  # the present batch has done everything but its commit

    async def share(self, share: Share, item: Any) -> Any:
        """The item's result, as soon as it is durable. When a neighbour's piece fails the batch is rolled back and
        every piece is run again alone, so that only the guilty one raises."""
        return await self._run_piece(share=share, item=item)

    async def work(self, work: Callable[[AsyncSession], Awaitable[Any]]) -> Any:
        """The same for work that needs a session."""
        return await self._run_piece(work=work)

    async def _run_piece(self, **what: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Piece(future, **what))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="group-commit")
        return await future  # a caller that is cancelled takes its own future away and nothing of the batch

    async def close(self) -> None:
        """Finish what was asked for."""
        while self._flusher is not None and not self._flusher.done():
            await asyncio.wait([self._flusher])

    async def _flush(self) -> None:
        while self._queue:
            for _ in range(GATHER_TURNS):
                await asyncio.sleep(0)
            batch, self._queue = self._queue[:MAX_BATCH], self._queue[MAX_BATCH:]
            if await self._settle(batch) or len(batch) == 1:
                continue
            for piece in batch:
                await self._settle([piece])

    async def _settle(self, batch: list[_Piece]) -> bool:
        """False when a batch of several failed: nobody knows of it yet."""
        try:
            results = await self._run(batch)
        except Exception as error:
            if len(batch) == 1 and not batch[0].future.cancelled():
                batch[0].future.set_exception(error)
            return False
        for piece, result in zip(batch, results, strict=True):
            if not piece.future.cancelled():
                piece.future.set_result(result)
        return True

    async def _run(self, batch: list[_Piece]) -> list[Any]:
        """Once more when the connection was lost before the commit: PostgreSQL ends one that stood still for too long
        in a transaction (`db.session`), as it does when this process was held up, and nothing of it was done."""
        self._complete = False
        try:
            return await self._attempt(batch)
        except sa.exc.DBAPIError as error:
            if self._complete or not error.connection_invalidated:
                raise
        return await self._attempt(batch)

    async def _attempt(self, batch: list[_Piece]) -> list[Any]:
        """First what is shared, then work in the order in which it came."""
        shared = [piece for piece in batch if piece.share is not None]
        async with self._guard():
            if len(shared) == len(batch):
                async with self._engine.connect() as connection:
                    results = await connection.run_sync(self._run_in_transaction, shared)
            else:
                async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                    results = await session.run_sync(lambda inner: _run_shared(inner.connection(), shared))
                    for piece in batch:
                        if piece.work is not None:
                            results[id(piece)] = await piece.work(session)
                    await session.flush()
                    self._complete = True  # from here on nobody knows whether a lost connection had committed
        return [results[id(piece)] for piece in batch]

    def _run_in_transaction(self, connection: sa.Connection, pieces: list[_Piece]) -> dict[int, Any]:
        with connection.begin():
            results = _run_shared(connection, pieces)
            self._complete = True
            return results


def _run_shared(connection: sa.Connection, pieces: list[_Piece]) -> dict[int, Any]:
    """Results by the piece's `id()`."""
    alike: dict[Share, list[_Piece]] = {}
    for piece in pieces:
        assert piece.share is not None
        alike.setdefault(piece.share, []).append(piece)
    results: dict[int, Any] = {}
    for share, group in alike.items():
        made = share(connection, [piece.item for piece in group])
        results |= {id(piece): result for piece, result in zip(group, made, strict=True)}
    return results
