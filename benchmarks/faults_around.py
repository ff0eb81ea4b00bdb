"""What a broadcast stands on gives way: the database's server, the disk, the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks.faults_stage import Ended, Row, Stage
from bot.invariants import check_invariants
from db.models import Alert, Forward, Question, Reach, Reply
from db.session import Database
from db.states import DeliveryState, Way
from tests.gateway.driver import TOKEN, Gateway
from tests.gateway.office import ACCOUNT, Office, gateway_settings, open_office, room_id

AWAY = (30.0, 10.0)  # seconds: stopped in order, then in the way of a crash

# ── PostgreSQL ──


async def server_away(stage: Stage, times: int) -> Row:
    """Two senders and a scheduler live through it: they wait, say so, and go on."""
    await stage.build(300)
    stage.start("scheduler")
    senders = [stage.start("sender", far=True) for _ in range(2)]
    for number in range(times):
        await stage.feed(150)
        await stage.sends(senders[0])
        await asyncio.sleep(stage.chance.uniform(0, 0.5))
        await stage.database.close()
        _stop(stage.server, in_order=number % 2 == 0)
        await asyncio.sleep(AWAY[number % 2])
        stage.server.ensure_postgres_running()
        stage.database = Database(stage.url)
        await stage.sends(senders[0])
    for words in ("the database is away, senders wait", "the database is back, senders go on"):
        said = stage.log.read_text().count(f'"event":"{words}"')
        if said != 2 * times:
            stage.blame(f"“{words}” was said {said} times")
    return await stage.judge("PostgreSQL away for 30 s, and for 10 s as by a crash", f"{times} × stopped")


def _stop(server: object, *, in_order: bool) -> None:
    if in_order:
        server.stop()  # type: ignore[attr-defined]
    else:
        pid = server.get_pid()  # type: ignore[attr-defined]
        os.kill(pid, signal.SIGQUIT)  # no goodbye, no checkpoint: it has to recover


# ── the disk ──

DISK = 32  # MiB
SPARE = 300_000  # bytes at most that a broadcast still finds


@contextlib.asynccontextmanager
async def small_disk() -> AsyncIterator[Path | None]:
    """A folder on a disk of its own, or None where we may not mount one."""
    with tempfile.TemporaryDirectory(prefix="xf-disk-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", name]
        done = await asyncio.to_thread(subprocess.run, mount, capture_output=True, check=False)
        if done.returncode:
            yield None
            return
        try:
            yield Path(name)
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", "-l", name], check=True)


class Disk:
    """Something else fills it. Where it cannot be a disk of its own, the program may not make its files any longer."""

    def __init__(self, folder: Path, *, mounted: bool) -> None:
        self._folder = folder
        self._mounted = mounted

    def fill(self, pid: int, spare: int) -> None:
        """Leave so many bytes."""
        if self._mounted:
            # The program fills it as well: what does not fit any more is what we want.
            with contextlib.suppress(OSError), (self._folder / "ballast").open("wb", buffering=0) as ballast:
                left = os.statvfs(self._folder).f_bavail * os.statvfs(self._folder).f_frsize
                ballast.write(bytes(max(0, left - spare)))
        else:
            longest = max(path.stat().st_size for path in self._folder.glob("xinfang.db*"))
            self._limit(pid, longest + spare)

    def free(self, pid: int) -> None:
        (self._folder / "ballast").unlink(missing_ok=True)
        if not self._mounted:
            with contextlib.suppress(ProcessLookupError):
                self._limit(pid, resource.RLIM_INFINITY)

    def _limit(self, pid: int, size: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def disk_full(stage: Stage, times: int) -> Row:
    """Filled in the middle of a broadcast; every third time the program is killed meanwhile, and starts on a full disk."""
    mounted = os.path.ismount(stage.folder)
    disk = Disk(stage.folder, mounted=mounted)
    await stage.build()
    ends: list[str] = []
    pid = stage.start()
    for number in range(times):
        await stage.feed(150)
        await stage.sends(pid)
        disk.fill(pid, stage.chance.randrange(SPARE))
        await _stuck(stage, pid)
        if number % 3 == 2 and mounted:
            stage.kill(pid)
            pid = stage.start()
        await asyncio.sleep(2)
        disk.free(pid)
        try:
            await stage.sends(pid)
        except Ended:
            ends.append(_reason(stage.said(60)))
            pid = stage.start()
            await stage.sends(pid)
    if "full" not in stage.log.read_text() and "I/O error" not in stage.log.read_text():
        stage.blame("nobody said that the disk was full")
    ended = f"ended by itself {len(ends)} times: {ends[-1]}" if ends else "never ended by itself"
    how = "tmpfs" if mounted else "RLIMIT_FSIZE"
    return await stage.judge(f"disk full ({how})", f"{times} × full; {ended}")


def _reason(said: str) -> str:
    """Why the program ended, in its own words."""
    lines = [line for line in said.splitlines() if "磁盘已满" in line or "Error" in line]
    return next((line for line in lines if "磁盘已满" in line), lines[-1] if lines else said)


async def _stuck(stage: Stage, pid: int) -> None:
    """Wait until nothing arrives any more though much waits."""
    while True:
        before = await stage.arrived()
        await asyncio.sleep(1.2)
        if await stage.arrived() == before or not stage.lives(pid):
            break
    if not await stage.count_deliveries(DeliveryState.WAITING):
        raise AssertionError("the broadcast ended before the disk was full")


# ── the gateway ──

ROOMS = [room_id(number) for number in range(160)]
LATE = 1200  # ms until the echo; copies of it come up to 3 s after the message


async def gateway_repeats(stage: Stage, kills: int) -> Row:
    """Echoes come late, four times and under two ids, some answers never, while the program is killed again and again."""
    gateway = Gateway(stage.folder / "gateway")
    gateway.start()
    try:
        settings = gateway_settings({ACCOUNT: gateway}, stage.folder, gap_seconds=stage.gap)
        listed = [{"name": ACCOUNT, "endpoint": gateway.endpoint, "token": TOKEN}]
        stage.environment |= {
            "XINFANG_CHANNELS": "wechaty",
            "XINFANG_WECHATY_GATEWAYS": json.dumps(listed),
            "XINFANG_SEND_TIMEOUT": "0.5",
        }
        await gateway.make_rooms(dict.fromkeys(ROOMS, 10))
        await gateway.tell("settings", echoing={"delay": LATE, "again": 3})
        for room in ROOMS[::20]:
            await gateway.tell("fault", room=room, then="hang")
        await gateway.tell("fault", then="late", ms=60, times=-1)
        office = await open_office(stage.database, settings, ROOMS)
        alert = await office.release()
        await _kill_often(stage, gateway, kills)
        await stage.settle(90)
        await asyncio.sleep(LATE * 2.5 / 1000 + 1)
        return await _judge(stage, office, alert, gateway, kills)
    finally:
        gateway.kill()


async def _kill_often(stage: Stage, gateway: Gateway, kills: int) -> None:
    for number in range(kills + 1):
        before = len(await gateway.arrivals())
        pid = stage.start()

        async def more(before: int = before) -> bool:
            return len(await gateway.arrivals()) >= before + 4

        await stage.wait(more, pid, 60, "messages at the gateway")
        if number < kills:
            await asyncio.sleep(stage.chance.uniform(0, 0.15))
            stage.kill(pid)


async def _judge(stage: Stage, office: Office, alert: Alert, gateway: Gateway, kills: int) -> Row:
    there = Counter(arrival.to for arrival in await gateway.arrivals())
    sent = await office.rooms_in(alert, DeliveryState.SENT)
    unknown = await office.rooms_in(alert, DeliveryState.UNKNOWN)
    for table in (Forward, Question, Reply):
        if found := await office.count(table):
            stage.blame(f"{found} of the bot's own messages became {table.__tablename__}")
    if await office.count(Reach, Reach.way == Way.PUSH) != len(sent):
        stage.blame("the reach is not what was sent")
    async with stage.database.snapshot() as session:
        for check in await check_invariants(session, office.settings):
            if not check.holds:
                stage.blame(f"{check.name}: {'，'.join(check.faults[:3])}")
    lost = len(set(ROOMS) - {*sent, *unknown}) + len(set(sent) - set(there))
    twice = sum(count > 1 for count in there.values())
    runs = f"{kills} kills; of those in doubt {sum(room in there for room in unknown)} had arrived"
    name = "gateway: echoes late and 4 times, answers missing"
    return Row(name, stage.name, runs, len(ROOMS), lost, twice, len(unknown), stage.wrong, stage.kills)
