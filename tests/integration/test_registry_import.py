"""Imports: preview, faults, all or nothing, retire and restore."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from bot.errors import Forbidden, ImportRefused, WrongState
from bot.identity import SYSTEM, Actor
from bot.registry import ImportResult, apply_import, plan_import
from bot.registry_plan import ImportPlan
from bot.sample_county import build_tables
from bot.sheets import Table, read_tables
from db.accounts import list_accounts
from db.audit import list_audit
from db.figures import get_figures
from db.groups import count_groups, find_group
from db.models import Reach
from db.registry import load_registry
from db.rollup import fold_step, verify_rollup
from db.session import Database
from db.states import AccountState, AlertState, GroupMode, GroupState, Role, UnitState
from db.units import count_units, find_root, find_unit
from tests.factories import NOW, make_alert, make_group
from tests.registry_files import COUNTY, GROUP, RELAY, SCHOOL, TOWN, county, group_table, unit_table


async def plan_of(database: Database, tables: Sequence[Table], *, retire_missing: bool = False) -> ImportPlan:
    async with database.read() as session:
        return await plan_import(session, tables, retire_missing=retire_missing)


async def imported(database: Database, tables: Sequence[Table], *, retire_missing: bool = False) -> ImportResult:
    plan = await plan_of(database, tables, retire_missing=retire_missing)
    async with database.write() as session:
        return await apply_import(session, plan, SYSTEM, NOW)


async def digest(database: Database) -> str:
    async with database.read() as session:
        return (await load_registry(session)).digest()


async def refusal(database: Database, tables: Sequence[Table], *, retire_missing: bool = False) -> dict[str, str]:
    """Place → advice of every fault; asserts that nothing was changed."""
    before = await digest(database)
    with pytest.raises(ImportRefused) as caught:
        await plan_of(database, tables, retire_missing=retire_missing)
    assert await digest(database) == before
    return {f"{fault.sheet}!{fault.row}!{fault.column}": fault.message for fault in caught.value.faults}


# ── the way that works ──────────────────────────────────────────────────────


async def test_sample_county_arrives_whole_and_again_changes_nothing(database: Database) -> None:
    result = await imported(database, build_tables())
    assert result.groups["added"] == 213
    async with database.read() as session:
        root = await find_root(session)
        assert root is not None
        assert root.name == "嵊泗县"
        assert await count_units(session) == result.units["added"]
        assert (await count_groups(session))[0] == 213
        village = await find_unit(session, "330922100001-1-1")
        assert village is not None
        assert village.path == "330922/330922100/330922100001/330922100001-1/330922100001-1-1/"
        assert village.level == 5
        accounts = await list_accounts(session)
        assert {account.state for account in accounts} == {AccountState.OFFLINE}
        assert len(accounts) == 3
        (entry,) = await list_audit(session)
        assert entry.action == "registry.import"
        assert entry.detail["groups"]["added"] == 213
    again = await plan_of(database, build_tables())
    assert again.is_empty
    assert again.groups.unchanged == 213


async def test_preview_shows_each_field_before_and_after(database: Database) -> None:
    await imported(database, county())
    moved = [*GROUP[:2], "S1", *GROUP[3:5], "心防二号", "转发", "201", "在用"]
    tables = [unit_table(COUNTY, [*TOWN[:4], "旅游", "李静"], SCHOOL), group_table(moved, RELAY)]
    plan = await plan_of(database, tables)
    assert plan.units.changed[0].fields == {"标签": ("渔业、重点", "旅游"), "联络员": ("", "李静")}
    assert plan.groups.changed[0].fields == {
        "单位编码": ("3301", "S1"),
        "账号": ("心防一号", "心防二号"),
        "方式": ("推送", "转发"),
        "人数": ("186", "201"),
    }
    assert plan.accounts == [("local", "心防二号")]
    await imported(database, tables)
    assert (await plan_of(database, tables)).is_empty
    async with database.read() as session:
        group = await find_group(session, "G1")
        assert group is not None
        assert (group.mode, group.members) == (GroupMode.RELAY, 201)


async def test_columns_and_cells_left_out_keep_what_is_known(database: Database) -> None:
    await imported(database, county())
    units = unit_table(TOWN[:4], columns=("编码", "名称", "类型", "上级编码"))
    groups = group_table(["G1", "菜园镇反诈群", "3301", ""], columns=("编码", "群名", "单位编码", "群号"))
    assert (await plan_of(database, [units, groups])).is_empty


async def test_official_divisions_file_is_taken_as_it_is(database: Database) -> None:
    data = "code,name,parent_code,kind\n3309,舟山市,,city\n330922,嵊泗县,3309,county\n330922100,菜园镇,330922,town\n"
    result = await imported(database, read_tables(data.encode()))
    assert result.units["added"] == 3


async def test_a_unit_that_moves_takes_everything_below_along(database: Database) -> None:
    await imported(database, county(["3302", "嵊山镇", "乡镇", "33", "", ""], ["N1", "一网格", "网格", "S1", "", ""]))
    await imported(database, [unit_table(["S1", "嵊泗中学", "学校", "3302", "", ""])])
    async with database.read() as session:
        grid = await find_unit(session, "N1")
        assert grid is not None
        assert grid.path == "33/3302/S1/N1/"


async def test_figures_follow_a_unit_that_moves(database: Database) -> None:
    await imported(database, county(["3302", "嵊山镇", "乡镇", "33", "", ""]))
    async with database.write() as session:
        school = await find_unit(session, "S1")
        assert school is not None
        group = await make_group(session, unit=school, code="moving", room_id="moving")
        alert = await make_alert(session, state=AlertState.RUNNING, released_at=NOW)
        session.add(Reach(alert_id=alert.id, group_id=group.id, unit_id=school.id, members=100))
    async with database.write() as session:
        await fold_step(session)
    await imported(database, [unit_table(["S1", "嵊泗中学", "学校", "3302", "", ""])])
    async with database.write() as session:
        await fold_step(session)
        assert await verify_rollup(session) == []
        town = await find_unit(session, "3302")
        assert town is not None
        assert (await get_figures(session, alert.id, town.id)).expected_groups == 1


async def test_a_level_above_the_root_is_added_by_giving_the_root_a_parent(database: Database) -> None:
    await imported(database, county())
    city = ["3309", "舟山市", "市", "", "", ""]
    assert "已有最上级单位“嵊泗县”" in (await refusal(database, [unit_table(city)]))["单位!2!上级编码"]
    await imported(database, [unit_table(city, [*COUNTY[:3], "3309", *COUNTY[4:]])])
    async with database.read() as session:
        school, root = await find_unit(session, "S1"), await find_root(session)
        assert school is not None
        assert root is not None
        assert (school.path, root.code) == ("3309/33/3301/S1/", "3309")


async def test_two_groups_may_swap_their_rooms(database: Database) -> None:
    other = [*RELAY[:4], "room-2", *RELAY[5:]]
    await imported(database, [unit_table(COUNTY, TOWN, SCHOOL), group_table(GROUP, other)])
    swapped = [[*GROUP[:4], "room-2", *GROUP[5:]], [*RELAY[:4], "room-1", *RELAY[5:]]]
    await imported(database, [group_table(*swapped)])
    async with database.read() as session:
        group = await find_group(session, "G1")
        assert group is not None
        assert group.room_id == "room-2"


# ── retire and restore ──────────────────────────────────────────────────────


async def test_what_a_file_leaves_out_is_retired_only_when_asked(database: Database) -> None:
    await imported(database, county())
    smaller = [unit_table(COUNTY, TOWN), group_table(GROUP)]
    assert (await plan_of(database, smaller)).is_empty
    result = await imported(database, smaller, retire_missing=True)
    assert (result.units["retired"], result.groups["retired"]) == (1, 1)
    assert (await plan_of(database, smaller, retire_missing=True)).is_empty
    async with database.read() as session:
        school, group = await find_unit(session, "S1"), await find_group(session, "G2")
        assert school is not None
        assert group is not None
        assert (school.state, group.state) == (UnitState.RETIRED, GroupState.RETIRED)


async def test_what_was_retired_and_reappears_is_restored(database: Database) -> None:
    await imported(database, county())
    await imported(database, [unit_table(COUNTY, TOWN), group_table(GROUP)], retire_missing=True)
    faults = await refusal(database, [group_table(RELAY)])
    assert "已停用" in faults["群!2!单位编码"]
    plan = await plan_of(database, county())
    assert plan.units.changed[0].fields == {"状态": ("停用", "在用")}
    assert plan.groups.changed[0].fields == {"状态": ("停用", "在用")}
    await imported(database, county())
    assert (await plan_of(database, county())).is_empty


async def test_a_unit_is_not_retired_while_something_in_use_hangs_on_it(database: Database) -> None:
    await imported(database, county())
    only_units = await refusal(database, [unit_table(COUNTY, TOWN)], retire_missing=True)
    assert "仍有 1 个群" in only_units["单位!1!编码"]
    childless = [unit_table(COUNTY, SCHOOL), group_table(RELAY)]
    assert "菜园镇" in (await refusal(database, childless, retire_missing=True))["单位!3!上级编码"]


async def test_a_group_is_retired_by_its_state(database: Database) -> None:
    await imported(database, county())
    result = await imported(database, [group_table([*RELAY[:8], "停用"])])
    assert result.groups["retired"] == 1


# ── faults ──────────────────────────────────────────────────────────────────

UNIT_FAULTS = [
    (["", "甲村", "村", "3301", "", ""], "编码", "不能为空"),
    (["33-甲", "甲村", "村", "3301", "", ""], "编码", "只用字母、数字"),
    (["3.30922E+11", "甲村", "村", "3301", "", ""], "编码", "科学计数"),
    (["x" * 41, "甲村", "村", "3301", "", ""], "编码", "最多 40"),
    (["S1", "甲村", "村", "3301", "", ""], "编码", "与第 4 行重复"),
    (["V1", "", "村", "3301", "", ""], "名称", "不能为空"),
    (["V1", "村" * 81, "村", "3301", "", ""], "名称", "最多 80"),
    (["V1", "甲\x07村", "村", "3301", "", ""], "名称", "不可见字符"),
    (["V1", "甲村", "屯", "3301", "", ""], "类型", "请填写：省、市、县"),
    (["V1", "甲村", "", "3301", "", ""], "类型", "不能为空"),
    (["V1", "甲村", "村", "9999", "", ""], "上级编码", "没有编码为 9999 的单位"),
    (["V1", "甲村", "村", "V1", "", ""], "上级编码", "不能是自己"),
    (["V1", "甲村", "村", "S1", "", ""], "上级编码", "不高于村"),
    (["V1", "甲村", "村", "", "", ""], "上级编码", "已有最上级单位“嵊泗县”"),
    (["V1", "甲村", "村", "3301", "标" * 201, ""], "标签", "最多 200"),
    (["V1", "甲村", "村", "3301", "", "人" * 41], "联络员", "最多 40"),
]
GROUP_FAULTS = [
    (["", "丙群", "3301", "", "", "", "", "", ""], "编码", "不能为空"),
    (["G1", "丙群", "3301", "", "", "", "", "", ""], "编码", "与第 2 行重复"),
    (["G3", "", "3301", "", "", "", "", "", ""], "群名", "不能为空"),
    (["G3", "丙群", "", "", "", "", "", "", ""], "单位编码", "不能为空"),
    (["G3", "丙群", "9999", "", "", "", "", "", ""], "单位编码", "没有编码为 9999"),
    (["G3", "丙群", "3301", "qq", "", "", "", "", ""], "通道", "local、wechaty、wecom"),
    (["G3", "丙群", "3301", "local", "room-1", "", "", "", ""], "群号", "已属于群“菜园镇反诈群”（G1）"),
    (["G3", "丙群", "3301", "", "", "", "群发", "", ""], "方式", "推送、转发"),
    (["G3", "丙群", "3301", "", "", "", "", "-1", ""], "人数", "0 到 2000 的整数"),
    (["G3", "丙群", "3301", "", "", "", "", "2001", ""], "人数", "0 到 2000 的整数"),
    (["G3", "丙群", "3301", "", "", "", "", "约百人", ""], "人数", "0 到 2000 的整数"),
    (["G3", "丙群", "3301", "", "", "", "", "1.5", ""], "人数", "0 到 2000 的整数"),
    (["G3", "丙群", "3301", "", "", "", "", "", "很好"], "状态", "在用、失联、停用"),
]


@pytest.mark.parametrize(("row", "column", "advice"), UNIT_FAULTS)
async def test_fault_of_a_unit_names_place_and_remedy(
    sqlite_database: Database, row: list[str], column: str, advice: str
) -> None:
    faults = await refusal(sqlite_database, county(row))
    assert list(faults) == [f"单位!5!{column}"]
    assert advice in faults[f"单位!5!{column}"]


@pytest.mark.parametrize(("row", "column", "advice"), GROUP_FAULTS)
async def test_fault_of_a_group_names_place_and_remedy(
    sqlite_database: Database, row: list[str], column: str, advice: str
) -> None:
    faults = await refusal(sqlite_database, county(groups=[row]))
    assert list(faults) == [f"群!4!{column}"]
    assert advice in faults[f"群!4!{column}"]


async def test_every_fault_is_told_at_once_without_its_consequences(sqlite_database: Database) -> None:
    """A unit with a bad name is still there for its children and groups: they are not called orphans."""
    tables = [unit_table(COUNTY, ["3301", "", "乡镇", "33", "", ""], [*SCHOOL[:2], "大学", *SCHOOL[3:]])]
    faults = await refusal(sqlite_database, [*tables, group_table(GROUP, RELAY)])
    assert list(faults) == ["单位!3!名称", "单位!4!类型"]


async def test_a_circle_is_called_one(sqlite_database: Database) -> None:
    await imported(sqlite_database, county())
    faults = await refusal(sqlite_database, [unit_table([*TOWN[:3], "S1", "", ""])])
    assert "一圈：3301 → S1 → 3301" in faults["单位!2!上级编码"]


async def test_a_kind_that_no_longer_stands_above_its_children_is_refused(sqlite_database: Database) -> None:
    await imported(sqlite_database, county())
    faults = await refusal(sqlite_database, [unit_table([*TOWN[:2], "村", *TOWN[3:]])])
    assert "嵊泗中学" in faults["单位!2!类型"]


@pytest.mark.parametrize(
    ("table", "place", "advice"),
    [
        (unit_table(columns=("编码", "名称", "类型")), "单位!1!上级编码", "缺少这一列"),
        (Table("Sheet1", ("甲", "乙")), "!1!", "没有找到单位表或群表"),
        (Table("单位", ("编码", "名称", "类型", "上级编码", "编码")), "单位!1!编码", "出现了两次"),
    ],
)
async def test_a_header_that_cannot_be_right_is_refused(
    sqlite_database: Database, table: Table, place: str, advice: str
) -> None:
    assert advice in (await refusal(sqlite_database, [table]))[place]


async def test_columns_of_ones_own_are_noted_not_refused(sqlite_database: Database) -> None:
    tables = [unit_table([*COUNTY, "备"], columns=("编码", "名称", "类型", "上级编码", "标签", "联络员", "备注"))]
    assert (await plan_of(sqlite_database, tables)).notes == ["“备注”列不属于单位表，未读取"]


# ── safety ──────────────────────────────────────────────────────────────────


async def test_a_plan_does_not_outlive_the_registry_it_was_made_from(database: Database) -> None:
    stale = await plan_of(database, county())
    await imported(database, [unit_table(COUNTY)])
    before = await digest(database)
    with pytest.raises(WrongState):
        async with database.write() as session:
            await apply_import(session, stale, SYSTEM, NOW)
    assert await digest(database) == before


async def test_a_failure_half_way_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The groups are written last; when that breaks, the units and accounts before it are gone too."""

    async def broken(*_: object) -> None:
        raise ConnectionError("the disk is full")

    before = await digest(database)
    monkeypatch.setattr("db.registry.add_groups", broken)
    with pytest.raises(ConnectionError):
        await imported(database, county())
    assert await digest(database) == before


async def test_importing_needs_the_permission(sqlite_database: Database) -> None:
    plan = await plan_of(sqlite_database, county())
    with pytest.raises(Forbidden):
        async with sqlite_database.write() as session:
            await apply_import(session, plan, Actor("李静", Role.LIAISON), NOW)
