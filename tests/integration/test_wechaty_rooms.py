"""Rooms on a real gateway and what becomes of them in the registry; two accounts in one room."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.channels.wechaty_rooms import RoomSync
from db import rooms as store
from db.models import Account, AuditEntry, Group, Reply
from db.rooms import Sighting
from db.session import Database
from db.states import AccountState, ContentKind, DeliveryState, GroupState
from tests.factories import NOW, make_account, make_group
from tests.gateway.driver import SELF, Gateway
from tests.gateway.office import ACCOUNT, Office, gateway_settings, open_office, room_id, running_engine
from tests.world import content, until

ONE, TWO, NEW = room_id(1), room_id(2), room_id(3)
pytestmark = pytest.mark.timeout(120)


async def prepare(database: Database, gateway: Gateway, folder: Path, **values: object) -> Office:
    await gateway.make_rooms({ONE: 20, TWO: 30})
    return await open_office(database, gateway_settings({ACCOUNT: gateway}, folder, **values), [ONE, TWO])


async def has(office: Office, room: str, **columns: object) -> bool:
    group = await office.group_of(room)
    return all(getattr(group, name) == value for name, value in columns.items())


async def test_rooms_that_come_go_and_change_follow_into_the_registry(
    database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(database, gateway, tmp_path)
    async with database.write() as session:
        (await session.merge(await office.group_of(ONE))).name = f"群 {ONE}"  # named as the room is
    async with running_engine(office):
        await until(lambda: has(office, TWO, members=30))
        await gateway.make_rooms({NEW: 7})
        await gateway.tell("join", room=NEW, members=["li"])
        await until(lambda: _proposed(office, 1))
        await gateway.tell("rename", room=ONE, topic="菜园镇反诈群")
        await gateway.tell("rename", room=TWO, topic="别的名字")
        await until(lambda: has(office, ONE, name="菜园镇反诈群"))
        await gateway.tell("join", room=ONE, members=["zhao", "qian"])
        await until(lambda: has(office, ONE, members=22))
        await gateway.tell("kick", room=TWO, members=[SELF])
        await until(lambda: has(office, TWO, state=GroupState.LOST))
        await gateway.tell("join", room=TWO, members=[SELF])
        await until(lambda: has(office, TWO, state=GroupState.ACTIVE))
        assert not await has(office, TWO, name="别的名字"), "the office's own name for a group stays"
    assert (await gateway.tell("counts")).get("contactPayload", 0) <= 1


async def _proposed(office: Office, count: int) -> bool:
    async with office.database.read() as session:
        proposed = await store.list_proposed(session)
    return [(room.room_id, room.members) for room, _ in proposed] == [(NEW, 8)] * count


async def test_removed_without_a_word_is_found_by_the_next_send(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path)
    async with running_engine(office) as engine:
        await gateway.tell("kick", room=TWO, members=[SELF], quiet=True)
        alert = await office.release(engine=engine)
        await until(lambda: office.finished(alert))
        assert await office.rooms_in(alert, DeliveryState.FAILED) == [TWO]
        assert await office.rooms_in(alert, DeliveryState.SENT) == [ONE]
        assert await has(office, TWO, state=GroupState.LOST)


async def test_a_room_missing_from_a_list_is_asked_before_it_is_given_up(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path)

    class Puppet:
        """The lists of some puppets are incomplete for minutes."""

        def __init__(self, real: object) -> None:
            self._real = real

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        async def room_list(self) -> list[str]:
            return [ONE]

    async with running_engine(office) as engine:
        await until(lambda: has(office, TWO, members=30))
        account = engine.channels["wechaty"]._accounts[ACCOUNT]  # type: ignore[attr-defined]

        async def puppet() -> object:
            return Puppet(await account._link.puppet())

        sync = RoomSync("wechaty", ACCOUNT, sqlite_database, engine.clock, office.settings.zone, puppet)
        sync.self_id = SELF
        await sync.sync()
        assert await has(office, TWO, state=GroupState.ACTIVE)
        await gateway.tell("kick", room=TWO, members=[SELF], quiet=True)
        await sync.sync()
        assert await has(office, TWO, state=GroupState.LOST)


async def test_a_group_imported_by_name_finds_its_room(database: Database) -> None:
    async with database.write() as session:
        account = await make_account(session, channel="wechaty")
        groups = [
            await make_group(session, account=account, channel="wechaty", room_id=None, name=name)
            for name in ("菜园镇群", "同名群")
        ]
        seen = [Sighting("a", "菜园镇群", 5), Sighting("b", "同名群", 6), Sighting("c", "同名群", 7)]
        await store.record_rooms(session, account, seen[1:2], at=NOW, day=NOW.date())
        groups[1].room_id = None  # both rooms of this name are there when the office imports it
        await session.flush()
        await store.record_rooms(session, account, seen, at=NOW, day=NOW.date())
    async with database.read() as session:
        rooms = [(await session.get(Group, group.id)).room_id for group in groups]  # type: ignore[union-attr]
    assert rooms[0] == "a"
    assert rooms[1] in (None, "b")


async def test_members_are_kept_day_by_day(database: Database) -> None:
    async with database.write() as session:
        account = await make_account(session, channel="wechaty")
        for day, members in ((0, 80), (0, 81), (1, 90), (2, 0)):
            at = NOW + timedelta(days=day)
            seen = [Sighting("a", "群", members)]
            await store.record_rooms(session, account, seen, at=at, day=at.date())
        counts = await store.list_counts(session, "wechaty", "a")
    assert counts == [(NOW.date(), 81), ((NOW + timedelta(days=1)).date(), 90)]


# ── two accounts ──


@pytest.fixture
async def second(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    gateway = Gateway(tmp_path_factory.mktemp("second"))
    await asyncio.to_thread(gateway.start)
    yield gateway
    gateway.kill()


async def test_throttled_the_sibling_in_the_same_rooms_goes_on(
    sqlite_database: Database, gateway: Gateway, second: Gateway, tmp_path: Path
) -> None:
    rooms = [room_id(number) for number in range(6)]
    await gateway.make_rooms(dict.fromkeys(rooms, 5))
    await second.make_rooms(dict.fromkeys(rooms[:4], 5))
    await second.make_people({"wang": "王芳"})
    await gateway.make_people({"wang": "王芳"})
    settings = gateway_settings({ACCOUNT: gateway, "心防二号": second}, tmp_path, gap_seconds=0.05)
    office = await open_office(sqlite_database, settings, rooms)
    async with running_engine(office) as engine:
        await until(lambda: _rooms_known(office, 10))
        await gateway.tell("fault", error="操作太频繁，请稍后再试", times=-1)
        alert = await office.release(engine=engine)
        await until(lambda: _sent(office, alert, 4))
        account = await office.account()
        assert account.state is AccountState.BLOCKED
        assert account.blocked_until is not None
        assert await office.deliveries(alert, DeliveryState.WAITING) == 2, "only this account is in these rooms"
        assert await office.count(AuditEntry, AuditEntry.action == "account.blocked") == 1
        # One question in a room with both accounts is answered once, by the account that serves the group.
        await gateway.tell("heal")
        await second.say("wang", rooms[0], "@心防 有人叫我刷单", mentions=[SELF])
        await gateway.say("wang", rooms[0], "@心防 有人叫我刷单", mentions=[SELF])
        await until(lambda: office.count(Reply))
        await asyncio.sleep(0.3)
        assert await office.count(Reply) == 1
    assert {a.to for a in await second.arrivals()} == set(rooms[:4])


async def _rooms_known(office: Office, count: int) -> bool:
    return await office.rooms_known() == count


async def _sent(office: Office, alert, count: int) -> bool:  # type: ignore[no-untyped-def]
    return await office.deliveries(alert, DeliveryState.SENT) == count


async def test_a_notice_that_comes_as_a_message_opens_the_breaker_and_a_residents_words_do_not(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path, throttle_minutes=7)
    await gateway.make_people({"wang": "王芳", "weixin": "微信团队"})

    async def blocked() -> bool:
        return (await office.account()).state is AccountState.BLOCKED

    async with running_engine(office) as engine:
        await gateway.say("wang", ONE, "你发送消息过于频繁，请稍后再试")
        await asyncio.sleep(0.3)
        assert not await blocked()
        await gateway.say("weixin", SELF, "你发送消息过于频繁，请稍后再试", kind="unknown")
        await until(blocked)
        until_then = (await office.account()).blocked_until
        assert until_then is not None
        assert timedelta(minutes=6) < until_then - engine.clock.now() <= timedelta(minutes=7)
        # A login during the block does not end it.
        await gateway.tell("logout")
        await until(lambda: _state(office, AccountState.OFFLINE))
        await gateway.tell("login")
        await until(blocked)


async def _state(office: Office, state: AccountState) -> bool:
    return (await office.account()).state is state


async def test_the_login_code_is_kept_with_the_account_until_it_logs_in(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path)
    await gateway.tell("logout")
    await gateway.tell("scan", qrcode="https://login/1")
    async with running_engine(office, online=False):
        await until(lambda: _code(office, AccountState.WAITING_SCAN, "https://login/1"))
        await gateway.tell("scan", qrcode="https://login/2")
        await until(lambda: _code(office, AccountState.WAITING_SCAN, "https://login/2"))
        await gateway.tell("login")
        await until(lambda: _code(office, AccountState.ONLINE, ""))


async def _code(office: Office, state: AccountState, code: str) -> bool:
    account: Account = await office.account()
    return (account.state, account.login_code) == (state, code)


async def test_cards_have_a_budget_of_their_own(sqlite_database: Database, gateway: Gateway, tmp_path: Path) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path, cards_per_day=1)
    link = content(kind=ContentKind.LINK, link_url="https://example.com/a", link_title="案例")
    async with running_engine(office) as engine:
        card = await office.release(link, engine=engine)
        await until(lambda: _sent(office, card, 1))
        text = await office.release(engine=engine)
        await until(lambda: _sent(office, text, 2))
        assert await office.deliveries(card, DeliveryState.WAITING) == 1
    async with running_engine(office):  # the budget is counted from rows, so a restart does not renew it
        await asyncio.sleep(1.5)
        assert await office.deliveries(card, DeliveryState.WAITING) == 1
    kinds = [arrival.kind for arrival in await gateway.arrivals()]
    assert kinds.count("link") == 1


async def test_a_picture_whose_text_fails_is_a_doubt_and_not_sent_again(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path)
    link = content(kind=ContentKind.LINK, link_url="https://example.com/a", link_title="案例")
    await gateway.tell("settings", echoes=False)
    async with running_engine(office) as engine:
        await gateway.tell("fault", room=ONE, after=1, error="操作太频繁")
        alert = await office.release(link, engine=engine)
        await until(lambda: office.deliveries(alert, DeliveryState.UNKNOWN))
        await until(lambda: _state(office, AccountState.BLOCKED))
    assert await office.rooms_in(alert, DeliveryState.UNKNOWN) == [ONE]
    assert [arrival.kind for arrival in await gateway.arrivals(to=ONE)] == ["link"]
