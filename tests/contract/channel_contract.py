"""What every channel must do. A channel's test module subclasses `ChannelContract` and gives it a harness.

class TestWechaty(ChannelContract):
    @pytest.fixture
    async def harness(self, database): ...
"""

from __future__ import annotations

import asyncio
import contextlib
import io
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

import pytest
from PIL import Image

from bot.channels.base import Channel
from bot.errors import MessageRefused, RoomGone
from bot.messages import Incoming, Outgoing
from db.states import AccountState, ContentKind

PATIENCE = 10.0  # seconds; a shared machine may be slow, a broken channel never answers


@dataclass(frozen=True)
class Arrived:
    """What the people in a room see, told by the platform and not by the channel."""

    by_bot: bool
    kind: ContentKind
    text: str
    link_url: str = ""
    has_picture: bool = False
    mentions: tuple[str, ...] = ()  # whom the platform points it out to


class Harness(Protocol):
    """The platform around a channel: a world with one account in `rooms`, and people in them."""

    account: str
    rooms: list[str]  # at least three, the account is in each
    foreign_room: str  # exists, but the account is not in it
    private_room: str  # a person alone with the account
    person_id: str  # of the person who speaks, as the platform calls them

    def channel(self) -> Channel:
        """A new channel object on the same platform, as after a restart of the program."""

    async def person_says(self, room_id: str, text: str) -> None: ...

    async def person_shows(self, room_id: str, *, picture: bytes = b"", link: dict[str, str] | None = None) -> None:
        """A picture, or a link with its url, title and description."""

    async def arrived(self, room_id: str) -> list[Arrived]: ...

    async def picture_id(self) -> int:
        """A stored picture that can be sent."""


class Engine:
    """Stands for the engine: hears, and can be told to be slow or to fail."""

    def __init__(self) -> None:
        self.heard: list[Incoming] = []
        self.tries: dict[str, int] = defaultdict(int)  # by text
        self.failing: dict[str, int] = {}  # text → how many more times to fail
        self.hold: dict[str, asyncio.Event] = {}  # text → wait for this
        self.accounts: list[tuple[str, AccountState]] = []

    async def deliver(self, message: Incoming) -> None:
        self.tries[message.text] += 1
        if message.text in self.hold:
            await self.hold[message.text].wait()
        if self.failing.get(message.text, 0) > 0:
            self.failing[message.text] -= 1
            raise RuntimeError("the engine cannot take it now")
        self.heard.append(message)

    async def account_changed(self, account: str, state: AccountState, reason: str) -> None:
        self.accounts.append((account, state))

    def texts(self, room_id: str) -> list[str]:
        return [message.text for message in self.heard if message.room_id == room_id]


async def until(condition: Callable[[], bool], what: str) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.01)
    assert condition(), what


@contextlib.asynccontextmanager
async def listening(channel: Channel, engine: Engine) -> AsyncIterator[None]:
    await begin(channel, engine)
    try:
        yield
    finally:
        await channel.stop()


async def begin(channel: Channel, engine: Engine) -> None:
    """Start to listen. A platform that remembers nothing must be connected before anybody speaks."""
    before = len(engine.accounts)
    await channel.start(engine.deliver, engine.account_changed)
    for account, _ in engine.accounts[before:]:
        await channel.hold(account)
    await until(lambda: AccountState.ONLINE in dict(engine.accounts[before:]).values(), "account not reported")


def text(words: str) -> Outgoing:
    return Outgoing(ContentKind.TEXT, words)


def a_picture() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, "PNG")
    return buffer.getvalue()


class ChannelContract:
    # ── speaking ──

    async def test_a_text_arrives_as_it_was_written(self, harness: Harness) -> None:
        words = "【红色预警】谨防“杀猪盘”\n\n<b>不要</b>转账 & 😀"
        await harness.channel().send(harness.account, harness.rooms[0], text(words))
        assert await harness.arrived(harness.rooms[0]) == [Arrived(True, ContentKind.TEXT, words)]
        assert await harness.arrived(harness.rooms[1]) == []

    async def test_a_picture_arrives(self, harness: Harness) -> None:
        channel = harness.channel()
        caption = "看图识骗" if channel.capabilities.captions else ""
        message = Outgoing(ContentKind.PICTURE, caption, picture_id=await harness.picture_id())
        if not channel.capabilities.pictures:
            with pytest.raises(MessageRefused):
                await channel.send(harness.account, harness.rooms[0], message)
            return
        await channel.send(harness.account, harness.rooms[0], message)
        (arrived,) = await harness.arrived(harness.rooms[0])
        assert arrived.by_bot
        assert arrived.has_picture

    async def test_a_link_arrives(self, harness: Harness) -> None:
        channel = harness.channel()
        message = Outgoing(ContentKind.LINK, "", link_url="https://example.com/a?b=1&c=2", link_title="典型案例")
        if not channel.capabilities.links:
            with pytest.raises(MessageRefused):
                await channel.send(harness.account, harness.rooms[0], message)
            return
        await channel.send(harness.account, harness.rooms[0], message)
        (arrived,) = await harness.arrived(harness.rooms[0])
        assert arrived.link_url == "https://example.com/a?b=1&c=2"

    async def test_the_same_text_twice_arrives_twice(self, harness: Harness) -> None:
        channel = harness.channel()
        for _ in range(2):
            await channel.send(harness.account, harness.rooms[0], text("同一句话"))
        assert len(await harness.arrived(harness.rooms[0])) == 2

    async def test_many_at_once_all_arrive(self, harness: Harness) -> None:
        channel = harness.channel()
        sends = [channel.send(harness.account, room, text(f"第{n}条")) for n in range(20) for room in harness.rooms]
        ids = await asyncio.gather(*sends)
        assert len({i for i in ids if i is not None}) == len([i for i in ids if i is not None])
        for room in harness.rooms:
            assert sorted(a.text for a in await harness.arrived(room)) == sorted(f"第{n}条" for n in range(20))

    async def test_an_unknown_room_is_gone(self, harness: Harness) -> None:
        with pytest.raises(RoomGone):
            await harness.channel().send(harness.account, "no-such-room", text("有人吗"))

    async def test_a_room_without_the_account_is_gone(self, harness: Harness) -> None:
        with pytest.raises(RoomGone):
            await harness.channel().send(harness.account, harness.foreign_room, text("有人吗"))
        assert await harness.arrived(harness.foreign_room) == []

    async def test_one_bad_room_does_not_spoil_its_neighbours(self, harness: Harness) -> None:
        channel = harness.channel()
        rooms = [harness.rooms[0], "no-such-room", harness.rooms[1]]
        results = await asyncio.gather(
            *(channel.send(harness.account, room, text("大家好")) for room in rooms), return_exceptions=True
        )
        assert [isinstance(result, RoomGone) for result in results] == [False, True, False]
        assert len(await harness.arrived(harness.rooms[0])) == 1
        assert len(await harness.arrived(harness.rooms[1])) == 1

    async def test_a_text_over_the_limit_is_refused_and_never_cut(self, harness: Harness) -> None:
        channel = harness.channel()
        limit = channel.capabilities.max_text
        with pytest.raises(MessageRefused):
            await channel.send(harness.account, harness.rooms[0], text("长" * (limit + 1)))
        await channel.send(harness.account, harness.rooms[0], text("长" * limit))
        assert [len(a.text) for a in await harness.arrived(harness.rooms[0])] == [limit]

    async def test_a_private_room_is_spoken_to_like_any_other(self, harness: Harness) -> None:
        await harness.channel().send(harness.account, harness.private_room, text("您好"))
        assert [a.text for a in await harness.arrived(harness.private_room)] == ["您好"]

    async def test_a_mention_points_the_message_out_to_the_person(self, harness: Harness) -> None:
        message = Outgoing(ContentKind.TEXT, "@王芳 这是诈骗，请不要转账", mention_ids=(harness.person_id,))
        await harness.channel().send(harness.account, harness.rooms[0], message)
        assert await harness.arrived(harness.rooms[0]) == [
            Arrived(True, ContentKind.TEXT, message.text, mentions=(harness.person_id,))
        ]

    # ── passing on ──

    async def test_a_text_is_passed_on_as_it_is_and_mentions_nobody(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        words = "@心防 有人发来这个：\n“免费领鸡蛋”"
        async with listening(channel, engine):
            await harness.person_says(harness.rooms[0], words)
            await until(lambda: len(engine.heard) == 1, "not heard")
            await channel.forward(harness.account, harness.rooms[1], engine.heard[0].message_id)
        assert await harness.arrived(harness.rooms[1]) == [Arrived(True, ContentKind.TEXT, words)]

    async def test_a_picture_is_passed_on(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        async with listening(channel, engine):
            await harness.person_shows(harness.rooms[0], picture=a_picture())
            await until(lambda: len(engine.heard) == 1, "not heard")
            await channel.forward(harness.account, harness.private_room, engine.heard[0].message_id)
        (arrived,) = [each for each in await harness.arrived(harness.private_room) if each.by_bot]
        assert arrived.has_picture

    async def test_a_link_is_passed_on_with_its_address_and_title(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        link = {"url": "https://example.com/a?b=1&c=2", "title": "典型案例", "description": "看看别人怎么被骗"}
        async with listening(channel, engine):
            await harness.person_shows(harness.rooms[0], link=link)
            await until(lambda: len(engine.heard) == 1, "not heard")
            await channel.forward(harness.account, harness.rooms[1], engine.heard[0].message_id)
            (arrived,) = await harness.arrived(harness.rooms[1])
        assert (arrived.by_bot, arrived.link_url) == (True, link["url"])

    async def test_what_it_said_itself_is_passed_on(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        if not channel.capabilities.echoes:
            return
        async with listening(channel, engine):
            await channel.send(harness.account, harness.rooms[0], text("请转发"))
            await until(lambda: len(engine.heard) == 1, "no echo")
            await channel.forward(harness.account, harness.rooms[1], engine.heard[0].message_id)
        assert [each.text for each in await harness.arrived(harness.rooms[1])] == ["请转发"]

    async def test_an_unknown_message_is_not_passed_on(self, harness: Harness) -> None:
        with pytest.raises(MessageRefused):
            await harness.channel().forward(harness.account, harness.rooms[0], "no-such-message")
        assert await harness.arrived(harness.rooms[0]) == []

    async def test_nothing_is_passed_on_into_a_room_without_the_account(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        async with listening(channel, engine):
            await harness.person_says(harness.rooms[0], "请转发")
            await until(lambda: len(engine.heard) == 1, "not heard")
            with pytest.raises(RoomGone):
                await channel.forward(harness.account, harness.foreign_room, engine.heard[0].message_id)
        assert await harness.arrived(harness.foreign_room) == []

    # ── the echo ──

    async def test_its_own_message_is_known_by_its_id_or_comes_back(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        async with listening(channel, engine):
            message_id = await channel.send(harness.account, harness.rooms[1], text("请转发"))
            assert message_id is not None or channel.capabilities.echoes
            if not channel.capabilities.echoes:
                return
            await until(lambda: len(engine.heard) == 1, "no echo")
        (echo,) = engine.heard
        assert echo.is_self
        assert (echo.channel, echo.account, echo.room_id) == (channel.name, harness.account, harness.rooms[1])
        assert (echo.kind, echo.text) == (ContentKind.TEXT, "请转发")
        assert message_id in (None, echo.message_id)

    # ── listening ──

    async def test_it_reports_its_accounts(self, harness: Harness) -> None:
        engine = Engine()
        async with listening(harness.channel(), engine):
            await until(lambda: (harness.account, AccountState.ONLINE) in engine.accounts, "account not reported")

    async def test_it_hears_who_said_what_where(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        async with listening(channel, engine):
            await harness.person_says(harness.rooms[0], "@心防 什么是杀猪盘？")
            await harness.person_says(harness.rooms[1], "今天天气不错 @心防")
            await harness.person_says(harness.private_room, "在吗")
            await until(lambda: len(engine.heard) == 3, "not all was heard")
        by_room = {message.room_id: message for message in engine.heard}
        asked, private = by_room[harness.rooms[0]], by_room[harness.private_room]
        assert asked.text == "@心防 什么是杀猪盘？"
        assert (asked.is_self, asked.private, asked.mentions_bot) == (False, False, True)
        assert asked.sender_id
        assert asked.at.utcoffset() is not None
        assert (private.private, private.mentions_bot) == (True, False)
        assert {m.account for m in engine.heard} == {harness.account}

    async def test_each_message_is_heard_once_and_in_order(self, harness: Harness) -> None:
        engine = Engine()
        async with listening(harness.channel(), engine):
            for number in range(30):
                for room in harness.rooms:
                    await harness.person_says(room, f"{number}")
            await until(lambda: len(engine.heard) >= 30 * len(harness.rooms), "not all was heard")
            await asyncio.sleep(0.2)  # what would come twice has time to come
        for room in harness.rooms:
            assert engine.texts(room) == [str(number) for number in range(30)]
        ids = [message.message_id for message in engine.heard]
        assert len(set(ids)) == len(ids)

    async def test_what_the_engine_could_not_take_is_given_again_in_order(self, harness: Harness) -> None:
        engine = Engine()
        engine.failing["第一句"] = 2
        async with listening(harness.channel(), engine):
            await harness.person_says(harness.rooms[0], "第一句")
            await harness.person_says(harness.rooms[0], "第二句")
            await until(lambda: len(engine.heard) == 2, "not given again")
        assert engine.texts(harness.rooms[0]) == ["第一句", "第二句"]
        assert engine.tries["第一句"] == 3

    async def test_a_slow_room_does_not_stop_the_others(self, harness: Harness) -> None:
        engine = Engine()
        gate = engine.hold["慢"] = asyncio.Event()
        async with listening(harness.channel(), engine):
            await harness.person_says(harness.rooms[0], "慢")
            await until(lambda: engine.tries["慢"] == 1, "not heard")
            await harness.person_says(harness.rooms[1], "快")
            await until(lambda: engine.texts(harness.rooms[1]) == ["快"], "blocked by another room")
            await harness.person_says(harness.rooms[0], "后")
            await asyncio.sleep(0.1)
            assert engine.texts(harness.rooms[0]) == []  # one at a time within a room
            gate.set()
            await until(lambda: engine.texts(harness.rooms[0]) == ["慢", "后"], "the slow room went wrong")

    async def test_a_message_being_handed_over_is_finished_before_it_stops(self, harness: Harness) -> None:
        engine = Engine()
        gate = engine.hold["最后"] = asyncio.Event()
        channel = harness.channel()
        await begin(channel, engine)
        await harness.person_says(harness.rooms[0], "最后")
        await until(lambda: engine.tries["最后"] == 1, "not heard")
        asyncio.get_running_loop().call_later(0.2, gate.set)
        await channel.stop()
        assert engine.texts(harness.rooms[0]) == ["最后"]
        async with listening(harness.channel(), engine):
            await asyncio.sleep(0.2)
        assert engine.tries["最后"] == 1

    async def test_after_a_restart_it_hears_what_was_said_meanwhile(self, harness: Harness) -> None:
        channel, engine = harness.channel(), Engine()
        async with listening(channel, engine):
            await harness.person_says(harness.rooms[0], "之前")
            await until(lambda: len(engine.heard) == 1, "not heard")
        await harness.person_says(harness.rooms[0], "停机时")
        await asyncio.sleep(0.1)
        assert engine.texts(harness.rooms[0]) == ["之前"]
        async with listening(harness.channel(), engine):
            meanwhile = ["停机时"] if channel.capabilities.remembers else []
            await until(lambda: len(engine.heard) == 1 + len(meanwhile), "lost while stopped")
            await harness.person_says(harness.rooms[0], "之后")
            await until(lambda: "之后" in engine.texts(harness.rooms[0]), "deaf after the restart")
        assert engine.texts(harness.rooms[0]) == ["之前", *meanwhile, "之后"]

    async def test_what_was_never_taken_is_given_to_the_next_run(self, harness: Harness) -> None:
        engine = Engine()
        engine.failing["坏消息"] = 1000
        async with listening(harness.channel(), engine):
            await harness.person_says(harness.rooms[0], "坏消息")
            await until(lambda: engine.tries["坏消息"] >= 1, "not heard")
        engine.failing.clear()
        async with listening(harness.channel(), engine):
            await until(lambda: engine.texts(harness.rooms[0]) == ["坏消息"], "lost")
