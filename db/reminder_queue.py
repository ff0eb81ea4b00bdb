"""Reminders on their way: what has not left yet and may be taken back, and what the bot pushes instead of people."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Account, Alert, Delivery, Group, Reach, Reminder, Reply, Unit
from db.reminders import is_missing, is_takeable
from db.states import AccountState, AlertState, DeliveryState, ReminderStep, ReplyRank

INSTEAD = "到期没有人转发，由机器人代发"


@dataclass(frozen=True)
class Waiting:
    """A reminder whose message has not left yet."""

    id: int
    alert_id: int
    person_id: int
    step: ReminderStep
    reply_id: int
    copy_id: int | None
    account_state: AccountState


# ── what has not left yet ───────────────────────────────────────────────────


async def list_waiting(session: AsyncSession) -> list[Waiting]:
    waiting = sa.and_(
        Reply.account_id.in_(sa.select(Account.id)),  # so that the index by account and state is used
        Reply.state == DeliveryState.WAITING,
        Reply.rank == ReplyRank.REMINDER,
    )
    query = (
        sa.select(
            Reminder.id,
            Reminder.alert_id,
            Reminder.person_id,
            Reminder.step,
            Reminder.reply_id,
            Reminder.copy_id,
            Account.state,
        )
        .join(Reply, sa.or_(Reply.id == Reminder.reply_id, Reply.id == Reminder.copy_id))
        .join(Account, Account.id == Reply.account_id)
        .where(waiting)
        .order_by(Reminder.id)
        .distinct()
    )
    rows: list[list[Any]] = [list(row) for row in await session.execute(query)]
    return [Waiting(*row) for row in rows]


async def withdraw(session: AsyncSession, waiting: Waiting, reason: str) -> None:
    """Take the messages back that have not left. A step of which nothing left is tried again when it is due."""
    ids = [reply_id for reply_id in (waiting.reply_id, waiting.copy_id) if reply_id is not None]
    update = sa.update(Reply).where(Reply.id.in_(ids), Reply.state == DeliveryState.WAITING)
    await affected(session, update.values(state=DeliveryState.CANCELLED, reason=reason[:200]))


async def reword(session: AsyncSession, waiting: Waiting, text: str, *, groups: int) -> None:
    """Say it otherwise, unless it is on its way: other groups are missing now than when it was written."""
    update = sa.update(Reply).where(Reply.id == waiting.reply_id, Reply.state == DeliveryState.WAITING)
    if await affected(session, update.values(text=text)):
        await affected(session, sa.update(Reminder).where(Reminder.id == waiting.id).values(groups=groups))


# ── the bot itself ──────────────────────────────────────────────────────────


async def push_instead(session: AsyncSession, alert_id: int, group_ids: Collection[int], *, rank: int) -> int:
    """Let the bot push into groups that people should have forwarded into; returns into how many.

    Only into groups that are missing and takeable at this moment; each once, by the key of deliveries.
    """
    columns = ["alert_id", "group_id", "account_id", "rank", "level", "state", "reason", "attempts"]
    none_yet = ~sa.exists().where(Delivery.alert_id == alert_id, Delivery.group_id == Group.id)
    rows = (
        sa.select(
            sa.literal(alert_id),
            Group.id,
            Group.account_id,
            sa.literal(rank),
            Unit.level,
            sa.literal(DeliveryState.WAITING, sa.String()),
            sa.literal(INSTEAD),
            sa.literal(0),
        )
        .join_from(Reach, Group, Group.id == Reach.group_id)
        .join(Unit, Unit.id == Group.unit_id)
        .where(*is_missing(alert_id), Group.id.in_(group_ids), is_takeable(), none_yet)
        .order_by(Unit.level, Group.id)
    )
    insert = sa.insert(Delivery).from_select(columns, rows, include_defaults=False)
    count = await affected(session, insert)
    more = sa.update(Alert).where(Alert.id == alert_id).values(deliveries=Alert.deliveries + count)
    await affected(session, more)
    return count


async def has_forwarded(session: AsyncSession) -> bool:
    return (await session.scalar(sa.select(Delivery.id).where(*_overtaken()).limit(1))) is not None


async def skip_forwarded(session: AsyncSession) -> int:
    """What the bot was to push instead of people, and somebody has forwarded after all."""
    update = sa.update(Delivery).where(*_overtaken())
    return await affected(session, update.values(state=DeliveryState.SKIPPED, reason="群里已经有人转发"))


def _overtaken() -> list[sa.ColumnElement[bool]]:
    reached = sa.exists().where(
        Reach.alert_id == Delivery.alert_id, Reach.group_id == Delivery.group_id, Reach.reached_at.is_not(None)
    )
    running = sa.select(Alert.id).where(Alert.state == AlertState.RUNNING)
    waits = Delivery.state == DeliveryState.WAITING
    return [Delivery.alert_id.in_(running), waits, Delivery.reason == INSTEAD, reached]
