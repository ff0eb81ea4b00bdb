"""Writing statements: `INSERT … ON CONFLICT`, which SQLAlchemy spells per dialect, and counts of rows written."""

from __future__ import annotations

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
