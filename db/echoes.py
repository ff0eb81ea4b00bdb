"""Echoes of the hot path: what is sent and not confirmed yet, and its confirmation. Shared statements, as `db.marks`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy import bindparam

from db.marks import reach_by_push
from db.models import Alert, Delivery, Group, Reply
from db.states import DeliveryState

ECHO_DAYS: Final = 7  # what was sent longer ago waits for no echo


def _table(model: Any) -> sa.Table:
    return cast("sa.Table", model.__table__)


_ALERTS, _DELIVERIES, _GROUPS, _REPLIES = _table(Alert), _table(Delivery), _table(Group), _table(Reply)

_IN_DOUBT = (
    sa.select(
        _GROUPS.c.room_id,
        _DELIVERIES.c.id,
        _DELIVERIES.c.alert_id,
        _DELIVERIES.c.group_id,
        _DELIVERIES.c.state,
    )
    .join_from(_GROUPS, _DELIVERIES, _DELIVERIES.c.group_id == _GROUPS.c.id)
    .where(
        _GROUPS.c.channel == bindparam("on_channel"),
        _GROUPS.c.room_id.in_(bindparam("rooms", expanding=True)),
        _DELIVERIES.c.echo_at.is_(None),
        _DELIVERIES.c.attempts > 0,
        _DELIVERIES.c.sending_at > bindparam("since"),
    )
    .order_by(_DELIVERIES.c.id.desc())
)
_CONFIRM = (
    sa.update(_DELIVERIES)
    .where(_DELIVERIES.c.id == bindparam("row"), _DELIVERIES.c.echo_at.is_(None))
    .values(echo_at=bindparam("now"), echo_id=bindparam("message"))
)
_CONFIRM_UNSENT = _CONFIRM.values(state=DeliveryState.SENT, sent_at=bindparam("now"), reason=sa.literal(""))
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
    .values(state=DeliveryState.SENT, sent_at=bindparam("now"), reason=sa.literal(""))
)


@dataclass(frozen=True)
class Unconfirmed:
    """A delivery that was attempted and has no echo yet."""

    id: int
    alert_id: int
    group_id: int
    state: DeliveryState


def list_unconfirmed(
    connection: sa.Connection, channel: str, room_ids: Collection[str], now: datetime
) -> dict[str, list[Unconfirmed]]:
    """Room → what an echo in it could confirm, newest first."""
    values = {"on_channel": channel, "rooms": list(room_ids), "since": now - timedelta(days=ECHO_DAYS)}
    found: dict[str, list[Unconfirmed]] = defaultdict(list)
    for row in connection.execute(_IN_DOUBT, values):
        found[row.room_id].append(Unconfirmed(row.id, row.alert_id, row.group_id, row.state))
    return found


def confirm(connection: sa.Connection, echoes: Sequence[tuple[Unconfirmed, str]], now: datetime) -> None:
    """Echoes came, as (delivery, message id): whatever we believed, these deliveries were made."""
    for statement, is_sent in ((_CONFIRM, True), (_CONFIRM_UNSENT, False)):
        rows = [
            {"row": delivery.id, "now": now, "message": message_id}
            for delivery, message_id in echoes
            if (delivery.state is DeliveryState.SENT) is is_sent
        ]
        if rows:
            connection.execute(statement, rows)
    unsent = [delivery for delivery, _ in echoes if delivery.state is not DeliveryState.SENT]
    reach_by_push(connection, [(delivery.alert_id, delivery.group_id) for delivery in unsent], now)


def confirm_reply(connection: sa.Connection, channel: str, room_id: str, text: str, now: datetime) -> bool:
    """The echo of a reply: the oldest one of this room with this text that is not known to be sent."""
    values = {"on_channel": channel, "room": room_id, "said": text, "now": now}
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
