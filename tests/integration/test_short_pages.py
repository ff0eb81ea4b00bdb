"""Short pages: readable by anybody, counted for the unit without keeping who, and a link is a forward."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.alerts import rendered_text
from bot.settings import load_settings
from bot.short_pages import linked_alerts, prepare, short_path, short_url, text_to_share
from db import seen
from db.models import Alert, Forward, PageVisit, Reach, Secret, Seen
from db.session import Database
from db.states import AlertState, Relation, Role
from tests.chatting import ALERT_TEXT, BODY, TITLE, Chat
from tests.console import Console, open_console


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat(database).build()


@pytest.fixture
async def console(sqlite_database: Database) -> AsyncIterator[Console]:
    async with open_console(sqlite_database) as opened:
        yield opened


@pytest.fixture
async def office(console: Console) -> Chat:
    """The town's people over the console's database and clock."""
    chat = Chat(console.database)
    chat.clock = console.clock
    return await chat.build()


async def path_of(chat: Chat, alert: Alert, unit: str) -> str:
    async with chat.database.write() as session:
        return await short_path(session, alert.id, chat.town.units[unit].id)


async def test_a_link_is_a_forward_of_its_alert_whatever_is_around_it(chat: Chat) -> None:
    alert = await chat.release()
    path = await path_of(chat, alert, "海滨社区")
    assert await chat.say("王阿姨", f"大家都点开看看 https://fz.example.cn{path} 别上当", "HB02") == ""
    assert await chat.outcome() == "forward"
    await chat.say("王阿姨", "", "HB03", link_url=f"http://10.0.0.8:8080{path}", link_title="请看")
    entries = await chat.rows(Forward)
    assert [entry.alert_id for entry in entries] == [alert.id] * 2
    reached = [row for row in await chat.rows(Reach) if row.reached_at is not None]
    assert {row.group_id for row in reached} == {chat.town.groups["HB02"].id, chat.town.groups["HB03"].id}
    for wrong in (path[:-1], path[:-1] + ("A" if path[-1] != "A" else "B"), "/a/AAAAAAAAAAAAAAAAAAAA", "/a/"):
        await chat.say("王阿姨", f"https://fz.example.cn{wrong}", "JP01")
    assert len(await chat.rows(Forward)) == 2


async def test_text_and_link_of_one_alert_are_one_forward(chat: Chat) -> None:
    alert = await chat.release()
    path = await path_of(chat, alert, "海滨社区")
    await chat.say("王阿姨", f"{ALERT_TEXT}\nhttps://fz.example.cn{path}", "HB02")
    assert [entry.alert_id for entry in await chat.rows(Forward)] == [alert.id]


async def test_what_a_liaison_copies_ends_with_the_units_link(chat: Chat) -> None:
    alert = await chat.release()
    unit = chat.town.units["海滨社区"].id
    settings = load_settings(public_url="https://fz.example.cn/")
    whole = rendered_text(alert, settings)
    async with chat.database.read() as session:
        assert await text_to_share(session, settings, alert, unit) == whole, "no key yet, no link"
    async with chat.database.write() as session:
        await prepare(session)
    async with chat.database.read() as session:
        shared = await text_to_share(session, settings, alert, unit)
        assert shared.startswith(f"{whole}\n核对真伪：https://fz.example.cn/a/")
        assert await linked_alerts(session, shared) == [alert.id]
        assert await text_to_share(session, load_settings(), alert, unit) == whole
        alert.body = "长" * 560
        assert "/a/" not in await text_to_share(session, settings, alert, unit), "never longer than people read"


async def test_a_link_to_a_corrected_alert_is_outdated(chat: Chat) -> None:
    old = await chat.release()
    path = await path_of(chat, old, "海滨社区")
    new = await chat.release(body=BODY + "其中一笔已止付。", relation=Relation.UPDATE, related_id=old.id)
    assert new.number in await chat.say("王阿姨", f"https://fz.example.cn{path}", "HB02")
    assert [(entry.alert_id, entry.outdated) for entry in await chat.rows(Forward)] == [(old.id, True)]


async def test_addresses_differ_by_unit_and_are_whole_only_where_the_office_says_so(chat: Chat) -> None:
    alert = await chat.release()
    units = [unit.id for unit in chat.town.units.values()]
    public = load_settings(public_url="https://fz.example.gov.cn/")
    async with chat.database.write() as session:
        urls = {await short_url(session, public, alert.id, unit_id) for unit_id in units}
        assert await short_url(session, chat.settings, alert.id, units[0]) == ""
        assert await linked_alerts(session, "\n".join(sorted(urls))) == [alert.id]
    assert len(urls) == len(units)
    assert all(url.startswith("https://fz.example.gov.cn/a/") for url in urls)


async def test_a_view_counts_once_a_day_and_for_every_unit_above(chat: Chat) -> None:
    alert = await chat.release()
    units, day = chat.town.units, chat.clock.now().date()
    visits = [
        ("海滨一网格", "a", 0),
        ("海滨一网格", "a", 0),
        ("海滨一网格", "b", 0),
        ("海滨社区", "a", 0),
        ("海滨一网格", "a", 1),
    ]
    async with chat.database.write() as session:
        counted = [
            await seen.record_visit(
                session, alert_id=alert.id, unit_id=units[name].id, visitor=who, day=day + timedelta(days=later)
            )
            for name, who, later in visits
        ]
        assert counted == [True, False, True, True, True]
        paths = {name: unit.path for name, unit in units.items()}
        found = await seen.count_seen_each(session, alert.id, paths.values())
        assert {name: found[path] for name, path in paths.items() if found[path]} == {
            "county": 4,
            "菜园镇": 4,
            "海滨社区": 4,
            "海滨一网格": 3,
        }
        assert await seen.count_seen(session, alert.id, paths["海滨一网格"]) == 3


async def test_the_night_after_nobody_can_find_out_who_it_was(chat: Chat) -> None:
    alert = await chat.release()
    today = chat.clock.now().date()
    async with chat.database.write() as session:
        salts = [await seen.make_salt(session, today + timedelta(days=later)) for later in (0, 0, 1)]
        assert salts[0] == salts[1] != salts[2]
        await seen.make_secret(session, "short pages")
        for later in (0, 1):
            unit_id = chat.town.units["county"].id
            day = today + timedelta(days=later)
            await seen.record_visit(session, alert_id=alert.id, unit_id=unit_id, visitor="x", day=day)
        await seen.forget_visitors(session, today + timedelta(days=1))
    assert [row.day for row in await chat.rows(PageVisit)] == [today + timedelta(days=1)]
    assert [row.visits for row in await chat.rows(Seen)] == [2]
    assert len(await chat.rows(Secret)) == 2


async def test_anybody_reads_the_page_and_is_counted_once(console: Console, office: Chat) -> None:
    alert = await office.release()
    path = await path_of(office, alert, "海滨社区")
    browser = console.browser()
    page = await browser.get(path)
    assert page.status == 200
    assert page.shows(TITLE, "仍然有效", alert.number, "96110", "110", "复制")
    assert page.text.count("<script") == 1
    assert "style=" not in page.text
    assert browser.cookies == {}
    size = len(page.text.encode())
    for name in ("short_page.css", "short_page.js", "copying.js"):
        size += len((await browser.get(f"/static/{name}")).text.encode())
    assert size <= 30 * 1024
    await console.browser().get(path)
    await browser.request("HEAD", path)
    other = await browser.request("GET", path, headers={"User-Agent": "another phone"})
    assert other.status == 200
    (row,) = await office.rows(Seen)
    assert (row.alert_id, row.unit_id, row.visits) == (alert.id, office.town.units["海滨社区"].id, 2)
    (first, second) = await office.rows(PageVisit)
    assert "127.0.0.1" not in first.visitor + second.visitor


async def test_the_page_says_whether_it_still_holds(console: Console, office: Chat) -> None:
    alert = await office.release()
    path = await path_of(office, alert, "county")
    console.clock.advance(2 * 86_400)
    browser = console.browser()
    assert (await browser.get(path)).shows("已过有效期")
    new = await office.release(title="更正后的标题", body=BODY, relation=Relation.UPDATE, related_id=alert.id)
    page = await browser.get(path)
    assert page.shows("已更正，请看新的一条", "更正后的标题")
    assert f'href="{await path_of(office, new, "county")}"' in page.text
    assert f'data-path="{await path_of(office, new, "county")}"' in page.text
    await office.release(title="撤销说明", body="经核实系误报。", relation=Relation.CANCEL, related_id=new.id)
    page = await browser.get(path)
    assert page.shows("已撤销，请不要再转发", "撤销说明")
    assert 'id="copy"' not in page.text


async def test_wrong_and_unreleased_pages_are_not_there(console: Console, office: Chat) -> None:
    alert = await office.release()
    path = await path_of(office, alert, "county")
    async with console.database.write() as session:
        await session.execute(sa.update(Alert).values(released_at=None, state=AlertState.DRAFT))
    browser = console.browser()
    assert (await browser.get(path)).status == 404
    assert (await browser.get("/a/" + "0" * 20)).status == 404
    assert (await browser.get(f"{path}/picture")).status == 404
    assert await office.rows(Seen) == []


async def test_staff_get_every_units_link_and_its_views(console: Console, office: Chat) -> None:
    alert = await office.release()
    await console.browser().get(await path_of(office, alert, "金平社区"))
    publisher = await console.signed_in(Role.PUBLISHER)
    page = await publisher.get(f"/alerts/{alert.id}/links.csv")
    lines = page.text.lstrip("\ufeff").splitlines()
    assert len(lines) == 1 + len(office.town.units)
    (jinping,) = [line for line in lines if "金平社区" in line]
    assert jinping.endswith(",1")
    assert await path_of(office, alert, "金平社区") in jinping
