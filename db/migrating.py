"""The database's version: what it is, what the program needs, and the way from one to the other.

Alembic is imported only to upgrade: comparing versions must cost nothing at start-up.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from db.session import Database

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0013"
"""The newest revision in db/migrations/versions; a test compares the two."""

FOLDER = Path(__file__).parent / "migrations"


async def current_revision(database: Database) -> str | None:
    """The database's revision, or None when it has no tables of ours."""
    async with database.engine.connect() as connection:
        return await connection.run_sync(_read_revision)


def _read_revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to `revision`, in one transaction; from nothing, this creates every table."""
    from alembic import command

    await _run(database, lambda config: command.upgrade(config, revision))


async def downgrade(database: Database, revision: str) -> None:
    """Back to an earlier revision; "base" removes every table."""
    from alembic import command

    await _run(database, lambda config: command.downgrade(config, revision))


async def _run(database: Database, step: Any) -> None:
    def work(connection: sa.Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        step(config)

    async with database.engine.connect() as connection, _loose_keys(database, connection):
        # Whoever comes second waits for the lock of the file, and then finds nothing left to do.
        await connection.execution_options(sqlite_begin="IMMEDIATE")
        async with connection.begin():
            await connection.run_sync(work)
            if database.is_sqlite and (await connection.exec_driver_sql("PRAGMA foreign_key_check")).first():
                raise BrokenReferences("a revision leaves rows that refer to nothing")


class BrokenReferences(Exception):
    """A revision is wrong; nothing of it was kept."""


@asynccontextmanager
async def _loose_keys(database: Database, connection: AsyncConnection) -> AsyncIterator[None]:
    """SQLite rebuilds a table by dropping it for a moment, which its foreign keys forbid as soon as it has rows; they
    can only be switched off outside a transaction."""
    if not database.is_sqlite:
        yield
        return
    driver: Any = (await connection.get_raw_connection()).driver_connection
    await driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        await driver.execute("PRAGMA foreign_keys=ON")


def alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(FOLDER))
    config.set_main_option("path_separator", "os")
    return config


def backup_copy(database: Database, now: datetime) -> Path | None:
    """A copy of the SQLite file beside it, made before it is upgraded; None when there is no file yet."""
    import sqlite3
    from contextlib import closing

    source = Path(str(database.url.database))
    if not source.exists():
        return None
    target = source.with_name(f"{source.stem}-{now:%Y%m%dT%H%M%S}.before-upgrade.db")
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
    return target
