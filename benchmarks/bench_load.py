"""Fifty officers' pages and five hundred chat viewers at once on SQLite, while a broadcast runs.

The server is `python bot.py run`; the people are a process of their own (`benchmarks.visitors`). Aim: p95 ≤ 300 ms for
every kind of page, no error, and the broadcast as fast as with nobody there.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.visitors import OFFICER_THINKS, RELOADS, VIEWER_THINKS
from bot import alerts
from bot.clock import SystemClock
from bot.database import open_ready
from bot.settings import Settings, load_settings
from bot.sign_in import token_hash
from db.models import Account, Group, Unit, User, WebSession
from db.session import Database
from db.states import GroupMode, GroupState, Role, UnitKind, UnitState
from tests.world import World, build_world, content

ROOT = Path(__file__).resolve().parents[1]
OFFICERS, VIEWERS = 50, 500
ACCOUNTS, TOWNS, VILLAGES = 60, 8, 120
GROUPS = 2_400
GAP = 1.5  # seconds: what the default of 40 a minute allows
AIM_MS = 300
RAMP = 75.0  # seconds within which everybody arrives
CSRF = secrets.token_urlsafe(24)


async def build(settings: Settings) -> tuple[list[int], list[str], str]:
    """A county; two alerts that wait for review. Gives the alerts, everybody's sessions, and the reviewer's."""
    now = SystemClock().now()
    database = await open_ready(settings, now=now)
    try:
        async with database.write() as session:
            world = await build_world(session, villages=0)
            await _registry(session)
            tokens = await _sessions(session, OFFICERS + VIEWERS)
            made = [await alerts.create(session, world.publisher, content(), settings=settings, now=now)]
            made.append(await alerts.create(session, world.publisher, content(), settings=settings, now=now))
            for alert in made:
                await alerts.submit(session, world.publisher, alert.id, now=now)
        return [alert.id for alert in made], tokens, await reviewer_session(database, world)
    finally:
        await database.close()


async def _registry(session: Any) -> None:
    now = SystemClock().now()
    county = await session.get_one(Unit, 1)
    await session.execute(
        sa.insert(Account), [{"channel": "local", "name": f"号{n}", "state_since": now} for n in range(ACCOUNTS)]
    )
    accounts = list(await session.scalars(sa.select(Account.id).where(Account.name.startswith("号"))))
    await session.execute(sa.insert(Unit), [_unit(county, f"t{n}", f"第{n}镇", UnitKind.TOWN) for n in range(TOWNS)])
    towns = list(await session.scalars(sa.select(Unit).where(Unit.code.startswith("t"), Unit.name.startswith("第"))))
    villages = [_unit(towns[n % TOWNS], f"v{n}", f"第{n}村", UnitKind.VILLAGE) for n in range(VILLAGES)]
    await session.execute(sa.insert(Unit), villages)
    units = list(await session.scalars(sa.select(Unit.id).where(Unit.level == 3, Unit.name.startswith("第"))))
    rows = [
        {"code": f"L{n}", "name": f"第{n}群", "unit_id": units[n % len(units)], "channel": "local",
         "room_id": f"load-{n}", "account_id": accounts[n % ACCOUNTS], "mode": GroupMode.PUSH, "members": 100,
         "state": GroupState.ACTIVE, "created_at": now}
        for n in range(GROUPS)
    ]  # fmt: skip
    await session.execute(sa.insert(Group), rows)


def _unit(parent: Unit, code: str, name: str, kind: UnitKind) -> dict[str, Any]:
    return {
        "code": code, "name": name, "kind": kind, "level": kind.level, "parent_id": parent.id,
        "path": f"{parent.path}{code}/", "state": UnitState.ACTIVE,
    }  # fmt: skip


async def _sessions(session: Any, number: int) -> list[str]:
    """Sessions of `OFFICERS` publishers: each looks at the chat on several screens."""
    now = SystemClock().now()
    users = [
        {"username": f"load{n}", "name": f"民警{n}", "password_hash": "!", "role": Role.PUBLISHER, "created_at": now}
        for n in range(OFFICERS)
    ]
    await session.execute(sa.insert(User), users)
    ids = list(await session.scalars(sa.select(User.id).where(User.username.startswith("load"))))
    return [await _session(session, ids[n % OFFICERS]) for n in range(number)]


async def _session(session: Any, user_id: int) -> str:
    token, now = secrets.token_urlsafe(32), SystemClock().now()
    row = WebSession(
        token_hash=token_hash(token), user_id=user_id, csrf=CSRF, created_at=now, seen_at=now,
        expires_at=now + timedelta(hours=12),
    )  # fmt: skip
    session.add(row)
    await session.flush()
    return token


async def reviewer_session(database: Database, world: World) -> str:
    async with database.write() as session:
        return await _session(session, world.reviewer.user_id or 0)


# ── the server ──────────────────────────────────────────────────────────────


@contextmanager
def server(environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    """`python bot.py run` on a free port: its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "bot.py", "run"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := re.search(r"已启动：(\S+)", line):
                yield found[1], process.pid
                return
        raise SystemExit("the program did not start")
    finally:
        process.terminate()
        process.wait(20)


def release(address: str, token: str, alert: int) -> None:
    call(address, token, "POST", f"/alerts/{alert}/release", {"version": call(address, token, "GET", f"/alerts/{alert}")["version"]})  # fmt: skip


def call(address: str, token: str, method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(
        f"{address}/api/v1{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Cookie": f"xinfang_session={token}", "X-CSRF-Token": CSRF, "Origin": address}
        | ({} if body is None else {"Content-Type": "application/json"}),
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def broadcast(file: Path, address: str, token: str, alert: int) -> float:
    """Seconds from the release to the last delivery."""
    began = time.perf_counter()
    release(address, token, alert)
    query = "SELECT count(*) FROM deliveries WHERE alert_id = ? AND state = 'sent'"
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as rows:
        while (sent := rows.execute(query, (alert,)).fetchone()[0]) < GROUPS:
            if time.perf_counter() - began > 400:
                raise SystemExit(f"the broadcast does not end: {sent} of {GROUPS}")
            time.sleep(0.5)
    return time.perf_counter() - began


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ── the figures ─────────────────────────────────────────────────────────────


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def report(measured: dict[str, Any], alone: float, crowded: float, cpu: float) -> bool:
    print(
        f"{OFFICERS} officers open a page every {OFFICER_THINKS[0]:.0f}–{OFFICER_THINKS[1]:.0f} s (those of an alert and the"
        f" dashboard hold their live figures open meanwhile);\n{VIEWERS} viewers hold the chat's live line and open another"
        f" room every {VIEWER_THINKS[0]:.0f}–{VIEWER_THINKS[1]:.0f} s, {RELOADS:.0%} of the times the whole page anew."
    )
    print(f"{'':<24}{'number':>8}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}")
    met = True
    for kind, times in sorted(measured["times"].items()):
        median, most, nearly = statistics.median(times), percentile(times, 0.95), percentile(times, 0.99)
        within = most <= AIM_MS or kind.startswith("chat: said")
        met &= within
        print(
            f"{kind:<24}{len(times):>8}{median:>9.0f}{most:>9.0f}{nearly:>9.0f}{'' if within else '  over the aim'}"
        )
    requests = sum(len(times) for kind, times in measured["times"].items() if not kind.startswith("chat: said"))
    wrong = sum(measured["errors"].values())
    print(
        f"in {measured['seconds']:.0f} s: {requests / measured['seconds']:.0f} requests/s,"
        f" {measured['frames'] / measured['seconds']:.0f} live frames/s, server at {cpu:.0%} of a core,"
        f" errors {wrong} (aim 0) {measured['errors'] or ''}"
    )
    print(
        f"broadcast to {GROUPS:,} groups by {ACCOUNTS} accounts: {alone:.1f} s alone, {crowded:.1f} s meanwhile,"
        f" ratio {crowded / alone:.2f}; p95 of every page within {AIM_MS} ms: {'yes' if met else 'no'}"
    )
    return met and not wrong


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "XINFANG_DATA_DIR": folder, "XINFANG_PORT": "0", "XINFANG_LOG_LEVEL": "warning",
            "XINFANG_GAP_SECONDS": str(GAP), "XINFANG_QUIET_START": "00:00", "XINFANG_QUIET_END": "00:00",
        }  # fmt: skip
        settings = load_settings(data_dir=folder, quiet_start="00:00", quiet_end="00:00")
        (first, second), tokens, reviewer = asyncio.run(build(settings))
        with server(environment) as (address, pid):
            alone = broadcast(Path(folder) / "xinfang.db", address, reviewer, first)
            crowd = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.visitors"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert crowd.stdin is not None
            assert crowd.stdout is not None
            plan = {
                "address": address, "officers": tokens[:OFFICERS], "viewers": tokens[OFFICERS:], "alert": second,
                "ramp": RAMP,
            }  # fmt: skip
            crowd.stdin.write(json.dumps(plan) + "\n")
            crowd.stdin.flush()
            if crowd.stdout.readline() != "ready\n":
                raise SystemExit("the visitors did not come")
            before, began = cpu_seconds(pid), time.perf_counter()
            crowd.stdin.write("go\n")
            crowd.stdin.flush()
            crowded = broadcast(Path(folder) / "xinfang.db", address, reviewer, second)
            cpu = (cpu_seconds(pid) - before) / (time.perf_counter() - began)
            crowd.stdin.write("end\n")
            crowd.stdin.flush()
            report(json.loads(crowd.stdout.readline()), alone, crowded, cpu)
            crowd.wait(30)


if __name__ == "__main__":
    main()
