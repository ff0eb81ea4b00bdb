"""The live feed of the chat page: a WebSocket that tells what was just said."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from bot.identity import Actor
from handlers.web.keys import STOPPING
from handlers.web.local_chat_hub import HUB, Viewer
from handlers.web.local_chat_json import channel_of, field

LIFE_SECONDS = 1800.0  # then the page connects again, which asks anew who is signed in
RENEW = 4000  # the close code that says so


async def live(request: web.Request, _actor: Actor) -> web.StreamResponse:
    """Ends when the page goes, when the program stops, and after `LIFE_SECONDS`."""
    channel = channel_of(request)
    # Frames are small, and packing each of five hundred anew costs more than sending them.
    socket = web.WebSocketResponse(heartbeat=20.0, max_msg_size=4096, compress=False)
    await socket.prepare(request)
    viewer = Viewer(field(request.query, "person_id"))
    async with request.app[HUB].following(channel, viewer):
        tasks = [
            asyncio.create_task(_push(socket, viewer)),
            asyncio.create_task(_end(socket, request.app[STOPPING])),
        ]
        try:
            with contextlib.suppress(ConnectionResetError):  # the page went while it was being told something
                await socket.send_json({"type": "hello"})
                await _listen(socket, viewer)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return socket


async def _listen(socket: web.WebSocketResponse, viewer: Viewer) -> None:
    """The page says which room is open; the answer tells it from when on it is told everything there."""
    async for message in socket:
        if message.type is not WSMsgType.TEXT:
            continue
        asked = _parsed(message.data)
        if asked.get("type") == "open":
            viewer.room_id = field(asked, "room_id")
            await socket.send_json({"type": "opened", "room_id": viewer.room_id})


async def _push(socket: web.WebSocketResponse, viewer: Viewer) -> None:
    """When there is no more news the socket is closed: the page connects again."""
    try:
        async for frame in viewer.frames():
            await socket.send_str(frame)
    except ConnectionResetError:
        return
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
