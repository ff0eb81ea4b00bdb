"""Backups: one SQLite file with everything, made while the program runs, whatever database it runs on."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa

from bot.database import database_file, open_ready
from bot.errors import UserError
from bot.settings import Settings
from db import migrating
from db.copying import DamagedCopy, Progress, check_file, copy_file, copy_rows, count_rows, nothing, settle_file
from db.session import Database

PART = ".part"  # what is being written; only a whole and checked file gets the final name
STALE_SECONDS = 3600.0  # a part that nobody has touched for so long was left by a process that died


@dataclass(frozen=True)
class Backup:
    """A finished backup."""

    path: Path
    rows: dict[str, int]  # per table
    size: int  # bytes


def default_path(settings: Settings, now: datetime, note: str = "") -> Path:
    """`backups/xinfang-20261121T093000.db` in the data folder, in the office's time; `note` comes before the suffix."""
    stamp = now.astimezone(settings.zone).strftime("%Y%m%dT%H%M%S")
    return settings.data_dir / "backups" / f"xinfang-{stamp}{note}.db"


async def make_backup(
    settings: Settings, target: Path, *, overwrite: bool = False, now: datetime, progress: Progress = nothing
) -> Backup:
    """Back the settings' database up into the file `target`, as it is at one instant; changes nothing in it.

    The file is written under another name, checked against the database, and only then renamed. Raises `UserError`
    when there is nothing to back up, the file exists already, or it cannot be written.
    """
    target = _free_target(settings, target, overwrite=overwrite)
    part = target.with_name(f"{target.name}.{os.getpid()}{PART}")
    try:
        _prepare(part)
        rows = await _write(settings, part, now, progress)
        await asyncio.to_thread(check_file, part, rows)
        await asyncio.to_thread(put_in_place, part, target)
    except DamagedCopy as error:
        raise UserError(f"备份没有通过核对，已删除：{error}；请先运行 python bot.py doctor 检查数据库") from error
    except (OSError, sqlite3.Error) as error:
        raise UserError(f"备份到 {target} 失败：{_reason(error)}") from error
    finally:
        discard(part)
    return Backup(target, rows, target.stat().st_size)


def _free_target(settings: Settings, target: Path, *, overwrite: bool) -> Path:
    """The absolute path, if a backup may be written there."""
    target = target.absolute()
    if is_same_file(target, database_file(settings)):
        raise UserError(f"{target} 就是正在使用的数据库，请换一个文件名")
    if target.exists() and not overwrite:
        raise UserError(f"文件 {target} 已存在；请换一个文件名，或加 --overwrite 覆盖")
    return target


def is_same_file(path: Path, other: Path | None) -> bool:
    return other is not None and path.exists() and other.exists() and path.samefile(other)


async def _write(settings: Settings, part: Path, now: datetime, progress: Progress) -> dict[str, int]:
    path = database_file(settings)
    if path is None:
        return await _copy_server(settings, part, now, progress)
    return await asyncio.to_thread(_copy_file, path, part, progress)


def _copy_file(path: Path, part: Path, progress: Progress) -> dict[str, int]:
    if not path.exists():
        raise UserError(f"还没有数据库 {path}，没有可备份的内容")
    return copy_file(path, part, progress)


async def _copy_server(settings: Settings, part: Path, now: datetime, progress: Progress) -> dict[str, int]:
    """From PostgreSQL: one snapshot, table by table, into an SQLite file with the same tables."""
    source, target = await open_ready(settings, now=now), Database(f"sqlite:///{part}")
    try:
        await migrating.upgrade(target)
        async with source.engine.connect() as reading, target.engine.begin() as writing:
            # Set before the transaction begins with the first statement.
            await reading.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            rows = await count_rows(reading)
            await copy_rows(reading, writing, progress)
    except sa.exc.DBAPIError as error:
        raise UserError(f"读取数据库失败：{error.orig}") from error
    finally:
        await source.close()
        await target.close()
    await asyncio.to_thread(settle_file, part)
    return rows | {"alembic_version": 1}


def _prepare(part: Path) -> None:
    """Make the folder and an empty file that only its owner may read: it will hold password hashes and chat text."""
    part.parent.mkdir(parents=True, exist_ok=True)
    for old in part.parent.glob(f"*{PART}"):
        if time.time() - old.stat().st_mtime > STALE_SECONDS:
            discard(old)
    discard(part)
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def discard(path: Path) -> None:
    """Remove a file and what SQLite keeps beside it."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            path.with_name(path.name + suffix).unlink()


def put_in_place(part: Path, target: Path) -> None:
    """Give a finished file its name, as durably as its content. Windows has no such call and needs none."""
    part.replace(target)
    with contextlib.suppress(PermissionError):
        descriptor = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _reason(error: Exception) -> str:
    text = str(error)
    if "full" in text or getattr(error, "errno", None) == 28:  # ENOSPC
        return "磁盘空间不足，请清理后再试"
    return getattr(error, "strerror", None) or text
