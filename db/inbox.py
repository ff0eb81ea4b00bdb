"""Questions and leads as the console lists them: with the group and unit they came from."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Group, Lead, Question, Unit, User
from db.states import AnswerKind, LeadState


@dataclass(frozen=True)
class LeadRow:
    lead: Lead
    group_name: str  # "" when it came from a private chat
    unit_name: str
    closed_by: str


@dataclass(frozen=True)
class QuestionRow:
    question: Question
    group_name: str
    unit_name: str


async def count_leads(session: AsyncSession, *, state: LeadState | None = None) -> int:
    query = sa.select(sa.func.count()).select_from(Lead)
    return await session.scalar(query if state is None else query.where(Lead.state == state)) or 0


async def list_leads(
    session: AsyncSession, *, state: LeadState | None = None, limit: int = 50, offset: int = 0
) -> Sequence[LeadRow]:
    """Newest first."""
    query = (
        sa.select(Lead, Group.name, Unit.name, User.name)
        .outerjoin(Group, Group.id == Lead.group_id)
        .outerjoin(Unit, Unit.id == Group.unit_id)
        .outerjoin(User, User.id == Lead.closed_by)
        .order_by(Lead.id.desc())
        .limit(limit)
        .offset(offset)
    )
    if state is not None:
        query = query.where(Lead.state == state)
    rows = await session.execute(query)
    return [LeadRow(lead, group or "", unit or "", closer or "") for lead, group, unit, closer in rows]


async def close_lead(session: AsyncSession, lead_id: int, *, user_id: int | None, at: datetime) -> bool:
    """False when it does not exist or somebody else was quicker."""
    update = sa.update(Lead).where(Lead.id == lead_id, Lead.state == LeadState.OPEN)
    return bool(await affected(session, update.values(state=LeadState.CLOSED, closed_by=user_id, closed_at=at)))


async def count_questions(session: AsyncSession, *, kinds: Collection[AnswerKind] = (), search: str = "") -> int:
    query = _filtered(sa.select(sa.func.count()).select_from(Question), kinds, search)
    return int(await session.scalar(query) or 0)


async def list_questions(
    session: AsyncSession,
    *,
    kinds: Collection[AnswerKind] = (),
    search: str = "",
    limit: int = 50,
    offset: int = 0,
) -> Sequence[QuestionRow]:
    """Newest first; `search` looks in the text."""
    query = (
        sa.select(Question, Group.name, Unit.name)
        .outerjoin(Group, Group.id == Question.group_id)
        .outerjoin(Unit, Unit.id == Group.unit_id)
        .order_by(Question.id.desc())
        .limit(limit)
        .offset(offset)
    )
    rows = await session.execute(_filtered(query, kinds, search))
    return [QuestionRow(row[0], row[1] or "", row[2] or "") for row in rows]


def _filtered(query: Any, kinds: Collection[AnswerKind], search: str) -> Any:
    if kinds:
        query = query.where(Question.kind.in_(kinds))
    if search:
        query = query.where(Question.text.contains(search, autoescape=True))
    return query
