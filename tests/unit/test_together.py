"""Callers that share a write each get their own result, and only the guilty one an error."""

from __future__ import annotations

import asyncio

import pytest

from bot.channels.together import MOST, Together


class Writer:
    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def write(self, items: list[int]) -> list[int]:
        self.batches.append(items)
        await asyncio.sleep(0.01)
        if any(item < 0 for item in items):
            raise ValueError(min(items))
        return [item * 10 for item in items]


async def test_those_who_come_during_a_write_share_the_next_one() -> None:
    writer = Writer()
    together = Together(writer.write)
    first = asyncio.create_task(together.add(1))
    await asyncio.sleep(0.005)
    others = await asyncio.gather(*(together.add(number) for number in range(2, 9)))
    assert (await first, others) == (10, [20, 30, 40, 50, 60, 70, 80])
    assert writer.batches == [[1], [2, 3, 4, 5, 6, 7, 8]]


async def test_a_batch_has_a_limit() -> None:
    writer = Writer()
    together = Together(writer.write)
    await asyncio.gather(*(together.add(number) for number in range(MOST + 3)))
    assert [len(batch) for batch in writer.batches] == [MOST, 3]


async def test_only_the_guilty_one_fails() -> None:
    writer = Writer()
    together = Together(writer.write)
    results = await asyncio.gather(*(together.add(number) for number in (1, -2, 3)), return_exceptions=True)
    assert [results[0], results[2]] == [10, 30]
    assert isinstance(results[1], ValueError)
    with pytest.raises(ValueError, match="-4"):
        await together.add(-4)
    assert await together.add(5) == 50


async def test_a_caller_that_gives_up_does_not_tear_the_write_of_the_others() -> None:
    writer = Writer()
    together = Together(writer.write)
    one, two = asyncio.create_task(together.add(1)), asyncio.create_task(together.add(2))
    await asyncio.sleep(0.005)
    one.cancel()
    assert await two == 20
    with pytest.raises(asyncio.CancelledError):
        await one
    assert writer.batches == [[1, 2]]
