"""Time: UTC inside, the office's zone for people. The engine asks a `Clock`, so tests can hold or hurry it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    def now(self) -> datetime:
        """The present, aware, UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def local_text(at: datetime | None, zone: ZoneInfo, *, seconds: bool = False) -> str:
    """`at` as the office reads it: 2026-11-21 09:30, or "—" when there is none."""
    if at is None:
        return "—"
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def duration_text(span: timedelta | float | None) -> str:
    """A duration in one or two Chinese units: 8 秒, 3 分 20 秒, 2 小时 5 分, 1 天 4 小时."""
    if span is None:
        return "—"
    total = span.total_seconds() if isinstance(span, timedelta) else span
    if 0 <= total < 0.05:
        return "不到 0.1 秒"
    if total < 1:
        return f"{total:.1f} 秒"
    seconds = round(total)
    for size, name, below, part in ((86400, "天", 3600, "小时"), (3600, "小时", 60, "分"), (60, "分", 1, "秒")):
        if seconds >= size:
            rest = seconds % size // below
            return f"{seconds // size} {name}" + (f" {rest} {part}" if rest else "")
    return f"{seconds} 秒"
