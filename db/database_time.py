"""The database's own present, as a part of a statement: whoever's clock is wrong, leases run by this one alone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

from db.types import UtcDateTime


class DatabaseTime(FunctionElement[Any]):
    """The present instant plus `seconds`, a number or a bound parameter. Not the start of the transaction: it goes on
    while a statement waits for a lock."""

    type = UtcDateTime()
    inherit_cache = True

    def __init__(self, seconds: Any = 0.0) -> None:
        super().__init__(seconds if isinstance(seconds, sa.ColumnElement) else sa.literal(float(seconds), sa.Float()))


@compiles(DatabaseTime, "postgresql")
def _postgresql(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    seconds = compiler.process(element.clauses, **options)
    return f"(clock_timestamp() + make_interval(secs => CAST({seconds} AS DOUBLE PRECISION)))"


@compiles(DatabaseTime, "sqlite")
def _sqlite(element: DatabaseTime, compiler: Any, **options: Any) -> str:
    """In the form in which SQLAlchemy keeps times there, so that texts compare as times do."""
    seconds = compiler.process(element.clauses, **options)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', ({seconds}) || ' seconds') || '000')"
