"""Leads: what a person must look at, from the message that made it to the officer's answer."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.dml import affected, insert_row
from db.models import Group, Lead, Question, Reply, Unit, User
from db.states import DeliveryState, LeadReason, LeadState

UNDONE = (LeadState.OPEN, LeadState.CLAIMED)
# Put together once: that takes longer than the database needs for the answer.
_ALIKE = (
    sa.select(Lead.id)
    .where(
        Lead.state.in_(UNDONE),
        Lead.reason == sa.bindparam("reason"),
        Lead.text == sa.bindparam("text"),
        Lead.created_at > sa.bindparam("since"),
    )
    .limit(1)
)
_ALIKE_IN_GROUP = _ALIKE.where(Lead.group_id == sa.bindparam("group"))
_ALIKE_IN_NONE = _ALIKE.where(Lead.group_id.is_(None))
_OF_DIALOG = (
    sa.select(Lead)
    .where(
        Lead.question_id.in_(sa.bindparam("questions", expanding=True)),
        Lead.state.in_(UNDONE),
        Lead.reason.in_(sa.bindparam("reasons", expanding=True)),
    )
    .order_by(Lead.id.desc())
    .limit(1)
)


@dataclass(frozen=True)
class LeadRow:
    """A lead as a page shows it. `channel` and `types` are those of its question; a scam in a group has none."""

    id: int
    created_at: datetime
    reason: LeadReason
    text: str
    state: LeadState
    claimed_at: datetime | None
    claimer_id: int | None
    claimer: str
    answer: str
    answered_at: datetime | None
    answerer: str
    closed_at: datetime | None
    account_id: int | None
    channel: str
    types: list[str]
    reply_state: DeliveryState | None
    group_name: str
    unit_name: str


@dataclass(frozen=True)
class LeadFigures:
    """What the inbox shows live. `mark` grows with every change, so that a page knows that it is behind."""

    open: int
    alarms: int  # people being defrauded, whom nobody has taken care of
    mark: str


async def add_lead(session: AsyncSession, lead: Lead) -> None:
    await insert_row(session, lead)


async def has_lead(
    session: AsyncSession, *, reason: LeadReason, group_id: int | None, text: str, since: datetime
) -> bool:
    """Whether the same words in the same group have made a lead since then that is not done with."""
    values: dict[str, Any] = {"reason": reason, "text": text, "since": since}
    if group_id is None:
        return (await session.scalar(_ALIKE_IN_NONE, values)) is not None
    return (await session.scalar(_ALIKE_IN_GROUP, values | {"group": group_id})) is not None


async def find_dialog_lead(
    session: AsyncSession, question_ids: Collection[int], *, reasons: Collection[LeadReason]
) -> Lead | None:
    """The newest lead for one of these reasons that these questions of one person made and nobody is done with."""
    if not question_ids:
        return None
    return (await session.scalars(_OF_DIALOG, {"questions": question_ids, "reasons": reasons})).one_or_none()


async def list_leads(
    session: AsyncSession,
    *,
    state: LeadState | None = LeadState.OPEN,
    lead_ids: Collection[int] | None = None,
    limit: int = 50,
    offset: int = 0,
) -> list[LeadRow]:
    """People in danger first, then scams, then who asks for a person, then the rest; the newest first in each."""
    query = _rows()
    if state is not None:
        query = query.where(Lead.state == state)
    if lead_ids is not None:
        query = query.where(Lead.id.in_(lead_ids))
    ranked = [(Lead.reason == reason, reason.rank) for reason in LeadReason if reason.rank <= LeadReason.PERSON.rank]
    urgent = sa.case(*ranked, else_=LeadReason.PERSON.rank + 1)
    rows = await session.execute(query.order_by(urgent, Lead.id.desc()).limit(limit).offset(offset))
    return [_row(row) for row in rows]


@cache
def _rows() -> sa.Select[*tuple[Any, ...]]:
    claimer, answerer = aliased(User), aliased(User)
    empty = sa.literal("")
    return (
        sa.select(
            Lead.id,
            Lead.created_at,
            Lead.reason,
            Lead.text,
            Lead.state,
            Lead.claimed_at,
            Lead.claimed_by,
            sa.func.coalesce(claimer.name, empty),
            Lead.answer,
            Lead.answered_at,
            sa.func.coalesce(answerer.name, empty),
            Lead.closed_at,
            Lead.account_id,
            sa.func.coalesce(Question.channel, empty),
            Question.types,
            Reply.state,
            sa.func.coalesce(Group.name, empty),
            sa.func.coalesce(Unit.name, empty),
        )
        .select_from(Lead)
        .outerjoin(Question, Question.id == Lead.question_id)
        .outerjoin(Group, Group.id == Lead.group_id)
        .outerjoin(Unit, Unit.id == Group.unit_id)
        .outerjoin(claimer, claimer.id == Lead.claimed_by)
        .outerjoin(answerer, answerer.id == Lead.answered_by)
        .outerjoin(Reply, Reply.id == Lead.reply_id)
    )


def _row(row: Any) -> LeadRow:
    values = list(row)
    values[14] = list(values[14] or [])
    return LeadRow(*values)


async def count_leads(
    session: AsyncSession, *, state: LeadState | None = LeadState.OPEN, reason: LeadReason | None = None
) -> int:
    query = sa.select(sa.func.count()).select_from(Lead)
    if state is not None:
        query = query.where(Lead.state == state)
    if reason is not None:
        query = query.where(Lead.reason == reason)
    return await session.scalar(query) or 0


async def count_leads_by_state(session: AsyncSession) -> dict[LeadState, int]:
    """With 0 for a state in which there is none."""
    counted = {row[0]: row[1] for row in await session.execute(_BY_STATE)}
    return {state: counted.get(state, 0) for state in LeadState}


def _total(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)


_BY_STATE = sa.select(Lead.state, sa.func.count()).group_by(Lead.state)
_OPEN = Lead.state == LeadState.OPEN
_COUNTED = sa.select(
    _total(_OPEN),
    _total(_OPEN & (Lead.reason == LeadReason.EMERGENCY)),
    _total(Lead.reason == LeadReason.PERSON),
    _total(Lead.reason == LeadReason.USELESS),
    sa.func.coalesce(sa.func.sum(sa.func.length(Lead.text)), 0),  # somebody in danger has said more
).where(Lead.state.in_(UNDONE))
_NEWEST = sa.select(
    sa.func.max(Lead.id), sa.func.max(Lead.claimed_at), sa.func.max(Lead.answered_at), sa.func.max(Lead.closed_at)
)
_ARRIVED = (
    sa.select(sa.func.count())
    .select_from(Lead)
    .join(Reply, Reply.id == Lead.reply_id)
    .where(Lead.state == LeadState.ANSWERED, Reply.state == DeliveryState.SENT)
)


async def get_figures(session: AsyncSession) -> LeadFigures:
    counted = (await session.execute(_COUNTED)).one()
    changes = [*counted, *(await session.execute(_NEWEST)).one(), await session.scalar(_ARRIVED)]
    return LeadFigures(int(counted[0]), int(counted[1]), "/".join(str(value) for value in changes))


async def list_recent_texts(
    session: AsyncSession, since: datetime, reasons: Collection[LeadReason], *, limit: int
) -> list[tuple[int, str, LeadState]]:
    """Ids, words and states of the newest leads of these reasons, oldest first; those whose words are gone are left out."""
    query = sa.select(Lead.id, Lead.text, Lead.state).where(
        Lead.created_at > since, Lead.reason.in_(reasons), Lead.text != ""
    )
    rows = await session.execute(query.order_by(Lead.id.desc()).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows][::-1]


async def list_dialog_answers(session: AsyncSession, *, channel: str, room_id: str) -> list[tuple[int, str, str]]:
    """What officers answered in one dialog: lead, question, answer; oldest first."""
    query = (
        sa.select(Lead.id, Lead.text, Lead.answer)
        .join(Question, Question.id == Lead.question_id)
        .where(Question.channel == channel, Question.room_id == room_id, Lead.answer != "")
    )
    return [(row[0], row[1], row[2]) for row in await session.execute(query.order_by(Lead.answered_at))]


async def count_dialog_undone(session: AsyncSession, *, channel: str, room_id: str) -> int:
    """Leads of one dialog that somebody still has to answer."""
    query = sa.select(sa.func.count()).select_from(Lead).join(Question, Question.id == Lead.question_id)
    query = query.where(Question.channel == channel, Question.room_id == room_id, Lead.state.in_(UNDONE))
    return await session.scalar(query) or 0


async def change_lead(session: AsyncSession, lead_id: int, *, when: Collection[LeadState], **values: Any) -> bool:
    """Write `values` if the lead is in one of these states; False when a colleague was quicker, or there is none."""
    update = sa.update(Lead).where(Lead.id == lead_id, Lead.state.in_(when))
    return bool(await affected(session, update.values(**values)))


async def close_lead(session: AsyncSession, lead_id: int, *, user_id: int | None, at: datetime) -> bool:
    """False when somebody has closed it already, or there is none. Nobody is owed an answer any more: the name goes."""
    when = [state for state in LeadState if state is not LeadState.CLOSED]
    return await change_lead(
        session, lead_id, when=when, state=LeadState.CLOSED, closed_by=user_id, closed_at=at, asker=""
    )


async def claim_warning(session: AsyncSession, group_id: int, *, now: datetime, since: datetime) -> bool:
    """Take the right to warn the group once; False when it may not be warned, or was warned after `since`."""
    update = sa.update(Group).where(
        Group.id == group_id,
        Group.warns,
        sa.or_(Group.warned_at.is_(None), Group.warned_at <= since),
    )
    return bool(await affected(session, update.values(warned_at=now)))


async def forget_texts(session: AsyncSession, before: datetime) -> None:
    """The retention time of leads: words and names go, what was done about them stays."""
    old = sa.and_(Lead.created_at < before, sa.or_(Lead.text != "", Lead.answer != "", Lead.asker != ""))
    await affected(session, sa.update(Lead).where(old).values(text="", answer="", asker=""))
