"""Reading the tree: ranges, order, scope."""

from __future__ import annotations

import sqlalchemy as sa

from db import units
from db.models import Unit
from db.session import Database
from db.states import UnitKind, UnitState
from tests.factories import make_unit


async def test_subtree_is_the_unit_and_what_is_below_it_only(database: Database) -> None:
    """Codes that are prefixes of each other, or sort around "/", must not leak into a neighbour's subtree."""
    async with database.write() as session:
        county = await make_unit(session, code="33")
        towns = [await make_unit(session, parent=county, code=code) for code in ("1", "1-2", "10", "1a", "1_")]
        inside = await make_unit(session, parent=towns[0], code="x")
        await make_unit(session, parent=towns[1], code="y")
    async with database.read() as session:
        query = sa.select(Unit.code).where(units.in_subtree(towns[0].path)).order_by(Unit.path)
        assert list(await session.scalars(query)) == ["1", "x"]
        assert len(await units.list_units(session, scope="")) == 8
        assert [u.code for u in await units.list_ancestors(session, inside)] == ["33", "1", "x"]
    assert units.within(inside.path, towns[0].path)
    assert not units.within(towns[2].path, towns[0].path)


async def test_retired_units_are_left_out(database: Database) -> None:
    async with database.write() as session:
        county = await make_unit(session, tags="|渔业|重点|")
        await make_unit(session, parent=county, state=UnitState.RETIRED, tags="|旧|")
        await make_unit(session, parent=county, name="菜园_镇", kind=UnitKind.TOWN)
    async with database.read() as session:
        assert len(await units.list_units(session)) == 2
        assert len(await units.list_units(session, retired=True)) == 3
        assert await units.count_units(session) == 2
        assert [u.name for u in await units.list_children(session, county.id)] == ["菜园_镇"]
        assert [u.name for u in await units.list_units_named(session, "_")] == ["菜园_镇"]
        assert await units.list_tags(session) == ["渔业", "重点"]
        root = await units.find_root(session)
        assert root is not None
        assert root.id == county.id
