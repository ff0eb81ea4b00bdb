"""The accounts page: states with since and why, the login code, rooms that wait for a unit, and handing over."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from db.accounts import record_login_code
from db.models import Account, AuditEntry, Delivery, Group, Unit
from db.rooms import Sighting, record_rooms
from db.session import Database
from db.states import AccountState, DeliveryState, Role
from tests.console import make_county, open_console
from tests.factories import NOW, make_account, make_alert, make_group

CODE = "http://weixin.qq.com/x/<b>abc"


async def seen(database: Database, account: Account, *rooms: Sighting) -> None:
    async with database.write() as session:
        account = await session.merge(account)
        await record_rooms(session, account, rooms, at=NOW, day=NOW.date())


async def test_states_are_told_with_since_and_why(database: Database) -> None:
    async with database.write() as session:
        await make_account(
            session, name="心防一号", channel="wechaty", state=AccountState.OFFLINE, state_reason="与网关的连接断开"
        )
        await make_account(
            session,
            name="心防二号",
            channel="wechaty",
            state=AccountState.BLOCKED,
            state_reason="平台提示发送频繁",
            blocked_until=NOW + timedelta(hours=1),
        )
    async with open_console(database) as console:
        browser = await console.signed_in(Role.REVIEWER)
        page = await browser.get("/accounts")
    assert page.shows("心防一号", "离线", "与网关的连接断开", "2026-11-21 09:30:00 起")
    assert page.shows("心防二号", "受限", "平台提示发送频繁", "到 2026-11-21 10:30 恢复")


async def test_the_login_code_is_drawn_and_follows_the_gateway(database: Database) -> None:
    async with database.write() as session:
        account = await make_account(session, name="心防一号", channel="wechaty", state=AccountState.WAITING_SCAN)
        await record_login_code(session, "wechaty", "心防一号", CODE)
    async with open_console(database) as console:
        browser = await console.signed_in(Role.ADMIN)
        first = await browser.get("/accounts/now")
        async with database.write() as session:
            await record_login_code(session, "wechaty", "心防一号", CODE + "2")
        second = await browser.get("/accounts/now")
        async with database.write() as session:
            (await session.merge(account)).state = AccountState.ONLINE
        third = await browser.get("/accounts/now")
    assert "<svg" in first.text
    assert "<b>abc" not in first.text
    assert "<svg" in second.text
    assert first.text != second.text
    assert "<svg" not in third.text


async def test_a_room_that_was_found_becomes_a_group_of_a_unit(database: Database) -> None:
    await make_county(database)
    async with database.write() as session:
        account = await make_account(session, name="心防一号", channel="wechaty")
    await seen(database, account, Sighting("r1@chatroom", "菜园镇反诈群", 87))
    async with open_console(database) as console:
        browser = await console.signed_in(Role.PUBLISHER)
        page = await browser.get("/accounts")
        assert page.shows("新发现的群", "菜园镇反诈群", "87")
        wrong = await browser.post("/accounts/rooms", channel="wechaty", room_id="r1@chatroom", unit="没有的镇")
        assert wrong.status == 422
        assert wrong.shows("没有名为“没有的镇”的单位")
        await browser.post("/accounts/rooms", channel="wechaty", room_id="r1@chatroom", unit="菜园镇", mode="push")
        after = await browser.get("/accounts")
        again = await browser.post("/accounts/rooms", channel="wechaty", room_id="r1@chatroom", unit="菜园镇")
    assert not after.shows("新发现的群")
    assert again.status == 409
    async with database.read() as session:
        group = (await session.scalars(sa.select(Group).where(Group.room_id == "r1@chatroom"))).one()
        unit = await session.get(Unit, group.unit_id)
        actions = (await session.scalars(sa.select(AuditEntry.action))).all()
    assert unit is not None
    assert (unit.name, group.name, group.members, group.account_id) == ("菜园镇", "菜园镇反诈群", 87, account.id)
    assert "room.assign" in actions


async def test_a_group_is_handed_to_the_other_account_with_what_waits(database: Database) -> None:
    async with database.write() as session:
        one = await make_account(session, name="心防一号", channel="wechaty")
        two = await make_account(session, name="心防二号", channel="wechaty")
        group = await make_group(session, account=one, channel="wechaty", room_id="r1@chatroom", name="楼组群")
        alert = await make_alert(session)
        for state, room in ((DeliveryState.WAITING, group), (DeliveryState.SENT, await make_group(session))):
            session.add(
                Delivery(alert_id=alert.id, group_id=room.id, account_id=one.id, rank=0, level=1, state=state)
            )
    for account in (one, two):
        await seen(database, account, Sighting("r1@chatroom", "楼组群", 10))
    async with open_console(database) as console:
        browser = await console.signed_in(Role.ADMIN)
        page = await browser.get("/accounts")
        assert page.shows("两个账号都在的群", "改由 心防二号")
        refused = await browser.post(f"/accounts/groups/{group.id}", account=str(two.id + 100))
        assert refused.status == 404
        await browser.post(f"/accounts/groups/{group.id}", account=str(two.id))
    async with database.read() as session:
        moved = await session.get(Group, group.id)
        owners = dict((await session.execute(sa.select(Delivery.state, Delivery.account_id))).all())
    assert moved is not None
    assert moved.account_id == two.id
    assert owners == {DeliveryState.WAITING: two.id, DeliveryState.SENT: one.id}
