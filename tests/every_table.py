"""Rows in every table, whatever tables there are: for what must hold for all of them, such as copies."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Base, Unit
from db.session import Database
from db.states import UnitKind
from db.types import UtcDateTime
from tests.factories import make_unit

AT = datetime(2026, 11, 21, 1, 30, 0, 123456, tzinfo=UTC)
Rows = dict[str, list[tuple[Any, ...]]]


async def fill(session: AsyncSession, *, rows: int = 4) -> None:
    """A small tree of units, and `rows` rows with made-up values in every other table.

    References inside a table point forward, so that a copy in the order of ids meets the child before its parent.
    """
    county = await make_unit(session, code="33", name="嵊泗县")
    town = await make_unit(session, parent=county, code="33-b", kind=UnitKind.TOWN)
    for code in ("33-a", "33_c"):
        await make_unit(session, parent=town, code=code, kind=UnitKind.VILLAGE)
    for table in Base.metadata.sorted_tables:
        if table is Unit.__table__:
            continue
        made = [{column.name: _value(column, index) for column in table.columns} for index in range(rows)]
        forward = [column.name for column in table.columns if _refers_to(column) is table]
        await session.execute(sa.insert(table), [row | dict.fromkeys(forward) for row in made])
        for name in forward:
            key = table.c.id
            later = sa.update(table).where(key < rows).values({name: key + 1})
            await session.execute(later)


def _refers_to(column: sa.Column[Any]) -> sa.Table | None:
    return next((key.column.table for key in column.foreign_keys), None)


def _value(column: sa.Column[Any], index: int) -> Any:
    target = next((key.column for key in column.foreign_keys), None)
    if target is not None:
        return _value(target, index) if target.table is not Unit.__table__ else None if column.nullable else 1
    if column.nullable and index == 0 and not column.primary_key:
        return None
    kind = column.type
    if isinstance(kind, sa.Enum):
        members = list(kind.enum_class or [])
        return members[index % len(members)]
    if column.primary_key and column.name == "id":
        return index + 1
    made: dict[type, Any] = {
        str: f"{column.name}·{index} 嵊泗🙂'\"\\"[: getattr(kind, "length", None) or 80],
        bool: index % 2 == 1,
        int: index * 7 + 1,
        float: index / 3,
        bytes: bytes(range(256)) * (index + 1),
        datetime: AT + timedelta(minutes=index, microseconds=index),
        date: date(2026, 11, 21) + timedelta(days=index),
        object: {"名": ["甲", index, None, 0.5, {"": True}]} if index else {},
    }
    return made[datetime if isinstance(kind, UtcDateTime) else kind.python_type]


async def read_all(database: Database) -> Rows:
    """Every row of every table as Python values, in the order of keys."""
    found: Rows = {}
    async with database.engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            result = await connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in result]
    return found
