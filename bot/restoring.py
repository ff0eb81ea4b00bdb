"""Restoring a backup: checked first, refused while the program runs, the present kept, and then all or nothing.

A backup is a moment of the past. What was going out at that moment has gone out since, so nothing of it may start by
itself after a restore: running alerts are paused, due ones cancelled, waiting answers dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.audit import audit
from bot.backup import default_path, discard, is_same_file, make_backup, put_in_place
from bot.database import create_or_upgrade, open_any, read_revision, sqlite_path, understood
from bot.errors import UserError
from bot.identity import Actor
from bot.settings import Settings
from db import migrating
from db.alerts import list_alerts
from db.copying import DamagedCopy, check_file, copy_file, copy_rows, empty_tables, read_copy, settle_file
from db.health import list_live_leases, list_scheduled
from db.restoring import end_the_moment
from db.session import Database
from db.states import AlertState

Stage = Callable[[str, int, int], None]
"""Progress: what is being done (Chinese), how much of it is done, how much there is."""

KEPT = ".before-restore"


@dataclass(frozen=True)
class BackupFacts:
    """What a file says of itself."""

    path: Path
    revision: str
    rows: dict[str, int]
    size: int  # bytes
    made_at: float  # seconds since 1970


@dataclass(frozen=True)
class Restored:
    kept: Path | None  # what was there before; None when there was nothing
    rows: int
    paused: list[str] = field(default_factory=list)  # numbers of alerts that were running
    cancelled: list[str] = field(default_factory=list)  # scheduled alerts whose time has passed since
    scheduled: list[str] = field(default_factory=list)  # those that will still start by themselves


def inspect_backup(path: Path) -> BackupFacts:
    """Raises `UserError` for a file that is not a backup of ours or comes from a newer program."""
    if not path.is_file():
        raise UserError(f"找不到备份文件 {path}")
    try:
        revision, rows = read_copy(path)
    except DamagedCopy as error:
        raise UserError(f"{path} 不是心防的备份：{error}") from error
    if not understood(revision):
        raise UserError(f"备份版本 {revision} 比本程序认识的 {migrating.HEAD} 新，请升级本程序后再恢复")
    stat = path.stat()
    return BackupFacts(path, revision, rows, stat.st_size, stat.st_mtime)


async def restore_backup(
    settings: Settings, facts: BackupFacts, actor: Actor, *, now: datetime, progress: Stage = lambda *_: None
) -> Restored:
    """Replace the settings' database by a backup. Raises `UserError` and changes nothing when that cannot be."""
    database = open_any(settings)
    path = sqlite_path(database)
    if is_same_file(facts.path, path):
        raise UserError(f"{facts.path} 就是正在使用的数据库，不能用来恢复")
    stage = _stage_path(settings, path, facts)
    try:
        await refuse_while_running(database, now)
        await asyncio.to_thread(_stage, facts, stage, progress)
        restored = await _bring_to_the_present(stage, facts, actor, now)
        kept = await _keep(database, settings, now, progress)
        if path is not None:
            await asyncio.to_thread(_swap, path, stage)
        else:
            await _load(database, stage, progress)
    except DamagedCopy as error:
        raise UserError(f"备份 {facts.path} 已损坏，未改动现有数据：{error}") from error
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"恢复失败，未改动现有数据：{error}") from error
    finally:
        await database.close()
        discard(stage)
    return Restored(kept, sum(facts.rows.values()), *restored)


def _stage_path(settings: Settings, database: Path | None, facts: BackupFacts) -> Path:
    """Beside the database, so that the last step is a rename."""
    folder = database.parent if database is not None else settings.data_dir
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{facts.path.name}.{os.getpid()}.restoring"


async def refuse_while_running(database: Database, now: datetime) -> None:
    """Raises `UserError` while a program holds an account or has the file open.

    A damaged file is passed: that is what people restore for.
    """
    path = sqlite_path(database)
    if path is not None and not path.exists():
        return
    if path is None:
        await read_revision(database)  # says in Chinese what is wrong with the server
    owners: Sequence[str] = []
    with contextlib.suppress(sa.exc.DatabaseError) if path is not None else contextlib.nullcontext():
        owners = await _owners(database, now)
    if owners:
        raise _running("、".join(":".join(owner.split(":")[:2]) for owner in owners))
    await database.engine.dispose()
    if path is not None:
        await asyncio.to_thread(_require_unused, path)


async def _owners(database: Database, now: datetime) -> Sequence[str]:
    if await migrating.current_revision(database) is None:
        return []
    async with database.read() as session:
        return await list_live_leases(session)


def _require_unused(path: Path) -> None:
    """No connection may be open to the file, in this process or another. Makes it one file, without a log beside it."""
    try:
        settle_file(path)
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise _running("另一个程序打开着数据库文件") from error
        # Damaged: there is nothing to settle, and the raw file is kept.


def _running(who: str) -> UserError:
    return UserError(f"程序正在运行（{who}），请先停止程序，十几秒后再试")


def _stage(facts: BackupFacts, stage: Path, progress: Stage) -> None:
    """A checked copy of the backup, beside where it will be."""
    discard(stage)
    os.close(os.open(stage, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    rows = copy_file(facts.path, stage, lambda done, total: progress("读取备份", done, total))
    check_file(stage, rows)


async def _bring_to_the_present(
    stage: Path, facts: BackupFacts, actor: Actor, now: datetime
) -> tuple[list[str], list[str], list[str]]:
    """Upgrade the staged copy and end what was going on in it."""
    database = Database(f"sqlite:///{stage}")
    try:
        if facts.revision != migrating.HEAD:
            await migrating.upgrade(database)
        async with database.write() as session:
            restored = await settle_restored(session, actor, now=now)
            await audit(
                session,
                actor,
                now,
                "backup.restore",
                facts.path.name,
                {"revision": facts.revision, "paused": restored[0], "cancelled": restored[1]},
            )
    finally:
        await database.close()
    await asyncio.to_thread(settle_file, stage)
    return restored


async def settle_restored(
    session: AsyncSession, actor: Actor, *, now: datetime
) -> tuple[list[str], list[str], list[str]]:
    """See the head of this module. Returns numbers: alerts paused, cancelled, and left to start at their time."""
    running = await list_alerts(session, states=[AlertState.RUNNING], limit=10_000)
    for alert in running:
        await alerts.pause(session, actor, alert.id, now=now)
    scheduled = await list_scheduled(session)
    due = [alert for alert in scheduled if alert.scheduled_at is not None and alert.scheduled_at <= now]
    for alert in due:
        await alerts.cancel(session, actor, alert.id, "从备份恢复时已过发布时间", now=now)
    await end_the_moment(session, now)
    coming = [alert.number for alert in scheduled if alert not in due]
    return [alert.number for alert in running], [alert.number for alert in due], coming


async def _keep(database: Database, settings: Settings, now: datetime, progress: Stage) -> Path | None:
    """A copy of the present, unless there is nothing. A file too damaged for a backup is kept as it lies."""
    path = sqlite_path(database)
    if path is not None and not path.exists():
        return None
    if path is None:
        await create_or_upgrade(database, now=now)
    target = default_path(settings, now, KEPT)
    try:
        backup = await make_backup(
            settings,
            target,
            overwrite=True,
            now=now,
            progress=lambda done, total: progress("保留现有数据", done, total),
        )
    except UserError:
        if path is None:
            raise
        await asyncio.to_thread(_keep_raw, path, target)
        return target
    if sum(backup.rows.values()) <= 1:  # nothing but the record of the version
        discard(target)
        return None
    return backup.path


def _keep_raw(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    for suffix in ("", "-wal"):
        if path.with_name(path.name + suffix).exists():
            shutil.copy2(path.with_name(path.name + suffix), target.with_name(target.name + suffix))


def _swap(path: Path, stage: Path) -> None:
    """The last look at whether somebody uses the file, and then one rename."""
    if path.exists():
        _require_unused(path)
    # The log of a damaged file is still there, and would be replayed into the new one.
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    put_in_place(stage, path)


async def _load(database: Database, stage: Path, progress: Stage) -> None:
    """Into PostgreSQL: emptied and filled in one transaction, so that nobody ever sees half of it."""
    source = Database(f"sqlite:///{stage}")
    try:
        async with source.engine.connect() as reading, database.engine.begin() as writing:
            await writing.execute(sa.text("SET LOCAL lock_timeout = '10s'"))
            await empty_tables(writing)
            await copy_rows(reading, writing, lambda done, total: progress("写入数据库", done, total))
    except sa.exc.DBAPIError as error:
        if "lock timeout" in str(error):
            raise _running("数据表正在使用") from error
        raise UserError(f"数据库不接受备份的内容，未改动现有数据：{error.orig}") from error
    finally:
        await source.close()
