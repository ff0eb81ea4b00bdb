"""What happens by the clock. The rows say what is due; the scheduler only wakes to look at them.

APScheduler keeps its jobs in memory: a time is set for every scheduled alert, a sweep finds whatever was missed,
and every few minutes the program looks whether the day's backup and the night's tidying are due: an office's PC is
switched off at night. Their ticks are unique in the database, so each runs once however many schedulers there are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta

import sqlalchemy as sa
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts, backups, retention
from bot.clock import Clock
from bot.errors import UserError
from bot.events import Events
from bot.identity import SYSTEM
from bot.reminders import Reminders
from bot.sender import REPLY_USEFUL
from bot.settings import Settings
from db import alerts as store
from db.deliveries import skip_stale_replies
from db.dml import affected, upsert
from db.models import Alert, Tick
from db.session import Database
from db.states import AlertState

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
UPKEEP_SECONDS = 300.0  # between looks whether a backup or the tidying is due
UPKEEP_STOP = 2.0  # seconds that a stop waits for them
TIDY_AT = timedelta(hours=3, minutes=30)  # of the office's day


class Scheduler:
    def __init__(self, settings: Settings, database: Database, clock: Clock, events: Events) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._events = events
        self._jobs = AsyncIOScheduler(timezone=settings.zone)
        self._reminders = Reminders(settings, database, clock, events)
        self._refused: dict[int, str] = {}  # alert id → why it could not take its step, said once
        self._working = asyncio.Lock()  # held while a task runs, so that a stop does not tear it
        self._upkeep = asyncio.Lock()  # the same for backup and tidying, which alerts need not wait for
        self._stopping = False

    async def start(self) -> None:
        once = {"max_instances": 1, "coalesce": True}
        self._jobs.add_job(self.sweep, "interval", seconds=SWEEP_SECONDS, id="sweep", **once)
        self._jobs.add_job(self.upkeep, "interval", seconds=UPKEEP_SECONDS, id="upkeep", **once)
        self._jobs.start()

    async def stop(self) -> None:
        if not self._jobs.running:
            return
        self._stopping = True
        self._jobs.pause()
        async with self._working:
            with contextlib.suppress(
                TimeoutError
            ):  # a backup that is being checked cannot be hurried: it is given up
                async with asyncio.timeout(UPKEEP_STOP), self._upkeep:
                    pass
            self._jobs.shutdown(wait=False)

    async def sweep(self) -> None:
        """Start what is due, end what has expired or has nothing left, and set alarms for what is coming."""
        async with self._working:
            await self._sweep()

    async def _sweep(self) -> None:
        now = self._clock.now()
        async with self._database.read() as session:
            due = [
                alert.id for alert in await store.list_due(session, now) if not is_overdue(alert, now, self._settings)
            ]
            overripe = await store.list_overripe(session, now)
            finished = await store.list_finished(session)
            coming = await store.list_coming(session, now + timedelta(seconds=SWEEP_SECONDS))
        for alert_id in overripe:
            await self._step(alert_id, alerts.expire)
        for alert_id in set(due) - set(overripe):
            await self._step(alert_id, self._start)
        for alert_id in finished:
            await self._step(alert_id, alerts.finish)
        for at in coming:
            self._jobs.add_job(self.sweep, "date", run_date=at, id=f"at-{at.timestamp()}", replace_existing=True)
        await self._skip_stale_replies(now)
        await self._reminders.sweep()

    async def _start(self, session: AsyncSession, alert_id: int, *, now: datetime) -> Alert:
        return await alerts.start(session, SYSTEM, alert_id, settings=self._settings, now=now)

    async def _step(self, alert_id: int, step: alerts.SystemStep) -> None:
        try:
            async with self._database.write() as session:
                await step(session, alert_id, now=self._clock.now())
        except UserError as error:
            if self._refused.get(alert_id) != str(error):
                log.warning("step not possible", extra={"alert": alert_id, "why": str(error)})
            self._refused[alert_id] = str(error)
            return
        self._events.publish("alerts")

    async def _skip_stale_replies(self, now: datetime) -> None:
        async with self._database.read() as session:
            if not await store.has_stale_replies(session, now - REPLY_USEFUL):
                return
        async with self._database.write() as session:
            await skip_stale_replies(session, now - REPLY_USEFUL)

    async def upkeep(self) -> None:
        """The day's backup and the night's tidying, if they are due and nobody has done them."""
        async with self._upkeep:
            try:
                await self._back_up()
                await self._tidy()
            except backups.Stopped:
                log.info("backup given up, the program stops")

    async def _back_up(self) -> None:
        now = self._clock.now()
        due = backups.last_due(self._settings, now)
        if not self._settings.backup_daily or self._stopping or not await self._take_tick("backup", due):
            return
        try:
            await backups.back_up_by_itself(self._database, self._settings, now=now, going_on=self._goes_on)
        except BaseException as error:
            async with self._database.write() as session:  # so that it is tried again
                await affected(session, sa.delete(Tick).where(Tick.name == "backup", Tick.at == due))
            if not isinstance(error, UserError):
                raise
            log.error("backup failed", extra={"why": str(error)})

    async def _tidy(self) -> None:
        now = self._clock.now()
        local = now.astimezone(self._settings.zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
        if self._stopping or local < midnight + TIDY_AT or not await self._take_tick("tidy", midnight):
            return
        removed = await retention.tidy(self._database, self._settings, now=now, going_on=self._goes_on)
        log.info("tidied", extra={"removed": removed})

    async def _take_tick(self, name: str, at: datetime) -> bool:
        """Whether the task is ours to do: whoever writes its tick first does it."""
        async with self._database.write() as session:
            tick = upsert(session, Tick).values(name=name, at=at).on_conflict_do_nothing()
            return bool(await affected(session, tick))

    def _goes_on(self) -> bool:
        return not self._stopping


def is_overdue(alert: Alert, now: datetime, settings: Settings) -> bool:
    """Missed by so much that a person must decide (the program was not running): shown, never fired late."""
    return (
        alert.state is AlertState.SCHEDULED
        and alert.scheduled_at is not None
        and now - alert.scheduled_at > timedelta(minutes=settings.overdue_minutes)
    )
