"""The marks of the hot path: claimed, sent, confirmed by the echo. Every change of state is guarded by the state it leaves.

These functions run inside `AsyncSession.run_sync` on one `Connection`, with statements that are built once: a mark
costs some 30 µs a statement on SQLite, a tenth of a statement built anew in a session.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy import bindparam

from db.models import Account, Alert, Delivery, Group, Reach, Reply, Send
from db.states import AccountState, AlertState, ContentKind, DeliveryState, GroupState, ReplyRank, Severity, Way


@dataclass(frozen=True)
class Claim:
    """One thing to send, already marked `sending`. A reply has `text` and no alert."""

    table: type[Delivery] | type[Reply]
    id: int
    room_id: str
    attempts: int
    alert_id: int | None = None
    group_id: int | None = None
    text: str = ""
    card: bool = False  # a link card, which has a budget of its own


@dataclass(frozen=True)
class Wanted:
    """What a sender may take next: see `claim_next`."""

    account_id: int
    owner: str
    now: datetime
    planned: datetime  # when the send will start
    severities: Collection[Severity]
    replies_since: datetime
    cards: bool = True  # without, link cards wait: their budget is spent
    reminders: bool = True  # without, people are left in peace


def _table(model: Any) -> sa.Table:
    return cast("sa.Table", model.__table__)


_ACCOUNTS, _ALERTS, _DELIVERIES, _GROUPS = _table(Account), _table(Alert), _table(Delivery), _table(Group)
_REACH, _REPLIES, _SENDS = _table(Reach), _table(Reply), _table(Send)

# A literal, not a parameter: only then may the databases use the partial index of waiting rows.
_WAITING: Final[sa.ColumnElement[Any]] = sa.literal_column(f"'{DeliveryState.WAITING.value}'")

_MAY_SEND: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
    _ACCOUNTS.c.id == bindparam("account"),
    _ACCOUNTS.c.lease_owner == bindparam("owner"),
    _ACCOUNTS.c.lease_until > bindparam("now"),
    _ACCOUNTS.c.state == AccountState.ONLINE,
)
_NEXT_REPLY = (
    sa.select(_REPLIES.c.id, _REPLIES.c.room_id, _REPLIES.c.text)
    .where(
        _REPLIES.c.account_id == bindparam("account"),
        _REPLIES.c.state == DeliveryState.WAITING,
        _REPLIES.c.created_at > bindparam("since"),
        _REPLIES.c.rank <= bindparam("last_rank"),
    )
    .order_by(_REPLIES.c.rank, _REPLIES.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_NEXT_DELIVERY = (
    sa.select(
        _DELIVERIES.c.id,
        _DELIVERIES.c.alert_id,
        _DELIVERIES.c.group_id,
        _DELIVERIES.c.attempts,
        _GROUPS.c.room_id,
        _GROUPS.c.state.label("group_state"),
        _ALERTS.c.kind,
    )
    .join_from(_DELIVERIES, _ALERTS, _ALERTS.c.id == _DELIVERIES.c.alert_id)
    .join(_GROUPS, _GROUPS.c.id == _DELIVERIES.c.group_id)
    .where(
        _DELIVERIES.c.account_id == bindparam("account"),
        _DELIVERIES.c.state == _WAITING,
        _ALERTS.c.state == AlertState.RUNNING,
        _ALERTS.c.severity.in_(bindparam("severities", expanding=True)),
        _ALERTS.c.expires_at > bindparam("planned"),
        sa.or_(_DELIVERIES.c.not_before.is_(None), _DELIVERIES.c.not_before <= bindparam("now")),
    )
    .order_by(_DELIVERIES.c.rank, _DELIVERIES.c.level, _DELIVERIES.c.id)
    .limit(1)
    .with_for_update(of=_DELIVERIES, skip_locked=True)
)
_NEXT_WITHOUT_CARDS = _NEXT_DELIVERY.where(_ALERTS.c.kind != ContentKind.LINK)


def _leave(before: DeliveryState, table: sa.Table, /, **values: Any) -> sa.Update:
    """Row `row` leaves the state `before`; nothing happens when it has left already."""
    return sa.update(table).where(table.c.id == bindparam("row"), table.c.state == before).values(**values)


_SENDING: Final[dict[str, Any]] = {"state": DeliveryState.SENDING, "sending_at": bindparam("at")}
_TAKE_REPLY = _leave(DeliveryState.WAITING, _REPLIES, **_SENDING)
_TAKE_DELIVERY = _leave(
    DeliveryState.WAITING, _DELIVERIES, **_SENDING, attempts=bindparam("attempt"), reason=sa.literal("")
)
_SKIP = _leave(DeliveryState.WAITING, _DELIVERIES, state=DeliveryState.SKIPPED, reason=bindparam("why"))
_SENT: Final = {
    Delivery: _leave(DeliveryState.SENDING, _DELIVERIES, state=DeliveryState.SENT, sent_at=bindparam("at")),
    Reply: _leave(DeliveryState.SENDING, _REPLIES, state=DeliveryState.SENT, sent_at=bindparam("at")),
}
_COUNT_SEND = sa.insert(_SENDS).values(
    account_id=bindparam("account"), at=bindparam("start"), card=bindparam("is_card")
)
_REACHED = (
    sa.update(_REACH)
    .where(
        _REACH.c.alert_id == bindparam("alert"),
        _REACH.c.group_id == bindparam("group"),
        _REACH.c.reached_at.is_(None),
    )
    .values(way=Way.PUSH, reached_at=bindparam("at"))
)
_IN_DOUBT = (
    sa.select(_DELIVERIES.c.id, _DELIVERIES.c.alert_id, _DELIVERIES.c.group_id, _DELIVERIES.c.state)
    .join_from(_GROUPS, _DELIVERIES, _DELIVERIES.c.group_id == _GROUPS.c.id)
    .where(
        _GROUPS.c.channel == bindparam("on_channel"),
        _GROUPS.c.room_id == bindparam("room"),
        _DELIVERIES.c.echo_at.is_(None),
        _DELIVERIES.c.attempts > 0,
    )
    .order_by(_DELIVERIES.c.id.desc())
    .limit(50)
)
_ECHO: Final[dict[str, Any]] = {"echo_at": bindparam("at"), "echo_id": bindparam("message")}
_CONFIRM = (
    sa.update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("row"), _DELIVERIES.c.echo_at.is_(None))
    .values(**_ECHO)
)
_CONFIRM_UNSENT = _CONFIRM.values(state=DeliveryState.SENT, sent_at=bindparam("at"), reason=sa.literal(""))
_CONFIRM_REPLY = (
    sa.update(_REPLIES)
    .where(
        _REPLIES.c.id
        == sa.select(sa.func.min(_REPLIES.c.id))
        .where(
            _REPLIES.c.channel == bindparam("on_channel"),
            _REPLIES.c.room_id == bindparam("room"),
            _REPLIES.c.text == bindparam("said"),
            _REPLIES.c.state.in_([DeliveryState.SENDING, DeliveryState.UNKNOWN]),
        )
        .scalar_subquery()
    )
    .values(state=DeliveryState.SENT, sent_at=bindparam("at"), reason=sa.literal(""))
)


def claim_next(connection: sa.Connection, wanted: Wanted) -> Claim | None:
    """Mark the account's most urgent item `sending` and return it; None when there is nothing to do.

    Replies count as the most urgent (answers, then notices, then reminders), then severity, then upper levels, then age. Nothing is claimed unless
    the owner holds the account's lease and the account may send.
    """
    lease = {"account": wanted.account_id, "owner": wanted.owner, "now": wanted.now}
    if connection.execute(_MAY_SEND, lease).first() is None:
        return None
    claim = _claim_reply(connection, wanted) or _claim_delivery(connection, wanted)
    if claim is not None:
        record_send(connection, wanted.account_id, wanted.planned, card=claim.card)
    return claim


def record_send(connection: sa.Connection, account_id: int, at: datetime, *, card: bool = False) -> None:
    """A message of the platform starts at `at`: the budgets count it, however it ends."""
    connection.execute(_COUNT_SEND, {"account": account_id, "start": at, "is_card": card})


def _claim_reply(connection: sa.Connection, wanted: Wanted) -> Claim | None:
    values = {
        "account": wanted.account_id,
        "since": wanted.replies_since,
        "last_rank": int(ReplyRank.REMINDER if wanted.reminders else ReplyRank.NOTICE),
    }
    row = connection.execute(_NEXT_REPLY, values).first()
    if row is None or not connection.execute(_TAKE_REPLY, {"row": row.id, "at": wanted.planned}).rowcount:
        return None
    return Claim(Reply, row.id, row.room_id, 1, text=row.text)


def _claim_delivery(connection: sa.Connection, wanted: Wanted) -> Claim | None:
    query = _NEXT_DELIVERY if wanted.cards else _NEXT_WITHOUT_CARDS
    values = {
        "account": wanted.account_id,
        "severities": list(wanted.severities),
        "planned": wanted.planned,
        "now": wanted.now,
    }
    while (row := connection.execute(query, values).first()) is not None:
        if row.group_state is not GroupState.ACTIVE or row.room_id is None:
            why = "群已停用" if row.group_state is GroupState.RETIRED else "群已失联"
            connection.execute(_SKIP, {"row": row.id, "why": why})
            continue
        attempt = row.attempts + 1
        mark = {"row": row.id, "at": wanted.planned, "attempt": attempt}
        if not connection.execute(_TAKE_DELIVERY, mark).rowcount:
            return None
        card = row.kind is ContentKind.LINK
        return Claim(Delivery, row.id, row.room_id, attempt, row.alert_id, row.group_id, card=card)
    return None


def record_sent(connection: sa.Connection, claim: Claim, at: datetime) -> bool:
    """`sending` → `sent`, and the group is reached by push if nothing reached it before. False when an echo was
    quicker."""
    if not connection.execute(_SENT[claim.table], {"row": claim.id, "at": at}).rowcount:
        return False
    if claim.alert_id is not None and claim.group_id is not None:
        reach_by_push(connection, claim.alert_id, claim.group_id, at)
    return True


def reach_by_push(connection: sa.Connection, alert_id: int, group_id: int, at: datetime) -> None:
    connection.execute(_REACHED, {"alert": alert_id, "group": group_id, "at": at})


@dataclass(frozen=True)
class Unconfirmed:
    """A delivery that was attempted and has no echo yet."""

    id: int
    alert_id: int
    group_id: int
    state: DeliveryState


def list_unconfirmed(connection: sa.Connection, channel: str, room_id: str) -> list[Unconfirmed]:
    """What an echo in this room could confirm, newest first; at most 50."""
    rows = connection.execute(_IN_DOUBT, {"on_channel": channel, "room": room_id})
    return [Unconfirmed(row.id, row.alert_id, row.group_id, row.state) for row in rows]


def confirm(connection: sa.Connection, delivery: Unconfirmed, *, message_id: str, at: datetime) -> None:
    """The echo came: whatever we believed, this delivery was made."""
    sent = delivery.state is DeliveryState.SENT
    values = {"row": delivery.id, "at": at, "message": message_id}
    if connection.execute(_CONFIRM if sent else _CONFIRM_UNSENT, values).rowcount and not sent:
        reach_by_push(connection, delivery.alert_id, delivery.group_id, at)


def confirm_reply(connection: sa.Connection, channel: str, room_id: str, text: str, at: datetime) -> bool:
    """The echo of a reply: the oldest one of this room with this text that is not known to be sent."""
    values = {"on_channel": channel, "room": room_id, "said": text, "at": at}
    return bool(connection.execute(_CONFIRM_REPLY, values).rowcount)


_RELATED = _ALERTS.alias("related")
_CONTENT = (
    sa.select(_ALERTS, _RELATED.c.number.label("related_number"))
    .join_from(_ALERTS, _RELATED, _RELATED.c.id == _ALERTS.c.related_id, isouter=True)
    .where(_ALERTS.c.id == bindparam("alert"))
)


def find_content(connection: sa.Connection, alert_id: int) -> Any:
    """The alert's columns and `related_number`, of the alert that it corrects or cancels."""
    return connection.execute(_CONTENT, {"alert": alert_id}).first()
