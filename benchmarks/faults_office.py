"""What officers asked for: times set for a broadcast while schedulers die, requests while the console dies."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from benchmarks.faults_stage import CLOCK, Row, Stage
from bot import alerts
from bot.identity import SYSTEM
from bot.tokens import create_token
from db.models import Alert, AuditEntry, Delivery, Reach, User
from db.states import AlertState, DeliveryState, TokenScope
from tests.gateway.driver import free_port
from tests.world import content

AHEAD = 0.8  # seconds until the time that is set for a broadcast
FEW = 24  # groups: many small broadcasts
MOMENTS = {"release": (-0.05, 0.15), "end": (0.0, 1.1), "fold": (0.0, 2.5)}
"""When the scheduler is killed: seconds after the set time, or after the last delivery."""

# ── schedulers ──


async def scheduler_killed(stage: Stage, kills: int) -> Row:
    """Killed as it releases, as it closes what has ended, as it folds figures; another starts at once."""
    late = await _scheduling(stage, kills, 1)
    runs = f"{kills} kills; latest release {late:.1f} s after its time"
    return await stage.judge("scheduler killed at releases, ends, folds", runs)


async def one_of_two_killed(stage: Stage, kills: int) -> Row:
    """Two at once, of which one dies at such a moment."""
    late = await _scheduling(stage, kills, 2)
    return await stage.judge(
        "two schedulers, one killed", f"{kills} kills; latest release {late:.1f} s after its time"
    )


async def _scheduling(stage: Stage, kills: int, count: int) -> float:
    """By how many seconds the latest release came after its time."""
    await stage.build(FEW)
    stage.start("web")
    sender = stage.start("sender")
    schedulers = [stage.start("scheduler") for _ in range(count)]
    await stage.holds(sender)
    for number in range(kills):
        alert = await _schedule(stage)
        moment = list(MOMENTS)[number % 3]
        await asyncio.sleep((alert.scheduled_at - CLOCK.now()).total_seconds() - 0.1)  # type: ignore[operator]
        if moment != "release":
            await stage.wait(lambda alert=alert: _all_sent(stage, alert), sender, 30, "a set broadcast")  # type: ignore[misc]
        else:
            await asyncio.sleep(0.1)
        await asyncio.sleep(max(0.0, stage.chance.uniform(*MOMENTS[moment])))
        stage.kill(schedulers[number % count])
        schedulers[number % count] = stage.start("scheduler")
    await stage.settle(60)
    return await _once_each(stage, kills)


async def _schedule(stage: Stage) -> Alert:
    return await stage.release(content(scheduled_at=CLOCK.now() + timedelta(seconds=AHEAD)))


async def _all_sent(stage: Stage, alert: Alert) -> bool:
    sent = sa.select(sa.func.count()).where(Delivery.alert_id == alert.id, Delivery.state == DeliveryState.SENT)
    return await stage.number(sent) == FEW


async def _once_each(stage: Stage, wanted: int) -> float:
    """Each broadcast was begun once and closed once, by whichever scheduler."""
    async with stage.database.read() as session:
        released = list(await session.scalars(sa.select(Alert).where(Alert.released_at.is_not(None))))
    if len(released) != wanted:
        stage.blame(f"{len(released)} of {wanted} set broadcasts began")
    for alert in released:
        done = [await _steps(stage, alert, action) for action in ("start", "finish")]
        if done != [1, 1]:
            stage.blame(f"alert {alert.id} was begun and closed {done} times")
    return max((alert.released_at - alert.scheduled_at).total_seconds() for alert in released)  # type: ignore[operator]


async def _steps(stage: Stage, alert: Alert, step: str) -> int:
    """How often the audit log has this step of the alert."""
    about = AuditEntry.subject == f"预警 {alert.number}"
    return await stage.number(sa.select(sa.func.count()).where(about, AuditEntry.action == f"alert.{step}"))


async def _count(session: AsyncSession, *conditions: sa.ColumnElement[bool]) -> int:
    return int(await session.scalar(sa.select(sa.func.count()).where(*conditions)) or 0)


# ── the console ──

SCRIPTS = (
    ("release", "pause", "resume", "pause", "cancel"),
    ("release", "pause", "resume", "pause", "resume"),
    ("release", "cancel"),
)
NAMES = {"release": "start"}  # what the step is called in the audit log
LEADS_TO = {"pause": AlertState.PAUSED, "resume": AlertState.RUNNING, "cancel": AlertState.CANCELLED}


@dataclass
class Wish:
    """One request, under a key of its own: a program that hears nothing asks again under the same key."""

    alert: Alert
    step: str
    key: str
    before: int  # how often the step was done


@dataclass(frozen=True)
class Answer:
    status: int
    replayed: bool


class Desk:
    """An officer's program on the API, and what became of its requests."""

    def __init__(self, stage: Stage, address: str, token: str, client: aiohttp.ClientSession) -> None:
        self._stage = stage
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}
        self._client = client
        self._script: list[Wish] = []
        self._asked = 0
        self._took: dict[str, list[float]] = {}
        self.unheard: list[str] = []  # "done" or "not done", for each request that was never answered

    async def ready(self) -> bool:
        try:
            async with self._client.get(f"{self._address}/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    @property
    def has_more(self) -> bool:
        return bool(self._script)

    async def next_wish(self) -> Wish:
        if not self._script:
            alert = await self._submit()
            self._script = [Wish(alert, step, "", 0) for step in self._stage.chance.choice(SCRIPTS)]
        wish = self._script.pop(0)
        self._asked += 1
        wish.key, wish.before = f"wish-{self._asked}", await self._done(wish)
        return wish

    async def _submit(self) -> Alert:
        stage, now = self._stage, CLOCK.now()
        async with stage.database.write() as session:
            alert = await alerts.create(session, stage.world.publisher, content(), settings=stage.settings, now=now)
            return await alerts.submit(session, stage.world.publisher, alert.id, now=now)

    def usual(self, step: str) -> float:
        """Seconds that this step takes."""
        return statistics.median(self._took.get(step, [0.03]))

    async def ask(self, wish: Wish) -> Answer | None:
        """None when the connection broke before the answer."""
        body: dict[str, Any] = {}
        headers = dict(self._headers)
        if wish.step == "release":
            body, headers["Idempotency-Key"] = {"version": wish.alert.version}, wish.key
        elif wish.step == "cancel":
            body = {"number": wish.alert.number, "reason": "试验"}
        url = f"{self._address}/api/v1/alerts/{wish.alert.id}/{wish.step}"
        began = time.monotonic()
        try:
            async with self._client.post(url, json=body or None, headers=headers) as answer:
                await answer.read()
                self._took.setdefault(wish.step, []).append(time.monotonic() - began)
                return Answer(answer.status, "Idempotency-Replayed" in answer.headers)
        except aiohttp.ClientError:
            return None

    async def judge(self, wish: Wish, answer: Answer | None) -> None:
        """An acknowledged request was done once, a refused one not at all, an unheard one wholly or not at all."""
        done = await self._done(wish) - wish.before
        if answer is None:
            self.unheard.append("done" if done else "not done")
            allowed = {0, 1}
        else:
            allowed = {int(answer.status == 200 and not answer.replayed)}
            if answer.status not in (200, 409):
                self._stage.blame(f"{wish.step} was answered {answer.status}")
        if done not in allowed:
            self._stage.blame(f"{wish.step} answered {answer} was done {done} times")
        if not await self._whole(wish, bool(done)):
            self._stage.blame(f"{wish.step} is half done")
        wish.before += done

    async def _done(self, wish: Wish) -> int:
        return await _steps(self._stage, wish.alert, NAMES.get(wish.step, wish.step))

    async def _whole(self, wish: Wish, done: bool) -> bool:
        async with self._stage.database.snapshot() as session:
            alert = await alerts.get_alert(session, wish.alert.id)
            of_alert = Delivery.alert_id == alert.id
            rows = await _count(session, of_alert)
            left = await _count(session, of_alert, Delivery.state == DeliveryState.WAITING)
            reach = await _count(session, Reach.alert_id == alert.id)
        groups = len(self._stage.world.groups)
        begun = rows == reach == alert.deliveries == groups and alert.released_at is not None
        if wish.step == "release" and not done and not wish.before:
            return rows == reach == 0 and alert.state is AlertState.IN_REVIEW
        if wish.step == "cancel" and done:
            return begun and alert.state is AlertState.CANCELLED and not left
        return begun and (
            not done or alert.state in (LEADS_TO.get(wish.step), AlertState.RUNNING, AlertState.FINISHED)
        )


async def console_killed(stage: Stage, kills: int) -> Row:
    """The console is killed while it answers; on SQLite the whole program, as it is one there."""
    await stage.build(80)
    if stage.sender:
        stage.start("scheduler")
        stage.start("sender")
    roles: Sequence[str] = ("web",) if stage.sender else ()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as client:
        address = f"http://127.0.0.1:{stage.environment['XINFANG_PORT']}"
        desk = Desk(stage, address, await _token(stage), client)
        pid = await _open(stage, desk, roles)
        for _ in range(kills):
            pid = await _one_kill(stage, desk, roles, pid)
        while desk.has_more:  # no script leaves its alert paused
            await _one_request(desk)
    unheard = f"{desk.unheard.count('done')} of {len(desk.unheard)} unanswered requests were done"
    return await stage.judge("console killed while officers ask", f"{kills} kills; {unheard}")


async def _open(stage: Stage, desk: Desk, roles: Sequence[str]) -> int:
    pid = stage.start(*roles)
    await stage.wait(desk.ready, pid, 60, "the console")
    return pid


async def _one_request(desk: Desk) -> None:
    wish = await desk.next_wish()
    await desk.judge(wish, await desk.ask(wish))


async def _one_kill(stage: Stage, desk: Desk, roles: Sequence[str], pid: int) -> int:
    """Some requests, and one in the middle of which the console dies: its successor is asked again."""
    for _ in range(stage.chance.randint(0, 2)):
        await _one_request(desk)
    wish = await desk.next_wish()
    asking = asyncio.create_task(desk.ask(wish))
    await asyncio.sleep(stage.chance.uniform(0, 1.5) * desk.usual(wish.step))
    stage.kill(pid)
    answer = await asking
    await asyncio.sleep(0.15)  # what PostgreSQL was told before may still be written
    await desk.judge(wish, answer)
    pid = await _open(stage, desk, roles)
    if answer is None:
        await desk.judge(wish, await desk.ask(wish))
    return pid


async def _token(stage: Stage) -> str:
    async with stage.database.write() as session:
        user = await session.get_one(User, stage.world.reviewer.user_id)
        _, text = await create_token(
            session, SYSTEM, user, name="试验", scopes=tuple(TokenScope), days=1, now=CLOCK.now()
        )
    return text


def console_environment() -> dict[str, str]:
    return {"XINFANG_PORT": str(free_port()), "XINFANG_API_PER_MINUTE": "100000"}
