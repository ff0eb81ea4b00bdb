"""Backups are one instant of everything, whole or not there; restores are all or nothing. On both databases."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import stat
import sys
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.backup import default_path, make_backup
from bot.database import open_ready
from bot.errors import UserError
from bot.identity import Actor
from bot.restoring import BackupFacts, Restored, inspect_backup, restore_backup
from bot.settings import Settings
from db import migrating
from db.models import Account, Alert, AuditEntry, Delivery, Picture, Reply, Tick, Unit, WebSession
from db.session import Database
from db.states import AccountState, AlertState, DeliveryState, Role
from tests.every_table import AT, Rows, fill, read_all
from tests.factories import make_unit
from tests.fakes import FakeChannel
from tests.world import Post, alert_state, build_world, content, quick_settings, release, states

NOW = AT + timedelta(days=2)
ACTOR = Actor(name="命令行 root", role=Role.ADMIN, origin="命令行")
CHANGED = {"accounts", "replies", "web_sessions", "audit", "alerts", "deliveries"}
"""Tables in which a restore ends the moment of the backup; compared apart."""


@pytest.fixture
async def office(database: Database, database_url: str, tmp_path: Path) -> Settings:
    """Settings of an office on either database, which is at the program's version."""
    return quick_settings(database_url=database_url, data_dir=tmp_path / "data")


@pytest.fixture
async def other(request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path) -> AsyncIterator[Settings]:
    """A second, empty office on the database that the test's parameter names."""
    if request.param == "sqlite":
        yield quick_settings(data_dir=tmp_path / "other")
        return
    postgres = request.getfixturevalue("postgres")
    url = await postgres.create_empty()
    yield quick_settings(database_url=url, data_dir=tmp_path / "other")
    await postgres.drop(url)


async def backed_up(settings: Settings, name: str = "b.db") -> Path:
    return (await make_backup(settings, settings.data_dir / name, now=NOW)).path


async def restored(settings: Settings, file: Path) -> Restored:
    return await restore_backup(settings, inspect_backup(file), ACTOR, now=NOW)


async def rows_of(settings: Settings) -> Rows:
    database = await open_ready(settings, now=NOW)
    try:
        return await read_all(database)
    finally:
        await database.close()


async def rows_in(file: Path) -> Rows:
    copy = file.with_name("to-read.db")  # opening it would put a log beside it
    shutil.copy(file, copy)
    database = Database(f"sqlite:///{copy}")
    try:
        return await read_all(database)
    finally:
        await database.close()


# ── backup ──────────────────────────────────────────────────────────────────


async def test_a_backup_is_one_file_with_every_row(database: Database, office: Settings) -> None:
    async with database.write() as session:
        await fill(session)
    seen: list[tuple[int, int]] = []
    made = await make_backup(
        office, office.data_dir / "deep" / "b.db", now=NOW, progress=lambda done, total: seen.append((done, total))
    )
    assert [path.name for path in made.path.parent.iterdir()] == ["b.db"]
    assert await rows_in(made.path) == await read_all(database)
    assert made.rows["units"] == made.rows["pictures"] == 4
    assert seen[-1][0] == seen[-1][1] > 0
    assert made.size == made.path.stat().st_size
    if os.name == "posix":
        assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    facts = inspect_backup(made.path)
    assert (facts.revision, facts.rows) == (migrating.HEAD, made.rows)


async def test_a_backup_is_one_instant_although_a_writer_keeps_writing(database: Database, office: Settings) -> None:
    """Each transaction of the writer adds a row to two tables; a copy table by table of moving data would differ."""
    async with database.write() as session:
        # Enough pages and rows that the copy takes many steps.
        session.add_all(
            Picture(sha256=str(n), media_type="image/png", width=1, height=1, data=os.urandom(100_000))
            for n in range(40)
        )
    written = 0

    async def keep_writing() -> None:
        nonlocal written
        while True:
            async with database.write() as session:
                await session.execute(sa.insert(AuditEntry).values(at=NOW, actor="w", action="w", detail={}))
                await session.execute(sa.insert(Tick).values(name="w", at=NOW + timedelta(seconds=written)))
            written += 1
            await asyncio.sleep(0)

    writer = asyncio.create_task(keep_writing())
    while written < 5:
        await asyncio.sleep(0.01)
    before, slowly = written, asyncio.Event()

    def watch(done: int, total: int) -> None:
        slowly.set()
        if office.database.startswith("sqlite"):
            time.sleep(0.005)  # of the copying thread, so that the writer gets between its steps

    path = (await make_backup(office, office.data_dir / "b.db", now=NOW, progress=watch)).path
    after = written
    writer.cancel()
    await asyncio.gather(writer, return_exceptions=True)
    assert slowly.is_set()
    assert after > before, "the writer was kept waiting"
    rows = await rows_in(path)
    assert len(rows["audit"]) == len(rows["ticks"])
    assert before <= len(rows["audit"]) <= after
    assert len(rows["pictures"]) == 40


async def test_what_is_there_is_not_overwritten_unless_wanted(database: Database, office: Settings) -> None:
    path = await backed_up(office)
    first = path.read_bytes()
    async with database.write() as session:
        await make_unit(session, code="33")
    with pytest.raises(UserError, match="已存在"):
        await backed_up(office)
    assert path.read_bytes() == first
    await make_backup(office, path, overwrite=True, now=NOW)
    assert len((await rows_in(path))["units"]) == 1


async def test_a_backup_never_replaces_the_database_itself(tmp_path: Path) -> None:
    settings = quick_settings(data_dir=tmp_path)
    with pytest.raises(UserError, match="还没有数据库"):
        await backed_up(settings)
    await (await open_ready(settings, now=NOW)).close()
    with pytest.raises(UserError, match="就是正在使用的数据库"):
        await make_backup(settings, tmp_path / "xinfang.db", overwrite=True, now=NOW)
    with pytest.raises(UserError, match=r"备份到 .* 失败"):
        await make_backup(settings, tmp_path / "xinfang.db" / "b.db", now=NOW)
    assert default_path(settings, AT).name == "xinfang-20261121T093000.db"


async def test_a_damaged_database_gives_no_backup(tmp_path: Path) -> None:
    settings = quick_settings(data_dir=tmp_path)
    database = await open_ready(settings, now=NOW)
    async with database.write() as session:
        await fill(session, rows=40)
    await database.close()
    spoil(tmp_path / "xinfang.db")
    with pytest.raises(UserError, match=r"没有通过核对|失败"):
        await backed_up(settings)
    assert [path.name for path in tmp_path.iterdir()] == ["xinfang.db"]


def spoil(path: Path) -> None:
    """Overwrite the middle of the file, as a bad disk does."""
    data = bytearray(path.read_bytes())
    for page in range(5, len(data) // 4096 - 1):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)


SLOW = """
import asyncio, sys, time
from datetime import datetime, timezone
from pathlib import Path
from bot.backup import make_backup
from bot.settings import load_settings

def slow(done, total):
    print(done, flush=True)
    time.sleep(0.3)

asyncio.run(make_backup(load_settings(), Path(sys.argv[1]), now=datetime.now(timezone.utc), progress=slow))
"""


async def test_a_killed_backup_leaves_nothing_under_the_final_name(tmp_path: Path) -> None:
    settings = quick_settings(data_dir=tmp_path)
    database = await open_ready(settings, now=NOW)
    async with database.write() as session:
        session.add(Picture(sha256="x", media_type="image/png", width=1, height=1, data=os.urandom(5_000_000)))
    await database.close()
    folder = tmp_path / "backups"
    target = folder / "b.db"
    environment = os.environ | {"XINFANG_DATA_DIR": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SLOW, str(target), env=environment, stdout=PIPE
    )
    assert killed.stdout is not None
    await killed.stdout.readline()  # the first megabyte is written
    killed.send_signal(signal.SIGKILL)
    await killed.wait()
    (part,) = folder.iterdir()
    assert part.name.endswith(".part")
    assert (await make_backup(settings, target, now=NOW)).rows["pictures"] == 1
    assert part.exists(), "it may be somebody's who is still writing"
    os.utime(part, (0, 0))
    await make_backup(settings, target, overwrite=True, now=NOW)
    assert list(folder.iterdir()) == [target]


# ── restore ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("other", ["sqlite", "postgresql"], indirect=True)
async def test_every_row_comes_back_on_either_database(database: Database, office: Settings, other: Settings) -> None:
    async with database.write() as session:
        await fill(session)
        await session.execute(sa.update(Alert).values(state=AlertState.FINISHED))
        await session.execute(sa.update(Reply).values(state=DeliveryState.SENT))
        await session.execute(sa.update(Account).values(state=AccountState.PAUSED, lease_owner="", lease_until=None))
    before = await read_all(database)
    outcome = await restored(other, await backed_up(office))
    assert (outcome.kept, outcome.paused, outcome.cancelled, outcome.scheduled) == (None, [], [], [])
    after = await rows_of(other)
    for ended in ("web_sessions", "processes"):
        assert after.pop(ended) == []
        before.pop(ended)
    assert len(after["audit"]) == len(before["audit"]) + 1
    assert after["audit"][-1][4:6] == ("backup.restore", "b.db")
    after["audit"].pop()
    assert after == before


@pytest.mark.parametrize("other", ["sqlite", "postgresql"], indirect=True)
async def test_a_restored_database_is_one_to_work_on(database: Database, office: Settings, other: Settings) -> None:
    async with database.write() as session:
        await fill(session)
    await restored(other, await backed_up(office))
    opened = await open_ready(other, now=NOW)
    async with opened.write() as session:
        town = (await session.scalars(sa.select(Unit).where(Unit.code == "33-b"))).one()
        unit = await make_unit(session, parent=town, code="new")
        assert unit.id == 5
        orphan = {"code": "x", "name": "x", "kind": unit.kind, "level": 3, "path": "x/", "parent_id": 999}
    with pytest.raises(sa.exc.IntegrityError):
        async with opened.write() as session:
            await session.execute(sa.insert(Unit).values(**orphan))  # at once, not only at the end
            await session.execute(sa.update(Unit).where(Unit.code == "x").values(parent_id=None))
    await opened.close()


async def test_the_present_is_kept_and_can_be_restored_again(database: Database, office: Settings) -> None:
    async with database.write() as session:
        await make_unit(session, code="old")
    file = await backed_up(office)
    async with database.write() as session:
        await make_unit(session, code="new")
    await database.close()
    first = await restored(office, file)
    assert first.kept is not None
    assert first.kept.name == "xinfang-20261123T093000.before-restore.db"
    assert [row[1] for row in (await rows_of(office))["units"]] == ["old"]
    await restored(office, first.kept)
    assert [row[1] for row in (await rows_of(office))["units"]] == ["old", "new"]
    assert not list(office.data_dir.glob("*.restoring*"))


async def test_nothing_is_restored_while_the_program_runs(database: Database, office: Settings) -> None:
    file = await backed_up(office)
    owner = {"lease_owner": "pc:4711:abcd", "lease_until": datetime(9999, 1, 1, tzinfo=UTC)}
    async with database.write() as session:
        world = await build_world(session)
        await session.execute(sa.update(Account).values(**owner))
    before = await read_all(database)
    with pytest.raises(UserError, match="程序正在运行（pc:4711）"):
        await restored(office, file)
    assert await read_all(database) == before
    async with database.write() as session:
        await session.execute(sa.update(Account).values(lease_until=datetime(2020, 1, 1, tzinfo=UTC)))
    await database.engine.dispose()
    await restore_backup(office, inspect_backup(file), ACTOR, now=NOW)
    assert world.groups
    assert (await rows_of(office))["groups"] == []


async def test_nothing_is_restored_while_somebody_has_the_file_open(tmp_path: Path) -> None:
    settings = quick_settings(data_dir=tmp_path)
    open_ = await open_ready(settings, now=NOW)
    file = await backed_up(settings)
    async with open_.write() as session:
        await make_unit(session, code="33")
    with pytest.raises(UserError, match="程序正在运行"):
        await restored(settings, file)
    async with open_.write() as session:  # and it can go on working
        await make_unit(session, code="34")
    await open_.close()
    assert len((await rows_of(settings))["units"]) == 2
    assert not list(tmp_path.glob("*.restoring*"))


async def test_an_older_backup_is_upgraded(
    database: Database, office: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with database.write() as session:
        await fill(session)
    file = await backed_up(office)
    folder, head = tmp_path / "migrations", migrating.HEAD
    shutil.copytree(migrating.FOLDER, folder, ignore=shutil.ignore_patterns("__pycache__"))
    later = f"""import sqlalchemy as sa
from alembic import op
revision, down_revision, branch_labels, depends_on = "9001", "{head}", None, None
def upgrade():
    op.execute("UPDATE units SET name = 'upgraded'")
def downgrade():
    pass
"""
    (folder / "versions" / "9001_later.py").write_text(later)
    monkeypatch.setattr(migrating, "FOLDER", folder)
    monkeypatch.setattr(migrating, "HEAD", "9001")
    await database.engine.dispose()
    await restored(office, file)
    assert {row[2] for row in (await rows_of(office))["units"]} == {"upgraded"}
    assert inspect_backup(file).revision == head, "the backup itself stays as it is"


async def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    settings = quick_settings(data_dir=tmp_path / "data")
    await (await open_ready(settings, now=NOW)).close()
    good = await backed_up(settings)
    before = (tmp_path / "data" / "xinfang.db").read_bytes()
    text, empty, foreign, newer = (tmp_path / name for name in ("text.db", "empty.db", "foreign.db", "newer.db"))
    text.write_text("a letter to the office " * 1000)
    empty.touch()
    with closing(sqlite3.connect(foreign)) as connection:
        connection.execute("CREATE TABLE units (x)")
    shutil.copy(good, newer)
    with closing(sqlite3.connect(newer)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for file, words in (
        (text, "不是心防的备份"),
        (empty, "没有心防的数据表"),
        (foreign, "没有心防的数据表"),
        (newer, "9999.*请升级本程序"),
        (tmp_path / "nowhere.db", "找不到备份文件"),
        (tmp_path, "找不到备份文件"),
    ):
        with pytest.raises(UserError, match=words):
            await restored(settings, file)
    with pytest.raises(UserError, match="就是正在使用的数据库"):
        await restored(settings, tmp_path / "data" / "xinfang.db")
    assert (tmp_path / "data" / "xinfang.db").read_bytes() == before


async def test_a_damaged_backup_is_refused_before_anything_is_touched(database: Database, office: Settings) -> None:
    async with database.write() as session:
        await fill(session, rows=40)
    before = await read_all(database)
    file = await backed_up(office)
    spoil(file)
    await database.engine.dispose()
    with pytest.raises(UserError, match=r"已损坏|不是心防的备份|未改动现有数据"):
        await restored(office, file)
    assert await read_all(database) == before


async def test_a_damaged_database_is_replaced_and_kept_as_it_lies(tmp_path: Path) -> None:
    settings = quick_settings(data_dir=tmp_path)
    database = await open_ready(settings, now=NOW)
    async with database.write() as session:
        await fill(session)
    file = await backed_up(settings)
    await database.close()
    (tmp_path / "xinfang.db").write_bytes(b"\x00 what a bad disk left " * 500)
    outcome = await restored(settings, file)
    assert outcome.kept is not None
    assert outcome.kept.read_bytes() == b"\x00 what a bad disk left " * 500
    assert len((await rows_of(settings))["units"]) == 4


@pytest.mark.parametrize("other", ["postgresql"], indirect=True)
async def test_what_postgresql_refuses_leaves_it_untouched(tmp_path: Path, other: Settings) -> None:
    """SQLite holds longer texts than its tables say."""
    source = quick_settings(data_dir=tmp_path / "source")
    small = await open_ready(source, now=NOW)
    async with small.write() as session:
        await make_unit(session, code="x" * 41)
    await small.close()
    await migrate(other)
    present = await open_ready(other, now=NOW)
    async with present.write() as session:
        await fill(session)
    before = await read_all(present)
    with pytest.raises(UserError, match="数据库不接受备份的内容，未改动现有数据"):
        await restored(other, await backed_up(source))
    assert await read_all(present) == before
    await present.close()


async def migrate(settings: Settings) -> None:
    database = Database(settings.database)
    await migrating.upgrade(database)
    await database.close()


async def test_nothing_goes_out_by_itself_after_a_restore(database: Database, office: Settings) -> None:
    """What was waiting at the moment of the backup has been sent since: sending it again would be twice."""
    clock = Clock()
    async with database.write() as session:
        world = await build_world(session)
        session.add(
            WebSession(token_hash="t", user_id=world.reviewer.user_id, csrf="c", created_at=NOW, expires_at=NOW)
        )
        session.add(Reply(channel="local", account_id=1, room_id="r", message_id="m", text="t", created_at=NOW))
    running = await release(database, world, office, NOW)
    due = await release(database, world, office, NOW - timedelta(hours=1), content(scheduled_at=NOW))
    coming = await release(
        database, world, office, NOW - timedelta(hours=1), content(scheduled_at=NOW + timedelta(hours=2))
    )
    file = await backed_up(office)
    await database.engine.dispose()
    outcome = await restored(office, file)
    assert (outcome.paused, outcome.cancelled, outcome.scheduled) == ([running.number], [due.number], [coming.number])
    channel = FakeChannel(clock, ("心防1号",))
    reopened = Database(office.database)
    async with Post(reopened, office, channel, clock):
        await asyncio.sleep(1.0)
    assert channel.arrived == []
    async with reopened.read() as session:
        assert (await session.scalars(sa.select(Reply.state))).one() is DeliveryState.SKIPPED
        assert (await session.scalars(sa.select(WebSession.token_hash))).all() == []
        assert set(await session.scalars(sa.select(Delivery.state))) == {DeliveryState.WAITING}
    assert await alert_state(reopened, running.id) is AlertState.PAUSED
    assert await alert_state(reopened, due.id) is AlertState.CANCELLED
    assert len(await states(reopened, running.id)) == 5
    await reopened.close()


class Clock:
    """The system's pace at the test's date."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def now(self) -> Any:
        return NOW + timedelta(seconds=time.monotonic() - self._start)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def test_facts_are_read_without_a_trace(tmp_path: Path, sqlite_template: Path) -> None:
    file = tmp_path / "b.db"
    shutil.copy(sqlite_template, file)
    facts = inspect_backup(file)
    assert isinstance(facts, BackupFacts)
    assert (facts.revision, facts.rows["units"]) == (migrating.HEAD, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["b.db"]
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DROP TABLE alembic_version")
    with pytest.raises(UserError, match="没有心防的数据表"):
        inspect_backup(file)
