"""The built-in channel keeps the contract of all channels, and some promises of its own."""

from __future__ import annotations

import asyncio

import pytest
import sqlalchemy as sa

from bot.channels.local import LocalChannel
from bot.channels.local_listener import MAX_TRIES
from bot.channels.local_people import LocalPeople
from bot.clock import SystemClock
from bot.errors import MessageRefused
from bot.messages import Outgoing
from bot.pictures import save_picture
from db.models import LocalMessage, LocalRoom
from db.session import Database
from db.states import AccountState, ContentKind
from tests.contract.channel_contract import Arrived, ChannelContract, Engine, a_picture, listening, text, until

ACCOUNT = "心防一号"


class LocalHarness:
    account = ACCOUNT
    rooms = ["room-1", "room-2", "room-3"]  # noqa: RUF012 - never changed
    foreign_room = "room-without"
    private_room = f"private:{ACCOUNT}:wang"
    person_id = "wang"

    def __init__(self, database: Database) -> None:
        self.database = database
        self._people = LocalPeople(self.channel())  # another process, as far as the tested channel knows

    async def prepare(self) -> LocalHarness:
        async with self.database.write() as session:
            for number, room_id in enumerate(self.rooms):
                session.add(LocalRoom(room_id=room_id, name=f"群{number}", account=ACCOUNT))
            session.add(LocalRoom(room_id=self.foreign_room, name="外群", account=None))
        await self._people.ensure_person("wang", "王芳")
        assert await self._people.open_private("wang", ACCOUNT) == self.private_room
        return self

    def channel(self) -> LocalChannel:
        return LocalChannel(self.database, SystemClock(), poll_seconds=0.02, retry_seconds=0.02)

    async def person_shows(self, room_id: str, *, picture: bytes = b"", link: dict[str, str] | None = None) -> None:
        if link is not None:
            await self._people.send_link("wang", room_id, link["url"], link["title"], link["description"])
        else:
            await self._people.send_picture("wang", room_id, (await save_picture(self.database, picture)).id)

    async def person_says(self, room_id: str, text: str) -> None:
        await self._people.say("wang", room_id, text)

    async def arrived(self, room_id: str) -> list[Arrived]:
        return [
            Arrived(
                by_bot=row.sender_id == f"bot:{ACCOUNT}",
                kind=row.kind,
                text=row.text,
                link_url=row.payload.get("link_url", ""),
                has_picture="picture_id" in row.payload,
                mentions=tuple(row.payload.get("mention_ids", [])),
            )
            for row in await self._people.history(room_id, limit=1000)
        ]

    async def picture_id(self) -> int:
        return (await save_picture(self.database, a_picture())).id


@pytest.fixture
async def harness(database: Database) -> LocalHarness:
    return await LocalHarness(database).prepare()


class TestLocalChannel(ChannelContract):
    pass


async def _untaken(database: Database) -> int:
    async with database.read() as session:
        return await session.scalar(sa.select(sa.func.count()).where(~LocalMessage.taken)) or 0


async def test_what_is_heard_is_marked_taken(harness: LocalHarness) -> None:
    channel, engine = harness.channel(), Engine()
    async with listening(channel, engine):
        await channel.send(ACCOUNT, "room-1", text("公告"))
        await harness.person_says("room-1", "收到")
        await until(lambda: len(engine.heard) == 2, "not heard")
    assert await _untaken(harness.database) == 0


async def test_nobody_hears_a_room_without_an_account(harness: LocalHarness) -> None:
    engine = Engine()
    async with listening(harness.channel(), engine):
        await harness.person_says(harness.foreign_room, "大家转发一下")
        await harness.person_says("room-1", "在")
        await until(lambda: len(engine.heard) == 1, "not heard")
    assert engine.texts("room-1") == ["在"]
    assert await _untaken(harness.database) == 0


async def test_a_message_that_can_never_be_taken_is_given_up_and_the_room_goes_on(
    harness: LocalHarness, caplog: pytest.LogCaptureFixture
) -> None:
    engine = Engine()
    engine.failing["毒"] = 1000
    async with listening(harness.channel(), engine):
        await harness.person_says("room-1", "毒")
        await harness.person_says("room-1", "好")
        await until(lambda: engine.texts("room-1") == ["好"], "the room is blocked")
    assert engine.tries["毒"] == MAX_TRIES
    assert any("given up" in record.message for record in caplog.records)
    assert await _untaken(harness.database) == 0


async def test_a_burst_in_one_room_stays_in_order(harness: LocalHarness) -> None:
    """More than a page of one room, with another room speaking in between."""
    engine = Engine()
    for number in range(250):
        await harness.person_says("room-1", str(number))
    await harness.person_says("room-2", "我也在")
    async with listening(harness.channel(), engine):
        await until(lambda: len(engine.heard) == 251, "not all was heard")
    assert engine.texts("room-1") == [str(number) for number in range(250)]


async def test_its_own_words_wake_it_without_a_poll(database: Database) -> None:
    """With a poll every minute only the wake-up can bring the message within the test's patience."""
    harness = await LocalHarness(database).prepare()
    channel, engine = LocalChannel(database, SystemClock(), poll_seconds=60), Engine()
    people = LocalPeople(channel)
    async with listening(channel, engine):
        for number in range(5):
            await people.say("wang", "room-1", f"{number}")
            await channel.send(harness.account, "room-1", text(f"回复{number}"))
        await until(lambda: len(engine.heard) == 10, "not woken")
    assert [m.is_self for m in engine.heard] == [False, True] * 5


async def test_an_account_that_joins_later_is_reported(harness: LocalHarness) -> None:
    channel, engine = harness.channel(), Engine()
    async with listening(channel, engine):
        assert engine.accounts == [(ACCOUNT, AccountState.ONLINE)]
        async with harness.database.write() as session:
            session.add(LocalRoom(room_id="room-9", name="新群", account="心防二号"))
        channel.rooms_changed()
        await until(lambda: len(engine.accounts) == 2, "not reported")
    assert engine.accounts[1] == ("心防二号", AccountState.ONLINE)


async def test_the_echo_of_a_picture_and_of_a_link_carry_them(harness: LocalHarness) -> None:
    channel, engine = harness.channel(), Engine()
    picture_id = await harness.picture_id()
    async with listening(channel, engine):
        await channel.send(ACCOUNT, "room-1", Outgoing(ContentKind.PICTURE, "图", picture_id=picture_id))
        link = Outgoing(ContentKind.LINK, "点开看", link_url="https://example.com/", link_title="案例")
        await channel.send(ACCOUNT, "room-1", link)
        await until(lambda: len(engine.heard) == 2, "no echo")
    picture, card = engine.heard
    assert (picture.kind, picture.text, picture.picture_id) == (ContentKind.PICTURE, "图", picture_id)
    assert (card.link_url, card.link_title, card.text) == ("https://example.com/", "案例", "点开看")


async def test_what_cannot_be_said_is_refused(harness: LocalHarness) -> None:
    for message in (
        Outgoing(ContentKind.TEXT, " \n"),
        Outgoing(ContentKind.PICTURE, "没有图"),
        Outgoing(ContentKind.PICTURE, "没有这张图", picture_id=404),
        Outgoing(ContentKind.LINK, "没有网址", link_title="标题"),
    ):
        with pytest.raises(MessageRefused):
            await harness.channel().send(ACCOUNT, "room-1", message)
    assert await harness.arrived("room-1") == []


async def test_a_handler_that_never_ends_does_not_keep_the_channel_from_stopping(
    harness: LocalHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.channels.local_listener.STOP_SECONDS", 0.1)
    engine = Engine()
    engine.hold["挂起"] = asyncio.Event()
    channel = harness.channel()
    await channel.start(engine.deliver, engine.account_changed)
    await harness.person_says("room-1", "挂起")
    await until(lambda: engine.tries["挂起"] == 1, "not heard")
    await asyncio.wait_for(channel.stop(), 2)
    assert await _untaken(harness.database) == 1  # and is given again next time
