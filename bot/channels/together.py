"""One statement for many callers: whoever comes while a write is under way shares the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 500  # items of one write


class Together(Generic[Item, Result]):
    """`write` gets a list of items and gives a list of results, or raises; then every item is tried alone, so that
    only the guilty one fails."""

    def __init__(self, write: Callable[[list[Item]], Awaitable[list[Result]]]) -> None:
        self._write = write
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._writer: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Returns when the write that has the item is done."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._flush(), name="together")
        # Shielded: a caller that gives up must not tear its neighbours' write.
        return await asyncio.shield(future)

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
            if not await self._try(batch, last=len(batch) == 1):
                for one in batch:
                    await self._try([one], last=True)

    async def _try(self, batch: list[tuple[Item, asyncio.Future[Result]]], *, last: bool) -> bool:
        try:
            results = await self._write([item for item, _ in batch])
        except Exception as error:
            if last:
                _, future = batch[0]
                future.set_exception(error)
            return last
        for (_, future), result in zip(batch, results, strict=True):
            future.set_result(result)
        return True
