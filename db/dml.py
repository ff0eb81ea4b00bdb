"""Writing statements: `INSERT … ON CONFLICT`, which SQLAlchemy spells per dialect, and counts of rows written."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession


def upsert(session: AsyncSession, table: Any) -> Any:
    """An insert for `table` with `.on_conflict_do_nothing()` and `.on_conflict_do_update()`."""
    module = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    return module.insert(table)


async def affected(session: AsyncSession, statement: sa.Executable, values: dict[str, Any] | None = None) -> int:
    """Execute an insert, update or delete and return how many rows it wrote; loaded objects are not refreshed."""
    result = await session.execute(statement, values, execution_options={"synchronize_session": False})
    return cast("sa.CursorResult[Any]", result).rowcount


async def insert_row(session: AsyncSession, row: Any) -> None:
    """Insert a new object that needs nothing of the session afterwards, without its unit of work, which takes several
    times longer than the statement. The object gets its id and stays unknown to the session."""
    values = {name: value for name, value in vars(row).items() if name != "_sa_instance_state"}
    result = await session.execute(_insert_into(row.__table__), values)
    (row.id,) = cast("sa.CursorResult[Any]", result).inserted_primary_key or (None,)


@cache
def _insert_into(table: sa.Table) -> sa.Insert:
    return sa.insert(table)
