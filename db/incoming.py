"""Messages that were taken: each once, whatever the channel gives twice."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.dialects import postgresql, sqlite

from db.models import Incoming

_INCOMING = cast("sa.Table", Incoming.__table__)
_TAKE: dict[str, Any] = {
    name: module.insert(_INCOMING).on_conflict_do_nothing().returning(_INCOMING.c.channel, _INCOMING.c.message_id)
    for name, module in (("sqlite", sqlite), ("postgresql", postgresql))
}
_OUTCOME = (
    sa.update(_INCOMING)
    .where(_INCOMING.c.channel == bindparam("of_channel"), _INCOMING.c.message_id == bindparam("message"))
    .values(outcome=bindparam("what"))
)


def take(
    connection: sa.Connection, messages: Collection[tuple[str, str]], *, at: datetime, outcome: str
) -> set[tuple[str, str]]:
    """Those of the messages, as (channel, id), that have not been taken before."""
    rows = [
        {"channel": channel, "message_id": message_id, "at": at, "outcome": outcome}
        for channel, message_id in dict.fromkeys(messages)
    ]
    taken = connection.execute(_TAKE[connection.dialect.name], rows)
    return {(row.channel, row.message_id) for row in taken}


def record_outcome(connection: sa.Connection, channel: str, message_id: str, outcome: str) -> None:
    connection.execute(_OUTCOME, {"of_channel": channel, "message": message_id, "what": outcome})
