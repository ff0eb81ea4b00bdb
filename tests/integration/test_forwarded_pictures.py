"""Pictures of alerts that people pass on: copies are forwards, posters of the same template are for a person."""

from __future__ import annotations

import asyncio
import random
from datetime import datetime

import pytest
from PIL import Image

from benchmarks import posters
from bot.picture_matching import UNKNOWN_PICTURE, KnownPictures, PictureMatch
from bot.pictures import save_picture
from db.models import Alert, Forward, Lead
from db.session import Database
from db.states import ContentKind, LeadReason, Relation
from tests.chatting import ALERT_TEXT, Chat


@pytest.fixture
async def chat(sqlite_database: Database) -> Chat:
    return await Chat(sqlite_database).build()


async def saved(chat: Chat, picture: Image.Image) -> int:
    return (await save_picture(chat.database, posters.encoded(picture))).id


async def released(chat: Chat, seed: int, words: int | None = None, **columns: object) -> Alert:
    picture_id = await saved(chat, posters.poster(seed, words))
    return await chat.release(kind=ContentKind.PICTURE, picture_id=picture_id, **columns)


async def show(chat: Chat, picture: Image.Image, group: str, text: str = "") -> str:
    return await chat.say("王阿姨", text, group, kind=ContentKind.PICTURE, picture_id=await saved(chat, picture))


async def test_an_edited_copy_is_a_forward_and_another_picture_is_not(chat: Chat) -> None:
    first = await released(chat, 1)
    second = await released(chat, 2, title="另一条", body="另一条预警的正文，说的是冒充领导要求转账的事。")
    rng = random.Random(4)
    await show(chat, posters.edited(posters.poster(2), "screenshot", rng), "HB02")
    await show(chat, posters.edited(posters.poster(1), "cropped", rng), "HB03")
    await show(chat, posters.poster(900), "JP01")
    await show(chat, Image.new("RGB", (300, 300), "white"), "JP01")
    assert [entry.alert_id for entry in await chat.rows(Forward)] == [second.id, first.id]
    assert await chat.rows(Lead) == []


async def test_a_poster_of_the_template_is_for_a_person_unless_the_words_say_which(chat: Chat) -> None:
    alert = await released(chat, 1, words=5)
    sibling = posters.poster(1, words=6)
    await show(chat, sibling, "HB02")
    await show(chat, sibling, "HB02")
    assert await chat.rows(Forward) == []
    (lead,) = await chat.rows(Lead)
    assert lead.reason is LeadReason.PICTURE
    assert alert.number in lead.text
    assert "HB02" in lead.text
    await show(chat, sibling, "HB03", text=ALERT_TEXT)
    assert [entry.alert_id for entry in await chat.rows(Forward)] == [alert.id]
    assert len(await chat.rows(Lead)) == 1


async def test_the_picture_of_a_corrected_alert_is_outdated(chat: Chat) -> None:
    old = await released(chat, 1)
    new = await chat.release(
        title="更正", body="更正后的正文，以此为准。", relation=Relation.UPDATE, related_id=old.id
    )
    assert new.number in await show(chat, posters.poster(1).resize((400, 520)), "HB02")
    assert [(entry.alert_id, entry.outdated) for entry in await chat.rows(Forward)] == [(old.id, True)]


async def test_what_is_no_picture_shows_nothing_and_old_pictures_are_forgotten(chat: Chat) -> None:
    alert = await released(chat, 1)
    since = chat.live.kept_since
    data = posters.encoded(posters.poster(1))
    assert await chat.live.pictures.find(data, since=since) == alert.picture_id
    for wrong in (b"", b"GIF89a", data[:200], b"x" * 3_000_000):
        assert await chat.live.pictures.match(wrong, since=since) == UNKNOWN_PICTURE
    chat.clock.advance(40 * 86_400)
    assert await chat.live.pictures.find(data, since=chat.live.kept_since) is None


async def test_nobody_waits_to_write_while_a_picture_is_compared(chat: Chat, monkeypatch: pytest.MonkeyPatch) -> None:
    await released(chat, 1)
    held: list[bool] = []
    match = KnownPictures.match

    async def watched(self: KnownPictures, data: bytes, *, since: datetime) -> PictureMatch:
        async with asyncio.timeout(5), chat.database.write():
            held.append(True)
        return await match(self, data, since=since)

    monkeypatch.setattr(KnownPictures, "match", watched)
    await show(chat, posters.poster(1).resize((400, 520)), "HB02")
    assert held == [True]
    assert len(await chat.rows(Forward)) == 1
