"""Every table. Columns carry what cannot be derived; everything counted about coverage comes from `Reach`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.states import (
    AccountState,
    AlertState,
    AnswerKind,
    ContentKind,
    DeliveryState,
    GroupMode,
    GroupState,
    LeadReason,
    LeadState,
    Relation,
    Role,
    Severity,
    UnitKind,
    UnitState,
    UserState,
    Way,
)
from db.types import Id, Json, PathText, UtcDateTime, enum_column


class Base(DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcDateTime, dict[str, Any]: Json, list[Any]: Json}  # noqa: RUF012 - SQLAlchemy's own form


# ── registry ────────────────────────────────────────────────────────────────


class Unit(Base):
    """A node of the tree. `path` is the codes from the root down, each closed by "/": `330922/330922100/`."""

    __tablename__ = "units"
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
    blocked_until: Mapped[datetime | None]  # the breaker: nothing goes out before
    lease_owner: Mapped[str] = mapped_column(sa.String(120), default="")  # "host:pid:nonce" of the one sender
    lease_until: Mapped[datetime | None]


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
    created_at: Mapped[datetime]


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


# ── alerts and their way out ────────────────────────────────────────────────


class Picture(Base):
    """A re-encoded picture; in the database so that one backup holds everything."""

    __tablename__ = "pictures"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    sha256: Mapped[str] = mapped_column(sa.String(64), unique=True)
    media_type: Mapped[str] = mapped_column(sa.String(20))
    width: Mapped[int]
    height: Mapped[int]
    data: Mapped[bytes] = mapped_column(sa.LargeBinary)


class Alert(Base):
    __tablename__ = "alerts"
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(20), unique=True)  # "20261121-01", in the office's zone
    title: Mapped[str] = mapped_column(sa.String(60))
    body: Mapped[str] = mapped_column(sa.Text)
    severity: Mapped[Severity] = mapped_column(enum_column(Severity))
    kind: Mapped[ContentKind] = mapped_column(enum_column(ContentKind), default=ContentKind.TEXT)
    picture_id: Mapped[int | None] = mapped_column(sa.ForeignKey("pictures.id"))
    link_url: Mapped[str] = mapped_column(sa.String(500), default="")
    link_title: Mapped[str] = mapped_column(sa.String(60), default="")
    audience: Mapped[dict[str, Any]]  # the rule, see `db.audience.Audience`
    relation: Mapped[Relation | None] = mapped_column(enum_column(Relation))
    related_id: Mapped[int | None] = mapped_column(sa.ForeignKey("alerts.id"), index=True)
    state: Mapped[AlertState] = mapped_column(enum_column(AlertState), default=AlertState.DRAFT, index=True)
    version: Mapped[int] = mapped_column(default=1)  # +1 on every change of content; a reviewer releases one version
    note: Mapped[str] = mapped_column(sa.String(200), default="")  # why it was sent back or cancelled
    scheduled_at: Mapped[datetime | None]
    expires_at: Mapped[datetime]
    created_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    created_at: Mapped[datetime]
    reviewed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    reviewed_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]  # the audience was frozen and latency counts from here
    finished_at: Mapped[datetime | None]
    expected_groups: Mapped[int] = mapped_column(default=0)
    expected_members: Mapped[int] = mapped_column(default=0)
    deliveries: Mapped[int] = mapped_column(
        default=0
    )  # how many rows the release made: invariant 1 counts against it
    rolled_up: Mapped[bool] = mapped_column(default=False)  # expected figures are in the roll-up


class Delivery(Base):
    """One alert × one group that the bot sends to. `rank` and `level` are copied so that claiming is one index."""

    __tablename__ = "deliveries"
    __table_args__ = (
        sa.UniqueConstraint("alert_id", "group_id"),
        sa.Index(
            "ix_deliveries_claim",
            "account_id",
            "rank",
            "level",
            "id",
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        ),
        sa.Index("ix_deliveries_alert_id_state", "alert_id", "state"),
        sa.Index("ix_deliveries_group_id", "group_id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"))
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"))
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))
    rank: Mapped[int] = mapped_column(sa.SmallInteger)
    level: Mapped[int] = mapped_column(sa.SmallInteger)
    state: Mapped[DeliveryState] = mapped_column(enum_column(DeliveryState), default=DeliveryState.WAITING)
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    attempts: Mapped[int] = mapped_column(sa.SmallInteger, default=0)
    not_before: Mapped[datetime | None]  # a retry waits until then
    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]
    echo_at: Mapped[datetime | None]
    echo_id: Mapped[str | None] = mapped_column(sa.String(120))


class Reply(Base):
    """An answer on its way to a room; the same life as a delivery, ahead of every broadcast."""

    __tablename__ = "replies"
    __table_args__ = (
        sa.Index("ix_replies_account_id_state", "account_id", "state"),
        sa.UniqueConstraint("channel", "message_id"),
    )
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    channel: Mapped[str] = mapped_column(sa.String(20))
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))
    room_id: Mapped[str] = mapped_column(sa.String(120))
    message_id: Mapped[str] = mapped_column(sa.String(120))  # the message it answers: at most one reply each
    text: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[DeliveryState] = mapped_column(enum_column(DeliveryState), default=DeliveryState.WAITING)
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    created_at: Mapped[datetime]
    sending_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


class Send(Base):
    """An account began to send at this instant, whatever it was and however it ended: pacing across restarts."""

    __tablename__ = "sends"
    __table_args__ = (sa.Index("ix_sends_account_id_at", "account_id", "at"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))
    at: Mapped[datetime]


class Reach(Base):
    """Alert × group: expected at release, reached the first time the group had it, by whichever way."""

    __tablename__ = "reach"
    __table_args__ = (
        sa.Index(
            "ix_reach_unfolded",
            "alert_id",
            "group_id",
            sqlite_where=sa.text("reached_at IS NOT NULL AND folded = 0"),
            postgresql_where=sa.text("reached_at IS NOT NULL AND NOT folded"),
        ),
        sa.Index("ix_reach_group_id", "group_id"),
    )
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"), primary_key=True)
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"), primary_key=True)
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"))
    members: Mapped[int]  # of the group when the audience was frozen, or when first reached
    expected: Mapped[bool] = mapped_column(default=True)  # False: reached though not in the audience
    way: Mapped[Way | None] = mapped_column(enum_column(Way))
    reached_at: Mapped[datetime | None]
    folded: Mapped[bool] = mapped_column(default=False)


class Rollup(Base):
    """Alert × unit: the figures of the unit's whole subtree, so that any unit's figures are one indexed read."""

    __tablename__ = "rollup"
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"), primary_key=True)
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"), primary_key=True)
    expected_groups: Mapped[int] = mapped_column(default=0)
    expected_members: Mapped[int] = mapped_column(default=0)
    pushed_groups: Mapped[int] = mapped_column(default=0)
    pushed_members: Mapped[int] = mapped_column(default=0)
    forwarded_groups: Mapped[int] = mapped_column(default=0)
    forwarded_members: Mapped[int] = mapped_column(default=0)
    reported_groups: Mapped[int] = mapped_column(default=0)
    reported_members: Mapped[int] = mapped_column(default=0)
    first_ms: Mapped[int | None] = mapped_column(sa.BigInteger)  # release → first group reached
    histogram: Mapped[list[Any]] = mapped_column(default=list)  # groups per latency bucket, see `db.rollup`


class Forward(Base):
    """Log of every recognised forward and report, also those that were not the first."""

    __tablename__ = "forwards"
    __table_args__ = (sa.Index("ix_forwards_alert_id_group_id", "alert_id", "group_id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"))
    group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"))
    way: Mapped[Way] = mapped_column(enum_column(Way))
    person_id: Mapped[int | None] = mapped_column(sa.ForeignKey("people.id"))  # a liaison; residents stay unnamed
    members: Mapped[int | None]  # as reported
    score: Mapped[float] = mapped_column(default=1.0)
    at: Mapped[datetime]


# ── the way in ──────────────────────────────────────────────────────────────


class Incoming(Base):
    """Message ids already taken, so that each message acts once. Text is not kept here."""

    __tablename__ = "incoming"
    __table_args__ = (sa.Index("ix_incoming_at", "at"),)
    channel: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    message_id: Mapped[str] = mapped_column(sa.String(120), primary_key=True)
    at: Mapped[datetime]
    outcome: Mapped[str] = mapped_column(sa.String(20))  # the name of the handler that acted, or "silent"


class Question(Base):
    __tablename__ = "questions"
    __table_args__ = (sa.Index("ix_questions_asked_at", "asked_at"),)
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


class Lead(Base):
    """Something that a person must look at."""

    __tablename__ = "leads"
    __table_args__ = (sa.Index("ix_leads_state_id", "state", "id"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    question_id: Mapped[int | None] = mapped_column(sa.ForeignKey("questions.id"))
    reason: Mapped[LeadReason] = mapped_column(enum_column(LeadReason))
    group_id: Mapped[int | None] = mapped_column(sa.ForeignKey("groups.id"))
    text: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[LeadState] = mapped_column(enum_column(LeadState), default=LeadState.OPEN)
    created_at: Mapped[datetime]
    closed_by: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    closed_at: Mapped[datetime | None]


# ── console ─────────────────────────────────────────────────────────────────


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


class WebSession(Base):
    __tablename__ = "web_sessions"
    token_hash: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class LoginFailure(Base):
    """Failed sign-ins by account and by address, for throttling."""

    __tablename__ = "login_failures"
    __table_args__ = (sa.Index("ix_login_failures_key_at", "key", "at"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(120))
    at: Mapped[datetime]


class AuditEntry(Base):
    """Who did what, when, from where. Only ever inserted."""

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


# ── the local channel ───────────────────────────────────────────────────────


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
