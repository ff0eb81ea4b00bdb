"""The reach pages over the sample county's story: what they show, to whom, and as which files."""

from __future__ import annotations

import io
import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from openpyxl import load_workbook

from bot.settings import load_settings
from db.figures import get_figures
from db.models import Alert, Forward, Person, Reach, Rollup, Unit
from db.rollup import verify_rollup
from db.seen import count_seen
from db.session import Database
from db.states import AlertState, Role, Way
from tests.console import Console, open_console
from tests.reach_story import tell


@pytest.fixture
async def console(sqlite_database: Database) -> AsyncIterator[Console]:
    async with open_console(sqlite_database) as opened:
        yield opened


@pytest.fixture
async def told(console: Console) -> list[Alert]:
    return await tell(console.database, load_settings(), releases=2)


async def unit_named(console: Console, name: str) -> Unit:
    async with console.database.read() as session:
        return (await session.scalars(sa.select(Unit).where(Unit.name == name))).one()


async def test_the_figures_of_a_unit_agree_with_its_log_line_by_line(console: Console, told: list[Alert]) -> None:
    """Reconciled by hand: every figure of one town counted from the rows and the log, without the roll-up."""
    town, alert = await unit_named(console, "菜园镇"), told[1]
    assert alert.released_at is not None
    assert alert.deadline_at is not None
    async with console.database.read() as session:
        units = {unit.id: unit for unit in await session.scalars(sa.select(Unit))}
        rows = [
            row
            for row in await session.scalars(sa.select(Reach).where(Reach.alert_id == alert.id))
            if units[row.unit_id].path.startswith(town.path)
        ]
        forwards = (await session.scalars(sa.select(Forward).where(Forward.alert_id == alert.id))).all()
        figures = await get_figures(session, alert.id, town.id)
        assert await verify_rollup(session) == []
    reached = [row for row in rows if row.reached_at is not None]
    by_way = {way: [row for row in reached if row.way is way] for way in Way}
    assert (figures.expected_groups, figures.expected_members) == (len(rows), sum(row.members for row in rows))
    assert figures.pushed_groups == len(by_way[Way.PUSH]) > 0
    assert (figures.forwarded_groups, figures.forwarded_members) == (
        len(by_way[Way.FORWARD]),
        sum(row.members for row in by_way[Way.FORWARD]),
    )
    assert figures.reported_groups == len(by_way[Way.REPORT]) > 0
    assert figures.ontime_groups == sum(row.reached_at <= alert.deadline_at for row in reached if row.reached_at)
    latencies = sorted((row.reached_at - alert.released_at).total_seconds() for row in reached if row.reached_at)
    assert figures.first_s == pytest.approx(latencies[0], abs=0.001)
    assert figures.median_s == pytest.approx(latencies[(len(latencies) - 1) // 2], rel=0.075)
    assert figures.p90_s == pytest.approx(latencies[-(-len(latencies) * 9 // 10) - 1], rel=0.075)
    logged = {(line.group_id, line.at, line.way) for line in forwards}
    for row in by_way[Way.FORWARD] + by_way[Way.REPORT]:
        assert (row.group_id, row.reached_at, row.way) in logged


async def test_an_alerts_page_shows_ways_apart_children_laggards_and_relayers(
    console: Console, told: list[Alert]
) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    async with console.database.read() as session:
        county = (await session.scalars(sa.select(Unit).where(Unit.level == 1))).one()
        figures = await get_figures(session, told[1].id, county.id)
        seen = await count_seen(session, told[1].id, county.path)
    page = await browser.get(f"/alerts/{told[1].id}/reach")
    assert page.shows(
        f"机器人推送 {figures.pushed_groups} 群",
        f"人员转发 {figures.forwarded_groups} 群",
        f"联络员报告 {figures.reported_groups} 群",
        f"短页面浏览 {seen} 次",
        "群众与未登记人员",
        "没有群，不排名",
        "个单位没有群",
    )
    assert f'action="/alerts/{told[1].id}/remind"' in page.text
    assert 'data-stream="/alerts/' in page.text
    rows = await browser.get(f"/alerts/{told[1].id}/reach/rows", unit=(await unit_named(console, "菜园镇")).id)
    assert rows.shows("海滨社区居委会")
    timeline = (await browser.json(f"/alerts/{told[1].id}/reach/timeline")).json
    assert sum(strand["groups"][-1] for strand in timeline["strands"]) == figures.reached_groups
    assert sum(strand["expected_members"] for strand in timeline["strands"]) == figures.expected_members


async def test_leagues_and_records_follow_their_filters(console: Console, told: list[Alert]) -> None:
    browser = await console.signed_in(Role.REVIEWER)
    towns = await browser.get("/reach", level=2, period="2026-10")
    assert towns.shows("菜园镇", "2026年10月发布的全部预警")
    assert "县财政局" not in towns.text.split("<tbody>")[1]  # among their like: towns first
    departments = await browser.get("/reach", level=2, kind="department", period="2026-10")
    assert departments.shows("县财政局", "不排名")
    one = await browser.get(
        "/reach", level=3, alert=told[0].id, parent=(await unit_named(console, "菜园镇")).id, kind=""
    )
    assert one.shows(told[0].number, "海滨社区居委会")
    assert (await browser.get("/reach", period="2026-13")).shows("不是月份或日期")
    assert (await browser.get("/reach", level=5, kind="building", period="2020-01")).shows("不排名")
    record = await browser.get(f"/units/{(await unit_named(console, '菜园镇')).id}/reach", period="2026-10..2026-11")
    assert record.shows("2026年10月", told[0].title, told[1].title, "覆盖缺口")
    empty = await browser.get(f"/units/{(await unit_named(console, '菜园镇')).id}/reach", period="2020-01")
    assert empty.shows("这段时间没有发给菜园镇的预警")


async def test_files_of_alerts_units_and_leagues(console: Console, told: list[Alert]) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    town = await unit_named(console, "菜园镇")
    for base, query in (
        (f"/alerts/{told[0].id}/reach/files", {"unit": town.id}),
        (f"/units/{town.id}/reach/files", {"period": "2026-10"}),
        ("/reach/files", {"level": 3, "kind": "", "parent": town.id, "period": "2026-10"}),
    ):
        response = await browser.request("GET", f"{base}/table.xlsx", params=query)
        assert response.status == 200, base
        book = load_workbook(io.BytesIO(await response.read()))
        assert book.sheetnames == ["触达", "说明"]
        assert "海滨社区居委会" in [cell.value for cell in book["触达"]["B"]]
        csv = await browser.request("GET", f"{base}/table.csv", params=query)
        assert (await csv.read()).startswith(b"\xef\xbb\xbf")
        assert "attachment" in csv.headers["Content-Disposition"]
        assert (await browser.get(f"{base}/other.exe", **query)).status == 404
    curve = await browser.request("GET", f"/alerts/{told[0].id}/reach/files/curve.svg")
    assert curve.content_type == "image/svg+xml"
    assert "覆盖率" in await curve.text()
    picture = await browser.request("GET", f"/units/{town.id}/reach/files/months.png")
    assert (await picture.read()).startswith(b"\x89PNG")


async def test_the_picture_becomes_a_draft_that_a_second_person_releases(console: Console, told: list[Alert]) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    answer = await browser.post(f"/alerts/{told[0].id}/reach/draft")
    assert re.fullmatch(r"/alerts/\d+/edit", answer.location)
    draft = await console.row(Alert, int(re.findall(r"\d+", answer.location)[0]))
    assert (draft.state, draft.picture_id is not None) == (AlertState.DRAFT, True)
    assert told[0].number in draft.body
    assert (await browser.get(answer.location)).status == 200


async def test_every_chart_can_be_told_to_the_groups_of_its_unit(console: Console, told: list[Alert]) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    town = await unit_named(console, "菜园镇")
    pictures = []
    for path, picture, words in (
        (f"/alerts/{told[0].id}/reach/draft?unit={town.id}", "curve", told[0].number),
        (f"/units/{town.id}/reach/draft?period=2026-10", "months", "2026年10月"),
        (f"/units/{town.id}/reach/draft?period=2026-10", "table", "2026年10月"),
        (f"/reach/draft?level=3&kind=&parent={town.id}&alert={told[0].id}", "", told[0].title),
    ):
        answer = await browser.post(path, picture=picture)
        draft = await console.row(Alert, int(re.findall(r"\d+", answer.location)[0]))
        assert draft.title.startswith("菜园镇")
        assert words in draft.body
        assert draft.audience["units"] == [town.id]
        pictures.append(draft.picture_id)
    assert len(set(pictures)) == 4
    refused = await browser.post(f"/alerts/{told[0].id}/reach/draft", picture="months")
    assert refused.status == 400


async def test_a_liaison_sees_the_own_subtree_and_only_what_concerns_it(console: Console, told: list[Alert]) -> None:
    town, other = await unit_named(console, "菜园镇"), await unit_named(console, "洋山镇")
    county = await unit_named(console, "嵊泗县")
    browser = await console.signed_in(Role.LIAISON, unit=town)
    own = await browser.get(f"/alerts/{told[0].id}/reach")
    assert own.shows("菜园镇触达")
    for path in ("/remind", "data-stream", "/reach/draft"):
        assert path not in own.text
    async with console.database.read() as session:
        foreign = {name for name in await session.scalars(sa.select(Unit.name)) if "洋" in name or "县" in name}
        people = set(
            await session.scalars(
                sa.select(Person.name)
                .join(Unit, Unit.id == Person.unit_id)
                .where(~Unit.path.startswith(town.path))
                .where(Person.name.not_in(sa.select(Person.name).join(Unit).where(Unit.path.startswith(town.path))))
            )
        )
    for path in (
        f"/alerts/{told[0].id}/reach",
        "/reach?level=3&kind=",
        f"/units/{town.id}/reach",
        f"/reach?parent={town.id}",
    ):
        page = await browser.get(path)
        main = page.text.split('<main id="main"')[1]
        assert page.status == 200, path
        assert not [name for name in foreign - {"嵊泗县"} if f">{name}<" in main], path
        assert not [name for name in people if f">{name}<" in main], path
    for unit in (other, county):
        for path in (
            f"/alerts/{told[0].id}/reach?unit={unit.id}",
            f"/alerts/{told[0].id}/reach/rows?unit={unit.id}",
            f"/alerts/{told[0].id}/reach/timeline?unit={unit.id}",
            f"/alerts/{told[0].id}/reach/files/table.csv?unit={unit.id}",
            f"/alerts/{told[0].id}/reach/files/curve.svg?unit={unit.id}",
            f"/units/{unit.id}/reach",
            f"/units/{unit.id}/reach/files/table.csv",
            f"/units/{unit.id}/reach/files/months.svg",
            f"/reach?parent={unit.id}",
            f"/reach/files/table.csv?parent={unit.id}",
        ):
            assert (await browser.get(path)).status == 404, path
    async with console.database.write() as session:  # an alert that the town was not to have
        await session.execute(sa.delete(Rollup).where(Rollup.alert_id == told[1].id, Rollup.unit_id == town.id))
    assert (await browser.get(f"/alerts/{told[1].id}/reach")).status == 404


async def test_before_its_release_an_alert_has_no_reach(console: Console, told: list[Alert]) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    async with console.database.write() as session:
        at = told[0].created_at + timedelta(days=30)
        session.add(Alert(number="1", title="t", body="b", severity="red", audience={}, created_at=at, expires_at=at))
    alert = await console.alert_named("t")
    assert (await browser.get(f"/alerts/{alert.id}/reach")).status == 404


async def test_an_empty_registry_says_what_to_do(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    assert (await browser.get("/reach")).status == 200
