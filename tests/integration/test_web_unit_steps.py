"""The page on which a unit is moved, merged, retired and restored."""

from __future__ import annotations

import re

from db.models import Group, Unit
from db.states import GroupState, UnitState
from tests.console import Browser, Console, County, Page


async def confirm(browser: Browser, seen: Page, unit: Unit, name: str = "") -> Page:
    form = seen.text.split('id="preview"')[1].split("</form>")[0]
    fields = dict(re.findall(r'name="(step|basis|target)" value="([^"]+)"', form))
    return await browser.post(f"/units/{unit.id}/steps", confirm=name or unit.name, **fields)


async def test_a_move_is_previewed_confirmed_and_undone(console: Console, county: County, writer: Browser) -> None:
    path = f"/units/{county.village.id}/manage"
    assert (await writer.get(f"/units/{county.village.id}")).shows("管理", "人员")
    seen = await writer.get(path, step="move", target="洋山镇")
    assert seen.shows("移动“基湖村”会有这些变化", "菜园镇 → 洋山镇", "0 个下级单位、1 个群")
    refused = await confirm(writer, seen, county.village, "基湖")
    assert refused.status == 422
    assert refused.shows("请输入“基湖村”确认", "菜园镇 → 洋山镇")
    done = await confirm(writer, seen, county.village)
    assert done.status == 303
    assert (await console.row(Unit, county.village.id)).parent_id == county.west.id
    page = await writer.get(done.location)
    assert page.shows("已移动", "撤销", f"{county.east.code} → {county.west.code}")
    entry = done.location.split("entry=")[1]
    back = await writer.post(f"/units/{county.village.id}/undo/{entry}")
    assert (await writer.get(back.location)).shows("已撤销，恢复原状", "撤销单位变动")
    assert (await console.row(Unit, county.village.id)).parent_id == county.east.id
    again = await writer.post(f"/units/{county.village.id}/undo/{entry}")
    assert again.status == 409
    assert again.shows("没有可以撤销的")


async def test_what_has_changed_since_the_preview_is_not_done(
    console: Console, county: County, writer: Browser
) -> None:
    seen = await writer.get(f"/units/{county.village.id}/manage", step="retire")
    assert seen.shows("基湖村和 0 个下级单位、1 个群")
    await writer.post(f"/groups/{county.groups[3].id}/retire")
    late = await confirm(writer, seen, county.village)
    assert late.status == 409
    assert late.shows("有变动，没有做任何修改", "基湖村和 0 个下级单位、0 个群")
    assert (await console.row(Unit, county.village.id)).state is UnitState.ACTIVE


async def test_two_towns_become_one(console: Console, county: County, writer: Browser) -> None:
    seen = await writer.get(f"/units/{county.west.id}/manage", step="merge", target=county.east.code)
    assert seen.shows("并入", "菜园镇", "1 个群、0 个直接下级")
    done = await confirm(writer, seen, county.west)
    assert (await writer.get(done.location)).shows("已合并", "停用", "撤销")
    assert (await console.row(Group, county.groups[2].id)).unit_id == county.east.id
    assert (await writer.get(f"/units/{county.county.id}/manage")).shows("停用的下级单位", "洋山镇")


async def test_a_retired_unit_is_restored_from_its_parents_page(
    console: Console, county: County, writer: Browser
) -> None:
    await confirm(writer, await writer.get(f"/units/{county.east.id}/manage", step="retire"), county.east)
    assert (await console.row(Group, county.groups[3].id)).state is GroupState.RETIRED
    seen = await writer.get(f"/units/{county.east.id}/manage", step="restore")
    assert seen.shows("菜园镇和当时一起停用的 1 个下级单位、2 个群")
    await confirm(writer, seen, county.east)
    assert (await console.row(Group, county.groups[3].id)).state is GroupState.ACTIVE


async def test_a_group_is_retired_and_restored(console: Console, county: County, writer: Browser) -> None:
    group = county.groups[1]
    assert (await writer.post(f"/groups/{group.id}/retire")).status == 303
    assert (await writer.get(f"/units/{county.east.id}/manage")).shows("菜园群", "恢复")
    assert (await writer.post(f"/groups/{group.id}/restore")).status == 303
    assert (await console.row(Group, group.id)).state is GroupState.ACTIVE
    assert (await writer.post("/groups/987654/retire")).status == 404


async def test_faults_are_shown_where_they_were_made(console: Console, county: County, writer: Browser) -> None:
    path = f"/units/{county.village.id}/manage"
    for target, words in (("没有的", "没有名为“没有的”的单位"), ("菜园镇", "它现在的上级就是“菜园镇”")):
        page = await writer.get(path, step="move", target=target)
        assert page.status == 422
        assert words in page.text
    root = await writer.get(f"/units/{county.county.id}/manage", step="retire")
    assert root.shows("是最上级单位，不能停用")
    assert (await writer.get("/units/987654/manage")).status == 404
    assert (await writer.post(f"/units/{county.village.id}/steps", step="nothing")).status == 404
