"""What happens by the clock. The rows say what is due; the scheduler only wakes to look at them.

APScheduler keeps its jobs in memory: a time is set for every scheduled alert, a sweep finds whatever was missed,
and a nightly task tidies up. Ticks of the nightly task are unique in the database, so it runs once however many
schedulers there are.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

import sqlalchemy as sa
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
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
from db.leads import forget_texts
from db.models import Alert, Incoming, LoginFailure, Question, Send, Tick, WebSession
from db.seen import forget_visitors
from db.session import Database
from db.states import AlertState

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0


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

    async def start(self) -> None:
        once = {"max_instances": 1, "coalesce": True}
        self._jobs.add_job(self.sweep, "interval", seconds=SWEEP_SECONDS, id="sweep", **once)
        self._jobs.add_job(self.tidy, "cron", hour=3, minute=30, id="tidy", misfire_grace_time=3600, **once)
        self._jobs.start()

    async def stop(self) -> None:
        if not self._jobs.running:
            return
        self._jobs.pause()
        async with self._working:
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

    async def tidy(self) -> None:
        """Remove what is kept no longer: chat text, message ids, old sessions and pacing records."""
        async with self._working:
            await self._tidy()

    async def _tidy(self) -> None:
        now = self._clock.now()
        day = now.astimezone(self._settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        async with self._database.write() as session:
            tick = upsert(session, Tick).values(name="tidy", at=day).on_conflict_do_nothing()
            if not await affected(session, tick):
                return
            for table, column, limit in (
                (Incoming, Incoming.at, now - timedelta(days=self._settings.incoming_days)),
                (Send, Send.at, now - timedelta(days=2)),
                (LoginFailure, LoginFailure.at, now - timedelta(days=1)),
                (WebSession, WebSession.expires_at, now),
                (Tick, Tick.at, now - timedelta(days=30)),
            ):
                await affected(session, sa.delete(table).where(column < limit))
            old = Question.asked_at < now - timedelta(days=self._settings.question_days)
            await affected(session, sa.update(Question).where(old, Question.text != "").values(text=""))
            await forget_visitors(session, day.date())
            await forget_texts(session, now - timedelta(days=self._settings.question_days))


def is_overdue(alert: Alert, now: datetime, settings: Settings) -> bool:
    """Missed by so much that a person must decide (the program was not running): shown, never fired late."""
    return (
        alert.state is AlertState.SCHEDULED
        and alert.scheduled_at is not None
        and now - alert.scheduled_at > timedelta(minutes=settings.overdue_minutes)
    )
