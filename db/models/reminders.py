"""Reminders of groups that still miss an alert, and reports that can still be taken back."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.states import ReminderStep
from db.types import Id, enum_column


class Reminder(Base):
    """Somebody was to be reminded of an alert. The row is written in the transaction that queues the messages, and
    its key makes each step of an alert happen once to a person, whatever dies and however many schedulers there are."""

    __tablename__ = "reminders"
    __table_args__ = (
        sa.UniqueConstraint("alert_id", "person_id", "step", "turn"),
        sa.Index("ix_reminders_person_id_at", "person_id", "at"),
        sa.Index("ix_reminders_reply_id", "reply_id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id", ondelete="CASCADE"))
    step: Mapped[ReminderStep] = mapped_column(enum_column(ReminderStep))
    turn: Mapped[int] = mapped_column(sa.SmallInteger, default=1)  # 1; by hand 1, 2, 3 …
    groups: Mapped[int]  # how many were missing
    at: Mapped[datetime]  # queued, or found that it cannot be sent
    reply_id: Mapped[int | None] = mapped_column(sa.ForeignKey("replies.id"))  # NULL: not sent, see `reason`
    copy_id: Mapped[int | None] = mapped_column(sa.ForeignKey("replies.id"))  # the alert's text, ready to copy
    reason: Mapped[str] = mapped_column(sa.String(60), default="")  # why it was not sent


class HeldReport(Base):
    """A report from the phone page that its liaison may still take back. The roll-up waits for the row to go."""

    __tablename__ = "held_reports"
    __table_args__ = (sa.Index("ix_held_reports_until", "until"),)
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"), primary_key=True)
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"), primary_key=True)
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    until: Mapped[datetime]
