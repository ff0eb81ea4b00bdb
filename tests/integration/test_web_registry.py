"""The registry in the console: the tree with its figures, and files that go in and come out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from bot.sheets import write_xlsx
from db import rollup
from db.models import AuditEntry, Group, LocalRoom, Reach, Unit
from db.session import Database
from db.states import AlertState, Role, UnitState
from tests.console import Browser, Console, County, make_county, open_console
from tests.factories import NOW, make_alert, make_unit

UNIT_COLUMNS = ("编码", "名称", "类型", "上级编码", "标签", "联络员")
GROUP_COLUMNS = ("编码", "群名", "单位编码", "通道", "群号", "账号", "方式", "人数", "状态")
UNITS: list[list[object]] = [["33", "嵊泗县", "县", "", "", "王海波"], ["3301", "菜园镇", "乡镇", "33", "", "李静"]]
GROUPS: list[list[object]] = [["G1", "菜园反诈群", "3301", "local", "room-1", "心防一号", "推送", 186, "在用"]]


@pytest.fixture
async def console(database: Database) -> AsyncIterator[Console]:
    async with open_console(database) as opened:
        yield opened


@pytest.fixture
async def browser(console: Console) -> Browser:
    return await console.signed_in(Role.PUBLISHER, name="李静")


def workbook(units: Any = UNITS, groups: Any = GROUPS) -> bytes:
    return write_xlsx([("单位", UNIT_COLUMNS, units), ("群", GROUP_COLUMNS, groups)])


async def upload(browser: Browser, data: bytes, **fields: str) -> Any:
    return await browser.upload("/registry/preview", "file", data, "单位与群.xlsx", **fields)


async def count(console: Console, table: Any) -> int:
    async with console.database.read() as session:
        return (await session.scalar(sa.select(sa.func.count()).select_from(table))) or 0


# ── files in and out ──


async def test_a_file_is_previewed_and_written_only_when_confirmed(console: Console, browser: Browser) -> None:
    assert (await browser.get("/registry")).shows("还没有单位")
    preview = await upload(browser, workbook())
    assert preview.status == 200
    assert preview.shows("还没有写入任何内容", "嵊泗县", "菜园反诈群", "186 人", "将建立新账号：心防一号", "确认导入")
    assert await count(console, Unit) == 0
    done = await browser.post("/registry/import")
    assert done.location == "/registry?done=import"
    assert (await count(console, Unit), await count(console, Group), await count(console, LocalRoom)) == (2, 1, 1)
    async with console.database.read() as session:
        entry = (await session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "registry.import"))).one()
    assert entry.actor == "李静"
    assert entry.origin == "127.0.0.1"


async def test_every_fault_is_listed_with_row_and_column_and_nothing_is_written(
    console: Console, browser: Browser
) -> None:
    units = [*UNITS, ["3302", "", "乡镇", "33", "", ""], ["3303", "洋山镇", "镇子", "33", "", ""]]
    units.append(["3304", "枸杞乡", "乡镇", "99", "", ""])
    answer = await upload(browser, workbook(units))
    assert answer.status == 422
    assert answer.shows("未导入任何内容", "请修改这些地方")
    rows = [row for row in answer.text.split("<tr>") if 'data-label="行"' in row]
    assert any(">4<" in row and "名称" in row for row in rows)
    assert any(">5<" in row and "类型" in row for row in rows)
    assert any(">6<" in row and "上级编码" in row for row in rows)
    assert (await browser.post("/registry/import")).shows("预览已过期，请重新上传文件")
    assert await count(console, Unit) == 0


async def test_changes_and_retirements_are_shown_before_they_happen(console: Console, browser: Browser) -> None:
    await upload(browser, workbook())
    await browser.post("/registry/import")
    same = await upload(browser, workbook())
    assert same.shows("没有变化")
    units = [["33", "嵊泗县", "县", "", "", "王海波"], ["3302", "洋山镇", "乡镇", "33", "", ""]]
    changed = await upload(browser, workbook(units, []), retire_missing="yes")
    assert changed.shows("停用 1", "菜园镇", "菜园反诈群", "新增 1", "洋山镇")
    await browser.post("/registry/import")
    async with console.database.read() as session:
        town = (await session.scalars(sa.select(Unit).where(Unit.code == "3301"))).one()
    assert town.state is UnitState.RETIRED


async def test_a_registry_that_changed_since_the_preview_is_left_alone(console: Console, browser: Browser) -> None:
    colleague = await console.signed_in(Role.ADMIN)
    await upload(colleague, workbook(UNITS[:1], []))
    await colleague.post("/registry/import")
    await upload(browser, workbook())
    await upload(colleague, workbook([["33", "嵊泗县（改名）", "县", "", "", ""]], []))
    await colleague.post("/registry/import")
    answer = await browser.post("/registry/import")
    assert answer.status == 409
    assert answer.shows("登记表在预览之后有变动")
    assert await count(console, Unit) == 1


async def test_a_file_that_no_longer_fits_says_where(console: Console, browser: Browser) -> None:
    await upload(browser, workbook())
    colleague = await console.signed_in(Role.ADMIN)
    await upload(colleague, workbook([["44", "别的县", "县", "", "", ""]], []))
    await colleague.post("/registry/import")
    answer = await browser.post("/registry/import")
    assert answer.status == 422
    assert answer.shows("请修改这些地方")
    assert await count(console, Unit) == 1


async def test_an_upload_belongs_to_one_session_and_not_for_long(console: Console, browser: Browser) -> None:
    await upload(browser, workbook())
    stranger = await console.signed_in(Role.ADMIN)
    assert (await stranger.post("/registry/import")).status == 409
    console.clock.advance(31 * 60)
    assert (await browser.post("/registry/import")).shows("预览已过期")
    assert await count(console, Unit) == 0


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 broken", b"\xd0\xcf\x11\xe0 old", b"\x00\x01\x02"])
async def test_what_is_no_table_is_refused_kindly(sqlite_database: Database, data: bytes) -> None:
    async with open_console(sqlite_database) as console:
        answer = await upload(await console.signed_in(Role.PUBLISHER), data)
        assert answer.status == 422
        assert 'class="notice bad"' in answer.text


async def test_no_file_at_all_is_said(console: Console, browser: Browser) -> None:
    assert (await browser.post("/registry/preview")).shows("请选择要导入的文件")


async def test_what_is_downloaded_goes_in_again(console: Console, browser: Browser) -> None:
    await upload(browser, workbook())
    await browser.post("/registry/import")
    for path, kind in (
        ("/registry/export.xlsx", "spreadsheetml"),
        ("/registry/units.csv", "text/csv"),
        ("/registry/groups.csv", "text/csv"),
    ):
        response = await browser.request("GET", path)
        assert kind in response.headers["Content-Type"]
        assert response.headers["Content-Disposition"].startswith("attachment; filename*=UTF-8''")
        assert (await upload(browser, await response.read())).shows("没有变化"), path
    template = await browser.request("GET", "/registry/template.xlsx")
    assert (await template.read()).startswith(b"PK")


async def test_the_gaps_are_listed(console: Console, browser: Browser) -> None:
    county = await make_county(console.database)
    async with console.database.write() as session:
        await make_unit(session, parent=county.west, name="无群村")
    page = await browser.get("/registry")
    assert page.shows("需要补齐的地方", "整片没有群的单位", "无群村")


# ── the tree ──


@pytest.fixture
async def county(console: Console) -> County:
    return await make_county(console.database)


async def reached(console: Console, county: County) -> int:
    """A released alert that two of four groups have."""
    async with console.database.write() as session:
        alert = await make_alert(session, state=AlertState.FINISHED, released_at=NOW, expected_groups=4)
        for number, group in enumerate(county.groups):
            way, at = ("push", NOW) if number < 2 else (None, None)
            session.add(
                Reach(
                    alert_id=alert.id,
                    group_id=group.id,
                    unit_id=group.unit_id,
                    members=group.members,
                    expected=True,
                    way=way,
                    reached_at=at,
                )
            )
    async with console.database.write() as session:
        while await rollup.fold_step(session):
            pass
    return int(alert.id)


async def test_the_tree_shows_reach_and_who_is_missing(console: Console, county: County, browser: Browser) -> None:
    await reached(console, county)
    page = await browser.get("/units")
    assert page.shows("嵊泗县", "50.0%", "2 / 4 群", "500 / 730 人", "菜园镇", "洋山镇")
    missing = page.text.split('id="missing"')[1]
    assert "洋山群" in missing
    assert "联络员 沈刚" in missing
    assert "县反诈群" not in missing
    east = await browser.get(f"/units/{county.east.id}")
    assert east.shows("1 / 2 群", "基湖群", "未登记联络员")
    rows = await browser.get(f"/units/{county.east.id}/children")
    assert rows.shows("基湖村", "0.0%")
    assert "<html" not in rows.text


async def test_without_an_alert_the_tree_shows_sizes(console: Console, county: County, browser: Browser) -> None:
    page = await browser.get("/units")
    assert page.shows("菜园镇", "2 群 · 280 人", "洋山镇", "1 群 · 150 人")
    assert f"/units/{county.east.id}/children" in page.text
    assert f"/units/{county.west.id}/children" not in page.text  # nothing below: nothing to unfold


async def test_units_and_groups_are_found_by_name(console: Console, county: County, browser: Browser) -> None:
    page = await browser.get("/units", q="基湖")
    assert page.shows("找到“基湖”", "基湖村", "嵊泗县 › 菜园镇", "基湖群")
    assert (await browser.get("/units", q="没有的")).shows("没有找到")
    found = (await browser.json("/units/search", q="基湖")).json["found"]
    assert [(row["name"], row["hint"]) for row in found] == [("基湖村", "社区 · 嵊泗县 › 菜园镇")]
    groups = (await browser.json("/groups/search", q="菜园")).json["found"]
    assert [row["name"] for row in groups] == ["菜园群"]


async def test_a_unit_that_does_not_exist_is_not_found(console: Console, county: County, browser: Browser) -> None:
    assert (await browser.get("/units/4711")).status == 404
    assert (await browser.get("/units/nothing")).status == 404
