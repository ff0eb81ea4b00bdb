"""The phone page of a liaison: what it shows, what it takes, and that it opens nothing of anybody else's."""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.forwarding import record_forward
from bot.identity import Actor
from bot.liaison_links import make_link, revoke_links
from bot.phone_reports import settle_reports
from db import rollup
from db.figures import get_figures
from db.models import (
    Alert,
    AuditEntry,
    Delivery,
    Forward,
    Group,
    HeldReport,
    Person,
    PersonRoom,
    Reach,
    Reminder,
    Unit,
)
from db.reach import record_reach
from db.session import Database
from db.states import AlertState, DeliveryState, GroupMode, ReminderStep, Role, Severity, Way
from tests.console import Browser, Console, County, Page, make_county, open_console
from tests.factories import make_alert, make_group, make_unit


@dataclass
class Phone:
    """The county with 周敏, liaison of 菜园镇, and her telephone; another one of 洋山镇."""

    console: Console
    county: County
    people: dict[str, Person]
    groups: dict[str, Group]
    browser: Browser
    path: str
    csrf: str = ""  # of the last form seen

    async def get(self, **query: Any) -> Page:
        return await self.browser.get(self.path, **query)

    async def tap(self, what: str, *, path: str = "", headers: dict[str, str] | None = None, **fields: Any) -> Page:
        page = await self.browser.get(path or self.path)
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        self.csrf = csrf[1] if csrf else self.csrf
        data = {"csrf": self.csrf} | {name: str(value) for name, value in fields.items()}
        response = await self.browser.request("POST", f"{path or self.path}/{what}", data=data, headers=headers or {})
        text = await response.text()
        return Page(response.status, text, response.headers.get("Location", ""), response.headers)

    async def release(self, **columns: Any) -> Alert:
        """To every group, as `bot.alerts.start` leaves it."""
        async with self.console.database.write() as session:
            now = self.console.clock.now()
            values = {
                "state": AlertState.RUNNING,
                "released_at": now,
                "deadline_at": now + timedelta(hours=1),
            } | columns
            alert = await make_alert(session, severity=Severity.ORANGE, **values)
            for group in (await session.scalars(sa.select(Group))).all():
                session.add(Reach(alert_id=alert.id, group_id=group.id, unit_id=group.unit_id, members=group.members))
        await self.fold()
        return alert

    async def fold(self) -> None:
        async with self.console.database.write() as session:
            while await rollup.fold_step(session):
                pass

    async def reach(self, alert: Alert, name: str, way: Way = Way.PUSH) -> None:
        async with self.console.database.write() as session:
            now = self.console.clock.now()
            await record_reach(session, alert_id=alert.id, group=self.groups[name], way=way, at=now)
        await self.fold()

    async def rows(self, table: type[Any]) -> list[Any]:
        async with self.console.database.read() as session:
            return list(await session.scalars(sa.select(table).order_by(*sa.inspect(table).primary_key)))

    async def link(self, name: str) -> str:
        async with self.console.database.write() as session:
            person = await session.get(Person, self.people[name].id)
            assert person is not None
            return await make_link(session, self.console.engine.settings, person, now=self.console.clock.now())


async def make_phone(console: Console) -> Phone:
    county = await make_county(console.database)
    async with console.database.write() as session:
        people = {}
        for name, unit in (("周敏", county.east), ("沈刚", county.west), ("王海波", county.county)):
            person = Person(
                name=name,
                role=Role.LIAISON,
                unit_id=unit.id,
                channel="local",
                member_hash=name,
                bound_at=console.clock.now(),
            )
            session.add(person)
            people[name] = person
        await session.flush()
    groups = {group.name: group for group in county.groups}
    phone = Phone(console, county, people, groups, console.browser(), "")
    phone.path = await phone.link("周敏")
    return phone


@pytest.fixture
async def phone(console: Console) -> Phone:
    return await make_phone(console)


@pytest.fixture
async def sqlite_phone(sqlite_database: Database) -> AsyncIterator[Phone]:
    async with open_console(sqlite_database) as console:
        yield await make_phone(console)


# ── what it shows ───────────────────────────────────────────────────────────


async def test_it_shows_the_newest_live_alert_the_own_groups_and_the_own_place(phone: Phone) -> None:
    alert = await phone.release(title="快递理赔是骗局", body="正文在这里")
    await phone.reach(alert, "菜园群")
    page = await phone.get()
    assert page.status == 200
    assert page.shows(
        "菜园镇", "周敏 · 联络员", "橙色", "快递理赔是骗局", "还差 1 个群", "50%", "1/2 群", "基湖群", "菜园群"
    )
    assert page.shows("同级 2 个乡镇中第 1")
    assert re.search(r'data-text="【橙色预警】快递理赔是骗局\s+正文在这里', page.text)
    assert 'stroke-dasharray="50 100"' in page.text
    for foreign in ("洋山", "县反诈群", "沈刚", "嵊泗县反诈群"):
        assert foreign not in page.text, foreign
    assert len(page.text.encode()) < 40_000


async def test_nobody_follows_indexes_or_frames_it_and_it_sets_no_cookie(sqlite_phone: Phone) -> None:
    await sqlite_phone.release()
    page = await sqlite_phone.get()
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in page.headers["X-Robots-Tag"]
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in page.headers
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    for inline in ("style=", "<script>", " onclick", "http://", "https://"):
        assert inline not in page.text, inline


async def test_before_any_alert_and_after_its_end_it_says_so(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    assert (await phone.get()).shows("还没有发给菜园镇的预警")
    alert = await phone.release()
    assert (await phone.tap("undo", alert=alert.id, group=phone.groups["基湖群"].id)).status == 409  # nothing to undo
    phone.console.clock.advance(3 * 86400 + 1)
    page = await phone.get()
    assert page.shows("转发已经结束")
    assert "/report" not in page.text
    assert (await phone.tap("report", alert=alert.id, group=phone.groups["基湖群"].id)).status == 404


async def test_earlier_alerts_are_listed_with_figures_and_open(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    first = await phone.release(title="第一条")
    await phone.reach(first, "菜园群", Way.FORWARD)
    phone.console.clock.advance(60)
    await phone.release(title="第二条")
    page = await phone.get()
    assert page.shows("第一条", "1/2 群 · 推送 0 · 转发 1 · 报告 0", "还差 2 个群")
    assert (await phone.get(alert=first.id)).shows("还差 1 个群")
    assert (await phone.get(alert=987654)).shows("还差 2 个群")  # nothing but the own latest can be asked for


# ── reporting ───────────────────────────────────────────────────────────────


async def test_a_tap_reports_without_any_script_and_the_ring_moves_at_once(phone: Phone) -> None:
    alert = await phone.release()
    group = phone.groups["基湖群"]
    done = await phone.tap("report", headers={"Origin": "null"}, alert=alert.id, group=group.id, members="76")
    assert (done.status, done.location) == (303, f"{phone.path}?alert={alert.id}&done=reported#list")
    page = await phone.get(alert=alert.id, done="reported")
    assert page.shows("已记录", "还差 1 个群", "50%", "撤回")
    (entry,) = await phone.rows(Forward)
    assert (entry.way, entry.members, entry.person_id) == (Way.REPORT, 76, phone.people["周敏"].id)
    again = await phone.tap("report", alert=alert.id, group=group.id)
    assert "done=known" in again.location
    assert len(await phone.rows(Forward)) == 1


async def test_a_push_that_failed_is_something_to_do(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    alert = await phone.release()
    group = phone.groups["菜园群"]
    assert group.account_id is not None
    where = {"alert_id": alert.id, "group_id": group.id, "account_id": group.account_id, "rank": 0, "level": 2}
    async with phone.console.database.write() as session:
        session.add(Delivery(**where))
    assert "由机器人推送" in (await phone.get()).text
    async with phone.console.database.write() as session:
        (await session.scalars(sa.select(Delivery))).one().state = DeliveryState.FAILED
    page = await phone.get()
    assert page.shows("推送未确认，请转发")
    assert "由机器人推送" not in page.text


async def test_a_script_gets_only_what_changes(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    alert = await phone.release()
    part = await phone.tap("report", headers={"X-Fragment": "1"}, alert=alert.id, group=phone.groups["基湖群"].id)
    assert part.status == 200
    assert part.headers["X-Fragment"] == "1"
    assert "<html" not in part.text
    assert part.shows("已记录", "还差 1 个群")


async def test_a_report_can_be_taken_back_for_a_minute_and_leaves_no_trace_in_figures(phone: Phone) -> None:
    alert = await phone.release()
    group = phone.groups["基湖群"]
    await phone.tap("report", alert=alert.id, group=group.id, members="76")
    await phone.fold()  # the roll-up waits for the minute
    phone.console.clock.advance(59)
    assert "done=undone" in (await phone.tap("undo", alert=alert.id, group=group.id)).location
    assert await phone.rows(Forward) == []
    assert await phone.rows(HeldReport) == []
    assert {row.reached_at for row in await phone.rows(Reach)} == {None}
    assert [entry.action for entry in await phone.rows(AuditEntry)] == ["report.undo"]
    await phone.fold()
    await phone.tap("report", alert=alert.id, group=group.id)
    phone.console.clock.advance(61)
    late = await phone.tap("undo", alert=alert.id, group=group.id)
    assert late.status == 409
    assert late.shows("已经超过一分钟")
    assert await settle_reports(phone.console.database, phone.console.clock.now())
    await phone.fold()
    async with phone.console.database.read() as session:
        figures = await get_figures(session, alert.id, phone.county.east.id)
        assert await rollup.verify_rollup(session) == []
    assert (figures.reported_groups, figures.reached_groups) == (1, 1)


async def test_taken_back_what_else_reached_the_group_counts(phone: Phone) -> None:
    alert = await phone.release()
    group = phone.groups["基湖群"]
    await phone.tap("report", alert=alert.id, group=group.id)
    phone.console.clock.advance(10)
    async with phone.console.database.write() as session:
        at = phone.console.clock.now()
        session.add(Forward(alert_id=alert.id, group_id=group.id, way=Way.FORWARD, score=1.0, at=at))
    await phone.tap("undo", alert=alert.id, group=group.id)
    reach = next(row for row in await phone.rows(Reach) if row.group_id == group.id)
    assert (reach.way, reach.reached_at) == (Way.FORWARD, at)
    await phone.fold()
    async with phone.console.database.read() as session:
        assert await rollup.verify_rollup(session) == []
        assert (await get_figures(session, alert.id, phone.county.east.id)).forwarded_groups == 1


@pytest.mark.parametrize("members", ["0", "99999", "七", "-5"])
async def test_impossible_members_are_asked_again(sqlite_phone: Phone, members: str) -> None:
    alert = await sqlite_phone.release()
    group = sqlite_phone.groups["基湖群"]
    page = await sqlite_phone.tap("report", alert=alert.id, group=group.id, members=members)
    assert page.status == 422
    assert page.shows("人数请写 1 到 5000 之间的数字")
    assert await sqlite_phone.rows(Forward) == []


async def test_many_groups_stay_a_small_page(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    async with phone.console.database.write() as session:
        for number in range(130):
            await make_group(
                session, unit=phone.county.east, mode=GroupMode.RELAY, name=f"菜园镇第{number:03}号楼业主反诈宣传群"
            )
    await phone.release(body="正" * 450)
    page = await phone.get()
    assert page.text.count('name="group"') == 40
    assert len(page.text.encode()) < 60_000
    assert page.shows("共 132 个")
    seen = set(re.findall(r"第(\d{3})号楼", page.text))
    for start in (40, 80, 120):
        seen |= set(re.findall(r"第(\d{3})号楼", (await phone.get(**{"from": start})).text))
    assert len(seen) == 130


async def test_whatever_is_reported_taken_back_and_forwarded_the_figures_agree_with_a_recount(
    sqlite_phone: Phone,
) -> None:
    phone, dice = sqlite_phone, random.Random(5)
    database, clock = phone.console.database, phone.console.clock
    async with database.write() as session:
        for number in range(6):
            group = await make_group(session, unit=phone.county.village, mode=GroupMode.RELAY, name=f"楼{number}群")
            phone.groups[group.name] = group
    alert = await phone.release()
    groups = [group for name, group in phone.groups.items() if name.startswith(("楼", "基湖"))]
    for _ in range(70):
        group, what = dice.choice(groups), dice.choice(["report", "report", "undo", "forward", "wait", "fold"])
        clock.advance(dice.choice([1, 20]))
        if what in ("report", "undo"):
            await phone.tap(what, alert=alert.id, group=group.id)
        elif what == "forward":
            async with database.write() as session:
                await record_forward(session, alert_id=alert.id, group=group, person=None, at=clock.now())
        elif what == "wait":
            clock.advance(61)
            await settle_reports(database, clock.now())
        else:
            await phone.fold()
            async with database.read() as session:
                assert await rollup.verify_rollup(session) == []
    clock.advance(61)
    await settle_reports(database, clock.now())
    await phone.fold()
    reached = [row for row in await phone.rows(Reach) if row.reached_at is not None]
    assert all(row.way is not None and row.folded for row in reached)
    logged = {entry.group_id for entry in await phone.rows(Forward)}
    assert {row.group_id for row in reached} == logged
    async with database.read() as session:
        assert await rollup.verify_rollup(session) == []
        assert (await get_figures(session, alert.id, phone.county.village.id)).reached_groups == len(reached)


# ── nobody else's ───────────────────────────────────────────────────────────


async def test_foreign_ids_open_and_change_nothing(phone: Phone) -> None:
    alert = await phone.release()
    async with phone.console.database.write() as session:
        alike = await make_unit(session, parent=phone.county.county, code=f"{phone.county.east.code}1", name="邻镇")
        neighbour = await make_group(session, unit=alike, name="邻镇群")
        session.add(Reach(alert_id=alert.id, group_id=neighbour.id, unit_id=alike.id, members=1))
        only_west = await make_alert(
            session, title="只给洋山的", state=AlertState.RUNNING, released_at=phone.console.clock.now()
        )
        session.add(
            Reach(alert_id=only_west.id, group_id=phone.groups["洋山群"].id, unit_id=phone.county.west.id, members=1)
        )
    await phone.fold()
    for group in (phone.groups["洋山群"], phone.groups["县反诈群"], neighbour):
        for what in ("report", "undo"):
            page = await phone.tap(what, alert=alert.id, group=group.id)
            assert page.status == 404, (what, group.name)
            assert group.name not in page.text
    for alert_id in (only_west.id, 987654, 0, 2**62):
        assert (await phone.tap("report", alert=alert_id, group=phone.groups["基湖群"].id)).status == 404
        page = await phone.get(alert=alert_id)
        assert "只给洋山的" not in page.text
    assert await phone.rows(Forward) == []
    assert {row.reached_at for row in await phone.rows(Reach)} == {None}


async def test_one_liaison_cannot_take_back_what_another_reported(phone: Phone) -> None:
    alert = await phone.release()
    group = phone.groups["基湖群"]
    await phone.tap("report", alert=alert.id, group=group.id)
    above = await phone.link("王海波")
    page = await phone.tap("undo", path=above, alert=alert.id, group=group.id)
    assert page.status == 409
    assert len(await phone.rows(Forward)) == 1


async def test_a_link_that_was_changed_in_any_place_opens_nothing(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    await phone.release()
    token = phone.path.removeprefix("/m/")
    tried = set()
    for place in range(len(token)):
        for letter in "0f-AZ_":
            changed = token[:place] + letter + token[place + 1 :]
            if changed != token:
                tried.add(changed)
    tried |= {token + "0", token[:-1], token.upper(), "0" * 24, "-".join(["1"] * 4), token + "%00"}
    for changed in sorted(tried):
        page = await phone.browser.get(f"/m/{changed}")
        assert page.status == 404, changed
    assert page.shows("链接")
    assert "菜园" not in page.text


async def test_a_link_ends_by_time_by_a_new_one_and_with_the_task(sqlite_phone: Phone) -> None:
    phone, database = sqlite_phone, sqlite_phone.console.database
    alert = await phone.release()
    officer = Actor("陈警官", Role.ADMIN, 1)
    assert (await phone.get()).status == 200
    async with database.write() as session:
        await revoke_links(session, officer, phone.people["周敏"].id, now=phone.console.clock.now())
    assert (await phone.get()).status == 404
    assert (await phone.tap("report", alert=alert.id, group=phone.groups["基湖群"].id)).status == 404
    fresh = await phone.link("周敏")
    assert (await phone.browser.get(fresh)).status == 200
    async with database.write() as session:
        await session.execute(sa.update(Person).where(Person.name == "周敏").values(role=Role.REVIEWER))
    assert (await phone.browser.get(fresh)).status == 404
    other = await phone.link("沈刚")
    phone.console.clock.advance(7 * 86400 - 2)
    assert (await phone.browser.get(other)).status == 200
    phone.console.clock.advance(3)
    gone = await phone.browser.get(other)
    assert gone.status == 404
    assert gone.shows("链接已失效")


async def test_a_form_of_another_page_is_refused(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    alert = await phone.release()
    fields = {"alert": str(alert.id), "group": str(phone.groups["基湖群"].id)}
    for csrf in ("", "f" * 22, (await phone.tap("x")).text[:22]):
        response = await phone.browser.request("POST", f"{phone.path}/report", data=fields | {"csrf": csrf})
        assert response.status == 403, csrf
    page = await phone.browser.get(await phone.link("沈刚"))
    other = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert other is not None
    response = await phone.browser.request("POST", f"{phone.path}/report", data=fields | {"csrf": other[1]})
    assert response.status == 403
    elsewhere = await phone.tap("report", headers={"Origin": "https://evil.example"}, **fields)
    assert elsewhere.status == 403
    assert await phone.rows(Forward) == []


async def test_markup_in_names_is_text(sqlite_phone: Phone) -> None:
    phone = sqlite_phone
    async with phone.console.database.write() as session:
        await session.execute(sa.update(Unit).where(Unit.id == phone.county.east.id).values(name="<b>镇"))
        await session.execute(sa.update(Group).values(name='"><script>alert(1)</script>'))
    await phone.release(title="<img src=x>", body='"><script>alert(2)</script>')
    page = await phone.get()
    assert "<script>alert" not in page.text
    assert "<img" not in page.text
    assert "&lt;b&gt;镇" in page.text


# ── the officers' button ────────────────────────────────────────────────────


async def test_an_officer_reminds_by_a_button(console: Console, phone: Phone) -> None:
    alert = await phone.release()
    async with console.database.write() as session:
        room = {"person_id": phone.people["周敏"].id, "account_id": 1, "room_id": "zhou"}
        session.add(PersonRoom(**room, seen_at=console.clock.now()))
    officer = await console.signed_in(Role.PUBLISHER)
    done = await officer.post(f"/alerts/{alert.id}/remind", unit=phone.county.east.id)
    assert (done.status, done.location) == (303, f"/alerts/{alert.id}?done=remind")
    (reminder,) = await phone.rows(Reminder)
    assert reminder.groups == 2
    async with console.database.write() as session:
        session.add(
            Reminder(
                alert_id=alert.id,
                person_id=phone.people["沈刚"].id,
                step=ReminderStep.LIAISON,
                groups=1,
                at=console.clock.now(),
                reason="没有私聊过，找不到对话",
            )
        )
    page = await officer.get(f"/alerts/{alert.id}", done="remind")
    assert page.shows(
        "已私聊提醒联络员", "催办记录", "人工提醒 · 2 个群", "沈刚", "没有发出", "没有私聊过", "触达时限"
    )
    again = await officer.post(f"/alerts/{alert.id}/remind", unit=phone.county.east.id, accept="application/json")
    assert again.json == {
        "message": "没有发出提醒；周敏：10 分钟内提醒过",
        "sent": [],
        "not_sent": {"周敏": "10 分钟内提醒过"},
    }
    assert (await officer.post(f"/alerts/{alert.id}/remind", unit=987654)).status == 404
    assert (await officer.post(f"/alerts/{alert.id}/remind")).status == 404
    assert (await officer.post("/alerts/987654/remind", unit=phone.county.east.id)).status == 409
    liaison = await console.signed_in(Role.LIAISON, unit=phone.county.county)
    assert (await liaison.post(f"/alerts/{alert.id}/remind", unit=phone.county.east.id)).status == 403
