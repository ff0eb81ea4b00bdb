"""Whatever the tree: out and in again changes nothing, and a spoilt cell is named while nothing is changed."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.errors import ImportRefused
from bot.identity import SYSTEM
from bot.registry import apply_import, plan_import
from bot.registry_export import export_groups_csv, export_registry, export_units_csv
from bot.sheets import SheetRow, Table, read_tables
from db.models import Base
from db.registry import load_registry
from db.session import Database
from db.units import ancestor_paths
from tests.factories import NOW
from tests.registry_files import registries

# The database is emptied before each example, so the function-scoped fixture is no trap here.
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def start_with(database: Database, tables: list[Table]) -> None:
    """An empty registry, then the file."""
    async with database.write() as session:
        for name in ("audit", "groups", "accounts", "units"):
            await session.execute(sa.delete(Base.metadata.tables[name]))
    async with database.write() as session:
        await apply_import(session, await plan_import(session, tables), SYSTEM, NOW)


@quick
@given(tables=registries())
async def test_export_then_import_changes_nothing(database: Database, tables: list[Table]) -> None:
    await start_with(database, tables)
    async with database.read() as session:
        assert (await plan_import(session, tables, retire_missing=True)).is_empty
        book = read_tables(await export_registry(session))
        sheets = read_tables(await export_units_csv(session)) + read_tables(await export_groups_csv(session))
        for exported in (book, sheets):
            assert (await plan_import(session, exported, retire_missing=True)).is_empty


@quick
@given(tables=registries())
async def test_paths_are_the_chain_of_parents(database: Database, tables: list[Table]) -> None:
    await start_with(database, tables)
    async with database.read() as session:
        units = (await load_registry(session)).units
    by_id = {unit.id: unit for unit in units}
    for unit in units:
        above = by_id[unit.parent_id].path if unit.parent_id is not None else ""
        assert unit.path == f"{above}{unit.code}/"
        assert len(ancestor_paths(unit.path)) <= 7


SPOILT = {
    "编码": ["", "村一", "a/b", "x" * 41],
    "名称": ["", "名" * 81, "a\nb"],
    "类型": ["", "大队"],
    "上级编码": ["nowhere", "a b"],
    "联络员": ["人" * 41],
    "群名": ["", "群" * 81],
    "单位编码": ["", "nowhere", "a b"],
    "通道": ["qq"],
    "方式": ["群发"],
    "人数": ["2001", "-1", "1e2", "many"],
    "状态": ["很好"],
}


@quick
@given(tables=registries(), data=st.data())
async def test_a_spoilt_cell_is_named_and_nothing_is_changed(
    database: Database, tables: list[Table], data: st.DataObject
) -> None:
    await start_with(database, tables)
    table = data.draw(st.sampled_from([table for table in tables if table.rows]))
    index = data.draw(st.integers(0, len(table.rows) - 1))
    column = data.draw(st.sampled_from([name for name in table.columns if name in SPOILT]))
    row = table.rows[index]
    table.rows[index] = SheetRow(row.number, row.cells | {column: data.draw(st.sampled_from(SPOILT[column]))})
    async with database.read() as session:
        before = (await load_registry(session)).digest()
        with pytest.raises(ImportRefused) as refused:
            await plan_import(session, tables)
        assert (table.sheet, row.number, column) in {(f.sheet, f.row, f.column) for f in refused.value.faults}
        assert (await load_registry(session)).digest() == before
