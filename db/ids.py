"""A list of ids as one parameter: a statement stays the same however many there are, and so do its plan and its place in
the drivers' caches, where `IN (?, ?, …)` has one for each number."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class _Ids(sa.TypeDecorator[Iterable[int]]):
    """An array on PostgreSQL, JSON on SQLite."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name == "postgresql":
            return dialect.type_descriptor(postgresql.ARRAY(sa.BigInteger()))
        return dialect.type_descriptor(sa.Text())

    def process_bind_param(self, value: Iterable[int] | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        return list(value) if dialect.name == "postgresql" else json.dumps(list(value))


class Among(FunctionElement[bool]):
    """Whether the column is one of the ids that the parameter `name` is given."""

    type = sa.Boolean()
    inherit_cache = True

    def __init__(self, column: sa.ColumnElement[int], name: str) -> None:
        super().__init__(column, sa.bindparam(name, type_=_Ids()))

    def self_group(self, against: Any = None) -> Any:
        """As it is: SQLAlchemy would ask SQLite whether the condition "= 1", and then no index serves it."""
        return self


@compiles(Among, "postgresql")
def _postgresql(element: Among, compiler: Any, **options: Any) -> str:
    column, ids = element.clauses
    return str(compiler.process(column == sa.func.any(ids), **options))


@compiles(Among, "sqlite")
def _sqlite(element: Among, compiler: Any, **options: Any) -> str:
    column, ids = element.clauses
    return str(
        compiler.process(column.in_(sa.select(sa.func.json_each(ids).table_valued("value").c.value)), **options)
    )
