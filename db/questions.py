"""What residents asked, and the leads that a person must look at."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Group, Lead, Question, Unit
from db.states import AnswerKind, LeadReason, LeadState


@dataclass(frozen=True)
class QuestionRow:
    """A question as a page shows it. The group and unit are empty for a private chat."""

    id: int
    asked_at: datetime
    text: str
    kind: AnswerKind
    types: list[str]
    score: float
    channel: str
    group_name: str
    unit_name: str


@dataclass(frozen=True)
class LeadRow:
    """A lead as a page shows it."""

    id: int
    created_at: datetime
    reason: LeadReason
    text: str
    state: LeadState
    closed_at: datetime | None
    group_name: str
    unit_name: str


async def add_question(session: AsyncSession, question: Question) -> Question:
    session.add(question)
    await session.flush()
    return question


async def add_lead(session: AsyncSession, lead: Lead) -> None:
    session.add(lead)
    await session.flush()


async def count_asked(
    session: AsyncSession, since: datetime, *, channel: str, room_id: str = "", member_hash: str = ""
) -> int:
    """Questions that were answered since then: in one room, or of one member in all groups, or of both."""
    query = sa.select(sa.func.count()).select_from(Question)
    query = query.where(Question.asked_at > since, Question.channel == channel)
    if room_id:
        query = query.where(Question.room_id == room_id)
    if member_hash:
        query = query.where(Question.member_hash == member_hash)
    if member_hash and not room_id:
        query = query.where(Question.group_id.is_not(None))
    return await session.scalar(query) or 0


async def find_last_question(
    session: AsyncSession, since: datetime, *, channel: str, room_id: str, member_hash: str
) -> Question | None:
    """The member's last question in the room, if it was asked since then."""
    query = sa.select(Question).where(
        Question.asked_at > since,
        Question.channel == channel,
        Question.room_id == room_id,
        Question.member_hash == member_hash,
    )
    return (await session.scalars(query.order_by(Question.id.desc()).limit(1))).one_or_none()


async def has_lead(
    session: AsyncSession, *, reason: LeadReason, group_id: int | None, text: str, since: datetime
) -> bool:
    """Whether the same words in the same group have made an open lead since then."""
    query = sa.select(Lead.id).where(
        Lead.state == LeadState.OPEN,
        Lead.reason == reason,
        Lead.group_id == group_id,
        Lead.text == text,
        Lead.created_at > since,
    )
    return (await session.scalar(query.limit(1))) is not None


async def list_questions(
    session: AsyncSession,
    *,
    kind: AnswerKind | None = None,
    search: str = "",
    limit: int = 50,
    offset: int = 0,
) -> list[QuestionRow]:
    """Newest first."""
    query = sa.select(
        Question.id,
        Question.asked_at,
        Question.text,
        Question.kind,
        Question.types,
        Question.score,
        Question.channel,
        sa.func.coalesce(Group.name, ""),
        sa.func.coalesce(Unit.name, ""),
    )
    query = query.select_from(Question).outerjoin(Group, Group.id == Question.group_id)
    query = query.outerjoin(Unit, Unit.id == Group.unit_id).where(*_asked(kind, search))
    rows = await session.execute(query.order_by(Question.id.desc()).limit(limit).offset(offset))
    return [QuestionRow(*row) for row in rows]


async def count_questions(session: AsyncSession, *, kind: AnswerKind | None = None, search: str = "") -> int:
    query = sa.select(sa.func.count()).select_from(Question).where(*_asked(kind, search))
    return await session.scalar(query) or 0


def _asked(kind: AnswerKind | None, search: str) -> list[sa.ColumnElement[bool]]:
    conditions: list[Any] = []
    if kind is not None:
        conditions.append(Question.kind == kind)
    if search:
        conditions.append(Question.text.contains(search, autoescape=True))
    return conditions


async def list_leads(
    session: AsyncSession, *, state: LeadState | None = LeadState.OPEN, limit: int = 50, offset: int = 0
) -> list[LeadRow]:
    """People in danger first, then the newest."""
    query = sa.select(
        Lead.id,
        Lead.created_at,
        Lead.reason,
        Lead.text,
        Lead.state,
        Lead.closed_at,
        sa.func.coalesce(Group.name, ""),
        sa.func.coalesce(Unit.name, ""),
    )
    query = query.select_from(Lead).outerjoin(Group, Group.id == Lead.group_id)
    query = query.outerjoin(Unit, Unit.id == Group.unit_id)
    if state is not None:
        query = query.where(Lead.state == state)
    urgent = sa.case((Lead.reason == LeadReason.EMERGENCY, 0), (Lead.reason == LeadReason.SCAM, 1), else_=2)
    rows = await session.execute(query.order_by(urgent, Lead.id.desc()).limit(limit).offset(offset))
    return [LeadRow(*row) for row in rows]


async def count_leads(session: AsyncSession, *, state: LeadState | None = LeadState.OPEN) -> int:
    query = sa.select(sa.func.count()).select_from(Lead)
    if state is not None:
        query = query.where(Lead.state == state)
    return await session.scalar(query) or 0


async def close_lead(session: AsyncSession, lead_id: int, *, user_id: int | None, at: datetime) -> bool:
    """False when somebody has closed it already, or there is none."""
    update = sa.update(Lead).where(Lead.id == lead_id, Lead.state == LeadState.OPEN)
    return bool(await affected(session, update.values(state=LeadState.CLOSED, closed_by=user_id, closed_at=at)))
