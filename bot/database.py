"""Opening the database: the program works only on one that it understands.

The embedded SQLite file is created and upgraded by whoever opens it first, after a copy. A PostgreSQL server may be
shared with other machines that still run the older program, so there a person upgrades: `python bot.py init`.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from bot.errors import DatabaseBehind, UserError
from bot.settings import Settings
from db import migrating
from db.models import Base
from db.session import Database, async_url

log = logging.getLogger(__name__)

INIT = "python bot.py init"


@dataclass(frozen=True)
class Upgrade:
    """What `create_or_upgrade` did. `before` is None when there was nothing; `copy` is the file as it was before."""

    before: str | None
    after: str
    copy: Path | None = None


async def open_ready(settings: Settings, *, now: datetime) -> Database:
    """The database of the settings at the program's version, to be closed by the caller.

    SQLite is created or upgraded on the way. Raises `DatabaseBehind` for a PostgreSQL database that is empty or
    older, and `UserError` for one that is newer, foreign, or cannot be reached.
    """
    database = open_any(settings)
    try:
        if database.is_sqlite:
            await create_or_upgrade(database, now=now)
        else:
            _require_head(await read_revision(database), database)
    except BaseException:
        await database.close()
        raise
    return database


def open_any(settings: Settings) -> Database:
    """The database of the settings as it is; the folder of an SQLite file is created."""
    database = Database(settings.database)
    path = sqlite_path(database)
    if path is not None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(f"无法建立数据目录 {path.parent}：{error.strerror}；请检查权限") from error
    return database


def sqlite_path(database: Database) -> Path | None:
    """The file of an SQLite database, None for PostgreSQL."""
    return Path(str(database.url.database)) if database.is_sqlite else None


def database_file(settings: Settings) -> Path | None:
    """The file that the settings name, None for PostgreSQL."""
    url = async_url(settings.database)
    return Path(str(url.database)) if url.get_backend_name() == "sqlite" else None


def shown_url(database: Database) -> str:
    """Where the database is, for people: a path, or the URL without its password."""
    return str(sqlite_path(database) or database.url.set(drivername="postgresql").render_as_string())


async def read_revision(database: Database) -> str | None:
    """The database's revision, None when it is empty. Raises `UserError` when it cannot be read or is not ours."""
    try:
        revision = await migrating.current_revision(database)
        if revision is None and await _has_our_tables(database):
            raise UserError(
                f"数据库 {shown_url(database)} 里有数据表，却没有版本记录，不能使用；请换一个空的数据库，或从备份恢复"
            )
    except Exception as error:
        if not _unusable(error):
            raise
        raise UserError(f"无法使用数据库 {shown_url(database)}：{_cause(error)}") from error
    return revision


async def create_or_upgrade(database: Database, *, now: datetime) -> Upgrade | None:
    """Bring the database to the program's version; None when it is there already.

    An SQLite file is copied first. Raises `UserError` when the database is newer than the program.
    """
    before = await read_revision(database)
    if before == migrating.HEAD:
        return None
    _refuse_newer(before)
    copy = await asyncio.to_thread(migrating.backup_copy, database, now) if database.is_sqlite and before else None
    await migrating.upgrade(database)
    if before is not None:
        # Not only for information: whoever runs the program should know that the file was changed, and where the copy is.
        log.warning("database upgraded", extra={"from": before, "to": migrating.HEAD, "copy": str(copy)})
    return Upgrade(before, migrating.HEAD, copy)


def _require_head(revision: str | None, database: Database) -> None:
    if revision == migrating.HEAD:
        return
    _refuse_newer(revision)
    if revision is None:
        raise DatabaseBehind(f"数据库 {shown_url(database)} 还是空的，请先运行 {INIT} 建立数据表")
    raise DatabaseBehind(
        f"数据库版本 {revision} 比程序需要的 {migrating.HEAD} 旧，请先停止各处旧程序，再运行 {INIT} 升级"
    )


def understood(revision: str) -> bool:
    """Can the program work on, or upgrade, a database of this revision? They are numbers of four digits."""
    return revision.isdigit() and revision <= migrating.HEAD


def _refuse_newer(revision: str | None) -> None:
    if revision is not None and not understood(revision):
        raise UserError(
            f"数据库版本 {revision} 比本程序认识的 {migrating.HEAD} 新，是更新的程序建立的；请升级本程序后再运行"
        )


async def _has_our_tables(database: Database) -> bool:
    async with database.engine.connect() as connection:
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    return bool(set(names) & set(Base.metadata.tables))


def is_away(error: Exception) -> bool:
    """Could the database not be reached, or did it break off or refuse for the moment? Then trying again helps."""
    if isinstance(error, sa.exc.DBAPIError):
        # Shut down, starting, out of connections, or torn in the middle: https://www.postgresql.org/docs/current/errcodes-appendix.html
        state = str(getattr(error.orig, "sqlstate", None) or "")
        passing = isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) or error.connection_invalidated
        return passing or state[:2] in ("08", "25", "53", "57")
    return isinstance(error, sa.exc.TimeoutError | OSError) or _from_asyncpg(error)


def _unusable(error: Exception) -> bool:
    """Did the database say so, or the way to it?"""
    return isinstance(error, sa.exc.DBAPIError | OSError) or _from_asyncpg(error)


def _from_asyncpg(error: Exception) -> bool:
    """Its own errors come through unwrapped while connecting."""
    return type(error).__module__.startswith("asyncpg")


def what_happened(error: Exception) -> str:
    """The database's own words, in a line."""
    text = str(error.orig) if isinstance(error, sa.exc.DBAPIError) else str(error)
    return text.splitlines()[0][:200] if text else type(error).__name__


def has_no_room(error: Exception) -> bool:
    """Is the disk full? (SQLite's words; PostgreSQL's class 53, https://www.postgresql.org/docs/current/errcodes-appendix.html)"""
    return "disk is full" in what_happened(error) or getattr(getattr(error, "orig", None), "sqlstate", "") == "53100"


def _cause(error: Exception) -> str:
    text = what_happened(error)
    if "file is not a database" in text or "malformed" in text:
        return "文件已损坏或不是数据库；请从备份恢复（python bot.py restore 备份文件）"
    if isinstance(error, OSError):
        return f"连接不上（{text}）；请检查 database_url 和数据库服务"
    return f"{text}；请检查 database_url 和权限"
