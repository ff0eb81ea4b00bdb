"""Waiting for a nudge."""

from __future__ import annotations

import asyncio

import pytest

from bot.events import set_within, wait_for


async def test_a_nudge_is_taken_once() -> None:
    event = asyncio.Event()
    event.set()
    assert await wait_for(event, 5)
    assert not await wait_for(event, 0.01)


async def test_a_signal_stays() -> None:
    event = asyncio.Event()
    assert not await set_within(event, 0.01)
    event.set()
    assert await set_within(event, 5)
    assert event.is_set()


@pytest.mark.parametrize("steps", range(6))
async def test_a_cancellation_right_after_a_nudge_is_not_lost(steps: int) -> None:
    """What ends a loop that waits for nudges waits for that loop's task."""
    event = asyncio.Event()
    turns = 0

    async def loop() -> None:
        nonlocal turns
        while True:
            await set_within(event, 60)
            event.clear()
            turns += 1

    task = asyncio.create_task(loop())
    await asyncio.sleep(0.01)
    event.set()
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=2)
    task.cancel()
    assert done
    assert task.cancelled()
    assert turns <= 1
