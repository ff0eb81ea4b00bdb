"""The live feed of the chat page: a WebSocket that tells what was just said."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections import Counter
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.channels.local_feed import Subscription
from bot.channels.local_people import LocalPeople
from bot.identity import Actor
from db.models import LocalMessage
from handlers.web.keys import STOPPING
from handlers.web.local_chat_json import channel_of, field, message_json, room_json

log = logging.getLogger(__name__)

LIFE_SECONDS = 1800.0  # then the page connects again, which asks anew who is signed in
RENEW = 4000  # the close code that says so
PAUSE_SECONDS = 0.05  # between two frames, so that a broadcast to many rooms becomes few of them


class Viewer:
    """One open page: who looks, and which room is open."""

    def __init__(self, socket: web.WebSocketResponse, people: LocalPeople, person_id: str) -> None:
        self._socket = socket
        self._people = people
        self._person_id = person_id
        self._room_id = ""

    async def listen(self) -> None:
        """The page says which room is open; the answer tells it from when on it is told everything there."""
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                continue
            asked = _parsed(message.data)
            if asked.get("type") == "open":
                self._room_id = field(asked, "room_id")
                await self._socket.send_json({"type": "opened", "room_id": self._room_id})

    async def push(self, news: Subscription) -> None:
        async for batch in news:
            if news.missed:
                news.missed = False
                await self._socket.send_json({"type": "missed"})
            await self._tell(batch)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _tell(self, batch: list[LocalMessage]) -> None:
        rooms = await self._people.find_rooms({message.room_id for message in batch}, person_id=self._person_id)
        visible = {summary.room.room_id for summary in rooms}
        fresh = Counter(message.room_id for message in batch if message.sender_id != self._person_id)
        here = [m for m in batch if m.room_id == self._room_id and m.room_id in visible]
        if rooms:
            await self._socket.send_json(
                {
                    "type": "news",
                    "messages": [message_json(message) for message in here],
                    "rooms": [room_json(summary) | {"fresh": fresh[summary.room.room_id]} for summary in rooms],
                }
            )


async def live(request: web.Request, _actor: Actor) -> web.StreamResponse:
    """Ends when the page goes, when the program stops, and after `LIFE_SECONDS`."""
    channel = channel_of(request)
    socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=4096)
    await socket.prepare(request)
    viewer = Viewer(socket, LocalPeople(channel), field(request.query, "person_id"))
    async with channel.subscribe() as news:
        tasks = [
            asyncio.create_task(_push(socket, viewer, news)),
            asyncio.create_task(_end(socket, request.app[STOPPING])),
        ]
        try:
            with contextlib.suppress(ConnectionResetError):  # the page went while it was being told something
                await socket.send_json({"type": "hello"})
                await viewer.listen()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return socket


async def _push(socket: web.WebSocketResponse, viewer: Viewer, news: Subscription) -> None:
    """When there is no more news, or none can be read, the socket is closed: the page connects again."""
    try:
        await viewer.push(news)
    except ConnectionResetError:
        return
    except Exception:
        log.exception("the chat page could not be told the news")
    await socket.close(code=WSCloseCode.GOING_AWAY)


async def _end(socket: web.WebSocketResponse, stopping: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(LIFE_SECONDS):
            await stopping.wait()
    except TimeoutError:
        await socket.close(code=RENEW)
    else:
        await socket.close(code=WSCloseCode.GOING_AWAY)


def _parsed(data: str) -> dict[str, Any]:
    """What the page said; empty when it is nothing that we know."""
    try:
        asked = json.loads(data)
    except ValueError:
        return {}
    return asked if isinstance(asked, dict) else {}
