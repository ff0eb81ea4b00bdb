"""The rows behind the built-in channel: rooms that follow the registry, stored pictures, the live feed."""

from __future__ import annotations

import asyncio
import io

import pytest
import sqlalchemy as sa
from PIL import Image

from bot.channels.local import LocalChannel
from bot.channels.local_feed import MAX_BEHIND, Subscription
from bot.channels.local_people import LocalPeople, sync_rooms
from bot.clock import SystemClock
from bot.errors import NotFound, UserError
from bot.pictures import save_picture, store_picture
from db import local_chat
from db.models import Group, LocalMessage, LocalRoom, Picture
from db.session import Database
from db.states import ContentKind, GroupState
from tests.factories import NOW, make_account, make_group


@pytest.fixture
def channel(database: Database) -> LocalChannel:
    return LocalChannel(database, SystemClock(), poll_seconds=0.02)


async def rooms_of(database: Database) -> dict[str, tuple[str, str | None]]:
    async with database.read() as session:
        return {room.room_id: (room.name, room.account) for room in await session.scalars(sa.select(LocalRoom))}


# ── rooms follow the registry ──


async def test_rooms_become_equal_to_the_registry_and_stay_so(database: Database) -> None:
    async with database.write() as session:
        account = await make_account(session, name="心防一号")
        await make_group(session, account=account, room_id="a", name="甲群")
        await make_group(session, room_id="b", name="乙群")
        await make_group(session, account=account, room_id=None, name="还没有群号")
        await make_group(session, account=account, room_id="w", name="别的通道", channel="wecom")
        await make_group(session, account=account, room_id="r", name="停用群", state=GroupState.RETIRED)
        await sync_rooms(session)
    expected = {"a": ("甲群", "心防一号"), "b": ("乙群", None), "r": ("停用群", None)}
    assert await rooms_of(database) == expected
    async with database.write() as session:
        await sync_rooms(session)
    assert await rooms_of(database) == expected
    async with database.write() as session:
        await session.execute(sa.update(Group).where(Group.room_id == "a").values(name="新名", account_id=None))
        await session.execute(sa.update(Group).where(Group.room_id == "b").values(account_id=account.id))
        await sync_rooms(session)
    assert await rooms_of(database) == expected | {"a": ("新名", None), "b": ("乙群", "心防一号")}


async def test_an_account_that_comes_back_does_not_answer_what_was_said_before(
    database: Database, channel: LocalChannel
) -> None:
    people = LocalPeople(channel)
    await people.ensure_person("wang", "王芳")
    async with database.write() as session:
        account = await make_account(session)
        group = await make_group(session, account=account, room_id="a")
        await sync_rooms(session)
    await people.say("wang", "a", "旧问题")
    for account_id in (None, account.id):
        async with database.write() as session:
            await session.execute(sa.update(Group).where(Group.id == group.id).values(account_id=account_id))
            await sync_rooms(session)
    await people.say("wang", "a", "新问题")
    async with database.read() as session:
        untaken = await local_chat.list_untaken(session, except_rooms=[], limit=10)
    assert [message.text for message, _ in untaken] == ["新问题"]


# ── people ──


async def test_an_id_that_could_be_taken_for_another_is_refused(channel: LocalChannel) -> None:
    for person_id in ("", "a:b", "bot:心防一号", "王芳", "x" * 41, "a b", "%"):
        with pytest.raises(UserError):
            await LocalPeople(channel).ensure_person(person_id, "王芳")


async def test_a_person_has_one_name_at_a_time(channel: LocalChannel) -> None:
    people = LocalPeople(channel)
    await people.ensure_person("wang", "王芳")
    await people.ensure_person("wang", "王小芳")
    assert [(person.person_id, person.name) for person in await people.list_people()] == [("wang", "王小芳")]


async def test_the_bot_is_mentioned_by_its_name_or_its_account(database: Database, channel: LocalChannel) -> None:
    people = LocalPeople(channel)
    async with database.write() as session:
        session.add(LocalRoom(room_id="a", name="群", account="总台"))
    await people.ensure_person("wang", "王芳")
    cases = {"@心防 在吗": True, "请问@总台": True, "心防": False, "@王芳": False, "@ 心防": False}
    for words in cases:
        await people.say("wang", "a", words)
    await people.say("wang", "a", "在吗", mentions_bot=True)
    rows = await people.history("a")
    assert [bool(row.payload.get("mentions")) for row in rows] == [*cases.values(), True]


async def test_a_link_that_leads_nowhere_good_is_refused(database: Database, channel: LocalChannel) -> None:
    people = LocalPeople(channel)
    async with database.write() as session:
        session.add(LocalRoom(room_id="a", name="群", account=None))
    await people.ensure_person("wang", "王芳")
    for url, title in (
        ("javascript:alert(1)", "标题"),
        ("https://a b", "标题"),
        ("", "标题"),
        ("https://a.cn/", " "),
    ):
        with pytest.raises(UserError):
            await people.send_link("wang", "a", url, title)
    with pytest.raises(NotFound):
        await people.send_picture("wang", "a", 404)
    assert await people.history("a") == []


# ── pictures are stored once ──


def png(colour: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 9), colour).save(buffer, "PNG")
    return buffer.getvalue()


async def test_the_same_picture_is_stored_once_even_by_many_at_once(database: Database) -> None:
    pictures = await asyncio.gather(*(save_picture(database, png("red")) for _ in range(8)))
    async with database.write() as session:
        again = await store_picture(session, png("red"))
        other = await store_picture(session, png("blue"))
    assert {picture.id for picture in pictures} == {again.id}
    assert other.id != again.id
    async with database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(Picture)) == 2


# ── the live feed ──


async def _one_room(database: Database) -> None:
    async with database.write() as session:
        session.add(LocalRoom(room_id="a", name="群", account=None))


def _row(number: int, text: str) -> LocalMessage:
    return LocalMessage(
        id=number,
        room_id="a",
        sender_id="wang",
        sender_name="王芳",
        kind=ContentKind.TEXT,
        text=text,
        payload={},
        at=NOW,
        taken=True,
    )


async def _collect(news: Subscription, count: int) -> list[str]:
    texts: list[str] = []
    async with asyncio.timeout(10):
        async for batch in news:
            texts += [message.text for message in batch]
            if len(texts) >= count:
                break
    return texts


async def test_the_feed_begins_with_what_is_said_from_now_on(database: Database, channel: LocalChannel) -> None:
    await _one_room(database)
    people = LocalPeople(channel)
    await people.ensure_person("wang", "王芳")
    await people.say("wang", "a", "从前")
    async with channel.subscribe() as one, channel.subscribe() as two:
        await people.say("wang", "a", "现在")
        assert await _collect(one, 1) == ["现在"]
        assert await _collect(two, 1) == ["现在"]
    await people.say("wang", "a", "没人看")
    async with channel.subscribe() as three:
        await people.say("wang", "a", "又有人看")
        assert await _collect(three, 1) == ["又有人看"]


async def test_an_id_that_appears_late_is_still_told(database: Database, channel: LocalChannel) -> None:
    """PostgreSQL gives numbers before the commit: 12 may be readable before 11."""
    await _one_room(database)
    async with database.write() as session:
        session.add(_row(10, "十"))
    async with channel.subscribe() as news:
        async with database.write() as session:
            session.add(_row(12, "十二"))
        assert await _collect(news, 1) == ["十二"]
        async with database.write() as session:
            session.add(_row(11, "十一"))
            session.add(_row(13, "十三"))
        assert sorted(await _collect(news, 2)) == sorted(["十一", "十三"])


async def test_a_subscriber_that_does_not_read_loses_the_oldest_and_is_told_so() -> None:
    subscription = Subscription()
    subscription.put([_row(number, str(number)) for number in range(MAX_BEHIND)])
    assert not subscription.missed
    subscription.put([_row(MAX_BEHIND, "最新")])
    assert subscription.missed
    batch = await anext(subscription)
    assert (len(batch), batch[0].text, batch[-1].text) == (MAX_BEHIND, "1", "最新")


async def test_the_feed_ends_when_the_channel_stops(database: Database, channel: LocalChannel) -> None:
    async with channel.subscribe() as news:
        await channel.stop()
        async with asyncio.timeout(5):
            assert [batch async for batch in news] == []
