"""Getting the last ones: whom the bot asks, when, once each, and never for nothing. On both databases."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.errors import Forbidden, NotFound, WrongState
from bot.events import Events
from bot.identity import Actor
from bot.reminders import Reminders, remind_now
from bot.settings import Settings, load_settings
from db.deliveries import skip_stale_replies, strand_in_flight
from db.marks import Claim, Turn, Wanted, advance
from db.models import Account, Alert, AuditEntry, Delivery, Person, PersonRoom, Reminder, Reply
from db.reach import record_reach
from db.reminder_queue import INSTEAD
from db.reminders import list_reminders
from db.session import Database
from db.states import AccountState, AlertState, DeliveryState, ReminderStep, ReplyRank, Role, Severity, Way
from tests.chatting import BODY, TITLE, Chat
from tests.factories import make_account
from tests.fakes import FakeChannel
from tests.world import Post, quick_settings, until

OFFICER = Actor("陈警官", Role.REVIEWER, 1)


class Town(Chat):
    """The small town with liaisons who have written to the bot, and the scheduler's part that reminds them."""

    def __init__(self, database: Database, settings: Settings | None = None) -> None:
        super().__init__(database, settings or load_settings(public_url="https://fz.example.cn"))
        self.reminders = Reminders(self.settings, database, self.clock, self.events)

    async def build(self) -> Town:
        await super().build()
        async with self.database.write() as session:
            lease = {"lease_owner": "me", "lease_until": datetime(9999, 1, 1, tzinfo=UTC)}
            await session.execute(sa.update(Account).values(**lease))
        for name, unit in (("周镇长", "菜园镇"), ("李海滨", "海滨社区"), ("金金平", "金平社区")):
            await self.bind(name, unit)
            await self.say(name, "你好")
        await self.set_replies(DeliveryState.SENT)
        return self

    async def alert(self, **columns: Any) -> Alert:
        deadline = self.clock.now() + timedelta(minutes=60)
        return await self.release(**({"severity": Severity.ORANGE, "deadline_at": deadline} | columns))

    async def look(self, minutes: float = 0) -> list[Reply]:
        """Time passes, the scheduler looks; the reminders that wait now."""
        self.clock.advance(minutes * 60 + 3)
        await self.reminders.sweep()
        return [reply for reply in await self.rows(Reply) if reply.rank and reply.state is DeliveryState.WAITING]

    async def set_replies(self, state: DeliveryState) -> None:
        async with self.database.write() as session:
            await session.execute(sa.update(Reply).values(state=state))

    async def reach(self, *codes: str, way: Way = Way.FORWARD) -> None:
        alert_id = (await self.rows(Alert))[-1].id
        async with self.database.write() as session:
            for code in codes:
                group = self.town.groups[code]
                await record_reach(session, alert_id=alert_id, group=group, way=way, at=self.clock.now())

    async def account_is(self, state: AccountState) -> None:
        async with self.database.write() as session:
            await session.execute(sa.update(Account).values(state=state, state_since=self.clock.now()))

    async def claim_next(self, *, reminders: bool = True) -> Claim | None:
        """What the account's sender would begin to send."""
        now, account = self.clock.now(), self.account.id
        wanted = Wanted(now, frozenset(Severity), now - timedelta(minutes=30), reminders=reminders)
        turn = Turn(account, now, "me", 0, None, wanted)
        async with self.database.write() as session:
            (claim,) = await session.run_sync(lambda inner: advance(inner.connection(), [turn]))
        return claim

    async def steps(self) -> list[tuple[str, ReminderStep]]:
        names = {person.id: person.name for person in await self.rows(Person)}
        return [(names[row.person_id], row.step) for row in await self.rows(Reminder) if row.reply_id is not None]


@pytest.fixture
async def town(database: Database) -> Town:
    return await Town(database).build()


LIAISON, PARENT, HAND = ReminderStep.LIAISON, ReminderStep.PARENT, ReminderStep.HAND


# ── who, what and when ──────────────────────────────────────────────────────


async def test_at_the_deadline_each_liaison_gets_one_message_with_all_their_groups_and_the_text(town: Town) -> None:
    await town.alert()
    await town.reach("HB02")
    assert await town.look(59) == []
    replies = await town.look(1)
    assert [reply.room_id for reply in replies] == [
        f"private:{name}" for name in ("周镇长",) * 2 + ("李海滨",) * 2 + ("金金平",) * 2
    ]
    first, text = replies[2:4]
    assert first.text.startswith("李海滨，您好！\n橙色预警《")
    assert "还有 2 个群没有转发记录：\n· 海滨社区反诈群\n· 海滨社区一网格反诈群（西）\n" in first.text
    assert "https://fz.example.cn/m/" in first.text
    assert re.search(r"^已转发 \d{8}-\d+ \S+$", first.text, re.MULTILINE)  # of this alert, whatever comes after it
    assert "（东）" not in first.text
    assert text.text.startswith(f"【橙色预警】{TITLE}\n\n{BODY}")
    assert all(len(reply.text) <= 600 and reply.rank == ReplyRank.REMINDER for reply in replies)


async def test_groups_of_a_unit_without_liaison_are_asked_of_the_next_above(town: Town) -> None:
    await town.alert()
    await town.reach("CY01", "HB01", "HB03", "JP01")
    (first, _) = await town.look(60)
    assert first.room_id == "private:李海滨"  # the grid has nobody, its community has


async def test_after_a_further_step_the_liaison_above_is_asked_once(town: Town) -> None:
    await town.alert()
    await town.reach("CY01", "JP01")
    await town.look(60)
    await town.set_replies(DeliveryState.SENT)
    assert await town.look(29) == []
    first, _ = await town.look(2)
    assert first.room_id == "private:周镇长"
    assert "下级单位还有 3 个群" in first.text
    assert "· 海滨社区：1 个群\n· 海滨一网格：2 个群" in first.text
    await town.set_replies(DeliveryState.SENT)
    for _ in range(5):
        assert await town.look(30) == []
    assert await town.steps() == [("李海滨", LIAISON), ("周镇长", PARENT)]


async def test_the_step_above_counts_from_when_the_liaison_was_really_reminded(town: Town) -> None:
    await town.alert()
    await town.reach("CY01", "JP01")
    await town.account_is(AccountState.OFFLINE)
    assert await town.look(70) == []
    await town.account_is(AccountState.ONLINE)
    await town.look(5)
    await town.set_replies(DeliveryState.SENT)
    assert await town.look(25) == []
    assert (await town.look(10))[0].room_id == "private:周镇长"


async def test_nobody_is_asked_for_groups_that_were_reached_or_that_the_bot_is_about_to_serve(town: Town) -> None:
    alert = await town.alert()
    await town.reach("HB01", "HB02", "JP01", "YS01")
    async with town.database.write() as session:
        group = town.town.groups["CY01"]
        session.add(Delivery(alert_id=alert.id, group_id=group.id, account_id=town.account.id, rank=1, level=2))
    (first, _) = await town.look(60)
    assert first.room_id == "private:李海滨"
    await town.set_replies(DeliveryState.SENT)
    await town.account_is(AccountState.OFFLINE)  # now it will not come by itself
    async with town.database.write() as session:
        other = await make_account(session, name="心防二号")
        session.add(PersonRoom(person_id=1, account_id=other.id, room_id="zhou", seen_at=town.clock.now()))
    replies = await town.look(2)
    assert [(reply.room_id, reply.account_id) for reply in replies if "您好" in reply.text] == [("zhou", other.id)]


@pytest.mark.parametrize(
    "columns",
    [{"state": AlertState.PAUSED}, {"state": AlertState.CANCELLED}, {"deadline_at": None}, {"expires_at": None}],
)
async def test_an_alert_that_is_over_or_held_asks_nobody(town: Town, columns: dict[str, Any]) -> None:
    if "expires_at" in columns:
        columns = {"expires_at": town.clock.now() + timedelta(minutes=50)}
    await town.alert(**columns)
    assert await town.look(60) == []
    assert await town.look(200) == []


async def test_a_corrected_alert_asks_nobody(town: Town) -> None:
    from db.states import Relation

    first = await town.alert(state=AlertState.FINISHED)
    await town.alert(relation=Relation.UPDATE, related_id=first.id)
    await town.look(61)
    assert {row.alert_id for row in await town.rows(Reminder)} == {first.id + 1}


async def test_it_can_be_switched_off(database: Database) -> None:
    town = await Town(database, load_settings(reminders=False)).build()
    await town.alert()
    assert await town.look(300) == []


# ── quiet hours, caps, ways ─────────────────────────────────────────────────


async def test_in_quiet_hours_nothing_is_said_and_nothing_is_lost(town: Town) -> None:
    town.clock.advance(12.5 * 3600)  # 21:30
    await town.account_is(AccountState.ONLINE)
    await town.alert(deadline_at=town.clock.now() + timedelta(minutes=29))
    await town.reach("CY01", "JP01", "YS01")
    assert len(await town.look(29)) == 2
    assert await town.look(2) == []  # 22:01: what had not left is taken back
    assert await town.look(60) == []
    assert await town.look(7 * 60) == []
    replies = await town.look(60)  # 07:01
    assert [reply.room_id for reply in replies] == ["private:李海滨"] * 2  # not the one above at the same time
    assert await town.steps() == [("李海滨", LIAISON)]


async def test_a_sender_says_no_reminder_in_quiet_hours_but_answers(town: Town) -> None:
    await town.alert()
    await town.look(60)
    await town.say("李海滨", "未转发")

    answer = await town.claim_next(reminders=False)
    assert answer is not None
    assert "个群没收到" in answer.text  # it overtakes what waited longer
    assert await town.claim_next(reminders=False) is None
    reminder = await town.claim_next()
    assert reminder is not None
    assert "您好" in reminder.text


async def test_nobody_gets_more_than_the_days_share(database: Database) -> None:
    town = await Town(database, load_settings(reminders_per_day=2, remind_parent_minutes=0)).build()
    for _ in range(4):
        await town.alert()
        await town.look(61)
        await town.set_replies(DeliveryState.SENT)
    assert len([1 for name, _ in await town.steps() if name == "李海滨"]) == 2
    alert = (await town.rows(Alert))[-1]
    async with town.database.read() as session:
        assert {row.reason for row in await list_reminders(session, alert.id)} == {"今天提醒次数已到上限"}
    town.clock.advance(20 * 3600)  # the next morning
    await town.alert()
    await town.look(61)
    assert len([1 for name, _ in await town.steps() if name == "李海滨"]) >= 3


async def test_who_cannot_be_written_to_is_on_record_and_is_asked_when_it_is_possible(town: Town) -> None:
    alert = await town.alert()
    await town.reach("CY01", "HB01", "HB02", "HB03")
    await town.account_is(AccountState.OFFLINE)
    await town.look(60)
    async with town.database.read() as session:
        (row,) = await list_reminders(session, alert.id)
    assert (row.person, row.state, row.reason) == ("金金平", None, "能联系到的账号都不在线")
    await town.account_is(AccountState.ONLINE)
    assert (await town.look(2))[0].room_id == "private:金金平"
    async with town.database.read() as session:
        (row,) = await list_reminders(session, alert.id)
    assert (row.state, row.reason) == (DeliveryState.WAITING, "")


async def test_another_account_takes_over_what_a_dead_one_has_not_said(town: Town) -> None:
    await town.alert()
    await town.reach("CY01", "HB01", "HB02", "HB03", "YS01")
    await town.look(60)
    async with town.database.write() as session:
        other = await make_account(session, name="心防二号")
        person = (await session.scalars(sa.select(Person).where(Person.name == "金金平"))).one()
        room = PersonRoom(person_id=person.id, account_id=other.id, room_id="jin2", seen_at=town.clock.now())
        session.add(room)
        await session.execute(sa.update(Account).where(Account.id != other.id).values(state=AccountState.OFFLINE))
    await town.look(0)
    replies = await town.look(2)
    assert [(reply.account_id, reply.room_id) for reply in replies] == [(other.id, "jin2")] * 2
    assert await town.steps() == [("金金平", LIAISON)]


async def test_the_room_follows_wherever_they_write_in_private(town: Town) -> None:
    rooms = await town.rows(PersonRoom)
    assert [room.room_id for room in rooms] == ["private:周镇长", "private:李海滨", "private:金金平"]
    await town.say("李海滨", "大家好", "HB01")
    assert len(await town.rows(PersonRoom)) == 3  # a group is no place to remind anybody
    town.clock.advance(60)
    await town.say("李海滨", "在吗", room_id="private:new")
    room = next(room for room in await town.rows(PersonRoom) if room.person_id == 2)
    assert (room.room_id, room.seen_at) == ("private:new", town.clock.now())
    await town.say("王阿姨", "你好")
    assert len(await town.rows(PersonRoom)) == 3  # of residents nothing is kept


# ── once, and only while it is true ─────────────────────────────────────────


async def test_what_was_reached_before_it_left_is_taken_out(town: Town) -> None:
    await town.alert()
    await town.reach("CY01", "JP01", "YS01")
    assert "还有 3 个群" in (await town.look(60))[0].text
    await town.reach("HB01")
    assert "还有 2 个群" in (await town.look())[0].text
    await town.reach("HB02", "HB03")
    assert await town.look() == []
    assert await town.look(60) == []


async def test_two_schedulers_remind_once(database: Database, database_url: str) -> None:
    town = await Town(database).build()
    other = Database(database_url)
    try:
        second = Reminders(town.settings, other, town.clock, Events())
        await town.alert()
        town.clock.advance(61 * 60)
        await asyncio.gather(town.reminders.sweep(), second.sweep())
        for _ in range(3):
            town.clock.advance(3)
            await asyncio.gather(town.reminders.sweep(), second.sweep())
    finally:
        await other.close()
    assert sorted(await town.steps()) == sorted([("周镇长", LIAISON), ("李海滨", LIAISON), ("金金平", LIAISON)])
    assert len([reply for reply in await town.rows(Reply) if reply.rank]) == 6


async def test_the_reminder_arrives_in_the_private_chat_and_the_text_right_behind_it(database: Database) -> None:
    town = await Town(database, quick_settings()).build()
    await town.alert()
    await town.reach("CY01", "HB01", "HB02", "HB03", "YS01")
    channel = FakeChannel(town.clock, ("心防一号",))
    async with database.write() as session:
        await session.execute(sa.update(Account).values(lease_owner="", lease_until=None))
    async with Post(database, town.settings, channel, town.clock):
        await town.look(60)
        await until(lambda: len(channel.arrived) == 2)
        await until(lambda: _all_sent(town))
        await town.look(10)
        await asyncio.sleep(0.1)
    assert [(one.account, one.room_id) for one in channel.arrived] == [("心防一号", "private:金金平")] * 2
    assert "· 金平社区反诈群" in channel.arrived[0].message.text
    assert channel.arrived[1].message.text.startswith(f"【橙色预警】{TITLE}")


async def _all_sent(town: Town) -> bool:
    return {reply.state for reply in await town.rows(Reply) if reply.rank} == {DeliveryState.SENT}


async def test_what_waited_too_long_is_said_anew(town: Town) -> None:
    await town.alert()
    await town.reach("CY01", "HB01", "HB02", "HB03", "YS01")
    before = await town.look(60)
    town.clock.advance(31 * 60)
    async with town.database.write() as session:
        assert await skip_stale_replies(session, town.clock.now() - timedelta(minutes=30)) >= 2
    after = await town.look(0)
    assert len(after) == 2
    assert {reply.id for reply in after}.isdisjoint({reply.id for reply in before})
    assert "发布已 1 小时 31 分" in after[0].text
    assert await town.steps() == [("金金平", LIAISON)]


async def test_killed_between_mark_and_send_nobody_is_asked_twice(town: Town) -> None:
    await town.alert()
    await town.reach("CY01", "JP01", "YS01")
    await town.look(60)
    assert await town.claim_next() is not None
    async with town.database.write() as session:  # the next holder of the lease
        assert len((await strand_in_flight(session, town.account.id)).replies) == 1
    restarted = Reminders(town.settings, town.database, town.clock, Events())
    for _ in range(3):
        town.clock.advance(120)
        await restarted.sweep()
    assert await town.steps() == [("李海滨", LIAISON)]
    states = [reply.state for reply in await town.rows(Reply) if reply.rank]
    assert states == [DeliveryState.UNKNOWN, DeliveryState.WAITING]


# ── the bot itself ──────────────────────────────────────────────────────────


async def test_in_the_end_the_bot_pushes_where_it_can(database: Database) -> None:
    settings = load_settings(remind_push_minutes=60, remind_parent_minutes=30)
    town = await Town(database, settings).build()
    alert = await town.alert(state=AlertState.FINISHED)
    await town.reach("CY01", "HB01", "JP01", "YS01")
    await town.look(60)
    await town.set_replies(DeliveryState.SENT)
    await town.look(50)
    assert await town.rows(Delivery) == []
    await town.look(15)
    deliveries = await town.rows(Delivery)
    assert [(row.group_id, row.state, row.reason) for row in deliveries] == [
        (town.town.groups[code].id, DeliveryState.WAITING, INSTEAD) for code in ("HB02", "HB03")
    ]
    found = next(row for row in await town.rows(Alert) if row.id == alert.id)
    assert (found.state, found.deliveries) == (AlertState.RUNNING, 2)
    await town.reach("HB02")
    await town.look(5)
    assert [row.state for row in await town.rows(Delivery)] == [DeliveryState.SKIPPED, DeliveryState.WAITING]
    await town.look(90)
    assert len(await town.rows(Delivery)) == 2


async def test_by_default_the_bot_does_not_push_by_itself(town: Town) -> None:
    await town.alert()
    await town.look(600)
    assert await town.rows(Delivery) == []


# ── by hand ─────────────────────────────────────────────────────────────────


async def remind(town: Town, unit: str, actor: Actor = OFFICER) -> Any:
    alert = (await town.rows(Alert))[-1]
    async with town.database.write() as session:
        return await remind_now(
            session, actor, alert.id, town.town.units[unit].id, town.clock.now(), settings=town.settings
        )


async def test_an_officer_reminds_a_unit_before_the_deadline_and_it_is_audited(town: Town) -> None:
    await town.alert()
    assert (await remind(town, "菜园镇")).sent == ("周镇长",)
    assert "还有 5 个群" in next(reply.text for reply in await town.rows(Reply) if reply.rank)
    assert [entry.subject for entry in await town.rows(AuditEntry) if entry.action == "alert.remind"] == ["菜园镇"]
    again = await remind(town, "菜园镇")
    assert (again.sent, again.not_sent) == ((), (("周镇长", "10 分钟内提醒过"),))
    town.clock.advance(601)
    assert (await remind(town, "菜园镇")).sent == ("周镇长",)
    assert await town.steps() == [("周镇长", HAND)] * 2
    await town.look(60)
    assert ("周镇长", LIAISON) in await town.steps()  # the clock's own step is still to come


async def test_where_a_unit_has_no_liaison_those_below_are_reminded(town: Town) -> None:
    await town.alert()
    result = await remind(town, "county")
    assert set(result.sent) == {"周镇长", "李海滨", "金金平"}
    assert str(result).startswith("已提醒 ")


async def test_by_hand_has_its_limits(town: Town) -> None:
    await town.alert()
    with pytest.raises(NotFound):
        await remind(town, "洋山镇", Actor("周", Role.ADMIN, 2, scope=town.town.units["菜园镇"].path))
    with pytest.raises(Forbidden):
        await remind(town, "菜园镇", Actor("周", Role.LIAISON, 2))
    with pytest.raises(WrongState, match="没有绑定"):
        await remind(town, "洋山镇")
    await town.reach("JP01")
    with pytest.raises(WrongState, match="都已收到"):
        await remind(town, "金平社区")
    town.clock.advance(14 * 3600)
    with pytest.raises(WrongState, match="免打扰"):
        await remind(town, "菜园镇")
    assert await town.rows(Reminder) == []


# ── accounts in trouble ─────────────────────────────────────────────────────


async def test_officers_hear_of_a_throttled_account_at_once_and_once_an_hour_at_most(town: Town) -> None:
    async with town.database.write() as session:
        other = await make_account(session, name="心防二号")
    await town.bind("陈警官", "county", Role.REVIEWER)
    await town.say("陈警官", "你好", account="心防二号")
    await town.set_replies(DeliveryState.SENT)

    async def block(at_minutes: float) -> list[Reply]:
        town.clock.advance(at_minutes * 60)
        async with town.database.write() as session:
            mine = sa.update(Account).where(Account.id == town.account.id)
            values = {"state": AccountState.BLOCKED, "state_reason": "操作频繁", "state_since": town.clock.now()}
            await session.execute(mine.values(**values, blocked_until=town.clock.now() + timedelta(hours=1)))
        return await town.look()

    (notice,) = await block(0)
    assert (notice.account_id, notice.rank) == (other.id, ReplyRank.NOTICE)
    assert "【账号受限】心防一号 被平台限制发送（操作频繁），10:00 恢复" in notice.text
    assert len(await block(30)) == 1
    assert len(await block(31)) == 2
    assert len(await town.look(120)) == 2  # the same trouble is told once


async def test_officers_hear_of_an_account_that_is_away_for_long(town: Town) -> None:
    async with town.database.write() as session:
        await make_account(session, name="心防二号")
    await town.bind("陈警官", "county", Role.PUBLISHER)
    await town.say("陈警官", "你好", account="心防二号")
    await town.say("陈警官", "你好")
    await town.set_replies(DeliveryState.SENT)
    async with town.database.write() as session:
        mine = sa.update(Account).where(Account.id == town.account.id)
        await session.execute(mine.values(state=AccountState.OFFLINE, state_since=town.clock.now()))
    assert await town.look(9) == []
    (notice,) = await town.look(2)
    assert "【账号离线】心防一号 已离线 11 分" in notice.text


async def test_without_another_account_it_is_told_as_soon_as_there_is_one(town: Town) -> None:
    await town.bind("陈警官", "county", Role.ADMIN)
    await town.say("陈警官", "你好")
    await town.set_replies(DeliveryState.SENT)
    await town.account_is(AccountState.OFFLINE)
    assert await town.look(30) == []
    assert [account.alarmed_at for account in await town.rows(Account)] == [None]
