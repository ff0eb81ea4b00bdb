"""Old, corrected and cancelled alerts that are passed on: recognised as that, told once, never credited to the new."""

from __future__ import annotations

from datetime import timedelta

import pytest

from content.messages import MAX_TEXT
from db.forwards import Standing, find_successor
from db.models import Alert, Forward, Reach
from db.session import Database
from db.states import AlertState, Relation
from tests.chatting import ALERT_TEXT, BODY, TITLE, Chat

NEW_BODY = BODY.replace("共损失86500元", "其中一笔已被警方止付，实际损失21500元")


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat(database).build()


async def correct(chat: Chat, old: Alert, relation: Relation = Relation.UPDATE, body: str = NEW_BODY) -> Alert:
    chat.clock.advance(600)
    new = await chat.release(title=f"{TITLE}（更正）", body=body, relation=relation, related_id=old.id)
    async with chat.database.write() as session:
        row = await session.get(Alert, old.id)
        assert row is not None
        row.state = AlertState.CANCELLED
    await chat.live.refresh()
    return new


async def reached(chat: Chat, alert: Alert) -> list[Reach]:
    return [row for row in await chat.rows(Reach) if row.alert_id == alert.id and row.reached_at is not None]


async def test_the_group_is_told_the_correction_once_and_nobody_is_credited(chat: Chat) -> None:
    old = await chat.release()
    new = await correct(chat, old)
    said = await chat.say("王阿姨", f"大家注意\n{ALERT_TEXT}", "HB02")
    assert await chat.outcome() == "forward"
    assert new.number in said
    assert "其中一笔已被警方止付" in said
    assert "更正" in said
    assert "计入触达" not in said  # that is for liaisons
    assert await chat.say("李阿姨", ALERT_TEXT, "HB02") == ""
    assert new.number in await chat.say("李阿姨", ALERT_TEXT, "HB03")  # another group
    assert [(entry.alert_id, entry.outdated) for entry in await chat.rows(Forward)] == [(old.id, True)] * 3
    assert await reached(chat, new) == await reached(chat, old) == []


async def test_the_liaison_is_told_each_time(chat: Chat) -> None:
    old = await chat.release()
    new = await correct(chat, old)
    liaison = await chat.bind("李联络", "海滨社区")
    first = await chat.say("李联络", ALERT_TEXT, "HB02")
    assert first.startswith("@李联络 您转发的预警")
    assert "不计入触达" in first
    assert len(first) <= MAX_TEXT
    again = await chat.say("李联络", ALERT_TEXT, "HB02")
    assert "本群已经通知过" in again
    assert new.number in again
    assert len(again) < 150
    assert [entry.person_id for entry in await chat.rows(Forward)] == [liaison.id] * 2


async def test_the_new_version_itself_is_a_forward_of_the_new_version(chat: Chat) -> None:
    old = await chat.release()
    new = await correct(chat, old)
    assert await chat.say("王阿姨", f"转发：{TITLE}（更正）\n{NEW_BODY}", "HB02") == ""
    assert [(entry.alert_id, entry.outdated) for entry in await chat.rows(Forward)] == [(new.id, False)]
    assert [row.alert_id for row in await reached(chat, new)] == [new.id]


async def test_a_cancellation_says_so_and_the_last_of_a_chain_is_told(chat: Chat) -> None:
    old = await chat.release()
    second = await correct(chat, old)
    last = await correct(
        chat, second, Relation.CANCEL, "经核实，11月20日所发快递理赔警情系误报，特此说明，给大家添麻烦了。"
    )
    for text in (ALERT_TEXT, f"{TITLE}（更正）\n{NEW_BODY}"):
        said = await chat.say("王阿姨", text, "HB02")
        assert "撤销" in said
        assert "不要再转发" in said
        assert last.number in said
    assert {entry.alert_id for entry in await chat.rows(Forward)} == {old.id, second.id}
    async with chat.database.read() as session:
        found = await find_successor(session, old.id)
        assert found is not None
        assert found.id == last.id
        assert await find_successor(session, last.id) is None


async def test_an_alert_that_was_simply_cancelled_is_not_to_be_passed_on(chat: Chat) -> None:
    old = await chat.release()
    async with chat.database.write() as session:
        row = await session.get(Alert, old.id)
        assert row is not None
        row.state = AlertState.CANCELLED
    await chat.live.refresh()
    said = await chat.say("王阿姨", ALERT_TEXT, "HB02")
    assert "已取消" in said
    assert old.number in said


async def test_a_correction_that_was_cancelled_itself_leaves_the_first_version_in_force(chat: Chat) -> None:
    old = await chat.release()
    new = await chat.release(title="更正", body=NEW_BODY, relation=Relation.UPDATE, related_id=old.id)
    async with chat.database.write() as session:
        row = await session.get(Alert, new.id)
        assert row is not None
        row.state = AlertState.CANCELLED
    async with chat.database.read() as session:
        assert await chat.live.find_standings(session, [old.id, new.id]) == {
            old.id: Standing.LIVE,
            new.id: Standing.OUTDATED,
        }


async def test_an_old_alert_is_recognised_as_old_and_not_credited_to_its_live_sibling(chat: Chat) -> None:
    old = await chat.release()
    chat.clock.advance((chat.settings.forward_days + 1) * 86_400)
    sibling = await chat.release(body=BODY.replace("菜园镇居民王女士", "洋山镇居民徐先生").replace("三倍", "双倍"))
    assert await chat.say("王阿姨", ALERT_TEXT, "HB02") == ""
    assert await chat.outcome() == "old_forward"
    assert chat.live.match(ALERT_TEXT).alert_id == str(old.id)
    assert await chat.rows(Forward) == []
    assert await reached(chat, sibling) == []
    chat.clock.advance(timedelta(days=chat.settings.outdated_days).total_seconds())
    await chat.live.refresh()
    assert chat.live.match(ALERT_TEXT).alert_id is None  # forgotten, and the sibling is no nearer


async def test_the_same_words_released_again_count_for_the_live_one(chat: Chat) -> None:
    live = await chat.release()
    chat.clock.advance(60)
    later = await chat.release()
    async with chat.database.write() as session:
        row = await session.get(Alert, later.id)
        assert row is not None
        row.state = AlertState.CANCELLED
    await chat.live.refresh()
    assert await chat.say("王阿姨", ALERT_TEXT, "HB02") == ""
    assert [entry.alert_id for entry in await chat.rows(Forward)] == [live.id]
