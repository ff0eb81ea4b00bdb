"""Backups that are made by themselves: when, how many stay, and that one of them brings everything back."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot import backups
from bot.backups import BackupFile, last_due, list_backups, superfluous
from bot.events import Events
from bot.identity import Actor
from bot.restoring import inspect_backup, restore_backup
from bot.scheduler import Scheduler
from bot.settings import Settings
from db.models import AuditEntry, Tick, Unit
from db.session import Database
from db.states import Role
from tests.factories import make_unit
from tests.fakes import START, FakeClock
from tests.world import quick_settings

OFFICE = Settings()
DAY = timedelta(days=1)


def file_at(made: datetime, *, auto: bool = True) -> BackupFile:
    return BackupFile(Path(f"xinfang-{made:%Y%m%dT%H%M%S}.db"), made, 1, auto)


def test_the_day_of_a_backup_begins_when_the_setting_says() -> None:
    assert last_due(OFFICE, datetime(2026, 11, 21, 1, 0, tzinfo=UTC)) == datetime(2026, 11, 20, 18, 30, tzinfo=UTC)
    assert last_due(OFFICE, datetime(2026, 11, 20, 18, 29, tzinfo=UTC)) == datetime(2026, 11, 19, 18, 30, tzinfo=UTC)


def test_a_year_of_daily_backups_leaves_a_week_and_four_weeks() -> None:
    made = [file_at(START - DAY * number) for number in range(365)]
    kept = [each.made_at for each in made if each not in superfluous(made, OFFICE)]
    assert kept[:7] == [START - DAY * number for number in range(7)]
    assert len(kept) == 9  # the newest of four weeks, of which the present and the last one are among the seven
    assert START - kept[-1] > DAY * 14


@given(st.lists(st.integers(0, 400 * 24), max_size=60), st.integers(1, 10), st.integers(0, 6))
@hypothesis_settings(deadline=None, max_examples=80)
def test_the_newest_and_what_people_made_always_stay(hours: list[int], daily: int, weekly: int) -> None:
    office = Settings(backup_daily=daily, backup_weekly=weekly)
    made = [file_at(START - timedelta(hours=each)) for each in set(hours)]
    by_hand = [file_at(START - DAY * 900, auto=False)]
    gone = superfluous(made + by_hand, office)
    assert by_hand[0] not in gone
    assert len(made) - len(gone) <= daily + weekly
    if made:
        assert max(made, key=lambda each: each.made_at) not in gone


@pytest.fixture
async def office(database: Database, database_url: str, tmp_path: Path) -> Settings:
    return quick_settings(database_url=database_url, data_dir=tmp_path / "data")


async def test_once_a_day_and_what_was_missed_at_night_in_the_morning(database: Database, office: Settings) -> None:
    clock = FakeClock()
    schedulers = [Scheduler(office, database, clock, Events()) for _ in range(2)]
    for scheduler in schedulers:
        await scheduler.upkeep()
    assert len(list_backups(office)) == 1
    clock.advance(17 * 3600)  # 02:00
    await schedulers[0].upkeep()
    assert len(list_backups(office)) == 1
    clock.advance(8 * 3600)
    await schedulers[1].upkeep()
    made = list_backups(office)
    assert [each.auto for each in made] == [True, True]
    assert made[0].made_at == clock.now()
    async with database.read() as session:
        details = list(await session.scalars(sa.select(AuditEntry.detail).where(AuditEntry.action == "backup.make")))
    assert [each["file"] for each in details] == [each.path.name for each in reversed(made)]


async def test_what_was_made_by_itself_brings_everything_back(database: Database, office: Settings) -> None:
    async with database.write() as session:
        await make_unit(session, name="嵊泗县")
    await Scheduler(office, database, FakeClock(), Events()).upkeep()
    async with database.write() as session:
        await session.execute(sa.delete(Unit))
    await database.close()
    (made,) = list_backups(office)
    actor = Actor(name="命令行", role=Role.ADMIN, origin="命令行")
    await restore_backup(office, inspect_backup(made.path), actor, now=START + DAY)
    again = Database(office.database)
    async with again.read() as session:
        assert list(await session.scalars(sa.select(Unit.name))) == ["嵊泗县"]
    await again.close()


async def test_a_failed_backup_is_said_and_tried_again(
    database: Database, office: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    office.data_dir.mkdir(exist_ok=True)
    (office.data_dir / "backups").write_text("in the way")
    scheduler = Scheduler(office, database, FakeClock(), Events())
    await scheduler.upkeep()
    assert "backup failed" in caplog.text
    (office.data_dir / "backups").unlink()
    await scheduler.upkeep()
    assert len(list_backups(office)) == 1


async def test_a_stop_gives_a_backup_up_and_leaves_nothing(database: Database, office: Settings) -> None:
    with pytest.raises(backups.Stopped):
        await backups.back_up_by_itself(database, office, now=START, going_on=lambda: False)
    assert not list((office.data_dir / "backups").iterdir())
    async with database.read() as session:
        assert list(await session.scalars(sa.select(Tick.name))) == []


async def test_old_ones_go_with_the_new_one_and_none_when_it_is_off(database: Database, office: Settings) -> None:
    folder = office.data_dir / "backups"
    folder.mkdir(parents=True)
    for days in range(1, 40):
        name = f"xinfang-{(START - DAY * days).astimezone(office.zone):%Y%m%dT%H%M%S}"
        (folder / f"{name}-auto.db").write_bytes(b"old")
    (folder / "xinfang-20260101T000000.db").write_bytes(b"by hand")
    (folder / "xinfang-20260101T000000.before-restore.db").write_bytes(b"kept by a restore")
    off = quick_settings(database_url=office.database_url, data_dir=office.data_dir, backup_daily=0)
    await Scheduler(off, database, FakeClock(), Events()).upkeep()
    assert len(list_backups(office)) == 40
    await Scheduler(office, database, FakeClock(), Events()).upkeep()
    left = list_backups(office)
    assert len([each for each in left if each.auto]) <= office.backup_daily + office.backup_weekly
    assert not left[-1].auto
    assert (folder / "xinfang-20260101T000000.before-restore.db").exists()
    with closing(sqlite3.connect(left[0].path)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
