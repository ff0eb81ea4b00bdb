"""Backups that are made by themselves: once a day while the program runs, and the old ones go.

An office's PC is switched off at night: what was due meanwhile is made when the program runs again.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from bot.audit import audit
from bot.backup import Backup, default_path, discard, make_backup
from bot.identity import SYSTEM
from bot.settings import Settings
from db.session import Database

log = logging.getLogger(__name__)

BY_ITSELF: Final = "-auto"
_NAME = re.compile(r"xinfang-(\d{8}T\d{6})(-auto)?\.db")


class Stopped(Exception):
    """The program stops: the backup that was being made is given up and leaves nothing behind."""


@dataclass(frozen=True)
class BackupFile:
    """A finished backup in the data folder. `auto`: made by itself, and removed by itself."""

    path: Path
    made_at: datetime
    size: int  # bytes
    auto: bool


def list_backups(settings: Settings) -> list[BackupFile]:
    """Whole backups in the data folder, the newest first. Copies from before a restore or an upgrade are none."""
    found = []
    for path in (settings.data_dir / "backups").glob("xinfang-*.db"):
        match = _NAME.fullmatch(path.name)
        if match is not None:
            made = datetime.strptime(match[1], "%Y%m%dT%H%M%S").replace(tzinfo=settings.zone)
            found.append(BackupFile(path, made.astimezone(UTC), path.stat().st_size, match[2] is not None))
    return sorted(found, key=lambda each: (each.made_at, each.path.name), reverse=True)


def last_due(settings: Settings, now: datetime) -> datetime:
    """The latest instant, up to now, at which a daily backup is to be made."""
    local = now.astimezone(settings.zone)
    at = datetime.combine(local.date(), settings.backup_at, tzinfo=settings.zone)
    if at > local:
        at = datetime.combine(local.date() - timedelta(days=1), settings.backup_at, tzinfo=settings.zone)
    return at.astimezone(UTC)


def superfluous(backups: Iterable[BackupFile], settings: Settings) -> list[BackupFile]:
    """Backups made by themselves that need not be kept: all but the newest of each of the last so many days that have
    one, and of each of the last so many weeks. Those that somebody made by hand are theirs to remove."""
    kept: set[Path] = set()
    days: dict[object, BackupFile] = {}
    weeks: dict[object, BackupFile] = {}
    made = sorted((each for each in backups if each.auto), key=lambda each: each.made_at, reverse=True)
    for each in made:
        local = each.made_at.astimezone(settings.zone).date()
        days.setdefault(local, each)
        weeks.setdefault(local.isocalendar()[:2], each)
    for groups, number in ((days, max(1, settings.backup_daily)), (weeks, settings.backup_weekly)):
        kept |= {each.path for each in list(groups.values())[:number]}
    return [each for each in made if each.path not in kept]


async def back_up_by_itself(
    database: Database, settings: Settings, *, now: datetime, going_on: Callable[[], bool] = lambda: True
) -> Backup:
    """Make the daily backup and remove superfluous ones. Raises `UserError`, or `Stopped` when the program ends."""

    def progress(_done: int, _total: int) -> None:
        if not going_on():
            raise Stopped

    made = await make_backup(
        settings, default_path(settings, now, BY_ITSELF), overwrite=True, now=now, progress=progress
    )
    old = superfluous(await asyncio.to_thread(list_backups, settings), settings)
    for each in old:
        discard(each.path)
    detail = {"file": made.path.name, "size": made.size, "removed": [each.path.name for each in old]}
    async with database.write() as session:
        await audit(session, SYSTEM, now, "backup.make", "自动备份", detail)
    log.info("backup made", extra=detail)
    return made
