"""Memory of `run --role all` on SQLite: 20,000 groups, a paced broadcast that goes on all the time, people who talk meanwhile.

The program is a real process at the product's own pace (3 s for each of 50 accounts: a broadcast takes 20 minutes). People
say ten things a second on the built-in channel: chat, questions to the bot, forwards of the alert; an officer opens the
dashboard and the alert's page. RSS is read from /proc every 5 s. Aim: at most 200 MiB, and flat: the slope is that of the
second half, when every cache is full. `--minutes=N` (10 by default), `--each=SECONDS` prints a line that often.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from benchmarks import bench_load, bench_release
from bot import alerts
from bot.alerts import rendered_text
from bot.clock import SystemClock
from bot.database import open_ready
from bot.settings import Settings, load_settings
from db.models import Group

SAMPLE_SECONDS = 5.0
MESSAGES_PER_SECOND = 10
SHARES = {"question": 0.2, "forward": 0.1}  # the rest is chat
BROADCAST_MINUTES = 20  # 400 groups of each account, 3 s each
AIM_MIB = 200
FLAT_MIB_PER_HOUR = 12  # 0.2 MiB a minute: below that nothing can be told from ten minutes
QUESTIONS = (
    "@心防 有人叫我刷单，先垫付再返佣金，这个能做吗",
    "@心防 客服说我的快递丢了要理赔，让我下载会议软件",
    "@心防 公安打电话说我涉嫌洗钱，要把钱转到安全账户",
    "@心防 网上贷款要先交保证金才放款，真的吗",
    "@心防 今天食堂几点开饭",
    "@心防 群里有人带我炒股，内幕消息稳赚",
)
CHAT = ("中午食堂糖醋排骨不错", "明天上午开会，请大家准时", "收到", "谁家的车挡住路口了，麻烦挪一下", "[表情]")


async def build(settings: Settings) -> tuple[list[int], str, list[str], str]:
    """The county, alerts that wait for review, the reviewer's session, all room ids, and what a forward says."""
    now = SystemClock().now()
    database = await open_ready(settings, now=now)
    try:
        world = await bench_release.build(database)
        made = []
        for _ in range(int(minutes() / BROADCAST_MINUTES) + 1):
            async with database.write() as session:
                alert = await alerts.create(
                    session, world.publisher, bench_release.content(), settings=settings, now=now
                )
                await alerts.submit(session, world.publisher, alert.id, now=now)
                made.append(alert)
        async with database.read() as session:
            rooms = list(await session.scalars(sa.select(Group.room_id)))
        token = await bench_load.reviewer_session(database, world)
        return [alert.id for alert in made], token, [room or "" for room in rooms], rendered_text(made[0], settings)
    finally:
        await database.close()


def minutes() -> float:
    return float(option("--minutes", "10"))


def option(name: str, default: str) -> str:
    words = dict(word.partition("=")[::2] for word in sys.argv[1:])
    return words.get(name, default)


# ── the people ──────────────────────────────────────────────────────────────


@dataclass
class People:
    """Say things into the rooms, as another process that shares the database does."""

    file: Path
    rooms: list[str]
    forward: str
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    said: int = 0

    def talk(self, number: int) -> None:
        rows = [self._message() for _ in range(number)]
        with sqlite3.connect(self.file, timeout=30) as connection:
            connection.executemany(
                "INSERT INTO local_messages (room_id, sender_id, sender_name, kind, text, payload, at, taken)"
                " VALUES (?, ?, ?, 'text', ?, '{}', ?, 0)",
                rows,
            )
        connection.close()
        self.said += number

    def _message(self) -> tuple[str, str, str, str, str]:
        chosen, person = self.dice.random(), self.dice.randrange(100_000)
        text = self.dice.choice(CHAT)
        if chosen < SHARES["question"]:
            text = self.dice.choice(QUESTIONS)
        elif chosen < SHARES["question"] + SHARES["forward"]:
            text = self.forward
        at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
        return self.dice.choice(self.rooms), f"wxid_{person}", f"居民{person}", text, at


def look(address: str, token: str, path: str) -> None:
    request = urllib.request.Request(f"{address}{path}", headers={"Cookie": f"xinfang_session={token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


# ── the figures ─────────────────────────────────────────────────────────────


def resident(pid: int) -> float:
    """MiB of the process and of its children, if it has any."""
    return sum(_own(one) for one in _family(pid))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _own(pid: int) -> float:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def slope(samples: list[tuple[float, float]]) -> float:
    """MiB an hour, by least squares over (seconds, MiB)."""
    result: float = statistics.linear_regression(*zip(*samples, strict=True)).slope
    return result * 3600


def watch(address: str, pid: int, token: str, alert: int, people: People) -> list[tuple[float, float]]:
    """(seconds since the release, MiB), with a talk every half second."""
    each, samples, began = float(option("--each", "60")), [(0.0, resident(pid))], time.monotonic()
    told = 0.0
    while (now := time.monotonic() - began) < minutes() * 60:
        people.talk(int(now * MESSAGES_PER_SECOND) - people.said)
        if now - samples[-1][0] >= SAMPLE_SECONDS:
            samples.append((now, resident(pid)))
            look(address, token, "/" if len(samples) % 2 else f"/alerts/{alert}")
        if now - told >= each:
            told = now
            print(f"{now / 60:>6.1f} min {samples[-1][1]:>7.1f} MiB", flush=True)
        time.sleep(0.5)
    return samples


def report(start: float, samples: list[tuple[float, float]], people: People) -> None:
    values = [value for _, value in samples]
    late = [(at, value) for at, value in samples if at >= samples[-1][0] / 2]
    grows = slope(late)
    with sqlite3.connect(f"file:{people.file}?mode=ro", uri=True) as rows:
        counts = {
            name: rows.execute(query).fetchone()[0]
            for name, query in {
                "sent": "SELECT count(*) FROM deliveries WHERE state = 'sent'",
                "taken": "SELECT count(*) FROM incoming",
                "answered": "SELECT count(*) FROM replies WHERE state = 'sent'",
                "forwards": "SELECT count(*) FROM forwards",
                "not taken": "SELECT count(*) FROM local_messages WHERE NOT taken",
            }.items()
        }
    print(
        f"{minutes():g} min, {bench_release.GROUPS:,} groups, {people.said:,} messages said; "
        + ", ".join(f"{name} {count:,}" for name, count in counts.items())
    )
    print(
        f"RSS MiB: before the release {start:.1f}, after it {values[0]:.1f}, median {statistics.median(values):.1f},"
        f" p95 {bench_load.percentile(values, 0.95):.1f}, most {max(values):.1f}, last {values[-1]:.1f}"
        f" (aim {AIM_MIB}: {'met' if max(values) <= AIM_MIB else 'missed'});\nsecond half {grows:+.1f} MiB an hour"
        f" (flat within {FLAT_MIB_PER_HOUR}: {'yes' if abs(grows) <= FLAT_MIB_PER_HOUR else 'no'})"
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        quiet = {"quiet_start": "00:00", "quiet_end": "00:00"}
        environment = os.environ | {
            "XINFANG_DATA_DIR": folder, "XINFANG_PORT": "0", "XINFANG_LOG_LEVEL": "warning",
            "XINFANG_QUIET_START": "00:00", "XINFANG_QUIET_END": "00:00",
        }  # fmt: skip
        waiting, token, rooms, forward = asyncio.run(build(load_settings(data_dir=folder, **quiet)))
        people = People(Path(folder) / "xinfang.db", rooms, forward)
        with bench_load.server(environment) as (address, pid):
            time.sleep(SAMPLE_SECONDS)
            start = resident(pid)
            for alert in waiting:
                bench_load.release(address, token, alert)
            report(start, watch(address, pid, token, waiting[0], people), people)


if __name__ == "__main__":
    main()
