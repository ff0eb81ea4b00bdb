"""The people of the demo and where they talk: on the built-in channel, or on a gateway (`gateway_town`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from bot.app import Engine
from bot.channels.local import LocalChannel
from bot.channels.local_people import LocalPeople, sync_rooms
from db.dml import affected
from db.models import LocalMessage, LocalRoom


@dataclass(frozen=True)
class Seen:
    """A message of the bot as people see it in a room."""

    id: str
    text: str


class Town(Protocol):
    channel: str

    async def build(self) -> None:
        """Rooms for the registry that was just imported."""

    async def ensure_person(self, person_id: str, name: str) -> None: ...

    async def open_private(self, person_id: str, account: str) -> str:
        """The room of the person and the account alone."""

    async def say(self, person_id: str, room_id: str, text: str) -> str:
        """The message's id as the engine knows it."""

    async def forward(self, person_id: str, seen: Seen, room_id: str) -> None: ...

    async def find_seen(self, words: str) -> Seen | None:
        """A message of the bot with these words, in any room."""

    async def list_twice(self, words: str) -> list[str]:
        """Rooms in which the platform's own record has more than one message of the bot with these words."""

    async def remove_bot(self, room_id: str) -> None: ...


class LocalTown:
    channel = "local"

    def __init__(self, engine: Engine) -> None:
        channel = engine.channels["local"]
        assert isinstance(channel, LocalChannel)
        self._channel, self._people, self._database = channel, LocalPeople(channel), engine.database

    async def build(self) -> None:
        async with self._database.write() as session:
            await sync_rooms(session)
        self._channel.rooms_changed()

    async def ensure_person(self, person_id: str, name: str) -> None:
        await self._people.ensure_person(person_id, name)

    async def open_private(self, person_id: str, account: str) -> str:
        return await self._people.open_private(person_id, account)

    async def say(self, person_id: str, room_id: str, text: str) -> str:
        return f"local-{await self._people.say(person_id, room_id, text)}"

    async def forward(self, person_id: str, seen: Seen, room_id: str) -> None:
        await self._people.forward(person_id, int(seen.id), room_id)

    async def find_seen(self, words: str) -> Seen | None:
        query = sa.select(LocalMessage).where(
            LocalMessage.sender_id.startswith("bot:"), LocalMessage.text.contains(words)
        )
        async with self._database.read() as session:
            message = await session.scalar(query.order_by(LocalMessage.id).limit(1))
        return Seen(str(message.id), message.text) if message is not None else None

    async def list_twice(self, words: str) -> list[str]:
        of_bot = sa.and_(LocalMessage.sender_id.startswith("bot:"), LocalMessage.text.contains(words))
        query = sa.select(LocalMessage.room_id).where(of_bot).group_by(LocalMessage.room_id)
        async with self._database.read() as session:
            return list(await session.scalars(query.having(sa.func.count() > 1)))

    async def remove_bot(self, room_id: str) -> None:
        async with self._database.write() as session:
            await affected(session, sa.update(LocalRoom).where(LocalRoom.room_id == room_id).values(account=None))
