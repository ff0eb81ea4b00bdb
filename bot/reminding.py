"""Reminding of one alert: who can be reminded, what they are told, and the record of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.alerts import reopen
from bot.errors import NotFound
from bot.identity import SYSTEM
from bot.liaison_links import link_for
from bot.notices import Notice, send_by, why_not
from bot.reminder_plan import Charges, Due, Liaison, Plan, Waits, make_plan
from bot.reminder_texts import hand_text, parent_text, reminder_text
from bot.settings import Settings
from bot.short_pages import text_to_share
from db import reminder_queue as queue
from db import reminders as store
from db.audit import record_audit
from db.forwards import Standing, list_compared
from db.models import Alert, Person
from db.people import Route, list_liaisons, list_routes
from db.reminders import Missing
from db.session import Database
from db.states import AlertState, ReminderStep

AT_ONCE: Final = 25  # people reminded in one transaction
TOO_OFTEN: Final = "今天提醒次数已到上限"


async def remind_due(database: Database, settings: Settings, alert_id: int, now: datetime) -> int:
    """Take every step that is due for the alert; returns how many messages and pushes that were.

    Planned from a read, carried out in small transactions: with thousands of liaisons nobody else waits to write.
    """
    async with database.read() as session:
        plan = await _plan(session, settings, alert_id, now)
    done = 0
    for start in range(0, len(plan.due), AT_ONCE):
        async with database.write() as session:
            done += await _remind_some(session, settings, alert_id, plan.due[start : start + AT_ONCE], now)
    if plan.push:
        async with database.write() as session:
            done += await _push(session, settings, alert_id, plan.push, now)
    return done


async def _plan(session: AsyncSession, settings: Settings, alert_id: int, now: datetime) -> Plan:
    alert = await find_live(session, settings, alert_id, now)
    if alert is None or alert.deadline_at is None or alert.deadline_at > now:
        return Plan()
    missing = await store.list_missing(session, alert_id)
    charges = await load_charges(session) if missing else Charges(())
    crew = Crew(session, settings, now)
    await crew.look_up(people_of(missing, charges))
    past = await store.list_past(session, alert_id)
    return make_plan(
        missing, charges, past, now=now, deadline=alert.deadline_at, waits=_waits(settings), able=crew.able()
    )


async def _remind_some(
    session: AsyncSession, settings: Settings, alert_id: int, dues: Sequence[Due], now: datetime
) -> int:
    """What was planned a moment ago, as far as it is still true."""
    await store.lead(session)
    alert = await find_live(session, settings, alert_id, now)
    if alert is None:
        return 0
    crew = Crew(session, settings, now)
    await crew.look_up({due.person.person_id for due in dues})
    planned = {group.group_id for due in dues for group in due.groups}
    missing = await store.list_still_missing(session, alert_id, planned)
    done = 0
    for due in dues:
        groups = tuple(group for group in due.groups if group.group_id in missing)
        if groups:
            done += await remind(session, settings, alert, replace(due, groups=groups), crew, now)
    return done


async def remind(
    session: AsyncSession, settings: Settings, alert: Alert, due: Due, crew: Crew, now: datetime, *, turn: int = 1
) -> bool:
    """Queue one person's reminder and the alert's text behind it; False when it was not possible, which is on record,
    or when somebody else has just done it."""
    person_id = due.person.person_id
    reason = await crew.why_not(person_id)
    if reason and due.before is not None and due.before.reason == reason:
        return False  # known already
    reminder_id = await store.claim(
        session,
        alert_id=alert.id,
        person_id=person_id,
        step=due.step,
        turn=turn,
        groups=len(due.groups),
        at=now,
        before=due.before,
    )
    if reminder_id is None:
        return False
    if reason:
        await store.record_not_sent(session, reminder_id, reason)
        return False
    await _send(session, settings, alert, due, crew.use(person_id), reminder_id, now)
    return True


async def _send(
    session: AsyncSession,
    settings: Settings,
    alert: Alert,
    due: Due,
    route: Route,
    reminder_id: int,
    now: datetime,
) -> None:
    text = await text_for(session, settings, alert, due.step, due.person.person_id, due.groups, now)
    key = f"{reminder_id}:{now.timestamp():.3f}"
    first = await send_by(session, route, text, Notice.REMINDER, now, key=key)
    person = await session.get_one(Person, due.person.person_id)
    whole = await text_to_share(session, settings, alert, person.unit_id)
    second = await send_by(session, route, whole, Notice.REMINDER, now, key=f"{key}:text")
    await store.record_sent(session, reminder_id, reply_id=first.id, copy_id=second.id)


async def text_for(
    session: AsyncSession,
    settings: Settings,
    alert: Alert,
    step: ReminderStep,
    person_id: int,
    groups: Sequence[Missing],
    now: datetime,
) -> str:
    person = await session.get(Person, person_id)
    if person is None:
        raise NotFound("没有这位联络员")
    link = await link_for(session, settings, person, now=now)
    say = {ReminderStep.PARENT: parent_text, ReminderStep.HAND: hand_text}.get(step, reminder_text)
    return say(person.name, alert, groups, now=now, link=link)


async def _push(
    session: AsyncSession, settings: Settings, alert_id: int, group_ids: Collection[int], now: datetime
) -> int:
    """The bot pushes into groups that nobody forwarded into. A finished alert runs again until that is done."""
    alert = await find_live(session, settings, alert_id, now)
    if alert is None:
        return 0
    count = await queue.push_instead(session, alert.id, group_ids, rank=alert.severity.rank)
    if count:
        await reopen(session, SYSTEM, alert.id, now=now)
        await record_audit(
            session,
            at=now,
            actor=SYSTEM.name,
            origin=SYSTEM.origin,
            action="alert.push_instead",
            subject=f"预警 {alert.number}",
            detail={"groups": count},
        )
    return count


# ── who can be reminded ─────────────────────────────────────────────────────


class Crew:
    """Those who may be reminded in one transaction: how to write to them, and how often they were reminded today."""

    def __init__(self, session: AsyncSession, settings: Settings, now: datetime) -> None:
        self._session = session
        self._most = settings.reminders_per_day
        self._midnight = now.astimezone(settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
        self._routes: dict[int, Route] = {}
        self._today: dict[int, int] = {}

    async def look_up(self, person_ids: Collection[int]) -> None:
        self._routes = await list_routes(self._session, person_ids)
        self._today = await store.count_today(self._session, person_ids, self._midnight)

    def able(self) -> set[int]:
        return {person_id for person_id in self._routes if not self._capped(person_id)}

    def _capped(self, person_id: int) -> bool:
        return self._today.get(person_id, 0) >= self._most

    async def why_not(self, person_id: int) -> str:
        """Empty when the person can be reminded."""
        if person_id not in self._routes:
            return await why_not(self._session, person_id)
        return TOO_OFTEN if self._capped(person_id) else ""

    def use(self, person_id: int) -> Route:
        """Where to write to; counts as one reminder."""
        self._today[person_id] = self._today.get(person_id, 0) + 1
        return self._routes[person_id]


async def load_charges(session: AsyncSession) -> Charges:
    rows = await list_liaisons(session)
    return Charges(Liaison(person.id, person.name, unit.name, unit.path) for person, unit in rows)


def people_of(missing: Iterable[Missing], charges: Charges) -> set[int]:
    paths = {group.unit_path for group in missing}
    return {one.person_id for path in paths for liaisons in charges.of(path) for one in liaisons}


def _waits(settings: Settings) -> Waits:
    def wait(minutes: int) -> timedelta | None:
        return timedelta(minutes=minutes) if minutes else None

    return Waits(wait(settings.remind_parent_minutes), wait(settings.remind_push_minutes))


async def find_live(session: AsyncSession, settings: Settings, alert_id: int, now: datetime) -> Alert | None:
    """The alert if people should still pass it on."""
    alert = await session.get(Alert, alert_id)
    since = now - timedelta(days=settings.forward_days)
    if alert is None or alert.state not in (AlertState.RUNNING, AlertState.FINISHED) or alert.expires_at <= now:
        return None
    standing = await list_compared(session, since, since, [alert_id])
    return alert if standing.get(alert_id) is Standing.LIVE else None
