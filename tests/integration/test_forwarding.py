"""People pass alerts on: recognised, logged, and reached once, on both databases."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.forwarding import LiveAlerts, credited
from content.fingerprints import ForwardMatch
from db.forwards import list_live_expecting
from db.models import Alert, Forward, Reach
from db.session import Database
from db.states import AlertState, Relation, Way
from tests.chatting import ALERT_TEXT, BODY, TITLE, Chat
from tests.factories import make_alert

OTHER = (
    "11月19日，洋山镇一名学生在短视频平台看到点赞赚零花的广告，进群后做了十几个任务收到返现一百多元，"
    "随后下载“悦享生活”软件垫付三万八千六百元，对方以操作超时为由不予返还，还要求再交两万元解冻。"
)


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat(database).build()


async def reach_of(chat: Chat, alert: Alert, code: str) -> Reach | None:
    rows = [row for row in await chat.rows(Reach) if row.alert_id == alert.id]
    return next((row for row in rows if row.group_id == chat.town.groups[code].id), None)


async def test_a_copy_in_a_group_is_a_forward_and_reaches_the_group(chat: Chat) -> None:
    alert = await chat.release()
    chat.clock.advance(90)
    assert await chat.say("王阿姨", f"转发！大家看看\n{ALERT_TEXT}\n收到请回复", "HB02") == ""
    assert await chat.outcome() == "forward"
    reach = await reach_of(chat, alert, "HB02")
    assert reach is not None
    assert (reach.way, reach.reached_at) == (Way.FORWARD, chat.clock.now())
    (entry,) = await chat.rows(Forward)
    assert (entry.alert_id, entry.way, entry.person_id, entry.members) == (alert.id, Way.FORWARD, None, None)
    assert entry.score > 0.5


async def test_every_forward_is_logged_and_only_the_first_counts(chat: Chat) -> None:
    alert = await chat.release()
    liaison = await chat.bind("李联络", "海滨社区")
    chat.clock.advance(10)
    await chat.say("李联络", ALERT_TEXT, "HB02")
    first = chat.clock.now()
    chat.clock.advance(10)
    await chat.say("王阿姨", ALERT_TEXT, "HB02")
    reach = await reach_of(chat, alert, "HB02")
    assert reach is not None
    assert reach.reached_at == first
    assert [entry.person_id for entry in await chat.rows(Forward)] == [liaison.id, None]


async def test_a_late_message_counts_from_when_it_was_said_but_never_before_the_release(chat: Chat) -> None:
    alert = await chat.release()
    said = chat.clock.now() + timedelta(seconds=30)
    chat.clock.advance(3600)  # the bot was away for an hour
    await chat.say("王阿姨", ALERT_TEXT, "HB02", at=said)
    await chat.say("王阿姨", ALERT_TEXT, "HB03", at=said - timedelta(days=2))
    east, west = await reach_of(chat, alert, "HB02"), await reach_of(chat, alert, "HB03")
    assert east is not None
    assert west is not None
    assert east.reached_at == said
    assert west.reached_at == alert.released_at


async def test_a_forward_outside_the_audience_is_on_record_but_not_expected(chat: Chat) -> None:
    await chat.release()
    narrow = await chat.release(title="冒充抖音客服", body=OTHER)
    async with chat.database.write() as session:
        row = await session.get(Reach, (narrow.id, chat.town.groups["YS01"].id))
        await session.delete(row)
    await chat.say("洋山老陈", OTHER, "YS01")
    reach = await reach_of(chat, narrow, "YS01")
    assert reach is not None
    assert (reach.expected, reach.way) == (False, Way.FORWARD)


async def test_own_words_private_chats_and_unknown_rooms_are_no_forwards(chat: Chat) -> None:
    await chat.release()
    await chat.say("王阿姨", "我邻居昨天接到快递电话说包裹丢了，差点被骗，大家小心", "HB02")
    await chat.say("王阿姨", ALERT_TEXT)
    await chat.say("王阿姨", ALERT_TEXT, "不在册的群")
    assert await chat.rows(Forward) == []


async def test_the_echo_of_the_bot_is_never_a_forward(chat: Chat) -> None:
    await chat.release()
    await chat.say("bot:心防一号", ALERT_TEXT, "HB01", is_self=True)
    assert await chat.outcome() == "echo"
    assert await chat.rows(Forward) == []


async def test_the_title_of_a_link_card_is_read_too(chat: Chat) -> None:
    alert = await chat.release()
    await chat.say("王阿姨", BODY, "HB02", link_title=TITLE, link_url="https://example.invalid/")
    assert [entry.alert_id for entry in await chat.rows(Forward)] == [alert.id]


async def test_when_the_latest_of_the_same_text_is_cancelled_the_earlier_is_compared_again(chat: Chat) -> None:
    first = await chat.release()
    second = await chat.release()
    async with chat.database.write() as session:
        cancelled = await session.get(Alert, second.id)
        assert cancelled is not None
        cancelled.state = AlertState.CANCELLED
    await chat.live.refresh()
    assert chat.live.match(ALERT_TEXT).alert_id == str(first.id)


async def test_two_notices_in_one_message_are_two_forwards(chat: Chat) -> None:
    first = await chat.release()
    second = await chat.release(title="点赞返现是刷单骗局", body=OTHER)
    await chat.say("王阿姨", f"{ALERT_TEXT}\n\n另外：\n{OTHER}", "HB02")
    assert {entry.alert_id for entry in await chat.rows(Forward)} == {first.id, second.id}


@pytest.mark.parametrize("times", [1, 5])
async def test_the_same_text_released_again_credits_the_latest(chat: Chat, times: int) -> None:
    for _ in range(times):
        await chat.release()
        chat.clock.advance(60)
    again = await chat.release()
    await chat.say("王阿姨", ALERT_TEXT, "HB02")
    assert [entry.alert_id for entry in await chat.rows(Forward)] == [again.id]


def test_credit_goes_to_the_match_then_to_the_latest_of_the_tied() -> None:
    assert credited(ForwardMatch(None, 0.1, runner_up="3")) == []
    assert credited(ForwardMatch("3", 0.9, also=("5", "3"))) == [3, 5]
    assert credited(ForwardMatch(None, 0.9, tied=("10", "9"))) == [10]


async def test_drafts_cancelled_and_old_alerts_are_not_compared(chat: Chat) -> None:
    now = chat.clock.now()
    async with chat.database.write() as session:
        await make_alert(session, title=TITLE, body=BODY)
        values = {"title": TITLE, "body": BODY, "released_at": now}
        await make_alert(session, state=AlertState.CANCELLED, **values)
        old = values | {"released_at": now - timedelta(days=chat.settings.forward_days, seconds=1)}
        await make_alert(session, state=AlertState.FINISHED, **old)
        correction = await make_alert(session, state=AlertState.EXPIRED, relation=Relation.UPDATE, **values)
    await chat.live.refresh()
    assert len(chat.live) == 1
    assert chat.live.match(ALERT_TEXT).alert_id == str(correction.id)


async def test_live_alerts_follow_events_and_what_other_processes_do(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.forwarding.POLL_SECONDS", 0.05)
    live = LiveAlerts(chat.settings, chat.database, chat.clock)
    await live.start(chat.events)
    assert live.match(ALERT_TEXT).alert_id is None
    alert = await chat.release()
    async with asyncio.timeout(10):
        while live.match(ALERT_TEXT).alert_id != str(alert.id):
            await asyncio.sleep(0.01)
    chat.clock.advance(chat.settings.forward_days * 86_400 + 1)
    chat.events.publish("alerts")
    async with asyncio.timeout(10):
        while len(live):
            await asyncio.sleep(0.01)
    await live.stop()


async def test_an_alert_is_read_once_however_often_the_index_is_refreshed(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    await chat.release()
    await chat.live.refresh()

    async def never(*_: object) -> None:
        raise AssertionError("texts were read again")

    monkeypatch.setattr("db.forwards.list_words", never)
    await chat.live.refresh()
    assert chat.live.match(ALERT_TEXT).alert_id is not None


async def test_the_latest_live_alert_that_expects_a_group_or_a_subtree(chat: Chat) -> None:
    first = await chat.release()
    chat.clock.advance(60)
    second = await chat.release()
    groups, since = chat.town.groups, chat.clock.now() - timedelta(days=3)
    async with chat.database.write() as session:
        await session.delete(await session.get(Reach, (second.id, groups["JP01"].id)))
    async with chat.database.read() as session:

        async def latest(**where: object) -> list[int]:
            return [alert.id for alert in await list_live_expecting(session, since, limit=9, **where)]  # type: ignore[arg-type]

        assert await latest(group_id=groups["JP01"].id) == [first.id]
        assert await latest(group_id=groups["HB01"].id) == [second.id, first.id]
        assert await latest(scope=chat.town.units["金平社区"].path) == [first.id]
        assert await latest(scope="") == [second.id, first.id]
