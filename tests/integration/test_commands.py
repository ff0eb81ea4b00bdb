"""Commands in chat: who may say what where, and what they answer, on both databases."""

from __future__ import annotations

import re

import pytest

from bot.identity import SYSTEM
from bot.liaison_links import find_holder
from bot.people import create_bind_code
from bot.settings import load_settings
from db.models import Delivery, Forward, Person, PersonRoom, Reach
from db.session import Database
from db.states import DeliveryState, Relation, Role, Way
from tests.chatting import ALERT_TEXT, Chat
from tests.factories import make_group

LIAISON = "李联络"


@pytest.fixture
async def chat(database: Database) -> Chat:
    """A liaison of 菜园镇 is bound."""
    chat = await Chat(database).build()
    await chat.bind(LIAISON, "菜园镇")
    return chat


async def push(chat: Chat, *codes: str) -> None:
    from db.reach import record_reach

    alert_id = (await chat.rows(Reach))[-1].alert_id
    async with chat.database.write() as session:
        for code in codes:
            await record_reach(
                session, alert_id=alert_id, group=chat.town.groups[code], way=Way.PUSH, at=chat.clock.now()
            )
    await chat.fold()


async def code_for(chat: Chat, name: str, role: Role = Role.LIAISON) -> str:
    async with chat.database.write() as session:
        unit = chat.town.units["海滨社区"]
        return await create_bind_code(session, SYSTEM, name=name, role=role, unit_id=unit.id, now=chat.clock.now())


# ── 绑定 ────────────────────────────────────────────────────────────────────


async def test_a_code_said_in_private_binds(chat: Chat) -> None:
    code = await code_for(chat, "赵网格")
    reply = await chat.say("wx-zhao", f"绑定 {code.lower()}")
    assert "赵网格" in reply
    assert "海滨社区联络员" in reply
    person = (await chat.rows(Person))[-1]
    assert (person.name, person.role, person.unit_id) == ("赵网格", Role.LIAISON, chat.town.units["海滨社区"].id)
    assert "赵网格" in await chat.say("wx-zhao", "帮助")
    assert "已被使用" in await chat.say("wx-other", f"绑定 {code}")


async def test_a_wrong_code_says_what_to_do_and_binds_nobody(chat: Chat) -> None:
    assert "不正确" in await chat.say("wx-zhao", "绑定 ABCD2345")
    assert "8 位" in await chat.say("wx-zhao", "绑定")
    assert "8 位" in await chat.say("wx-zhao", "绑定 我的微信")
    assert len(await chat.rows(Person)) == 1


async def test_a_code_said_in_a_group_is_void(chat: Chat) -> None:
    code = await code_for(chat, "赵网格")
    reply = await chat.say("wx-zhao", f"绑定 {code}", "HB01")
    assert "换一个新的" in reply
    assert "已被使用" in await chat.say("wx-other", f"绑定 {code}")  # somebody who read it in the group
    assert len(await chat.rows(Person)) == 1
    assert await chat.say("wx-zhao", "绑定手机号才能领", "HB01") == ""


# ── who may ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["转发统计", "未转发", "已转发 海滨社区反诈群 80", "明细"])
async def test_somebody_not_bound_learns_how_in_private_and_nothing_in_a_group(chat: Chat, text: str) -> None:
    await chat.release()
    assert "然后在这里发：\n绑定" in await chat.say("王阿姨", text)
    assert await chat.say("王阿姨", text, "HB01") == ""
    assert "私聊发：\n绑定" in await chat.say("王阿姨", f"@心防 {text}", "HB01")
    assert {row.reached_at for row in await chat.rows(Reach)} == {None}


async def test_help_of_a_resident_is_the_menu(chat: Chat) -> None:
    assert "绑定" not in await chat.say("王阿姨", "帮助")


async def test_in_groups_common_words_are_commands_only_when_the_bot_is_called(chat: Chat) -> None:
    await chat.release()
    for text in ("帮助", "已转发", "已转发到各群", "未转发的请抓紧"):
        assert await chat.say(LIAISON, text, "HB01") == "", text
    assert "转发统计" in await chat.say(LIAISON, "@心防 帮助", "HB01")
    assert "请写上群名" in await chat.say(LIAISON, "心防 已转发", "HB01")
    assert (await chat.say(LIAISON, "未转发", "HB01")).startswith(f"@{LIAISON} ")


# ── 转发统计 ─────────────────────────────────────────────────────────────────


async def test_totals_are_of_the_own_subtree_and_the_last_three_alerts(chat: Chat) -> None:
    assert "还没有收到过" in await chat.say(LIAISON, "转发统计")
    for _ in range(4):
        chat.clock.advance(60)
        latest = await chat.release()
    chat.clock.advance(8)
    await push(chat, "CY01", "HB01", "YS01")
    chat.clock.advance(112)
    await chat.say("王阿姨", ALERT_TEXT, "HB02")
    await chat.fold()
    reply = await chat.say(LIAISON, "转发统计")
    assert reply.startswith("菜园镇 转发统计")
    assert reply.count("【黄色】") == 3
    assert latest.number in reply
    assert "群 3/5（60%）" in reply
    assert "人 240/400（60%）" in reply
    assert "推送 2 转发 1 报告 0" in reply
    assert "最快 8 秒" in reply
    assert "还差 2 个群" in reply
    assert "洋山" not in reply


async def test_a_correction_is_named_as_one(chat: Chat) -> None:
    first = await chat.release()
    await chat.release(relation=Relation.UPDATE, related_id=first.id)
    assert "【更正】" in await chat.say(LIAISON, "转发统计")
    assert "【更正】" in await chat.say(LIAISON, "未转发")


async def test_staff_see_the_whole_tree(chat: Chat) -> None:
    await chat.release()
    await chat.bind("陈警官", "洋山镇", Role.REVIEWER)
    reply = await chat.say("陈警官", "转发统计")
    assert reply.startswith("嵊泗县 转发统计")
    assert "群 0/6（0%）" in reply
    assert "还没有群收到" in reply


# ── 未转发 ──────────────────────────────────────────────────────────────────


async def test_missing_lists_the_own_groups_only(chat: Chat) -> None:
    assert "没有需要" in await chat.say(LIAISON, "未转发")
    await chat.release()
    await push(chat, "CY01", "HB01")
    reply = await chat.say(LIAISON, "未转发")
    assert "还有 3 个群没收到" in reply
    assert [line for line in reply.splitlines() if line.startswith("·")] == [
        "· 海滨社区一网格反诈群（东） 80 人",
        "· 海滨社区一网格反诈群（西） 80 人",
        "· 金平社区反诈群 80 人",
    ]
    await push(chat, "HB02", "HB03", "JP01")
    assert "都已收到" in await chat.say(LIAISON, "未转发")


async def test_who_is_asked_knows_which_groups_the_bot_still_pushes_into(chat: Chat) -> None:
    alert = await chat.release()
    delivery = Delivery(
        alert_id=alert.id, group_id=chat.town.groups["CY01"].id, account_id=chat.account.id, rank=0, level=2
    )
    async with chat.database.write() as session:
        session.add(delivery)
    assert "· 菜园镇反诈工作群 80 人（由机器人推送）" in await chat.say(LIAISON, "未转发")
    async with chat.database.write() as session:
        (await session.get_one(Delivery, delivery.id)).state = DeliveryState.FAILED
    assert "· 菜园镇反诈工作群 80 人\n" in await chat.say(LIAISON, "未转发")


async def test_a_long_list_ends_with_how_many_there_are(chat: Chat) -> None:
    async with chat.database.write() as session:
        for number in range(30):
            unit = chat.town.units["海滨社区"]
            name = f"海滨社区第{number}号楼业主反诈宣传群"
            chat.town.groups[f"X{number:02}"] = await make_group(session, unit=unit, name=name, code=f"X{number:02}")
    await chat.release()
    reply = await chat.say(LIAISON, "未转发")
    assert "等共 35 个" in reply
    assert reply.count("·") == 15
    assert len(reply) <= 600


# ── 已转发 ──────────────────────────────────────────────────────────────────


async def test_a_report_reaches_the_group_and_is_logged_with_its_members(chat: Chat) -> None:
    alert = await chat.release()
    chat.clock.advance(200)
    reply = await chat.say(LIAISON, "已转发 金平社区反诈群 76")
    assert "已记录：金平社区反诈群，76 人" in reply
    assert alert.number in reply
    assert "3 分 20 秒" in reply
    assert "还差 4 个群" in reply
    reach = next(row for row in await chat.rows(Reach) if row.group_id == chat.town.groups["JP01"].id)
    assert (reach.way, reach.members) == (Way.REPORT, 80)
    (entry,) = await chat.rows(Forward)
    assert (entry.way, entry.members) == (Way.REPORT, 76)
    assert entry.person_id is not None


async def test_a_report_again_says_when_it_was_recorded(chat: Chat) -> None:
    await chat.release()
    await chat.say(LIAISON, "已转发 JP01")
    chat.clock.advance(600)
    reply = await chat.say(LIAISON, "已转发 JP01 80")
    assert "11-21 09:00 已报告过" in reply
    assert len(await chat.rows(Forward)) == 1


async def test_a_report_of_a_pushed_group_is_logged_but_the_push_counts(chat: Chat) -> None:
    await chat.release()
    await push(chat, "HB01")
    assert "由机器人推送" in await chat.say(LIAISON, "已转发 HB01 80")
    assert "由机器人推送" in await chat.say(LIAISON, "已转发 HB01 80")
    reach = next(row for row in await chat.rows(Reach) if row.group_id == chat.town.groups["HB01"].id)
    assert reach.way is Way.PUSH
    assert len(await chat.rows(Forward)) == 1


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("jp01", "JP01"),
        ("金平社区反诈群", "JP01"),
        ("金平", "JP01"),
        ("<金平社区反诈群>", "JP01"),
        ("金平反诈", "JP01"),
        ("海滨社区反诈群", "HB01"),  # also some of the letters of two others: the whole name wins
        ("一网格反诈群(东)", "HB02"),
        ("海滨一网格东", "HB02"),
    ],
)
async def test_names_are_matched_forgivingly(chat: Chat, name: str, group: str) -> None:
    await chat.release()
    assert "已记录" in await chat.say(LIAISON, f"已转发 {name} 60")
    (entry,) = await chat.rows(Forward)
    assert entry.group_id == chat.town.groups[group].id
    assert entry.members == 60


@pytest.mark.parametrize(
    ("name", "group"),
    [("金瓶社区", "JP01"), ("jpsq", "JP01"), ("JinPing", "JP01"), ("海宾一网格西", "HB03"), ("菜圆镇工作群", "CY01")],
)
async def test_slips_of_the_finger_and_names_by_sound_are_forgiven(chat: Chat, name: str, group: str) -> None:
    await chat.release()
    assert f"已记录：{chat.town.groups[group].name}，60 人" in await chat.say(LIAISON, f"已转发 {name} 60")
    (entry,) = await chat.rows(Forward)
    assert entry.group_id == chat.town.groups[group].id


async def test_what_is_only_likely_is_asked_first(chat: Chat) -> None:
    await chat.release()
    reply = await chat.say(LIAISON, "已转发 金平杜区")
    assert "可能是下面这个" in reply
    assert "已转发 JP01" in reply
    assert await chat.rows(Forward) == []
    assert await chat.say(LIAISON, "已转发金瓶社区", "HB01") == ""  # in a group only what is certain is a command


async def test_a_name_that_means_several_groups_lists_them(chat: Chat) -> None:
    await chat.release()
    reply = await chat.say(LIAISON, "已转发 一网格")
    assert "海滨社区一网格反诈群（东）（HB02）" in reply
    assert "海滨社区一网格反诈群（西）（HB03）" in reply
    assert await chat.rows(Forward) == []


async def test_nothing_outside_the_own_subtree_can_be_reported_or_seen(chat: Chat) -> None:
    await chat.release()
    for name in ("YS01", "洋山镇反诈群", "洋山", "羊山镇反诈群", "yszfzq"):
        assert "没有找到" in await chat.say(LIAISON, f"已转发 {name}")
    assert "没有找到" in await chat.say(LIAISON, "已转发 %")
    assert await chat.rows(Forward) == []


async def test_impossible_members_are_asked_again(chat: Chat) -> None:
    await chat.release()
    for members in ("0", "99999"):
        assert "人数请写" in await chat.say(LIAISON, f"已转发 金平社区反诈群 {members}")
    assert await chat.rows(Forward) == []


async def test_a_report_is_of_the_latest_alert_that_expects_the_group_or_of_the_one_named(chat: Chat) -> None:
    assert "不用报告" in await chat.say(LIAISON, "已转发 JP01")
    first = await chat.release()
    chat.clock.advance(60)
    second = await chat.release()
    assert second.number in await chat.say(LIAISON, "已转发 JP01")
    assert first.number in await chat.say(LIAISON, f"已转发 {first.number} JP01 76")
    assert [entry.alert_id for entry in await chat.rows(Forward)] == [second.id, first.id]
    assert "请核对编号" in await chat.say(LIAISON, "已转发 20200101-01 JP01")
    chat.clock.advance(chat.settings.forward_days * 86_400 + 1)
    assert "不用报告" in await chat.say(LIAISON, "已转发 HB02")


async def test_a_report_without_a_space_in_a_group_counts_when_it_names_one_group(chat: Chat) -> None:
    await chat.release()
    assert "已记录" in await chat.say(LIAISON, "已转发金平社区反诈群", "HB01")
    assert await chat.say(LIAISON, "已转发完毕", "HB01") == ""


# ── 明细 ────────────────────────────────────────────────────────────────────


async def test_detail_shows_first_who_is_furthest_behind(chat: Chat) -> None:
    assert "还没有" in await chat.say(LIAISON, "明细")
    alert = await chat.release()
    chat.clock.advance(5)
    await push(chat, "HB01", "HB02")
    for text in ("明细", f"明细 {alert.number}", f"明细 {alert.number.split('-')[1]}"):
        reply = await chat.say(LIAISON, text)
        assert "菜园镇\n群 2/5（40%）" in reply
        assert "2 个没有收齐" in reply
        assert reply.index("金平社区 0/1（0%）") < reply.index("海滨社区 2/3（66%）")
        assert "洋山" not in reply
    assert "没有编号为 20200101-01" in await chat.say(LIAISON, "明细 20200101-01")


async def test_detail_of_an_alert_for_others_is_not_shown(chat: Chat) -> None:
    alert = await chat.release()
    async with chat.database.write() as session:
        from db.rollup import forget_rollup

        await forget_rollup(session, alert.id)
        for row in await chat.rows(Reach):
            if row.group_id != chat.town.groups["YS01"].id:
                await session.delete(await session.get(Reach, (alert.id, row.group_id)))
    await chat.fold()
    reply = await chat.say(LIAISON, f"明细 {alert.number}")
    assert alert.title not in reply
    assert "没有编号" in reply


# ── 链接 ────────────────────────────────────────────────────────────────────


@pytest.fixture
async def linked(database: Database) -> Chat:
    chat = await Chat(database, load_settings(public_url="https://fz.example.cn")).build()
    await chat.bind(LIAISON, "菜园镇")
    return chat


async def token_of(chat: Chat, text: str) -> str:
    found = re.search(r"https://fz\.example\.cn/m/(\S+)", await chat.say(LIAISON, text))
    assert found is not None
    return found[1]


async def holder_of(chat: Chat, token: str) -> str:
    async with chat.database.read() as session:
        holder = await find_holder(session, token, now=chat.clock.now())
    return f"{holder.person.name} {holder.unit.name}" if holder else ""


async def test_the_link_is_given_in_private_and_renewed_on_request(linked: Chat) -> None:
    first = await token_of(linked, "链接")
    assert await holder_of(linked, first) == f"{LIAISON} 菜园镇"
    assert await holder_of(linked, await token_of(linked, "手机页")) != ""
    second = await token_of(linked, "链接 换新")
    assert await holder_of(linked, first) == ""
    assert await holder_of(linked, second) == f"{LIAISON} 菜园镇"


async def test_the_link_is_never_said_in_a_group_nor_to_anybody_else(linked: Chat) -> None:
    assert await linked.say(LIAISON, "链接", "HB01") == ""
    called = await linked.say(LIAISON, "@心防 链接", "HB01")
    assert "私聊" in called
    assert "/m/" not in called
    assert "/m/" not in await linked.say("王阿姨", "链接")
    await linked.bind("陈警官", "county", Role.REVIEWER)
    assert "民警" in await linked.say("陈警官", "链接")


async def test_binding_anew_ends_old_links(linked: Chat) -> None:
    token = await token_of(linked, "链接")
    code = await code_for(linked, "李联络")
    assert "绑定成功" in await linked.say(LIAISON, f"绑定 {code}")
    assert await holder_of(linked, token) == ""
    assert await holder_of(linked, await token_of(linked, "链接")) == "李联络 海滨社区"


async def test_without_an_address_of_its_own_the_office_is_named(chat: Chat) -> None:
    assert f"请联系{chat.settings.office}" in await chat.say(LIAISON, "链接")


async def test_whoever_binds_can_be_written_to(chat: Chat) -> None:
    await chat.say("wx-zhao", f"绑定 {await code_for(chat, '赵网格')}")
    person = (await chat.rows(Person))[-1]
    room = next(row for row in await chat.rows(PersonRoom) if row.person_id == person.id)
    assert (room.account_id, room.room_id) == (chat.account.id, "private:wx-zhao")


async def test_every_answer_fits_a_phone(chat: Chat) -> None:
    async with chat.database.write() as session:
        for number in range(40):
            unit = chat.town.units["菜园镇"]
            name = f"{'很长的名字' * 14}{number}"
            chat.town.groups[f"L{number}"] = await make_group(session, unit=unit, name=name, code=f"L{number}")
    for _ in range(3):
        await chat.release(title="标题" * 30)
    for text in (
        "转发统计",
        "未转发",
        "明细",
        "已转发 很长",
        "已转发 狠长的铭字",
        "链接",
        "帮助",
        "已转发 L39 100",
        "已转发 L39 100",
    ):
        assert 0 < len(await chat.say(LIAISON, text)) <= 600, text
