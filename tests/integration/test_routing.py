"""A message is taken once, whatever happens; the first handler that answers acts; at most one reply."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import sqlalchemy as sa

from bot.alert_texts import AlertTexts
from bot.clock import SystemClock
from bot.events import Events
from bot.identity import member_hash
from bot.mentions import KEPT, Mentions
from bot.messages import Incoming as Message
from bot.routing import Context, Outcome, Router
from db.models import Account, Group, Incoming, Person, Reply
from db.session import Database
from db.states import ContentKind, Role
from tests.factories import NOW, make_account, make_group
from tests.fakes import START
from tests.world import quick_settings

MESSAGE = Message(
    channel="local",
    account="心防一号",
    message_id="m1",
    room_id="room-x",
    private=False,
    sender_id="wxid_1",
    sender_name="王阿姨",
    kind=ContentKind.TEXT,
    text="这是骗人的吗",
    at=START,
)


class Notes:
    """A handler that remembers what it saw and does what it is told."""

    def __init__(self, outcome: Outcome | None) -> None:
        self.outcome = outcome
        self.seen: list[Context[None]] = []
        self.failures = 0

    async def __call__(self, context: Context[None]) -> Outcome | None:
        self.seen.append(context)
        if self.failures:
            self.failures -= 1
            raise RuntimeError("handler broke")
        return self.outcome


@pytest.fixture
async def account(database: Database) -> Account:
    async with database.write() as session:
        account = await make_account(session, name="心防一号")
        await make_group(session, account=account, room_id="room-x")
        return account


def router(database: Database, *handlers: Notes) -> Router[None]:
    return Router(database, SystemClock(), Events(), handlers, None, AlertTexts(quick_settings()))


async def _rows(database: Database) -> tuple[list[Incoming], list[Reply]]:
    async with database.read() as session:
        return list(await session.scalars(sa.select(Incoming))), list(await session.scalars(sa.select(Reply)))


async def test_first_match_wins_and_replies_once(database: Database, account: Account) -> None:
    passes, answers, never = Notes(None), Notes(Outcome("question", reply="是骗局")), Notes(Outcome("guard"))
    await router(database, passes, answers, never).take(MESSAGE)
    assert (len(passes.seen), len(answers.seen), len(never.seen)) == (1, 1, 0)
    taken, replies = await _rows(database)
    assert [(row.message_id, row.outcome) for row in taken] == [("m1", "question")]
    assert [(reply.text, reply.room_id, reply.message_id) for reply in replies] == [("是骗局", "room-x", "m1")]


@pytest.mark.parametrize(
    ("reply", "private", "mentioned"),
    [
        ("@王阿姨 是骗局", False, ("wxid_1",)),
        ("是骗局", False, ()),
        ("@李叔 是骗局", False, ()),
        ("@王阿姨 是骗局", True, ()),
    ],
)
async def test_a_reply_that_names_who_asked_mentions_them(
    database: Database, account: Account, reply: str, private: bool, mentioned: tuple[str, ...]
) -> None:
    mentions = Mentions()
    handlers = [Notes(Outcome("question", reply=reply))]
    one = Router(database, SystemClock(), Events(), handlers, None, AlertTexts(quick_settings()), mentions)
    await one.take(replace(MESSAGE, private=private))
    (kept,) = (await _rows(database))[1]
    assert mentions.of(kept.id) == mentioned


def test_only_so_many_mentions_are_kept() -> None:
    mentions = Mentions()
    for number in range(KEPT + 5):
        mentions.remember(number, f"wxid_{number}")
    assert (mentions.of(4), mentions.of(5)) == ((), ("wxid_5",))


async def test_a_message_given_twice_acts_once(database: Database, account: Account) -> None:
    answers = Notes(Outcome("question", reply="是骗局"))
    many = router(database, answers)
    await asyncio.gather(*(many.take(MESSAGE) for _ in range(5)))
    await router(database, answers).take(MESSAGE)  # and after a restart
    assert len(answers.seen) == 1
    assert len((await _rows(database))[1]) == 1


async def test_a_broken_handler_leaves_nothing_and_may_try_again(database: Database, account: Account) -> None:
    answers = Notes(Outcome("question", reply="是骗局"))
    answers.failures = 1
    one = router(database, answers)
    with pytest.raises(RuntimeError):
        await one.take(MESSAGE)
    assert await _rows(database) == ([], [])
    await one.take(MESSAGE)
    assert len((await _rows(database))[1]) == 1


async def test_silence_is_recorded_too(database: Database, account: Account) -> None:
    await router(database, Notes(None)).take(MESSAGE)
    taken, replies = await _rows(database)
    assert [row.outcome for row in taken] == ["silent"]
    assert replies == []


async def test_context_knows_group_and_bound_person(database: Database, account: Account) -> None:
    async with database.write() as session:
        group = await session.scalar(sa.select(Group))
        assert group is not None
        hashed = member_hash("local", "wxid_1")
        session.add(
            Person(
                name="李主任",
                role=Role.LIAISON,
                unit_id=group.unit_id,
                channel="local",
                member_hash=hashed,
                bound_at=NOW,
            )
        )
    notes = Notes(Outcome("seen"))
    one = router(database, notes)
    await one.take(MESSAGE)
    await one.take(replace(MESSAGE, message_id="m2", private=True, sender_id="wxid_2"))
    await one.take(replace(MESSAGE, message_id="m3", is_self=True))
    first, private = notes.seen  # its own messages go to no handler
    assert first.group is not None
    assert first.person is not None
    assert (first.group.room_id, first.person.name) == ("room-x", "李主任")
    assert (private.group, private.person) == (None, None)


async def test_unknown_account_is_ignored(database: Database, account: Account) -> None:
    notes = Notes(Outcome("seen"))
    await router(database, notes).take(replace(MESSAGE, account="没有这个号"))
    assert notes.seen == []
