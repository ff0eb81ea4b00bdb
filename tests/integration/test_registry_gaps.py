"""Holes in the tree of groups."""

from __future__ import annotations

from bot.identity import SYSTEM
from bot.registry import apply_import, plan_import
from bot.registry_gaps import find_gaps
from bot.sample_county import build_tables
from db.session import Database
from db.states import GroupMode, GroupState, UnitState
from tests.factories import NOW, make_account, make_group, make_unit


async def test_units_are_named_once_where_the_hole_begins(database: Database) -> None:
    async with database.write() as session:
        county = await make_unit(session, code="33")
        covered = await make_unit(session, parent=county, code="a")
        empty = await make_unit(session, parent=county, code="b")
        await make_unit(session, parent=empty, code="b1")
        village = await make_unit(session, parent=covered, code="a1")
        grid = await make_unit(session, parent=village, code="a11")
        lost_only = await make_unit(session, parent=covered, code="a2")
        await make_unit(session, parent=county, code="z", state=UnitState.RETIRED)
        await make_group(session, unit=grid, mode=GroupMode.RELAY)
        await make_group(session, unit=lost_only, state=GroupState.LOST, mode=GroupMode.RELAY)
    async with database.read() as session:
        gaps = await find_gaps(session)
        below = await find_gaps(session, scope=covered.path)
    assert [(unit.code, unit.units) for unit in gaps.uncovered] == [("a2", 1), ("b", 2)]
    assert [unit.code for unit in gaps.without_own] == ["a1"]  # "33" and "a" need none of their own
    assert gaps.counts()["uncovered"] == 3
    assert [unit.code for unit in below.uncovered] == ["a2"]
    assert len(below.lost) == 1


async def test_groups_that_need_care(database: Database) -> None:
    async with database.write() as session:
        account = await make_account(session)
        unit = await make_unit(session)
        await make_group(session, unit=unit, code="served", account=account, members=474)
        await make_group(session, unit=unit, code="unserved")
        await make_group(session, unit=unit, code="relay", mode=GroupMode.RELAY, members=475)
        await make_group(session, unit=unit, code="lost", state=GroupState.LOST, members=500)
        await make_group(session, unit=unit, code="gone", state=GroupState.RETIRED, members=500)
    async with database.read() as session:
        gaps = await find_gaps(session)
    assert [group.code for group in gaps.unserved] == ["unserved"]
    assert [group.code for group in gaps.lost] == ["lost"]
    assert [group.code for group in gaps.nearly_full] == ["relay"]


async def test_sample_county_has_its_deliberate_gaps(sqlite_database: Database) -> None:
    async with sqlite_database.write() as session:
        await apply_import(session, await plan_import(session, build_tables()), SYSTEM, NOW)
        gaps = await find_gaps(session)
    assert {unit.name for unit in gaps.uncovered} == {"县纪委监委", "团县委", "沈家湾码头管理所"}
    assert {unit.name for unit in gaps.without_own} == {"滩浒村委会", "壁下村委会"}
    assert {group.members for group in gaps.nearly_full} == {486, 492}
