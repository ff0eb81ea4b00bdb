"""Claim → pace → send → record, with a channel that misbehaves on request. Invariants 1–5, on both databases."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from itertools import pairwise

import pytest
import sqlalchemy as sa

from bot import alerts
from bot.alerts import rendered_text
from bot.clock import SystemClock
from bot.delivery import decide_unknown
from bot.errors import (
    AccountOffline,
    Forbidden,
    MessageRefused,
    OutcomeUnknown,
    RoomGone,
    SendError,
    TemporaryFailure,
    Throttled,
    WrongState,
)
from bot.invariants import check_invariants
from bot.short_pages import find_page, prepare, without_link
from db.alerts import count_deliveries
from db.models import Account, Delivery, Group, Reach, Reply
from db.session import Database
from db.states import AccountState, AlertState, DeliveryState, GroupState, ReplyRank, Severity, Way
from tests.fakes import FakeChannel
from tests.world import (
    Post,
    World,
    alert_state,
    build_world,
    content,
    quick_settings,
    release,
    settled,
    states,
    until,
)

SETTINGS = quick_settings()
CLOCK = SystemClock()


@pytest.fixture
async def world(database: Database) -> World:
    async with database.write() as session:
        return await build_world(session)


async def balanced(database: Database, alert_id: int) -> bool:
    async with database.read() as session:
        counts = (await count_deliveries(session, [alert_id]))[alert_id]
    return counts.total == counts.audience


async def test_every_group_once_upper_levels_first(database: Database, world: World) -> None:
    channel = FakeChannel(CLOCK, ("心防1号",))
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
    assert [arrived.room_id for arrived in channel.arrived] == [group.room_id for group in world.groups]
    assert channel.arrived[0].message.text.startswith("【红色预警】快递理赔是骗局\n\n今日我县")
    async with database.read() as session:
        ways = (await session.scalars(sa.select(Reach.way).where(Reach.alert_id == alert.id))).all()
        assert list(ways) == [Way.PUSH] * len(world.groups)
    assert await balanced(database, alert.id)


async def test_each_group_gets_its_units_link_and_the_echo_still_confirms(database: Database, world: World) -> None:
    async with database.write() as session:
        await prepare(session)
    channel, released = FakeChannel(CLOCK, ("心防1号",)), []
    for settings in (quick_settings(public_url="https://fz.example.cn/", push_links=True), SETTINGS):
        alert = await release(database, world, settings, CLOCK.now())
        released.append(alert)
        async with Post(database, settings, channel, CLOCK):
            await until(lambda alert=alert: settled(database, alert.id))  # type: ignore[misc]
            await until(lambda alert=alert: confirmed(database, alert.id))  # type: ignore[misc]
    said = [arrived.message.text for arrived in channel.arrived]
    linked, plain = said[: len(world.groups)], said[len(world.groups) :]
    async with database.read() as session:
        for text, group in zip(linked, world.groups, strict=True):
            body, _, address = text.rpartition("\n核对真伪：https://fz.example.cn/a/")
            assert body == without_link(text) == rendered_text(released[0], SETTINGS)
            page = await find_page(session, address, now=CLOCK.now())
            assert page is not None
            assert page.unit_id == group.unit_id
    assert not [text for text in plain if "/a/" in text]


async def test_the_channel_never_sees_less_than_the_gap(database: Database, world: World) -> None:
    """Not even when the process was held up between its look at the clock and the channel."""
    settings = quick_settings(gap_seconds=0.1)
    channel = FakeChannel(CLOCK, ("心防1号",))

    async def held_up() -> None:
        time.sleep(0.09)  # noqa: ASYNC251  nobody else gets on meanwhile, that is the point

    channel.faults[str(world.groups[0].room_id)] = [held_up]
    alert = await release(database, world, settings, CLOCK.now())
    async with Post(database, settings, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
    starts = [arrived.at for arrived in channel.arrived]
    assert len(starts) == len(world.groups)
    assert min(later - earlier for earlier, later in pairwise(starts)) >= 0.1


async def confirmed(database: Database, alert_id: int) -> bool:
    async with database.read() as session:
        waiting = sa.select(sa.func.count()).where(Delivery.alert_id == alert_id, Delivery.echo_at.is_(None))
        return not await session.scalar(waiting)


async def test_more_urgent_alerts_and_replies_overtake(database: Database, world: World) -> None:
    settings = quick_settings(gap_seconds=0.05)
    channel = FakeChannel(CLOCK, ("心防1号",))
    blue = await release(database, world, settings, CLOCK.now(), content(Severity.BLUE, title="蓝色提示"))
    async with Post(database, settings, channel, CLOCK) as post:
        await until(lambda: channel.arrived)
        async with database.write() as session:
            await alerts.pause(session, world.publisher, blue.id, now=CLOCK.now())  # so that all three wait
        red = await release(database, world, settings, CLOCK.now(), content(title="红色急报"))
        async with database.write() as session:
            await alerts.resume(session, world.publisher, blue.id, now=CLOCK.now())
            session.add(
                Reply(
                    channel="local",
                    account_id=world.accounts[0].id,
                    room_id=str(world.groups[-1].room_id),
                    message_id="q1",
                    text="这是刷单诈骗",
                    state=DeliveryState.WAITING,
                    created_at=CLOCK.now(),
                )
            )
        post.events.publish("alerts", "replies")
        await until(lambda: settled(database, blue.id))
        await until(lambda: settled(database, red.id))
    texts = [arrived.message.text for arrived in channel.arrived]
    first_red = next(index for index, text in enumerate(texts) if "红色急报" in text)
    assert abs(texts.index("这是刷单诈骗") - first_red) <= 1  # the reply waits for at most the message before it
    reds = [index for index, text in enumerate(texts) if "红色急报" in text]
    assert reds[-1] - reds[0] <= len(world.groups)  # and no blue one comes in between
    assert "蓝色提示" in texts[-1]


async def test_reminders_come_after_red_alerts_and_before_the_others(database: Database, world: World) -> None:
    channel = FakeChannel(CLOCK, ("心防1号",))
    for severity, title in ((Severity.BLUE, "蓝色提示"), (Severity.RED, "红色急报")):
        await release(database, world, SETTINGS, CLOCK.now(), content(severity, title=title))
    async with database.write() as session:
        for rank in (ReplyRank.REMINDER, ReplyRank.NOTICE):
            waiting = Reply(
                channel="local",
                account_id=world.accounts[0].id,
                room_id="private",
                message_id=f"r{rank}",
                text=rank.name,
                rank=rank,
                state=DeliveryState.WAITING,
                created_at=CLOCK.now(),
            )
            session.add(waiting)
    groups = len(world.groups)
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: len(channel.arrived) == 2 * groups + 2)
    texts = [arrived.message.text[:12] for arrived in channel.arrived]
    assert texts[0] == "NOTICE"
    assert all("红色急报" in text for text in texts[1 : 1 + groups])
    assert texts[1 + groups] == "REMINDER"


@pytest.mark.parametrize(
    ("fault", "state", "reason"),
    [
        (RoomGone("群不存在"), DeliveryState.FAILED, "群不存在"),
        (MessageRefused("内容被平台拒绝"), DeliveryState.FAILED, "内容被平台拒绝"),
        (OutcomeUnknown("没有答复"), DeliveryState.UNKNOWN, "没有答复"),
        (ValueError("?"), DeliveryState.UNKNOWN, "通道异常：ValueError"),
    ],
)
async def test_one_bad_group_stops_nobody(
    database: Database, world: World, fault: Exception, state: DeliveryState, reason: str
) -> None:
    channel = FakeChannel(CLOCK, ("心防1号",))
    bad = world.groups[1]
    channel.faults[str(bad.room_id)] = [fault]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
    found = await states(database, alert.id)
    assert found.pop(bad.id) == (state, reason)
    assert {one for one, _ in found.values()} == {DeliveryState.SENT}
    assert await balanced(database, alert.id)
    async with database.read() as session:
        group_state = await session.scalar(sa.select(Group.state).where(Group.id == bad.id))
    assert group_state is (GroupState.LOST if isinstance(fault, RoomGone) else GroupState.ACTIVE)


async def test_no_answer_is_unknown_and_never_sent_again(database: Database, world: World) -> None:
    async def hang() -> None:
        await asyncio.sleep(60)

    channel = FakeChannel(CLOCK, ("心防1号",))
    room = str(world.groups[0].room_id)
    channel.faults[room] = [hang]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
    assert (await states(database, alert.id))[world.groups[0].id] == (DeliveryState.UNKNOWN, "平台没有答复")
    async with Post(database, SETTINGS, channel, CLOCK):
        await asyncio.sleep(0.3)
    assert room not in {arrived.room_id for arrived in channel.arrived}


async def test_late_echo_settles_an_unknown(database: Database, world: World) -> None:
    channel = FakeChannel(CLOCK, ("心防1号",))
    channel.echo = False
    room = str(world.groups[0].room_id)
    channel.faults[room] = [OutcomeUnknown("没有答复")]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
        text = channel.arrived[0].message.text.replace("\n\n", "\n")
        await channel.hear(room, text, sender="bot", is_self=True, account="心防1号")
    assert (await states(database, alert.id))[world.groups[0].id] == (DeliveryState.SENT, "")
    async with database.read() as session:
        reach = await session.get(Reach, (alert.id, world.groups[0].id))
        assert reach is not None
        assert reach.way is Way.PUSH


async def test_a_person_decides_about_unknown(database: Database, world: World) -> None:
    channel = FakeChannel(CLOCK, ("心防1号",))
    for group in world.groups[:2]:
        channel.faults[str(group.room_id)] = [OutcomeUnknown("没有答复")]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
        async with database.write() as session:
            await alerts.finish(session, alert.id, now=CLOCK.now())
        async with database.read() as session:
            from db.deliveries import list_deliveries

            rows = await list_deliveries(session, alert.id, states=[DeliveryState.UNKNOWN])
        async with database.write() as session:
            await decide_unknown(session, world.reviewer, rows[0].id, "resend", now=CLOCK.now())
        async with database.write() as session:
            await decide_unknown(session, world.reviewer, rows[1].id, "leave", now=CLOCK.now())
        await until(lambda: settled(database, alert.id))
    found = await states(database, alert.id)
    assert found[world.groups[0].id][0] is DeliveryState.SENT
    assert found[world.groups[1].id] == (DeliveryState.SKIPPED, "人工决定不再重发")
    async with database.write() as session:
        with pytest.raises(WrongState):
            await decide_unknown(session, world.reviewer, rows[0].id, "resend", now=CLOCK.now())


async def test_temporary_failures_are_tried_again_and_then_given_up(database: Database, world: World) -> None:
    settings = quick_settings(max_attempts=1)
    channel = FakeChannel(CLOCK, ("心防1号",))
    channel.faults[str(world.groups[0].room_id)] = [TemporaryFailure("网络抖动")]
    alert = await release(database, world, settings, CLOCK.now())
    async with Post(database, settings, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
    assert (await states(database, alert.id))[world.groups[0].id] == (DeliveryState.FAILED, "网络抖动")


async def test_offline_account_waits_and_goes_on_after_login(database: Database, world: World) -> None:
    channel = FakeChannel(CLOCK, ("心防1号",))
    channel.faults[str(world.groups[0].room_id)] = [AccountOffline("未登录")]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK) as post:
        await until(lambda: _account(database, AccountState.OFFLINE))
        await asyncio.sleep(0.1)
        assert not channel.arrived
        assert channel.account_changed is not None
        await channel.account_changed("心防1号", AccountState.ONLINE, "")
        post.events.publish("accounts")
        await until(lambda: settled(database, alert.id))
    assert len(channel.arrived) == len(world.groups)


async def _account(database: Database, state: AccountState) -> bool:
    async with database.read() as session:
        return await session.scalar(sa.select(Account.state)) is state


async def test_throttle_opens_the_breaker(database: Database, world: World) -> None:
    channel = FakeChannel(CLOCK, ("心防1号",))
    channel.faults[str(world.groups[0].room_id)] = [Throttled("操作过于频繁", retry_after=0.5)]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: _account(database, AccountState.BLOCKED))
        blocked_at = CLOCK.monotonic()
        assert not channel.arrived
        await until(lambda: settled(database, alert.id))
    assert channel.arrived[0].at - blocked_at >= 0.4
    assert len(channel.arrived) == len(world.groups)


async def test_a_dead_account_pauses_alone(database: Database) -> None:
    async with database.write() as session:
        world = await build_world(session, villages=6, accounts=2)
    channel = FakeChannel(CLOCK, ("心防1号", "心防2号"))
    for group in world.groups:
        if group.account_id == world.accounts[0].id:
            channel.faults[str(group.room_id)] = [AccountOffline("未登录")]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        theirs = [group.id for group in world.groups if group.account_id == world.accounts[1].id]

        async def served() -> bool:
            found = await states(database, alert.id)
            return all(found[group_id][0] is DeliveryState.SENT for group_id in theirs)

        await until(served)
    assert {arrived.account for arrived in channel.arrived} == {"心防2号"}


async def test_a_cancelled_alert_ends_with_what_was_begun_before(database: Database, world: World) -> None:
    """The officer's click waits for a claim that is under way, and that one was not sent after the end."""
    alert = await release(database, world, quick_settings(), CLOCK.now())
    clicked = CLOCK.now()
    begun = clicked + timedelta(milliseconds=80)
    async with database.write() as session:
        first = sa.select(sa.func.min(Delivery.id)).where(Delivery.alert_id == alert.id).scalar_subquery()
        claim = sa.update(Delivery).where(Delivery.id == first)
        await session.execute(claim.values(state=DeliveryState.SENDING, sending_at=begun))
    async with database.write() as session:
        await alerts.cancel(session, world.publisher, alert.id, "有误", now=clicked)
    async with database.read() as session:
        assert (await alerts.get_alert(session, alert.id)).finished_at == begun
        assert [check.name for check in await check_invariants(session, quick_settings()) if not check.holds] == []


async def test_pause_resume_cancel(database: Database, world: World) -> None:
    settings = quick_settings(gap_seconds=0.1)
    channel = FakeChannel(CLOCK, ("心防1号",))
    alert = await release(database, world, settings, CLOCK.now())
    async with Post(database, settings, channel, CLOCK) as post:
        await until(lambda: channel.arrived)
        async with database.write() as session:
            await alerts.pause(session, world.publisher, alert.id, now=CLOCK.now())
        await asyncio.sleep(0.15)  # what was in flight lands
        count = len(channel.arrived)
        await asyncio.sleep(0.3)
        assert len(channel.arrived) == count
        assert count < len(world.groups)
        async with database.write() as session:
            await alerts.resume(session, world.publisher, alert.id, now=CLOCK.now())
        post.events.publish("alerts")
        await until(lambda: len(channel.arrived) > count)
        async with database.write() as session:
            await alerts.cancel(session, world.publisher, alert.id, "有误", now=CLOCK.now())
        await until(lambda: settled(database, alert.id))
        count = len(channel.arrived)
        await asyncio.sleep(0.3)
    assert len(channel.arrived) == count
    assert await alert_state(database, alert.id) is AlertState.CANCELLED
    assert await balanced(database, alert.id)
    assert sum(state is DeliveryState.CANCELLED for state, _ in (await states(database, alert.id)).values()) == len(
        world.groups
    ) - len(channel.arrived)


async def test_nothing_after_expiry(database: Database, world: World) -> None:
    settings = quick_settings(gap_seconds=0.8)
    channel = FakeChannel(CLOCK, ("心防1号",))
    soon = CLOCK.now() + timedelta(seconds=2)
    alert = await release(database, world, settings, CLOCK.now(), content(expires_at=soon))
    async with Post(database, settings, channel, CLOCK):
        await until(lambda: channel.arrived)
        while CLOCK.now() < soon + timedelta(seconds=1):  # the next one would have gone out
            await asyncio.sleep(0.1)
        async with database.write() as session:
            await alerts.expire(session, alert.id, now=CLOCK.now())
    assert 1 <= len(channel.arrived) <= 3
    left = [
        reason for state, reason in (await states(database, alert.id)).values() if state is DeliveryState.CANCELLED
    ]
    assert left == ["已过有效期"] * (len(world.groups) - len(channel.arrived))


async def test_quiet_hours_hold_all_but_red(database: Database, world: World) -> None:
    settings = quick_settings(quiet_start="00:00", quiet_end="23:59:59")
    channel = FakeChannel(CLOCK, ("心防1号",))
    blue = await release(database, world, settings, CLOCK.now(), content(Severity.BLUE, title="蓝色提示"))
    red = await release(database, world, settings, CLOCK.now(), content(title="红色急报"))
    async with Post(database, settings, channel, CLOCK):
        await until(lambda: settled(database, red.id))
        await asyncio.sleep(0.2)
    assert all("红色急报" in arrived.message.text for arrived in channel.arrived)
    assert {state for state, _ in (await states(database, blue.id)).values()} == {DeliveryState.WAITING}


async def test_two_processes_never_send_twice(database: Database) -> None:
    async with database.write() as session:
        world = await build_world(session, villages=20, accounts=3)
    names = tuple(account.name for account in world.accounts)
    channel = FakeChannel(CLOCK, names)
    second = Database(str(database.url.render_as_string(hide_password=False)))
    alert = await release(database, world, SETTINGS, CLOCK.now())
    try:
        async with Post(database, SETTINGS, channel, CLOCK), Post(second, SETTINGS, channel, CLOCK):
            await until(lambda: settled(database, alert.id))
    finally:
        await second.close()
    rooms = [arrived.room_id for arrived in channel.arrived]
    assert sorted(rooms) == sorted(str(group.room_id) for group in world.groups)


async def test_clean_stop_leaves_nothing_in_flight(database: Database, world: World) -> None:
    async def slow() -> None:
        await asyncio.sleep(0.2)

    channel = FakeChannel(CLOCK, ("心防1号",))
    channel.faults[str(world.groups[0].room_id)] = [slow]
    alert = await release(database, world, SETTINGS, CLOCK.now())
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: _sending(database, alert.id))
    found = await states(database, alert.id)
    assert found[world.groups[0].id][0] is DeliveryState.SENT
    assert DeliveryState.SENDING not in {state for state, _ in found.values()}
    assert await _account(database, AccountState.OFFLINE)


async def _sending(database: Database, alert_id: int) -> bool:
    return DeliveryState.SENDING in {state for state, _ in (await states(database, alert_id)).values()}


async def test_release_needs_a_second_person(database: Database, world: World) -> None:
    now = CLOCK.now()
    writer = alerts.Actor(name="甲", role=world.reviewer.role, user_id=world.reviewer.user_id)
    async with database.write() as session:
        alert = await alerts.create(session, writer, content(), settings=SETTINGS, now=now)
        await alerts.submit(session, writer, alert.id, now=now)
    async with database.write() as session:
        with pytest.raises(Forbidden, match="另一位同事"):
            await alerts.release(session, writer, alert.id, settings=SETTINGS, now=now)
    async with database.write() as session:
        with pytest.raises(Forbidden):
            await alerts.release(session, world.publisher, alert.id, settings=SETTINGS, now=now)


@pytest.mark.parametrize("error", [TemporaryFailure("忙"), AccountOffline("掉线")])
async def test_what_comes_back_to_an_alert_that_is_over_waits_for_nothing(
    database: Database, world: World, error: SendError
) -> None:
    """Cancelled while a message was under way, which then did not leave: it must not wait for ever."""
    channel = FakeChannel(CLOCK, ("心防1号",))
    alert = await release(database, world, SETTINGS, CLOCK.now())

    async def cancelled_meanwhile() -> None:
        async with database.write() as session:
            await alerts.cancel(session, world.publisher, alert.id, "有误", now=CLOCK.now())
        raise error

    channel.faults[str(world.groups[0].room_id)] = [cancelled_meanwhile]
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
    assert set((await states(database, alert.id)).values()) == {(DeliveryState.CANCELLED, "有误")}
    assert channel.arrived == []
