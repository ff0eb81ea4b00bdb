"""The built-in channel: rooms, people, and what was really said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.states import (
    ContentKind,
)
from db.types import Id, enum_column


class LocalRoom(Base):
    """A room of the built-in channel. `account` hears it (and may speak); NULL: the bot is not in it."""

    __tablename__ = "local_rooms"
    room_id: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    private: Mapped[bool] = mapped_column(default=False)
    account: Mapped[str | None] = mapped_column(sa.String(60))


class LocalPerson(Base):
    """Someone who can speak on the built-in channel (demo and training)."""

    __tablename__ = "local_people"
    person_id: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))


class LocalMessage(Base):
    """What was really said in a room: the witness of what arrived. Nothing here is ever deduplicated."""

    __tablename__ = "local_messages"
    __table_args__ = (
        sa.Index("ix_local_messages_room_id_id", "room_id", "id"),
        sa.Index(
            "ix_local_messages_untaken",
            "id",
            sqlite_where=sa.text("taken = 0"),
            postgresql_where=sa.text("NOT taken"),
        ),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    room_id: Mapped[str] = mapped_column(sa.ForeignKey("local_rooms.room_id"))
    sender_id: Mapped[str] = mapped_column(sa.String(80))  # a person, or "bot:<account>" (an account has up to 60)
    sender_name: Mapped[str] = mapped_column(sa.String(60))
    kind: Mapped[ContentKind] = mapped_column(enum_column(ContentKind))
    text: Mapped[str] = mapped_column(sa.Text)
    payload: Mapped[dict[str, Any]] = mapped_column(default=dict)  # picture_id, link_url, link_title, mentions
    at: Mapped[datetime]
    taken: Mapped[bool] = mapped_column(default=False)  # the bot has finished with it (or is not in the room)
