"""A real process, killed with -9 while it says reminders in private: nobody is reminded twice by a restart."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.channels.local_people import sync_rooms
from db.models import LocalMessage, Reply
from db.session import Database
from db.states import DeliveryState, ReplyRank
from tests.acceptance.lives import Nursery
from tests.acceptance.test_kill import CLOCK, environment
from tests.world import build_world, until

KILLS = 4
REMINDERS = 60

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


@pytest.fixture
def nursery(sqlite_database: Database, tmp_path: Path) -> Iterator[Nursery]:
    url = sqlite_database.url.set(drivername="sqlite").render_as_string(hide_password=False)
    opened = Nursery(tmp_path / "errors.txt", environment(url, tmp_path))
    yield opened
    opened.close()


async def write_reminders(database: Database) -> None:
    async with database.write() as session:
        world = await build_world(session, villages=0)
        await sync_rooms(session)
        for number in range(REMINDERS):
            reminder = Reply(
                channel="local",
                account_id=world.accounts[0].id,
                room_id=str(world.groups[0].room_id),
                message_id=f"reminder-{number}",
                text=f"提醒第 {number} 号",
                rank=ReplyRank.REMINDER,
                state=DeliveryState.WAITING,
                created_at=CLOCK.now(),
            )
            session.add(reminder)


async def states(database: Database) -> Counter[DeliveryState]:
    async with database.read() as session:
        return Counter(await session.scalars(sa.select(Reply.state)))


async def test_killed_between_mark_and_send_no_reminder_is_said_twice(
    sqlite_database: Database, nursery: Nursery
) -> None:
    await write_reminders(sqlite_database)
    chance = random.Random()
    for _ in range(KILLS):
        before = (await states(sqlite_database))[DeliveryState.WAITING]
        assert before, "all were said before the last kill: write more"
        with nursery.life() as pid:

            async def sending(before: int = before, pid: int = pid) -> bool:
                nursery.check(pid)
                return (await states(sqlite_database))[DeliveryState.WAITING] < before

            await until(sending, 60)
            await asyncio.sleep(chance.uniform(0, 0.3))

    async def done() -> bool:
        found = await states(sqlite_database)
        return not found[DeliveryState.WAITING] and not found[DeliveryState.SENDING]

    with nursery.life():
        await until(done, 60)
    async with sqlite_database.read() as session:
        said = Counter(await session.scalars(sa.select(LocalMessage.text).where(LocalMessage.text.like("提醒%"))))
        sent = set(await session.scalars(sa.select(Reply.text).where(Reply.state == DeliveryState.SENT)))
    assert max(said.values()) == 1
    assert sent <= said.keys()  # what is called sent was said
    assert len(sent) >= REMINDERS - KILLS  # and at most one is in doubt per kill
