"""Alerts and their way out: deliveries, replies, reach and what is counted from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base
from db.states import (
    AlertState,
    ContentKind,
    DeliveryState,
    Relation,
    Severity,
    Way,
)
from db.types import Id, enum_column


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
    deadline_at: Mapped[datetime | None]  # frozen at release: what is reached later is late (see `bot.deadlines`)
    month: Mapped[int | None]  # of the release, 202611 in the office's calendar: where `rollup_months` counts it


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


class PastDelivery(Base):
    """How many of an alert's deliveries, of each state, were removed when their time was over: added to those that are
    left, so that invariant 1 goes on to hold."""

    __tablename__ = "past_deliveries"
    alert_id: Mapped[int] = mapped_column(sa.ForeignKey("alerts.id"), primary_key=True)
    state: Mapped[DeliveryState] = mapped_column(enum_column(DeliveryState), primary_key=True)
    number: Mapped[int]


class Reply(Base):
    """An answer or a notice on its way to a room; the same life as a delivery, ahead of every broadcast."""

    __tablename__ = "replies"
    __table_args__ = (
        sa.Index("ix_replies_account_id_state", "account_id", "state"),
        sa.Index(  # what the nightly tidying looks for, and not what it has done
            "ix_replies_words",
            "created_at",
            sqlite_where=sa.text("text != ''"),
            postgresql_where=sa.text("text != ''"),
        ),
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
    rank: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")  # `ReplyRank`: 0 goes first


class Send(Base):
    """An account began to send at this instant, whatever it was and however it ended: pacing across restarts."""

    __tablename__ = "sends"
    __table_args__ = (sa.Index("ix_sends_account_id_at", "account_id", "at"),)
    id: Mapped[int] = mapped_column(Id, primary_key=True)
    account_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))
    at: Mapped[datetime]
    card: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false()
    )  # a link card has a budget of its own


class Reach(Base):
    """Alert × group: expected at release, reached the first time the group had it, by whichever way."""

    __tablename__ = "reach"
    __table_args__ = (
        sa.Index(  # by unit: a batch of neighbours touches few rows of the roll-up
            "ix_reach_unfolded",
            "alert_id",
            "unit_id",
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
    __table_args__ = (  # best last, so that a page of a level's table is read from the end
        sa.Index(
            "ix_rollup_standing",
            "alert_id",
            "level",
            "groups_share",
            "members_share",
            "ontime_share",
            "expected_members",
            "unit_id",
        ),
    )
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
    ontime_groups: Mapped[int] = mapped_column(default=0, server_default="0")  # reached before the deadline
    level: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")  # of the unit
    groups_share: Mapped[float] = mapped_column(default=0.0, server_default="0")  # reached ÷ expected: `db.standing`
    members_share: Mapped[float] = mapped_column(default=0.0, server_default="0")
    ontime_share: Mapped[float] = mapped_column(default=0.0, server_default="0")
    first_ms: Mapped[int | None] = mapped_column(sa.BigInteger)  # release → first group reached
    histogram: Mapped[list[Any]] = mapped_column(default=list)  # groups per latency bucket, see `db.histogram`


class RollupMonth(Base):
    """Month × unit: the roll-up of all alerts that were released in that month of the office's calendar, added up, so
    that a period's league table reads one row per unit and month however many alerts there were."""

    __tablename__ = "rollup_months"
    __table_args__ = (  # best last, so that a page of a level's table is read from the end
        sa.Index(
            "ix_rollup_months_standing",
            "month",
            "level",
            "groups_share",
            "members_share",
            "ontime_share",
            "expected_members",
            "unit_id",
        ),
    )
    month: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)  # 202611
    unit_id: Mapped[int] = mapped_column(sa.ForeignKey("units.id"), primary_key=True)
    alerts: Mapped[int] = mapped_column(default=0)  # that expected something of the unit
    expected_groups: Mapped[int] = mapped_column(default=0)
    expected_members: Mapped[int] = mapped_column(default=0)
    pushed_groups: Mapped[int] = mapped_column(default=0)
    pushed_members: Mapped[int] = mapped_column(default=0)
    forwarded_groups: Mapped[int] = mapped_column(default=0)
    forwarded_members: Mapped[int] = mapped_column(default=0)
    reported_groups: Mapped[int] = mapped_column(default=0)
    reported_members: Mapped[int] = mapped_column(default=0)
    ontime_groups: Mapped[int] = mapped_column(default=0)
    level: Mapped[int] = mapped_column(sa.SmallInteger, default=0, server_default="0")  # of the unit
    groups_share: Mapped[float] = mapped_column(default=0.0, server_default="0")  # reached ÷ expected: `db.standing`
    members_share: Mapped[float] = mapped_column(default=0.0, server_default="0")
    ontime_share: Mapped[float] = mapped_column(default=0.0, server_default="0")
    histogram: Mapped[list[Any]] = mapped_column(default=list)


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
    outdated: Mapped[bool] = mapped_column(
        default=False, server_default=sa.false()
    )  # passed on after it had been corrected or cancelled: on record, but it reaches nobody
