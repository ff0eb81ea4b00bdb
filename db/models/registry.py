"""Units, groups, accounts, and people with a task."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.states import (
    AccountState,
    GroupMode,
    GroupState,
    Role,
    UnitKind,
    UnitState,
)
from db.types import Id, PathText, enum_column


class Unit(Base):
    """A node of the tree. `path` is the codes from the root down, each closed by "/": `330922/330922100/`."""

    __tablename__ = "units"
    # With state and kind, so that a level is counted without opening its rows.
    __table_args__ = (sa.Index("ix_units_level_path", "level", "path", "state", "kind"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    kind: Mapped[UnitKind] = mapped_column(enum_column(UnitKind))
    level: Mapped[int] = mapped_column(sa.SmallInteger)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("units.id"), index=True)
    path: Mapped[str] = mapped_column(PathText, unique=True)
    tags: Mapped[str] = mapped_column(sa.String(200), default="")  # "|渔业|重点|", or empty
    liaison: Mapped[str] = mapped_column(sa.String(40), default="")  # the liaison's name, for staff to read
    state: Mapped[UnitState] = mapped_column(enum_column(UnitState), default=UnitState.ACTIVE)


class Account(Base):
    """The bot's identity on a channel. NULL pacing fields mean the settings' defaults."""

    __tablename__ = "accounts"
    __table_args__ = (sa.UniqueConstraint("channel", "name"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[str] = mapped_column(sa.String(60))
    state: Mapped[AccountState] = mapped_column(enum_column(AccountState), default=AccountState.OFFLINE)
    state_since: Mapped[datetime]
    state_reason: Mapped[str] = mapped_column(sa.String(200), default="")
    gap_ms: Mapped[int | None]  # start to start
    per_minute: Mapped[int | None]
    per_day: Mapped[int | None]
    cards_per_day: Mapped[int | None]
    blocked_until: Mapped[datetime | None]  # the breaker: nothing goes out before
    lease_owner: Mapped[str] = mapped_column(sa.String(120), default="")  # "host:pid:nonce" of the one sender
    lease_until: Mapped[datetime | None]  # by the database's clock
    lease_fence: Mapped[int] = mapped_column(Id, default=0, server_default="0")  # +1 with every new holder
    login_code: Mapped[str] = mapped_column(sa.String(500), default="", server_default="")  # what its QR code says
    alarmed_at: Mapped[datetime | None]  # officers were last told that it does not send


class Group(Base):
    """One chat room of one unit. Pushed into when `mode` is push and an account is in it; else relay-only."""

    __tablename__ = "groups"
    __table_args__ = (
        sa.UniqueConstraint("channel", "room_id"),
        sa.Index("ix_groups_unit_id_state", "unit_id", "state"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(40), unique=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"))
    channel: Mapped[str] = mapped_column(sa.String(20))
    room_id: Mapped[str | None] = mapped_column(sa.String(120))  # the platform's id, once known
    account_id: Mapped[int | None] = mapped_column(sa.ForeignKey("accounts.id"), index=True)
    mode: Mapped[GroupMode] = mapped_column(enum_column(GroupMode), default=GroupMode.PUSH)
    members: Mapped[int] = mapped_column(default=0)
    state: Mapped[GroupState] = mapped_column(enum_column(GroupState), default=GroupState.ACTIVE)
    warns: Mapped[bool] = mapped_column(default=False, server_default=sa.false())  # may say that a scam was posted
    warned_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class Room(Base):
    """A room as an account sees it on its platform: counts only, nobody's id. A room that no group is registered
    for is a proposal; one with several accounts can be handed over between them."""

    __tablename__ = "rooms"
    __table_args__ = (sa.Index("ix_rooms_account_id", "account_id"),)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    room_id: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"), primary_key=True)
    topic: Mapped[str] = mapped_column(sa.String(120), default="")
    members: Mapped[int] = mapped_column(default=0)
    found_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    left_at: Mapped[datetime | None]  # the account is not in it any more


class RoomCount(Base):
    """How many members a room had on a day of the office's calendar: one row per day on which it was looked at."""

    __tablename__ = "room_counts"
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    room_id: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    members: Mapped[int]


class Person(Base):
    """Someone with a task, known on a channel by a hashed member id. Residents are never here."""

    __tablename__ = "people"
    __table_args__ = (sa.UniqueConstraint("channel", "member_hash"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"), index=True)
    channel: Mapped[str] = mapped_column(sa.String(20))
    member_hash: Mapped[str] = mapped_column(sa.String(64))
    bound_at: Mapped[datetime]
    link_version: Mapped[int] = mapped_column(default=1, server_default="1")  # +1 ends every link to the phone page


class PersonRoom(Base):
    """The private chat of a person with a task and an account: where they can be reminded. Kept because they wrote
    there, and only for them; nothing like it exists for residents."""

    __tablename__ = "person_rooms"
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id", ondelete="CASCADE"), primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"), primary_key=True)
    room_id: Mapped[str] = mapped_column(sa.String(120))
    seen_at: Mapped[datetime]  # they last wrote there


class BindCode(Base):
    """A one-time code that binds whoever says it in a private chat to a role and a unit."""

    __tablename__ = "bind_codes"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    code_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    role: Mapped[Role] = mapped_column(enum_column(Role))
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
