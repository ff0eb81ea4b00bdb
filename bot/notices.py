"""Messages that nobody asked for, in private: reminders to liaisons, troubles to officers.

They travel like replies, behind every answer that somebody waits for, and only where the person wrote to us before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Person, Reply
from db.people import Route, list_roomless, list_routes
from db.states import DeliveryState, ReplyRank

NO_ROOM: Final = "没有私聊过，找不到对话"
NO_ACCOUNT: Final = "能联系到的账号都不在线"


class Notice(StrEnum):
    REMINDER = "reminder"  # never in quiet hours
    ALARM = "alarm"


RANKS: Final[Mapping[Notice, ReplyRank]] = {
    Notice.REMINDER: ReplyRank.REMINDER,
    Notice.ALARM: ReplyRank.NOTICE,
}


async def notify(
    session: AsyncSession, person: Person, text: str, kind: Notice, now: datetime, *, key: str
) -> Reply | None:
    """Queue a private message; None when no account that is online knows where to write, see `why_not`.

    `key` names the message among those of its kind: the database refuses a second one with the same key.
    """
    route = (await list_routes(session, [person.id])).get(person.id)
    return None if route is None else await send_by(session, route, text, kind, now, key=key)


async def send_by(session: AsyncSession, route: Route, text: str, kind: Notice, now: datetime, *, key: str) -> Reply:
    """`notify` for a route that is known already."""
    reply = Reply(
        channel=route.channel,
        account_id=route.account_id,
        room_id=route.room_id,
        message_id=f"{kind.value}:{key}",
        text=text,
        state=DeliveryState.WAITING,
        created_at=now,
        rank=RANKS[kind],
    )
    session.add(reply)
    await session.flush()
    return reply


async def why_not(session: AsyncSession, person_id: int) -> str:
    """Why the person cannot be written to now."""
    return NO_ROOM if await list_roomless(session, [person_id]) else NO_ACCOUNT
