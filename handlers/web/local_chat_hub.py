"""What was just said, told to everybody who has the chat page open: read and written out once for all of them.

A broadcast to thousands of rooms is news for every open page. So one task reads the rooms of a batch, writes the list
down once, and gives each page the same text; only what differs (the open room, one's own words, private rooms) is made
page by page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence

from aiohttp import web

from bot.channels.local import LocalChannel
from bot.channels.local_people import LocalPeople
from db.local_chat import RoomSummary
from db.models import LocalMessage
from handlers.web.local_chat_json import message_json, room_json

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5  # between two frames, so that a broadcast to many rooms becomes few of them
MAX_FRAMES = 20  # kept for a page that does not read: ten seconds of a broadcast


class Viewer:
    """One open page: who looks, which room is open, and what is still to be told."""

    def __init__(self, person_id: str) -> None:
        self.person_id = person_id
        self.room_id = ""
        self._frames: list[str] = []
        self._something = asyncio.Event()
        self._ended = False

    def put(self, frame: str) -> None:
        if len(self._frames) >= MAX_FRAMES:
            self._frames = [_MISSED]
        self._frames.append(frame)
        self._something.set()

    def end(self) -> None:
        self._ended = True
        self._something.set()

    async def frames(self) -> AsyncIterator[str]:
        """Until the feed ends."""
        while True:
            await self._something.wait()
            if self._ended:
                return
            self._something.clear()
            waiting, self._frames = self._frames, []
            for frame in waiting:
                yield frame


class Hub:
    """Reads the channel's feed while somebody looks."""

    def __init__(self) -> None:
        self._viewers: set[Viewer] = set()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def following(self, channel: LocalChannel, viewer: Viewer) -> AsyncIterator[None]:
        """`viewer` is told everything that is said from now on."""
        async with self._starting:
            if self._reader is None or self._reader.done():
                listening = asyncio.Event()
                self._reader = asyncio.create_task(self._read(channel, listening), name="chat-hub")
                await listening.wait()
            self._viewers.add(viewer)
            if self._reader.done():  # the feed was closed at once: the program stops
                viewer.end()
        try:
            yield
        finally:
            self._viewers.discard(viewer)
            if not self._viewers and self._reader is not None:
                self._reader.cancel()
                self._reader = None

    async def _read(self, channel: LocalChannel, listening: asyncio.Event) -> None:
        """When there is no more news, or none can be read, every page is told to connect again."""
        people = LocalPeople(channel)
        try:
            async with channel.subscribe() as news:
                listening.set()
                async for batch in news:
                    if news.missed:
                        news.missed = False
                        self._put_to_all(_MISSED)
                    await self._tell(people, batch)
                    await asyncio.sleep(PAUSE_SECONDS)
        except Exception:
            log.exception("the chat pages could not be told the news")
        listening.set()
        for viewer in self._viewers:
            viewer.end()

    def _put_to_all(self, frame: str) -> None:
        for viewer in self._viewers:
            viewer.put(frame)

    async def _tell(self, people: LocalPeople, batch: Sequence[LocalMessage]) -> None:
        touched = {message.room_id for message in batch}
        public = await people.find_rooms(touched)
        private = await self._private(people, touched - {summary.room.room_id for summary in public})
        told = _Told(batch, public)
        for viewer in self._viewers:
            frame = told.frame(viewer, private.get(viewer.person_id, []))
            if frame:
                viewer.put(frame)

    async def _private(self, people: LocalPeople, room_ids: Iterable[str]) -> dict[str, list[RoomSummary]]:
        """Person → their private rooms among these, for those who look."""
        owners: dict[str, set[str]] = defaultdict(set)
        looking = {viewer.person_id for viewer in self._viewers}
        for room_id in room_ids:
            owners[room_id.rpartition(":")[2]].add(room_id)
        return {
            person_id: await people.find_rooms(owned, person_id=person_id)
            for person_id, owned in owners.items()
            if person_id in looking
        }


class _Told:
    """One batch as text. What is the same for everybody is written once."""

    def __init__(self, batch: Sequence[LocalMessage], public: Sequence[RoomSummary]) -> None:
        self._public = public
        self._by_room: dict[str, list[LocalMessage]] = defaultdict(list)
        self._speakers = {message.sender_id for message in batch}
        for message in batch:
            self._by_room[message.room_id].append(message)
        self._rooms = self._written(public, "")
        self._frames: dict[str, str] = {}  # of public rooms, by the one that is open

    def frame(self, viewer: Viewer, private: Sequence[RoomSummary]) -> str:
        """Empty when nothing concerns the viewer."""
        if not private and not self._public:
            return ""
        visible = viewer.room_id in {one.room.room_id for one in private} or self._is_public(viewer.room_id)
        here = self._by_room[viewer.room_id] if visible else []
        if private or viewer.person_id in self._speakers:
            return _frame(here, self._written([*self._public, *private], viewer.person_id))
        key = viewer.room_id if here else ""
        if key not in self._frames:
            self._frames[key] = _frame(here, self._rooms)
        return self._frames[key]

    def _is_public(self, room_id: str) -> bool:
        return room_id in self._by_room and any(one.room.room_id == room_id for one in self._public)

    def _written(self, rooms: Sequence[RoomSummary], person_id: str) -> str:
        """The rooms with how much in them is new to this person."""
        fresh = Counter(
            message.room_id
            for messages in self._by_room.values()
            for message in messages
            if message.sender_id != person_id
        )
        return json.dumps([room_json(one) | {"fresh": fresh[one.room.room_id]} for one in rooms], ensure_ascii=False)


def _frame(messages: Sequence[LocalMessage], rooms: str) -> str:
    written = json.dumps([message_json(message) for message in messages], ensure_ascii=False)
    return f'{{"type":"news","messages":{written},"rooms":{rooms}}}'


_MISSED = '{"type":"missed"}'

HUB: web.AppKey[Hub] = web.AppKey("chat_hub", Hub)
