"""Personal tokens for programs that use the API, and the requests that they may safely repeat."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.types import Id


class ApiToken(Base):
    """A token acts as its user, within its scopes and until it expires. Only its hash is kept."""

    __tablename__ = "api_tokens"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(sa.String(40))  # what it is for
    token_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    hint: Mapped[str] = mapped_column(sa.String(8))  # its last characters, to tell tokens apart
    scopes: Mapped[list[Any]]  # values of `TokenScope`
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]  # within a minute
    used_from: Mapped[str] = mapped_column(sa.String(60), default="")  # the address


class IdempotencyKey(Base):
    """What was answered to a request that its sender may repeat without its being done twice."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (sa.Index("ix_idempotency_keys_at", "at"),)
    owner: Mapped[str] = mapped_column(sa.String(40), primary_key=True)  # "token:7" or "user:3"
    key: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(sa.String(64))  # of method, address and body
    at: Mapped[datetime]
    status: Mapped[int] = mapped_column(sa.SmallInteger, default=0)  # 0 while it is being done
    answer: Mapped[str] = mapped_column(sa.Text, default="")  # JSON
