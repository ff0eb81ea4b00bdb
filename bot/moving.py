"""Moving an office to another database, as a county's file to a province's PostgreSQL server: everything or nothing.

Unlike a restore it continues the present: what was running goes on when the program is started on the new database.
The old one is only read and stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from bot.audit import audit
from bot.database import create_or_upgrade, open_any, read_revision, shown_url, sqlite_path
from bot.errors import UserError
from bot.identity import Actor
from bot.restoring import refuse_while_running
from bot.settings import Settings
from db import migrating
from db.checksums import Checksum, table_checksum
from db.copying import copy_rows, count_rows
from db.models import Base
from db.session import Database, async_url

Stage = Callable[[str, int, int], None]
"""Progress: what is being done (Chinese), how much of it is done, how much there is."""


@dataclass(frozen=True)
class Moved:
    """Rows and checksum of each table, the same in both databases."""

    source: str  # for people: a path or an URL without its password
    target: str
    tables: dict[str, Checksum]

    @property
    def rows(self) -> int:
        return sum(each.rows for each in self.tables.values())


async def move_database(
    settings: Settings, to: str, actor: Actor, *, now: datetime, progress: Stage = lambda *_: None
) -> Moved:
    """Copy the settings' database into the empty one at the URL `to`, and compare every table.

    Raises `UserError`, and leaves the target without rows, when the program runs, when the source is not of the
    program's version, when the target cannot be used or is not empty, or when a table differs afterwards.
    """
    source = open_any(settings)
    try:
        target = _open_target(source, to)
        try:
            await refuse_while_running(source, now)
            await _require_current(source)
            await _require_empty(target, now)
            return await _copy(source, target, actor, now, progress)
        finally:
            await target.close()
    finally:
        await source.close()


def _open_target(source: Database, to: str) -> Database:
    try:
        kind = async_url(to).get_backend_name()
    except sa.exc.ArgumentError:
        kind = ""
    if kind not in ("sqlite", "postgresql"):
        raise UserError("看不懂目标地址；应写成 postgresql://用户:口令@主机/库名 或 sqlite:////绝对路径/文件.db")
    target = Database(to)
    if target.url == source.url:
        raise UserError("目标就是现在使用的数据库")
    path = sqlite_path(target)
    if path is not None and not path.parent.is_dir():
        raise UserError(f"目标文件夹 {path.parent} 不存在")
    return target


async def _require_current(source: Database) -> None:
    path = sqlite_path(source)
    if path is not None and not path.exists():
        raise UserError(f"现有数据库 {path} 不存在，没有可以迁移的数据")
    revision = await read_revision(source)
    if revision != migrating.HEAD:
        raise UserError(
            f"现有数据库的版本是 {revision or '空'}，程序的版本是 {migrating.HEAD}；请先运行 python bot.py init"
        )


async def _require_empty(target: Database, now: datetime) -> None:
    """Make the tables. A database of an older program is not touched, whatever is in it; `_copy` looks for rows."""
    revision = await read_revision(target)
    if revision not in (None, migrating.HEAD):
        raise UserError(f"目标数据库 {shown_url(target)} 已被版本 {revision} 使用，请换一个空的数据库")
    await create_or_upgrade(target, now=now)


async def _copy(source: Database, target: Database, actor: Actor, now: datetime, progress: Stage) -> Moved:
    """One snapshot of the source into one transaction of the target, which is only committed when both are equal."""
    async with source.engine.connect() as old, target.engine.connect() as new:
        if not source.is_sqlite:
            await old.execution_options(isolation_level="REPEATABLE READ")
        if target.is_sqlite:
            await new.execution_options(sqlite_begin="IMMEDIATE")
        async with old.begin(), new.begin():
            if filled := [name for name, rows in (await count_rows(new)).items() if rows]:
                raise UserError(
                    f"目标数据库 {shown_url(target)} 里已经有数据（{'、'.join(filled[:5])}），请换一个空的数据库"
                )
            await copy_rows(old, new, lambda done, total: progress("复制", done, total))
            moved = Moved(shown_url(source), shown_url(target), await _compare(old, new, progress))
            async with AsyncSession(new, join_transaction_mode="rollback_only") as session:
                detail = {"from": moved.source, "rows": moved.rows}
                await audit(session, actor, now, "database.move", moved.target, detail)
                await session.flush()
            return moved


async def _compare(old: AsyncConnection, new: AsyncConnection, progress: Stage) -> dict[str, Checksum]:
    total, done = 2 * sum((await count_rows(old)).values()), 0

    def step(rows: int) -> None:
        nonlocal done
        done += rows
        progress("核对", done, total)

    tables: dict[str, Checksum] = {}
    for table in Base.metadata.sorted_tables:
        here, there = await table_checksum(old, table, step), await table_checksum(new, table, step)
        if here != there:
            raise UserError(
                f"核对不一致，没有迁移：表 {table.name} 原有 {here.rows} 行（{here}），新库 {there.rows} 行（{there}）"
            )
        tables[table.name] = here
    return tables
