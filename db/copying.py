"""Copies of a whole database: file to file while others write, and row by row between the two kinds of database.

A file copy is SQLite's own online backup, held to one snapshot. A row copy reads one snapshot too (the caller's
transaction) and writes tables in the order of their foreign keys.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from db.models import Base

Progress = Callable[[int, int], None]
"""Called with what is done and what there is, in pages or rows. May be called from another thread."""

PAGES = 256  # per step of a file copy: 1 MiB
ROWS = 2000  # per step of a row copy
HEAVY_ROWS = 20  # of tables with pictures, some hundred KiB each


class DamagedCopy(Exception):
    """A copy, or a file taken for one, is not whole. The message says in Chinese what is wrong."""


def nothing(_done: int, _total: int) -> None:
    """A progress that nobody watches."""


# ── file to file ────────────────────────────────────────────────────────────


def copy_file(source: Path, target: Path, progress: Progress = nothing) -> dict[str, int]:
    """Copy an SQLite database that may be in use into the new file `target`; returns the rows of each table.

    Other connections may read and write meanwhile: the copy is the state at one instant. `target` is complete on the
    disk, in one file, when this returns.
    """
    # Opened for writing although nothing is written: only so can the last one to close remove the log beside it.
    with closing(_open(source, mode="rw")) as old:
        old.execute("BEGIN")
        # The first read fixes the snapshot; inside a read transaction the backup neither restarts nor moves on.
        rows = _count(old)
        with closing(_open(target, mode="rwc")) as new:
            new.execute("PRAGMA journal_mode=OFF")  # there is nothing to go back to
            old.backup(new, pages=PAGES, progress=lambda _status, left, total: progress(total - left, total))
    settle_file(target)
    return rows


def settle_file(path: Path) -> None:
    """Make `path` one whole file: no write-ahead log beside it, everything on the disk.

    Raises `sqlite3.OperationalError` ("locked") when another connection has it open.
    """
    with closing(_open(path, mode="rw", timeout=1.0)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_file(path: Path, rows: dict[str, int]) -> None:
    """Raises `DamagedCopy` unless the file is sound and has exactly `rows` in its tables."""
    with closing(_open(path)) as connection:
        faults = [row[0] for row in connection.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
        faults += [f"{row[0]} → {row[2]}" for row in connection.execute("PRAGMA foreign_key_check").fetchmany(5)]
        if faults:
            raise DamagedCopy(f"文件内容损坏：{'；'.join(faults)}")
        found = _count(connection)
    different = {name for name in rows.keys() | found.keys() if rows.get(name) != found.get(name)}
    if different:
        raise DamagedCopy(f"行数与原库不一致：{'、'.join(sorted(different))}")


def read_copy(path: Path) -> tuple[str, dict[str, int]]:
    """The revision of a copy and the rows of its tables. Raises `DamagedCopy` for what is no copy of ours."""
    try:
        with closing(_open(path)) as connection:
            rows = _count(connection)
            if "alembic_version" not in rows or "units" not in rows:
                raise DamagedCopy("文件里没有心防的数据表")
            revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise DamagedCopy(f"文件不是 SQLite 数据库或已损坏（{error}）") from error
    if revision is None:
        raise DamagedCopy("文件里没有版本记录")
    return str(revision[0]), rows


def _open(path: Path, *, mode: str = "ro", timeout: float = 15.0) -> sqlite3.Connection:
    """Unlike the plain way of opening, this never makes a file by mistake."""
    uri = f"{path.resolve().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=timeout, isolation_level=None)


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    # Names come from the file's own catalogue; quotes inside them are doubled as SQL wants it.
    quoted = {name: '"' + name.replace('"', '""') + '"' for name in names}
    counts = (f"SELECT count(*) FROM {quoted[name]}" for name in names)  # nosec B608 # quoted right above
    return {name: connection.execute(query).fetchone()[0] for name, query in zip(names, counts, strict=True)}


# ── row by row ──────────────────────────────────────────────────────────────


async def count_rows(connection: AsyncConnection) -> dict[str, int]:
    """Rows of each of our tables."""
    counts = {}
    for table in Base.metadata.sorted_tables:
        counts[table.name] = int(await connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)
    return counts


async def copy_rows(source: AsyncConnection, target: AsyncConnection, progress: Progress = nothing) -> None:
    """Copy every row of our tables into empty tables. Both must be inside a transaction, the source in one snapshot."""
    total, done = sum((await count_rows(source)).values()), 0
    progress(done, total)
    async with _self_references_deferred(target):
        for table in Base.metadata.sorted_tables:
            async for rows in pages(source, table):
                await target.execute(sa.insert(table), [dict(row._mapping) for row in rows])
                done += len(rows)
                progress(done, total)
    await _reset_sequences(target)


async def pages(connection: AsyncConnection, table: sa.Table) -> AsyncIterator[Sequence[sa.Row[Any]]]:
    """Every row of the table, some at a time, parents before children. Each step is a statement of its own that goes on
    behind the last row: SQLite gives all rows of a statement at once (`db.whole_statements`)."""
    heavy = any(isinstance(column.type, sa.LargeBinary) for column in table.columns)
    size, order = HEAVY_ROWS if heavy else ROWS, _order(table)
    query = sa.select(table).order_by(*order).limit(size)
    rows = (await connection.execute(query)).all()
    while rows:
        yield rows
        if len(rows) < size:
            return
        last = [sa.literal(rows[-1]._mapping[column], column.type) for column in order]
        rows = (await connection.execute(query.where(sa.tuple_(*order) > sa.tuple_(*last)))).all()


async def empty_tables(connection: AsyncConnection) -> None:
    """Remove every row of our tables, inside the caller's transaction."""
    tables = Base.metadata.sorted_tables
    if connection.dialect.name == "postgresql":
        names = ", ".join(f'"{table.name}"' for table in tables)
        await connection.execute(sa.text(f"TRUNCATE {names} RESTART IDENTITY"))
        return
    await connection.execute(sa.text("PRAGMA defer_foreign_keys=ON"))
    for table in reversed(tables):
        await connection.execute(sa.delete(table))


def _order(table: sa.Table) -> Sequence[sa.ColumnElement[Any]]:
    """Parents before children where the tree says so, else the order in which rows were made."""
    return [table.c.path] if "path" in table.c else list(table.primary_key.columns)


@asynccontextmanager
async def _self_references_deferred(connection: AsyncConnection) -> AsyncIterator[None]:
    """Check references inside one table (a unit's parent, an alert's predecessor) only when all rows are there."""
    if connection.dialect.name == "sqlite":
        await connection.execute(sa.text("PRAGMA defer_foreign_keys=ON"))
        yield
        return
    keys = [
        f'ALTER TABLE "{table.name}" ALTER CONSTRAINT "{key.constraint.name}"'
        for table in Base.metadata.sorted_tables
        for key in table.foreign_keys
        if key.column.table is table and key.constraint is not None
    ]
    for key in keys:
        await connection.execute(sa.text(f"{key} DEFERRABLE INITIALLY DEFERRED"))
    yield
    await connection.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    for key in keys:
        await connection.execute(sa.text(f"{key} NOT DEFERRABLE"))


async def _reset_sequences(connection: AsyncConnection) -> None:
    """Let PostgreSQL give the next id after the greatest one; SQLite does so by itself."""
    if connection.dialect.name != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        sequence = sa.func.pg_get_serial_sequence(f'"{table.name}"', column.name)
        last = sa.select(sa.func.setval(sequence, sa.func.max(column))).having(sa.func.count() > 0)
        await connection.execute(last)
