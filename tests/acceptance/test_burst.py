"""A burst of messages, and a process that is killed in the middle of it: what it had acknowledged is on record."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from db.models import Incoming, Reply
from db.session import Database
from tests.acceptance.taker import ACCOUNT, ROOM, is_question
from tests.factories import make_account, make_group

ROOT = Path(__file__).parents[2]
BURST = 900
KILL_AFTER = (30, 150)  # acknowledged messages


@contextlib.contextmanager
def taking(url: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.acceptance.taker", url, str(BURST)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _acknowledged(process: subprocess.Popen[bytes], kill_after: int) -> set[int]:
    """Numbers that the process said were done before it was killed, those in the pipe included."""
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    numbers: set[int] = set()
    for line in process.stdout:
        if line.endswith(b"\n"):
            numbers.add(int(line))
        if len(numbers) == kill_after:
            process.kill()
    return numbers


async def _on_record(database: Database) -> tuple[set[str], list[str]]:
    async with database.read() as session:
        taken = set(await session.scalars(sa.select(Incoming.message_id)))
        return taken, list(await session.scalars(sa.select(Reply.message_id)))


async def test_nothing_that_was_acknowledged_is_lost_and_nothing_is_done_twice(
    database: Database, database_url: str
) -> None:
    async with database.write() as session:
        await make_group(session, account=await make_account(session, name=ACCOUNT), room_id=ROOM)
    acknowledged: set[int] = set()
    for kill_after in KILL_AFTER:
        with taking(database_url) as process:
            acknowledged |= await asyncio.to_thread(_acknowledged, process, kill_after)
        taken, replies = await _on_record(database)
        assert {f"m{number}" for number in acknowledged} <= taken
        assert {f"m{number}" for number in acknowledged if is_question(number)} <= set(replies)
    with taking(database_url) as process:  # the channel gives again what was not acknowledged
        await asyncio.to_thread(_acknowledged, process, BURST + 1)
    taken, replies = await _on_record(database)
    assert taken == {f"m{number}" for number in range(BURST)}
    assert sorted(replies) == sorted(f"m{number}" for number in range(BURST) if is_question(number))
