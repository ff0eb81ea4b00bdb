"""Exports and the template."""

from __future__ import annotations

import io

from openpyxl import load_workbook

from bot.identity import SYSTEM
from bot.registry import apply_import, plan_import
from bot.registry_export import export_registry, registry_template
from bot.registry_rows import GROUP_COLUMNS, UNIT_COLUMNS
from bot.sample_county import build_tables
from bot.sheets import read_tables
from db.session import Database
from db.states import GroupState, UnitState
from tests.factories import NOW, make_group, make_unit
from tests.registry_files import GROUP, county, group_table


async def test_sample_county_goes_out_and_in_unchanged(database: Database) -> None:
    async with database.write() as session:
        await apply_import(session, await plan_import(session, build_tables()), SYSTEM, NOW)
    async with database.read() as session:
        data = await export_registry(session)
        plan = await plan_import(session, read_tables(data), retire_missing=True)
    assert plan.is_empty
    assert plan.groups.unchanged == 213


async def test_retired_rows_stay_at_home_and_formulas_stay_texts(database: Database) -> None:
    async with database.write() as session:
        county = await make_unit(session, name="=1+1", code="33")
        await make_unit(session, parent=county, state=UnitState.RETIRED)
        await make_group(session, unit=county, code="G1", name="@群", members=30)
        await make_group(session, unit=county, state=GroupState.RETIRED)
    async with database.read() as session:
        book = load_workbook(io.BytesIO(await export_registry(session)))
    units, groups = (list(book[name].iter_rows(min_row=2)) for name in ("单位", "群"))
    assert [[cell.value for cell in row][:2] for row in units] == [["33", "'=1+1"]]
    assert units[0][1].data_type == "s"
    assert [cell.value for cell in groups[0]][:2] == ["G1", "'@群"]
    assert [cell.value for cell in groups[0]][7] == 30
    assert len(groups) == 1


async def test_template_explains_every_column_and_can_be_imported_as_it_is(database: Database) -> None:
    tables = {table.sheet: table for table in read_tables(registry_template())}
    explained = [(row.cells["表"], row.cells["列名"]) for row in tables["说明"].rows]
    wanted = [("单位", name) for name in UNIT_COLUMNS] + [("群", name) for name in GROUP_COLUMNS]
    assert explained[: len(wanted)] == wanted
    async with database.read() as session:
        plan = await plan_import(session, list(tables.values()))
    assert len(plan.units.added) == 7
    assert plan.notes == []


async def test_whether_a_group_may_be_warned_goes_out_and_in(database: Database) -> None:
    async with database.write() as session:
        await apply_import(session, await plan_import(session, county()), SYSTEM, NOW)
    heard = [*GROUP, "开"]
    async with database.write() as session:
        plan = await plan_import(session, [group_table(heard, columns=GROUP_COLUMNS)])
        assert [change.after.warns for change in plan.groups.changed] == [True]
        await apply_import(session, plan, SYSTEM, NOW)
    async with database.read() as session:
        assert (await plan_import(session, county())).is_empty  # a file without the column changes nothing
        book = load_workbook(io.BytesIO(await export_registry(session)))
    assert [row[-1].value for row in book["群"].iter_rows(min_row=2)] == ["开", "关"]
