"""The way in: messages taken, questions, leads."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.states import (
    AnswerKind,
    Feedback,
    LeadReason,
    LeadState,
)
from db.types import Id, enum_column


class Incoming(Base):
    """Message ids already taken, so that each message acts once. Text is not kept here."""

    __tablename__ = "incoming"
    __table_args__ = (sa.Index("ix_incoming_at", "at"),)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    message_id: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(sa.String(20))  # the name of the handler that acted, or "silent"


class Question(Base):
    """What somebody said to the bot, and what it answered with. Nobody's name is kept; the portal keeps no hash either,
    and `room_id` is there a number that the page made up and forgets when it is closed."""

    __tablename__ = "questions"
    __table_args__ = (
        sa.Index("ix_questions_asked_at", "asked_at"),
        sa.Index("ix_questions_room_id_asked_at", "room_id", "asked_at"),
        sa.Index(  # what the nightly tidying looks for, and not what it has done
            "ix_questions_words",
            "asked_at",
            sqlite_where=sa.text("text != ''"),
            postgresql_where=sa.text("text != ''"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20))
    room_id: Mapped[str] = mapped_column(sa.String(120))
    group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("groups.id"))  # NULL: a private chat
    member_hash: Mapped[str] = mapped_column(sa.String(64))
    text: Mapped[str] = mapped_column(sa.Text)  # removed after the retention time
    kind: Mapped[AnswerKind] = mapped_column(enum_column(AnswerKind))
    types: Mapped[list[Any]] = mapped_column(default=list)
    score: Mapped[float] = mapped_column(default=0.0)
    asked_at: Mapped[datetime]
    feedback: Mapped[Feedback | None] = mapped_column(enum_column(Feedback))  # what the asker said of the answer


class Lead(Base):
    """Something that a person must look at."""

    __tablename__ = "leads"
    __table_args__ = (sa.Index("ix_leads_state_id", "state", "id"), sa.Index("ix_leads_question_id", "question_id"))
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    question_id: Mapped[int | None] = mapped_column(sa.ForeignKey("questions.id"))
    reason: Mapped[LeadReason] = mapped_column(enum_column(LeadReason))
    group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("groups.id"))
    text: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[LeadState] = mapped_column(enum_column(LeadState), default=LeadState.OPEN)
    created_at: Mapped[datetime]
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id"))  # through which it can be answered
    asker: Mapped[str] = mapped_column(
        sa.String(40), default="", server_default=""
    )  # to @ them; gone once it is closed
    claimed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    claimed_at: Mapped[datetime | None]
    answer: Mapped[str] = mapped_column(sa.Text, default="", server_default="")
    answered_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    answered_at: Mapped[datetime | None]
    reply_id: Mapped[int | None] = mapped_column(sa.ForeignKey("replies.id"))  # the answer on its way
    closed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    closed_at: Mapped[datetime | None]
