"""From nothing to the newest tables and back, on both databases; and what the program does with a database that is old."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from bot.database import create_or_upgrade, open_ready
from bot.errors import DatabaseBehind, UserError
from bot.settings import Settings, load_settings
from db import migrating
from db.models import Base, Unit
from db.session import Database
from db.states import UnitKind
from tests.every_table import fill
from tests.factories import NOW, make_account, make_group, make_unit

NEXT = '''"""One more table, as a later version of the program would bring it."""

import sqlalchemy as sa
from alembic import op

revision = "9001"
down_revision = "{head}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table("later", sa.Column("id", sa.Integer(), primary_key=True))


def downgrade() -> None:
    op.drop_table("later")
'''


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'new' / 'xinfang.db'}"
        return
    postgres = request.getfixturevalue("postgres")
    url = await postgres.create_empty()
    yield url
    await postgres.drop(url)


@pytest.fixture
async def empty(empty_url: str) -> AsyncIterator[Database]:
    database = Database(empty_url)
    if database.is_sqlite:
        Path(str(database.url.database)).parent.mkdir()
    yield database
    await database.close()


@pytest.fixture
def later_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """From here on the program is one revision newer; returns the revision before."""
    before = migrating.HEAD
    folder = tmp_path / "migrations"
    shutil.copytree(migrating.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "9001_later.py").write_text(NEXT.format(head=before), encoding="utf-8")
    monkeypatch.setattr(migrating, "FOLDER", folder)
    monkeypatch.setattr(migrating, "HEAD", "9001")
    return before


def settings_for(url: str) -> Settings:
    return load_settings(database_url=url)


async def names(database: Database) -> set[str]:
    """Every table, index and sequence of the database, whoever made it."""
    query = "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"
    if not database.is_sqlite:
        query = "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE n.nspname = 'public'"
    async with database.read() as session:
        return set(await session.scalars(sa.text(query)))


async def differences(database: Database) -> list[Any]:
    def compare(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    async with database.engine.connect() as connection:
        return await connection.run_sync(compare)


async def test_up_agrees_with_the_models_and_down_leaves_nothing(empty: Database) -> None:
    assert await migrating.current_revision(empty) is None
    await migrating.upgrade(empty)
    assert await migrating.current_revision(empty) == migrating.HEAD
    assert await differences(empty) == []
    assert set(Base.metadata.tables) <= await names(empty)
    await migrating.downgrade(empty, "base")
    assert {name for name in await names(empty) if not name.startswith("alembic_version")} == set()
    assert await migrating.current_revision(empty) is None


async def test_the_models_indexes_foreign_keys_and_conditions_are_made(empty: Database) -> None:
    """What `compare_metadata` does not look at: partial indexes, collations, the action of a foreign key."""
    await migrating.upgrade(empty)
    made = sa.MetaData()
    async with empty.engine.connect() as connection:
        await connection.run_sync(made.reflect)
        partial = await connection.run_sync(_partial_indexes)
    indexes = [index for table in Base.metadata.tables.values() for index in table.indexes]
    assert partial == {index.name for index in indexes if index.dialect_options["sqlite"]["where"] is not None}
    for name, table in Base.metadata.tables.items():
        wanted = {(key.parent.name, key.target_fullname, key.ondelete) for key in table.foreign_keys}
        found = {(key.parent.name, key.target_fullname, key.ondelete) for key in made.tables[name].foreign_keys}
        assert found == wanted, name


def _partial_indexes(connection: sa.Connection) -> set[str]:
    option = f"{connection.dialect.name}_where"
    inspector = sa.inspect(connection)
    return {
        str(index["name"])
        for table in Base.metadata.tables
        for index in inspector.get_indexes(table)
        if index.get("dialect_options", {}).get(option) is not None
    }


async def test_foreign_keys_hold_and_paths_sort_by_bytes(empty: Database) -> None:
    await migrating.upgrade(empty)
    async with empty.write() as session:
        county = await make_unit(session, code="33")
        for code in ("a", "B", "_", "1-2", "1"):
            await make_unit(session, parent=county, code=code)
        await make_group(session, unit=county, account=await make_account(session))
    async with empty.read() as session:
        codes = list(await session.scalars(sa.select(Unit.code).where(Unit.level > 1).order_by(Unit.path)))
    assert codes == ["1-2", "1", "B", "_", "a"]
    orphan = {"code": "x", "name": "x", "kind": UnitKind.TOWN, "level": 2, "path": "x/", "parent_id": 999}
    with pytest.raises(sa.exc.IntegrityError):
        async with empty.write() as session:
            await session.execute(sa.insert(Unit).values(**orphan))


async def test_down_and_up_again_with_rows_in_every_table(empty: Database) -> None:
    """Revision by revision, to the first and back: what the older tables hold is there all the way."""
    await migrating.upgrade(empty)
    async with empty.write() as session:
        await fill(session)
    steps = sorted(path.name[:4] for path in (migrating.FOLDER / "versions").glob("[0-9]*.py"))
    kept: dict[str, int] = {}
    for step in reversed(steps[:-1]):
        await migrating.downgrade(empty, step)
        found = await _counts(empty)
        assert found == {name: number for name, number in kept.items() if name in found} or not kept, step
        kept = found
    for step in steps[1:]:
        await migrating.upgrade(empty, step)
        found = await _counts(empty)
        assert {name: found[name] for name in kept} == kept, step
    assert kept["units"] == 4
    assert await differences(empty) == []


NOT_KEPT = ("alembic_version", "rollup", "web_sessions")
"""The roll-up is reckoned anew (0007), half-made sessions end (0008)."""


async def _counts(database: Database) -> dict[str, int]:
    """Rows of every table."""
    async with database.engine.connect() as connection:
        tables = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
        query = "SELECT count(*) FROM {}"
        return {
            name: int(await connection.scalar(sa.text(query.format(name))) or 0)
            for name in tables
            if name not in NOT_KEPT
        }


SIDE_BY_SIDE = "0009"
"""From this revision on a revision may only add (docs/scaling.md): the program before it goes on working on its tables
while machines are upgraded one by one."""


async def test_the_program_before_works_on_the_tables_of_the_next(empty: Database) -> None:
    steps = sorted(path.name[:4] for path in (migrating.FOLDER / "versions").glob("[0-9]*.py"))
    steps = steps[steps.index(SIDE_BY_SIDE) :]
    await migrating.upgrade(empty, steps[0])
    before = await _columns(empty)
    for step in steps[1:]:
        await migrating.upgrade(empty, step)
        after = await _columns(empty)
        for table, columns in before.items():
            assert columns.keys() <= after[table].keys(), f"{step} takes columns of {table} away"
            for name, column in columns.items():
                assert str(after[table][name]["type"]) == str(column["type"]), (step, table, name)
                assert after[table][name]["nullable"] or not column["nullable"], (step, table, name)
            for name in after[table].keys() - columns.keys():
                added = after[table][name]
                assert added["nullable"] or added["default"] is not None, f"{step}: {table}.{name} needs a default"
        before = after


async def _columns(database: Database) -> dict[str, dict[str, Any]]:
    def look(connection: sa.Connection) -> dict[str, dict[str, Any]]:
        inspector = sa.inspect(connection)
        return {
            table: {column["name"]: column for column in inspector.get_columns(table)}
            for table in inspector.get_table_names()
        }

    async with database.engine.connect() as connection:
        return await connection.run_sync(look)


def test_head_is_alembics_head() -> None:
    assert ScriptDirectory.from_config(migrating.alembic_config()).get_current_head() == migrating.HEAD


async def test_a_new_sqlite_file_and_its_folder_are_made_a_new_postgresql_database_is_refused(empty_url: str) -> None:
    settings = settings_for(empty_url)
    if empty_url.startswith("postgresql"):
        with pytest.raises(DatabaseBehind, match=r"python bot\.py init"):
            await open_ready(settings, now=NOW)
        return
    database = await open_ready(settings, now=NOW)
    assert await migrating.current_revision(database) == migrating.HEAD
    await database.close()
    assert [path.name for path in Path(str(database.url.database)).parent.iterdir()] == ["xinfang.db"]


async def test_an_old_database(empty: Database, empty_url: str, later_program: str) -> None:
    """SQLite upgrades itself after a copy; PostgreSQL is refused until somebody runs the command."""
    await migrating.upgrade(empty, later_program)
    async with empty.write() as session:
        await make_unit(session, code="33")
    await empty.close()
    if empty.is_sqlite:
        ready = await open_ready(settings_for(empty_url), now=NOW)
        folder = Path(str(empty.url.database)).parent
        (copy,) = folder.glob("*.before-upgrade.db")
        with closing(sqlite3.connect(copy)) as old:
            assert old.execute("SELECT version_num FROM alembic_version").fetchone() == (later_program,)
            assert old.execute("SELECT code FROM units").fetchall() == [("33",)]
    else:
        with pytest.raises(DatabaseBehind, match=rf"{later_program}.*9001.*python bot\.py init"):
            await open_ready(settings_for(empty_url), now=NOW)
        upgrade = await create_or_upgrade(empty, now=NOW)
        assert upgrade is not None
        assert (upgrade.before, upgrade.after, upgrade.copy) == (later_program, "9001", None)
        ready = await open_ready(settings_for(empty_url), now=NOW)
    assert "later" in await names(ready)
    async with ready.read() as session:
        assert list(await session.scalars(sa.select(Unit.code))) == ["33"]
    assert await create_or_upgrade(ready, now=NOW) is None
    await ready.close()


async def test_a_newer_database_is_refused(empty: Database, empty_url: str) -> None:
    await migrating.upgrade(empty)
    async with empty.write() as session:
        await session.execute(sa.text("UPDATE alembic_version SET version_num = '9002'"))
    await empty.close()
    with pytest.raises(UserError, match=rf"9002.*{migrating.HEAD}.*请升级本程序"):
        await open_ready(settings_for(empty_url), now=NOW)
    with pytest.raises(UserError, match="9002"):
        await create_or_upgrade(empty, now=NOW)


async def test_tables_without_a_version_are_refused(database: Database, database_url: str) -> None:
    """Somebody made them by other means: nobody knows what they are."""
    await database.engine.dispose()
    async with database.write() as session:
        await session.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
    with pytest.raises(UserError, match="没有版本记录"):
        await open_ready(settings_for(database_url), now=NOW)


async def test_what_is_no_database_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "xinfang.db"
    file.write_text("not a database at all " * 100)
    with pytest.raises(UserError, match=r"已损坏或不是数据库.*restore"):
        await open_ready(settings_for(f"sqlite:///{file}"), now=NOW)
    with pytest.raises(UserError, match=r"u:\*\*\*@127\.0\.0\.1:1/x：连接不上"):
        await open_ready(settings_for("postgresql://u:secret@127.0.0.1:1/x"), now=NOW)
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(UserError, match="无法建立数据目录"):
        await open_ready(settings_for(f"sqlite:///{blocked / 'xinfang.db'}"), now=NOW)


async def test_two_programs_starting_at_once_make_one_database(tmp_path: Path) -> None:
    folder = Path(migrating.__file__).parents[1]
    script = "from handlers.cli.init import init; init(as_json=True)"
    settings = os.environ | {"XINFANG_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(folder)}
    programs = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", script), cwd=tmp_path, env=settings, stdout=PIPE, stderr=PIPE
        )
        for _ in range(3)
    ]
    said = [await program.communicate() for program in programs]
    assert [program.returncode for program in programs] == [0, 0, 0], said
    assert sum(json.loads(answer)["password"] is not None for answer, _ in said) == 1
