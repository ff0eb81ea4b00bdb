"""What residents asked, what they got, and what they said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, insert_row
from db.models import Group, Question, Unit
from db.states import AnswerKind, Feedback

# Put together once: that takes longer than the database needs for the answer.
_SINCE: sa.BindParameter[datetime] = sa.bindparam("since")
_CHANNEL: sa.BindParameter[str] = sa.bindparam("channel")
_ROOM: sa.BindParameter[str] = sa.bindparam("room")
_MEMBER: sa.BindParameter[str] = sa.bindparam("member")
_DIALOG = (
    sa.select(Question)
    .where(
        Question.asked_at > _SINCE,
        Question.channel == _CHANNEL,
        Question.room_id == _ROOM,
        Question.member_hash == _MEMBER,
        Question.kind != AnswerKind.TALK,
    )
    .order_by(Question.id.desc())
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_RECENTLY = sa.select(sa.func.count()).where(Question.asked_at > _SINCE, Question.channel == _CHANNEL)
_ASKED = sa.select(
    _RECENTLY.where(Question.room_id == _ROOM).scalar_subquery(),
    _RECENTLY.where(Question.member_hash == _MEMBER, Question.group_id.is_not(None)).scalar_subquery(),
)


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
    feedback: Feedback | None
    group_name: str
    unit_name: str


async def add_question(session: AsyncSession, question: Question) -> Question:
    await insert_row(session, question)
    return question


async def count_asked(
    session: AsyncSession, since: datetime, *, channel: str, room_id: str, member_hash: str
) -> tuple[int, int]:
    """Questions that were answered since then: in one room, and of one member in all groups."""
    values = {"since": since, "channel": channel, "room": room_id, "member": member_hash}
    in_room, of_member = (await session.execute(_ASKED, values)).one()
    return in_room, of_member


async def list_dialog(
    session: AsyncSession, since: datetime, *, channel: str, room_id: str, member_hash: str, limit: int = 10
) -> Sequence[Question]:
    """What one member said in one room since then, newest first; without what was said about the conversation itself."""
    values = {"since": since, "channel": channel, "room": room_id, "member": member_hash, "limit": limit}
    return (await session.scalars(_DIALOG, values)).all()


async def set_feedback(session: AsyncSession, question_id: int, feedback: Feedback) -> None:
    await affected(session, sa.update(Question).where(Question.id == question_id).values(feedback=feedback))


@dataclass(frozen=True)
class QuestionFigures:
    """Questions since some day. `answered` got an answer or a choice; `useful` and `useless` were said of it."""

    asked: int
    answered: int
    emergencies: int
    unanswered: int
    useful: int
    useless: int

    @property
    def useful_share(self) -> float | None:
        """Of those who said anything; None when nobody did."""
        said = self.useful + self.useless
        return self.useful / said if said else None


async def count_outcomes(session: AsyncSession, since: datetime) -> QuestionFigures:
    """The talk about a conversation (谢谢, 有用) is no question."""

    def how_many(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
        return sa.func.coalesce(sa.func.sum(sa.case((condition, 1), else_=0)), 0)

    answered = (AnswerKind.ANSWER, AnswerKind.CHOICES, AnswerKind.CONTINUED, AnswerKind.MENU)
    query = sa.select(
        sa.func.count(),
        how_many(Question.kind.in_(answered)),
        how_many(Question.kind == AnswerKind.EMERGENCY),
        how_many(Question.kind == AnswerKind.NONE),
        how_many(Question.feedback == Feedback.USEFUL),
        how_many(Question.feedback == Feedback.USELESS),
    ).where(Question.asked_at > since, Question.kind != AnswerKind.TALK)
    return QuestionFigures(*(int(number) for number in (await session.execute(query)).one()))


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
        Question.feedback,
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
    """Without a kind, everything but the talk about a conversation."""
    conditions: list[Any] = [Question.kind != AnswerKind.TALK if kind is None else Question.kind == kind]
    if search:
        conditions.append(Question.text.contains(search, autoescape=True))
    return conditions
