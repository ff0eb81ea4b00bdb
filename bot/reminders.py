"""Getting the last ones: whoever still misses an alert after its deadline is asked for, one step after the other.

The liaison of the group, then the liaison above, then (setting) the bot itself. What was said is a row of `reminders`
written in the transaction that queues the message, so each step of an alert happens once to a person, whatever dies
and however many schedulers look. Nothing is said in quiet hours; what had not left by then is taken back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.account_alarms import tell_officers
from bot.audit import audit
from bot.clock import Clock
from bot.errors import NotFound, WrongState
from bot.events import Events
from bot.identity import Actor
from bot.permissions import Permission, require
from bot.phone_reports import settle_reports
from bot.quiet import in_quiet_hours
from bot.reminder_plan import Charges, Due, Liaison, charge_of
from bot.reminding import Crew, find_live, load_charges, remind, remind_due, text_for
from bot.settings import Settings
from db import reminder_queue as queue
from db import reminders as store
from db.models import Unit
from db.people import list_liaisons
from db.reminder_queue import Waiting
from db.reminders import Missing, Past
from db.session import Database
from db.states import AccountState, ReminderStep
from db.units import within

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0  # between looks at what waits to be sent
AGAIN: Final = timedelta(minutes=1)  # between looks at an alert that some groups still miss
JUST_NOW: Final = timedelta(minutes=10)  # nobody is reminded by hand of the same alert twice in it


class Reminders:
    """What the scheduler runs. Its memory says only when to look at an alert again."""

    def __init__(self, settings: Settings, database: Database, clock: Clock, events: Events) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._events = events
        self._next_look = float("-inf")
        self._again: dict[int, datetime] = {}  # alert id → when to look at it again

    async def sweep(self) -> None:
        """Take back or correct what waits, then remind of whatever is due."""
        if self._clock.monotonic() < self._next_look:
            return
        self._next_look = self._clock.monotonic() + LOOK_SECONDS
        now = self._clock.now()
        if await settle_reports(self._database, now):
            self._events.publish("reach")
        if await tell_officers(self._database, self._settings, now):
            self._events.publish("replies")
        if not self._settings.reminders:
            return
        await self._tend_waiting(now)
        if not in_quiet_hours(now, self._settings):
            await self._remind(now)

    async def _tend_waiting(self, now: datetime) -> None:
        async with self._database.read() as session:
            changes = await list_changes(session, self._settings, now)
            overtaken = bool(self._settings.remind_push_minutes) and await queue.has_forwarded(session)
        if changes or overtaken:
            async with self._database.write() as session:
                for change in changes:
                    await _apply(session, change)
                await queue.skip_forwarded(session)

    async def _remind(self, now: datetime) -> None:
        since = now - timedelta(days=self._settings.forward_days)
        async with self._database.read() as session:
            overdue = [alert.id for alert in await store.list_overdue(session, now, since)]
        self._again = {alert_id: at for alert_id, at in self._again.items() if alert_id in overdue}
        for alert_id in overdue:
            if self._again.get(alert_id, now) > now:
                continue
            self._again[alert_id] = now + AGAIN
            try:
                done = await remind_due(self._database, self._settings, alert_id, now)
            except Exception:  # one alert must not keep the others waiting; the rows are looked at again
                log.exception("reminders of an alert failed", extra={"alert": alert_id})
                continue
            if done:
                self._events.publish("replies", "alerts", "deliveries")


# ── what has not left yet ───────────────────────────────────────────────────


@dataclass(frozen=True)
class Change:
    """What becomes of a reminder that has not left: taken back for a reason, or said otherwise."""

    waiting: Waiting
    reason: str = ""
    text: str = ""
    groups: int = 0


async def list_changes(session: AsyncSession, settings: Settings, now: datetime) -> list[Change]:
    """Messages that have not left say what is true now, and only if somebody still has to do something.

    Taken back: in quiet hours, when the account cannot send (another may), when the alert is over, and when no group
    is missing any more. A step of which nothing left is taken again when it is due.
    """
    waiting = await queue.list_waiting(session)
    if not waiting:
        return []
    charges = await load_charges(session)
    units = {person.id: unit.path for person, unit in await list_liaisons(session)}
    changes: list[Change] = []
    for alert_id in {row.alert_id for row in waiting}:
        alert = await find_live(session, settings, alert_id, now)
        missing = await store.list_missing(session, alert_id) if alert is not None else []
        past = {row.id: row for row in await store.list_past(session, alert_id)}
        for row in (row for row in waiting if row.alert_id == alert_id):
            groups = _still_missing(row, missing, charges, units.get(row.person_id))
            reason = _why_withdrawn(row, groups, quiet=in_quiet_hours(now, settings), over=alert is None)
            if alert is None or reason:
                changes.append(Change(row, reason))
            elif len(groups) != past[row.id].groups:
                text = await text_for(session, settings, alert, row.step, row.person_id, groups, now)
                changes.append(Change(row, text=text, groups=len(groups)))
    return changes


async def _apply(session: AsyncSession, change: Change) -> None:
    if change.reason:
        await queue.withdraw(session, change.waiting, change.reason)
    else:
        await queue.reword(session, change.waiting, change.text, groups=change.groups)


def _still_missing(row: Waiting, missing: Sequence[Missing], charges: Charges, unit: str | None) -> list[Missing]:
    if row.step is ReminderStep.HAND:
        return [] if unit is None else [group for group in missing if within(group.unit_path, unit)]
    return charge_of(row.person_id, row.step, missing, charges)


def _why_withdrawn(row: Waiting, groups: Sequence[Missing], *, quiet: bool, over: bool) -> str:
    if over:
        return "预警已结束"
    if not groups:
        return "群都已收到，不用提醒了"
    if quiet:
        return "进入免打扰时段"
    return "" if row.account_state is AccountState.ONLINE else "账号不在线"


# ── by hand ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Reminded:
    """What came of an officer's reminder: names of those it was queued for; names and reasons of the others."""

    sent: tuple[str, ...]
    not_sent: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        done = f"已提醒 {'、'.join(self.sent)}" if self.sent else "没有发出提醒"
        left = "；".join(f"{name}：{why}" for name, why in self.not_sent)
        return f"{done}；{left}" if left else done


async def remind_now(
    session: AsyncSession, actor: Actor, alert_id: int, unit_id: int, now: datetime, *, settings: Settings
) -> Reminded:
    """Remind the liaisons of a unit of every group that misses the alert in its subtree, before or after the deadline;
    where the unit has no liaison, those below it who have missing groups.

    Raises `NotFound` for a unit that the actor may not see, `WrongState` when there is nothing to remind of or it is
    not the time for it.
    """
    require(actor, Permission.RUN_ALERT)
    await store.lead(session)
    unit = await session.get(Unit, unit_id)
    if unit is None or not within(unit.path, actor.scope):
        raise NotFound("没有这个单位，或不在您的管辖范围内")
    alert = await find_live(session, settings, alert_id, now)
    if alert is None:
        raise WrongState("只能提醒正在推送或已推送完、还没有过期的预警")
    if in_quiet_hours(now, settings):
        raise WrongState(f"免打扰时段不提醒，请在 {settings.quiet_end:%H:%M} 以后再试")
    missing = [group for group in await store.list_missing(session, alert_id, unit.path) if not group.coming]
    if not missing:
        raise WrongState(f"{unit.name}的群都已收到或正在推送，不用提醒")
    dues = await _dues(session, unit, missing)
    if not dues:
        raise WrongState(f"{unit.name}没有绑定的联络员，请电话联系")
    past = [row for row in await store.list_past(session, alert_id) if row.step is ReminderStep.HAND]
    crew = Crew(session, settings, now)
    await crew.look_up({due.person.person_id for due in dues})
    sent, not_sent = [], []
    for due in dues:
        rows = [row for row in past if row.person_id == due.person.person_id]
        reason = await crew.why_not(due.person.person_id) or _too_soon(rows, now)
        if not reason and await remind(session, settings, alert, due, crew, now, turn=len(rows) + 1):
            sent.append(due.person.name)
        else:
            not_sent.append((due.person.name, reason or "刚刚有人提醒过"))
    result = Reminded(tuple(sent), tuple(not_sent))
    detail = {"alert": alert.number, "groups": len(missing), "sent": sent, "not_sent": dict(not_sent)}
    await audit(session, actor, now, "alert.remind", unit.name, detail)
    return result


def _too_soon(rows: Sequence[Past], now: datetime) -> str:
    soon = any(row.sent and now - row.at < JUST_NOW for row in rows)
    return f"{JUST_NOW // timedelta(minutes=1)} 分钟内提醒过" if soon else ""


async def _dues(session: AsyncSession, unit: Unit, missing: Sequence[Missing]) -> list[Due]:
    own = [
        Liaison(person.id, person.name, of.name, of.path)
        for person, of in await list_liaisons(session, scope=unit.path)
    ]
    heads = [liaison for liaison in own if liaison.unit_path == unit.path]
    if heads:
        return [Due(ReminderStep.HAND, liaison, tuple(missing)) for liaison in heads]
    charges = Charges(own)
    whose = {liaison: charge_of(liaison.person_id, ReminderStep.LIAISON, missing, charges) for liaison in own}
    return [Due(ReminderStep.HAND, liaison, tuple(groups)) for liaison, groups in whose.items() if groups]
