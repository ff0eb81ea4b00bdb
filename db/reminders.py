"""What reminders are made of: who misses an alert, who was reminded of it, and what of that still waits to be sent."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.forwards import Standing, list_compared
from db.models import Account, Alert, Delivery, Group, Person, Reach, Reminder, Reply, Unit
from db.states import (
    AccountState,
    AlertState,
    DeliveryState,
    GroupMode,
    GroupState,
    ReminderStep,
)
from db.units import in_subtree

_LEADER_KEY = 0x7866_7265_6D69  # "xfremi"
_COMING = (DeliveryState.WAITING, DeliveryState.SENDING)
NOT_SENT = (DeliveryState.SKIPPED, DeliveryState.CANCELLED)


@dataclass(frozen=True)
class Missing:
    """An expected group that an alert has not reached. `coming`: the bot is about to push into it. `takeable`: people
    forward into it, but an account sits in it and could push."""

    group_id: int
    code: str
    name: str
    unit_id: int
    unit_name: str
    unit_path: str
    coming: bool
    takeable: bool


@dataclass(frozen=True)
class Past:
    """A reminder that was tried. `sent`: it is under way or has arrived, as far as is known."""

    id: int
    person_id: int
    step: ReminderStep
    turn: int
    at: datetime
    groups: int
    reply_id: int | None
    reply_state: DeliveryState | None
    reason: str

    @property
    def sent(self) -> bool:
        return self.reply_state is not None and self.reply_state not in NOT_SENT


async def lead(session: AsyncSession) -> None:
    """Be the only one who reminds until this transaction ends: the cap per person counts rows of all alerts."""
    if session.get_bind().dialect.name == "postgresql":  # a write transaction is alone on SQLite
        await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LEADER_KEY)))


async def list_overdue(session: AsyncSession, now: datetime, since: datetime) -> Sequence[Alert]:
    """Live alerts whose deadline has passed, oldest first: not paused, not over, nothing has taken their place."""
    query = sa.select(Alert).where(
        Alert.released_at >= since,
        Alert.deadline_at <= now,
        Alert.expires_at > now,
        Alert.state.in_((AlertState.RUNNING, AlertState.FINISHED)),
    )
    alerts = (await session.scalars(query.order_by(Alert.id))).all()
    standing = await list_compared(session, since, since, [alert.id for alert in alerts]) if alerts else {}
    return [alert for alert in alerts if standing.get(alert.id) is Standing.LIVE]


async def list_missing(session: AsyncSession, alert_id: int, scope: str = "") -> list[Missing]:
    """In the order of the tree. Groups that have been retired since are nobody's business any more."""
    coming = sa.and_(
        Delivery.state.in_(_COMING), Account.state == AccountState.ONLINE, Alert.state == AlertState.RUNNING
    )
    query = (
        sa.select(
            Group.id,
            Group.code,
            Group.name,
            Unit.id,
            Unit.name,
            Unit.path,
            sa.func.coalesce(coming, sa.false()),
            sa.func.coalesce(sa.and_(is_takeable(), Delivery.id.is_(None)), sa.false()),
        )
        .select_from(Reach)
        .join(Alert, Alert.id == Reach.alert_id)
        .join(Group, Group.id == Reach.group_id)
        .join(Unit, Unit.id == Reach.unit_id)
        .outerjoin(Delivery, sa.and_(Delivery.alert_id == Reach.alert_id, Delivery.group_id == Reach.group_id))
        .outerjoin(Account, Account.id == Delivery.account_id)
        .where(*is_missing(alert_id), Group.state != GroupState.RETIRED, in_subtree(scope))
        .order_by(Unit.path, Group.code)
    )
    return [Missing(*row) for row in await session.execute(query)]


async def list_still_missing(session: AsyncSession, alert_id: int, group_ids: Collection[int]) -> set[int]:
    """Those of the groups that the alert has not reached at this moment."""
    found: set[int] = set()
    ids = list(group_ids)
    for start in range(0, len(ids), 5000):  # both databases take some 32,000 parameters
        part = ids[start : start + 5000]
        found.update(
            await session.scalars(sa.select(Reach.group_id).where(*is_missing(alert_id), Reach.group_id.in_(part)))
        )
    return found


def is_missing(alert_id: int) -> list[sa.ColumnElement[bool]]:
    return [Reach.alert_id == alert_id, Reach.expected.is_(True), Reach.reached_at.is_(None)]


def is_takeable() -> sa.ColumnElement[bool]:
    return sa.and_(
        Group.mode == GroupMode.RELAY,
        Group.state == GroupState.ACTIVE,
        Group.room_id.is_not(None),
        Group.account_id.is_not(None),
    )


# ── the record ──────────────────────────────────────────────────────────────


async def list_past(session: AsyncSession, alert_id: int) -> list[Past]:
    query = (
        sa.select(
            Reminder.id,
            Reminder.person_id,
            Reminder.step,
            Reminder.turn,
            Reminder.at,
            Reminder.groups,
            Reminder.reply_id,
            Reply.state,
            Reminder.reason,
        )
        .outerjoin(Reply, Reply.id == Reminder.reply_id)
        .where(Reminder.alert_id == alert_id)
        .order_by(Reminder.id)
    )
    return [Past(*row) for row in await session.execute(query)]


async def count_today(session: AsyncSession, person_ids: Collection[int], midnight: datetime) -> dict[int, int]:
    """Reminders that each of them got, or is about to get, since `midnight`."""
    query = (
        sa.select(Reminder.person_id, sa.func.count())
        .join(Reply, Reply.id == Reminder.reply_id)
        .where(Reminder.person_id.in_(person_ids), Reminder.at >= midnight, Reply.state.not_in(NOT_SENT))
        .group_by(Reminder.person_id)
    )
    rows = await session.execute(query)
    return {row[0]: row[1] for row in rows}


async def claim(
    session: AsyncSession,
    *,
    alert_id: int,
    person_id: int,
    step: ReminderStep,
    turn: int,
    groups: int,
    at: datetime,
    before: Past | None,
) -> int | None:
    """The id of the row of this step, now this transaction's to send; None when somebody else was quicker.

    `before` is the row as it was read, when the step was tried and could not be sent.
    """
    values = {"groups": groups, "at": at, "reason": ""}
    if before is not None:
        same = Reminder.reply_id.is_(None) if before.reply_id is None else Reminder.reply_id == before.reply_id
        again = (
            sa.update(Reminder).where(Reminder.id == before.id, same).values(reply_id=None, copy_id=None, **values)
        )
        return before.id if await affected(session, again) else None
    key = {"alert_id": alert_id, "person_id": person_id, "step": step, "turn": turn}
    insert = upsert(session, Reminder).values(**key, **values).on_conflict_do_nothing()
    found: int | None = await session.scalar(insert.returning(Reminder.id))
    return found


async def record_sent(session: AsyncSession, reminder_id: int, *, reply_id: int, copy_id: int) -> None:
    update = sa.update(Reminder).where(Reminder.id == reminder_id)
    await affected(session, update.values(reply_id=reply_id, copy_id=copy_id))


async def record_not_sent(session: AsyncSession, reminder_id: int, reason: str) -> None:
    await affected(session, sa.update(Reminder).where(Reminder.id == reminder_id).values(reason=reason[:60]))


@dataclass(frozen=True)
class ReminderRow:
    """A reminder as a page shows it."""

    at: datetime
    step: ReminderStep
    person: str
    unit_name: str
    unit_id: int
    groups: int
    state: DeliveryState | None  # of its message; None: not sent
    reason: str


async def list_reminders(
    session: AsyncSession, alert_id: int, *, scope: str = "", limit: int = 50
) -> list[ReminderRow]:
    """Newest first."""
    query = (
        sa.select(
            Reminder.at,
            Reminder.step,
            Person.name,
            Unit.name,
            Unit.id,
            Reminder.groups,
            Reply.state,
            sa.case((Reminder.reason != "", Reminder.reason), else_=sa.func.coalesce(Reply.reason, "")),
        )
        .join(Person, Person.id == Reminder.person_id)
        .join(Unit, Unit.id == Person.unit_id)
        .outerjoin(Reply, Reply.id == Reminder.reply_id)
        .where(Reminder.alert_id == alert_id, in_subtree(scope))
        .order_by(Reminder.at.desc(), Reminder.id.desc())
        .limit(limit)
    )
    return [ReminderRow(*row) for row in await session.execute(query)]
