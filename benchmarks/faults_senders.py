"""Senders that die or sleep in the middle of a broadcast."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import datetime

from benchmarks.faults_stage import ACCOUNTS, LEASE, Row, Stage
from db.states import AlertState

PLENTY = 150  # deliveries that wait: enough for two senders until a lease has run out


async def killed(stage: Stage, kills: int) -> Row:
    """kill -9 of whoever sends, at any instant: most often while it sends, sometimes while it starts."""
    await stage.build()
    if stage.sender:
        stage.start("scheduler")
    for _ in range(kills):
        await stage.feed()
        pid = stage.start(*stage.sender, far=bool(stage.sender) and stage.chance.random() < 0.1)
        if stage.chance.random() < 0.8:
            await stage.sends(pid)
        await asyncio.sleep(stage.chance.uniform(0, 0.4))
        stage.kill(pid)
    stage.start(*stage.sender)
    return await stage.judge("sender killed while it broadcasts", f"{kills} kills")


async def asleep(stage: Stage, times: int) -> Row:
    """Two senders on machines of their own; one is stopped past its lease, its accounts are taken over, it wakes up."""
    await stage.build()
    stage.start("scheduler")
    senders = [stage.start("sender", far=True) for _ in range(2)]
    for number in range(times):
        await stage.feed(PLENTY)
        await stage.sends(senders[0])
        await asyncio.sleep(stage.chance.uniform(0, 0.5))
        sleeper, other = senders[number % 2], senders[1 - number % 2]
        os.kill(sleeper, signal.SIGSTOP)
        await stage.feed(PLENTY)
        await stage.holds(other)
        await asyncio.sleep(stage.chance.uniform(0, LEASE / 2))
        os.kill(sleeper, signal.SIGCONT)
    return await stage.judge("sender stopped past its lease, then goes on", f"{times} × SIGSTOP")


async def killed_while_paused(stage: Stage, kills: int) -> Row:
    """Paused broadcasts stay paused over a restart, and go on afterwards where they were."""
    await stage.build()
    if stage.sender:
        stage.start("scheduler")
    pid = stage.start(*stage.sender)
    for _ in range(kills):
        await stage.feed()
        await stage.sends(pid)
        await asyncio.sleep(stage.chance.uniform(0, 0.3))
        running = await stage.ids(AlertState.RUNNING)
        paused = [await stage.take_step("pause", alert) for alert in running]
        await asyncio.sleep(stage.chance.uniform(0, 0.2))
        stage.kill(pid)
        await asyncio.sleep(0.1)  # what PostgreSQL was told before may still be written
        await _only_in_flight(stage, max(paused))
        said = await stage.arrived()
        pid = stage.start(*stage.sender)
        await stage.holds(pid)
        await asyncio.sleep(stage.chance.uniform(0.2, 0.6))
        if await stage.arrived() != said:
            stage.blame("said while paused")
        for alert in running:
            await stage.take_step("resume", alert)
    return await stage.judge("killed while paused", f"{kills} kills")


async def cancelled(stage: Stage, kills: int) -> Row:
    """Cancelled at any instant of a broadcast, and killed right after."""
    await stage.build()
    if stage.sender:
        stage.start("scheduler")
    for _ in range(kills):
        alert = await stage.release()
        pid = stage.start(*stage.sender)
        await stage.sends(pid)
        await asyncio.sleep(stage.chance.uniform(0, 0.4))
        at = await stage.take_step("cancel", alert.id)
        await asyncio.sleep(stage.chance.uniform(0, 0.15))
        stage.kill(pid)
        await asyncio.sleep(0.1)
        await _only_in_flight(stage, at)
    pid = stage.start(*stage.sender)
    await stage.holds(pid)
    said = await stage.arrived()
    await asyncio.sleep(1)
    if await stage.arrived() != said:
        stage.blame("said after the cancel")
    return await stage.judge("cancelled at any instant, then killed", f"{kills} kills")


async def _only_in_flight(stage: Stage, since: datetime) -> None:
    """At most one message for each account after `since`: the one it had begun."""
    late = await stage.arrived(since)
    if late > ACCOUNTS:
        stage.blame(f"{late} messages after the step, {ACCOUNTS} accounts")
