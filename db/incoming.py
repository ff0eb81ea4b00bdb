"""Messages that were taken: each once, whatever the channel gives twice."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from db.models import Incoming

_INCOMING = cast("sa.Table", Incoming.__table__)
_VALUES: dict[str, sa.BindParameter[Any]] = {
    "channel": bindparam("of_channel"),
    "message_id": bindparam("message"),
    "at": bindparam("taken_at"),
    "outcome": bindparam("what"),
}
_TAKE = {
    name: module.insert(_INCOMING).values(**_VALUES).on_conflict_do_nothing()
    for name, module in (("sqlite", sqlite), ("postgresql", postgresql))
}
_OUTCOME = (
    sa.update(_INCOMING)
    .where(_INCOMING.c.channel == bindparam("of_channel"), _INCOMING.c.message_id == bindparam("message"))
    .values(outcome=bindparam("what"))
)


def take(connection: sa.Connection, channel: str, message_id: str, *, at: datetime, outcome: str) -> bool:
    """False when the message has been taken before."""
    values = {"of_channel": channel, "message": message_id, "taken_at": at, "what": outcome}
    return bool(connection.execute(_TAKE[connection.dialect.name], values).rowcount)


def record_outcome(connection: sa.Connection, channel: str, message_id: str, outcome: str) -> None:
    connection.execute(_OUTCOME, {"of_channel": channel, "message": message_id, "what": outcome})
