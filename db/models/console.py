"""Users of the console, their sessions, the audit log, and the clock's ticks."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.states import (
    Role,
    UserState,
)
from db.types import Id, enum_column


class User(Base):
    """Someone who signs in to the console. A liaison sees the subtree of `unit_id` only."""

    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    password_hash: Mapped[str] = mapped_column(sa.String(200))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    unit_id: Mapped[int | None] = mapped_column(sa.ForeignKey("units.id"))
    state: Mapped[UserState] = mapped_column(enum_column(UserState), default=UserState.ACTIVE)
    must_change: Mapped[bool] = mapped_column(default=False)  # the first password is shown once and then replaced
    created_at: Mapped[datetime]
    totp_secret: Mapped[str] = mapped_column(sa.String(64), default="", server_default="")  # base32
    totp_step: Mapped[int] = mapped_column(sa.BigInteger, default=0, server_default="0")  # the last one used
    totp_since: Mapped[datetime | None]  # NULL: the second factor is off, a secret was at most offered
    recovery: Mapped[str] = mapped_column(sa.Text, default="", server_default="")  # hashes, between spaces


class WebSession(Base):
    """A signed-in browser. `pending`: the password was right, the code of the second factor is still to come."""

    __tablename__ = "web_sessions"
    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    seen_at: Mapped[datetime | None]  # the last page that was opened, to the minute
    address: Mapped[str] = mapped_column(sa.String(60), default="", server_default="")
    agent: Mapped[str] = mapped_column(sa.String(200), default="", server_default="")
    pending: Mapped[bool] = mapped_column(default=False, server_default=sa.false())


class LoginFailure(Base):
    """Failed sign-ins by account and by address, for throttling."""

    __tablename__ = "login_failures"
    __table_args__ = (sa.Index("ix_login_failures_key_at", "key", "at"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(120))
    at: Mapped[datetime]


class AuditEntry(Base):
    """Who did what, when, from where. Only ever inserted, and removed whole when the retention time is over."""

    __tablename__ = "audit"
    __table_args__ = (sa.Index("ix_audit_at", "at"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime]
    actor: Mapped[str] = mapped_column(sa.String(60))
    origin: Mapped[str] = mapped_column(sa.String(60), default="")  # address, "命令行", or the channel
    action: Mapped[str] = mapped_column(sa.String(40))
    subject: Mapped[str] = mapped_column(sa.String(80), default="")
    detail: Mapped[dict[str, Any]] = mapped_column(default=dict)


class Tick(Base):
    """A periodic task ran for this instant; unique, so that two schedulers run it once."""

    __tablename__ = "ticks"
    name: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True)


class DayNumber(Base):
    """The last alert number given on a day of the office's calendar."""

    __tablename__ = "day_numbers"
    day: Mapped[date] = mapped_column(primary_key=True)
    last: Mapped[int]
