"""Rows of the built-in channel: rooms, the people who speak in them, and what was said."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import upsert
from db.models import Account, Group, LocalMessage, LocalPerson, LocalRoom
from db.states import ContentKind, GroupState

CHANNEL = "local"


@dataclass(frozen=True)
class RoomSummary:
    """A line of the room list: the room and the last thing said in it."""

    room: LocalRoom
    last: LocalMessage | None


async def sync_rooms(session: AsyncSession) -> None:
    """Make the rooms equal to the registry: one per group of this channel, its name, its account or none.

    A retired group keeps its room, but no account is in it any more.
    """
    account = sa.case((Group.state == GroupState.RETIRED, None), else_=Account.name)
    groups = (
        sa.select(Group.room_id, Group.name, sa.false(), account)
        .outerjoin(Account, Account.id == Group.account_id)
        .where(Group.channel == CHANNEL, Group.room_id.is_not(None))
    )
    insert = upsert(session, LocalRoom).from_select(["room_id", "name", "private", "account"], groups)
    new = insert.excluded
    changed = sa.or_(LocalRoom.name != new.name, LocalRoom.account.is_distinct_from(new.account))
    values = {"name": new.name, "account": new.account}
    await session.execute(insert.on_conflict_do_update(index_elements=["room_id"], set_=values, where=changed))
    # An account that comes back must not answer what was said before it had left.
    unheard = sa.select(LocalRoom.room_id).where(LocalRoom.account.is_(None))
    await session.execute(
        sa.update(LocalMessage)
        .where(~LocalMessage.taken, LocalMessage.room_id.in_(unheard))
        .values(taken=True)
        .execution_options(synchronize_session=False)
    )


async def find_room(session: AsyncSession, room_id: str) -> LocalRoom | None:
    return await session.get(LocalRoom, room_id)


async def find_person(session: AsyncSession, person_id: str) -> LocalPerson | None:
    return await session.get(LocalPerson, person_id)


async def list_people(session: AsyncSession) -> list[LocalPerson]:
    return list(await session.scalars(sa.select(LocalPerson).order_by(LocalPerson.name, LocalPerson.person_id)))


async def save_person(session: AsyncSession, person_id: str, name: str) -> LocalPerson:
    """The person with this id; a new one, or the known one under the new name."""
    return await session.merge(LocalPerson(person_id=person_id, name=name))


async def list_accounts(session: AsyncSession) -> list[str]:
    """The names of all accounts of this channel: those of the registry, and those that are in some room."""
    registered = sa.select(Account.name).where(Account.channel == CHANNEL)
    in_rooms = sa.select(LocalRoom.account).where(LocalRoom.account.is_not(None))
    return sorted(name for name in await session.scalars(registered.union(in_rooms)) if name is not None)


async def open_private(session: AsyncSession, person: LocalPerson, account: str) -> LocalRoom:
    """The private room of a person and an account; made when it is the first time."""
    room = LocalRoom(
        room_id=f"private:{account}:{person.person_id}", name=f"{person.name}（私聊）", private=True, account=account
    )
    return await session.merge(room)


async def add_message(
    session: AsyncSession,
    room: LocalRoom,
    *,
    sender_id: str,
    sender_name: str,
    kind: ContentKind,
    text: str,
    payload: dict[str, Any],
    at: datetime,
) -> LocalMessage:
    """What was said, with its id. Where no account is in the room nobody has to take it."""
    said = LocalMessage(
        room_id=room.room_id,
        sender_id=sender_id,
        sender_name=sender_name,
        kind=kind,
        text=text,
        payload=payload,
        at=at,
        taken=room.account is None,
    )
    session.add(said)
    await session.flush()
    return said


async def accounts_in(session: AsyncSession, room_ids: Collection[str]) -> dict[str, str | None]:
    """The account of each of the rooms that exist."""
    rooms = sa.select(LocalRoom.room_id, LocalRoom.account).where(LocalRoom.room_id.in_(room_ids))
    return {row.room_id: row.account for row in await session.execute(rooms)}


async def add_messages(session: AsyncSession, rows: list[dict[str, Any]]) -> list[int]:
    """The ids of many new messages, in the order of `rows`; one statement, because broadcasts live on it."""
    insert = sa.insert(LocalMessage).returning(LocalMessage.id, sort_by_parameter_order=True)
    return list(await session.scalars(insert, rows)) if rows else []


async def find_message(session: AsyncSession, message_id: int) -> LocalMessage | None:
    return await session.get(LocalMessage, message_id)


async def find_heard(session: AsyncSession, account: str, message_id: str) -> LocalMessage | None:
    """What the account heard or said, by the id under which the channel gave it; None when it is not in that room."""
    number = message_id.removeprefix("local-")
    if number == message_id or not number.isdecimal():
        return None
    message = await session.get(LocalMessage, int(number))
    room = await session.get(LocalRoom, message.room_id) if message is not None else None
    return message if room is not None and room.account == account else None


# Every open page asks for these; put together once.
_LAST_ID = (
    sa.select(sa.func.max(LocalMessage.id))
    .where(LocalMessage.room_id == LocalRoom.room_id)
    .correlate(LocalRoom)
    .scalar_subquery()
    .label("last_id")
)
_ROOMS = (
    sa.select(LocalRoom, _LAST_ID)
    .order_by(sa.nulls_last(_LAST_ID.desc()), LocalRoom.name, LocalRoom.room_id)
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_PUBLIC_ROOMS = _ROOMS.where(~LocalRoom.private)
_HISTORY = (
    sa.select(LocalMessage)
    .where(LocalMessage.room_id == sa.bindparam("room"))
    .limit(sa.bindparam("limit", type_=sa.Integer))
)
_LATEST = _HISTORY.order_by(LocalMessage.id.desc())
_MESSAGES = sa.select(LocalMessage).where(LocalMessage.id.in_(sa.bindparam("messages", expanding=True)))


async def list_rooms(
    session: AsyncSession,
    *,
    person_id: str = "",
    search: str = "",
    room_ids: Collection[str] | None = None,
    limit: int = 200,
) -> list[RoomSummary]:
    """Rooms whose name contains `search`, last spoken in first; of the private ones only `person_id`'s own.

    `room_ids` narrows the list to those.
    """
    query, values = _ROOMS.where(_visible_to(person_id)) if person_id else _PUBLIC_ROOMS, {"limit": limit}
    if search:
        query = query.where(LocalRoom.name.icontains(search, autoescape=True))
    if room_ids is not None:
        query = query.where(LocalRoom.room_id.in_(room_ids))
    rows = (await session.execute(query, values)).all()
    ids = [number for _, number in rows if number is not None]
    messages = {message.id: message for message in await list_messages(session, ids)}
    return [RoomSummary(room, messages.get(number)) for room, number in rows]


async def is_visible(session: AsyncSession, room_id: str, *, person_id: str = "") -> bool:
    """Whether `list_rooms` would list the room."""
    query = sa.select(LocalRoom.room_id).where(LocalRoom.room_id == room_id, _visible_to(person_id))
    return await session.scalar(query) is not None


def _visible_to(person_id: str) -> sa.ColumnElement[bool]:
    if not person_id:
        return ~LocalRoom.private
    return sa.or_(~LocalRoom.private, LocalRoom.room_id.endswith(f":{person_id}", autoescape=True))


async def list_history(
    session: AsyncSession, room_id: str, *, before: int | None = None, after: int | None = None, limit: int = 50
) -> list[LocalMessage]:
    """Up to `limit` messages in the order they were said: the last ones, those before, or those after an id."""
    values = {"room": room_id, "limit": limit}
    if after is not None:
        query = _HISTORY.where(LocalMessage.id > after).order_by(LocalMessage.id)
        return list(await session.scalars(query, values))
    query = _LATEST if before is None else _LATEST.where(LocalMessage.id < before)
    return list(await session.scalars(query, values))[::-1]


async def list_untaken(
    session: AsyncSession, *, except_rooms: Collection[str], limit: int
) -> list[tuple[LocalMessage, LocalRoom]]:
    """The oldest messages that the bot has not finished with, in rooms where it is and that are not excepted."""
    query = (
        sa.select(LocalMessage, LocalRoom)
        .join(LocalRoom, LocalRoom.room_id == LocalMessage.room_id)
        .where(~LocalMessage.taken, LocalRoom.account.is_not(None))
        .order_by(LocalMessage.id)
        .limit(limit)
    )
    if except_rooms:
        query = query.where(LocalMessage.room_id.not_in(except_rooms))
    return [(message, room) for message, room in await session.execute(query)]


async def mark_taken(session: AsyncSession, message_ids: Collection[int]) -> None:
    await session.execute(
        sa.update(LocalMessage)
        .where(LocalMessage.id.in_(message_ids))
        .values(taken=True)
        .execution_options(synchronize_session=False)
    )


async def last_message_id(session: AsyncSession) -> int:
    """0 when nothing was ever said."""
    return await session.scalar(sa.select(sa.func.max(LocalMessage.id))) or 0


async def list_new(session: AsyncSession, *, after: int, limit: int = 500) -> Sequence[LocalMessage]:
    """Messages beyond id `after`."""
    query = sa.select(LocalMessage).where(LocalMessage.id > after).order_by(LocalMessage.id).limit(limit)
    return (await session.scalars(query)).all()


async def list_messages(session: AsyncSession, ids: Collection[int]) -> Sequence[LocalMessage]:
    """Those of the ids that exist."""
    return (await session.scalars(_MESSAGES, {"messages": ids})).all() if ids else []
