"""Lists of ids as one parameter, on both databases."""

from __future__ import annotations

from typing import Any, cast

import pytest
import sqlalchemy as sa

from db.ids import Among
from db.models import Account
from db.session import Database
from tests.factories import make_account

TABLE = cast("sa.Table", Account.__table__)
FOUND = sa.select(TABLE.c.id).where(Among(TABLE.c.id, "wanted")).order_by(TABLE.c.id)


async def _made(database: Database) -> list[int]:
    async with database.write() as session:
        return [(await make_account(session, name=f"号{number}")).id for number in range(4)]


async def test_those_of_the_list_are_found(database: Database) -> None:
    ids = await _made(database)
    for wanted in ([], ids[:1], ids[1:3], [*ids, 10**12]):
        async with database.read() as session:
            found = list(await session.scalars(FOUND, {"wanted": wanted}))
        assert found == [one for one in ids if one in wanted]


async def test_it_is_a_condition_like_any_other(database: Database) -> None:
    ids = await _made(database)
    others = sa.select(TABLE.c.id).where(~Among(TABLE.c.id, "wanted"), TABLE.c.name != "号3")
    async with database.write() as session:
        update = sa.update(TABLE).where(Among(TABLE.c.id, "wanted")).values(name=TABLE.c.name + "改")
        await session.execute(update, {"wanted": ids[:2]})
        assert set(await session.scalars(others, {"wanted": ids[:2]})) == {ids[2]}
        assert set(await session.scalars(sa.select(TABLE.c.name))) == {"号0改", "号1改", "号2", "号3"}


@pytest.mark.parametrize("statement", [FOUND, sa.update(TABLE).where(Among(TABLE.c.id, "wanted")).values(name="x")])
async def test_an_index_serves_it(sqlite_database: Database, statement: Any) -> None:
    dialect = sqlite_database.engine.dialect
    async with sqlite_database.read() as session:
        sql = str(statement.compile(dialect=dialect)).replace("?", "'[1]'")
        plan = [row.detail for row in await session.execute(sa.text(f"EXPLAIN QUERY PLAN {sql}"))]
    assert any("INTEGER PRIMARY KEY" in line for line in plan), plan
