"""Group commit: whoever writes at the same time shares one transaction, and so one wait for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

MAX_BATCH = 500  # pieces of work per transaction; more adds latency and no throughput


@dataclass(frozen=True)
class _Piece:
    """Either `mark` or `work`."""

    future: asyncio.Future[Any]
    mark: Callable[[sa.Connection], Any] | None = None
    work: Callable[[AsyncSession], Awaitable[Any]] | None = None


class GroupCommit:
    """`guard` is held during each transaction."""

    def __init__(self, engine: AsyncEngine, guard: Callable[[], AbstractAsyncContextManager[Any]]) -> None:
        self._engine = engine
        self._guard = guard
        self._queue: list[_Piece] = []
        self._flusher: asyncio.Task[None] | None = None

    async def run(
        self,
        *,
        mark: Callable[[sa.Connection], Any] | None = None,
        work: Callable[[AsyncSession], Awaitable[Any]] | None = None,
    ) -> Any:
        """The result, as soon as it is durable. When a neighbour's piece fails the batch is rolled back and every
        piece is run again alone, so that only the guilty one raises."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append(_Piece(future, mark, work))
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush(), name="group-commit")
        # Shielded: a caller that is cancelled while its mark is being committed must not tear the batch.
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Finish what was asked for."""
        while self._flusher is not None and not self._flusher.done():
            await asyncio.wait([self._flusher])

    async def _flush(self) -> None:
        while self._queue:
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
        marks = [piece.mark for piece in batch if piece.mark is not None]
        async with self._guard():
            if len(marks) == len(batch):
                async with self._engine.connect() as connection:
                    return await connection.run_sync(_run_marks, marks)
            async with AsyncSession(self._engine, expire_on_commit=False) as session, session.begin():
                return [await _run_piece(session, piece) for piece in batch]


def _run_marks(connection: sa.Connection, marks: list[Callable[[sa.Connection], Any]]) -> list[Any]:
    with connection.begin():
        return [mark(connection) for mark in marks]


async def _run_piece(session: AsyncSession, piece: _Piece) -> Any:
    mark, work = piece.mark, piece.work
    if mark is not None:
        return await session.run_sync(lambda inner: mark(inner.connection()))
    assert work is not None
    return await work(session)
