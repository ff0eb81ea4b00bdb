"""The chat page of the built-in channel: people, rooms, messages and pictures.

Whoever may train may speak as anybody here; what is said acts through the channel, exactly as on a real one.
"""

from __future__ import annotations

import asyncio
import secrets

from aiohttp import web

from bot.channels.local import BOT_NAME
from bot.errors import NotFound, UserError
from bot.identity import Actor
from bot.permissions import Permission
from bot.pictures import MAX_BYTES, MAX_SIDE, save_picture
from db.models import LocalPerson
from db.pictures import find_picture
from handlers.web.forms import int_of, path_id
from handlers.web.keys import ENGINE
from handlers.web.local_chat_json import body_of, channel_of, clean, field, message_json, people_of, room_json
from handlers.web.local_chat_live import live
from handlers.web.rights import Route
from handlers.web.views import page

MOST_ROOMS = 80  # of the list, those last spoken in; the others are found by searching
MAX_FORWARDS = 50  # rooms of one forward
_FOREVER = "private, max-age=31536000, immutable"  # a picture's content never changes under its number


async def chat_page(request: web.Request, _actor: Actor) -> web.StreamResponse:
    channel_of(request)
    settings = request.app[ENGINE].settings
    return await page(
        request, "chat.html", zone=settings.timezone, bot_name=BOT_NAME, max_bytes=MAX_BYTES, max_side=MAX_SIDE
    )


async def people(request: web.Request, _actor: Actor) -> web.StreamResponse:
    """Who one can be, and the bot's accounts with which one can talk alone."""
    known = people_of(request)
    return web.json_response(
        {
            "people": [_person_json(person) for person in await known.list_people()],
            "accounts": await known.list_accounts(),
        }
    )


async def add_person(request: web.Request, _actor: Actor) -> web.StreamResponse:
    body = await body_of(request)
    person = await people_of(request).ensure_person(f"p{secrets.token_hex(5)}", field(body, "name"))
    return web.json_response(_person_json(person))


async def rooms(request: web.Request, _actor: Actor) -> web.StreamResponse:
    found = await people_of(request).list_rooms(
        field(request.query, "search"), person_id=field(request.query, "person_id"), limit=MOST_ROOMS
    )
    return web.json_response({"rooms": [room_json(summary) for summary in found]})


async def open_private(request: web.Request, _actor: Actor) -> web.StreamResponse:
    body = await body_of(request)
    person_id = field(body, "person_id")
    room_id = await people_of(request).open_private(person_id, field(body, "account"))
    (summary,) = await people_of(request).find_rooms([room_id], person_id=person_id)
    return web.json_response(room_json(summary))


async def messages(request: web.Request, _actor: Actor) -> web.StreamResponse:
    """The last messages of a room, or those `before` or `after` an id."""
    query = request.query
    room_id = await _visible_room(request, field(query, "room_id"), field(query, "person_id"))
    found = await people_of(request).history(room_id, before=int_of(query, "before"), after=int_of(query, "after"))
    return web.json_response({"messages": [message_json(message) for message in found]})


async def say(request: web.Request, _actor: Actor) -> web.StreamResponse:
    body = await body_of(request)
    words = body.get("text")
    said = await people_of(request).say(
        field(body, "person_id"), field(body, "room_id"), clean(words) if isinstance(words, str) else ""
    )
    return web.json_response({"id": said})


async def send_picture(request: web.Request, _actor: Actor) -> web.StreamResponse:
    """The body is the picture itself."""
    query = request.query
    picture = await save_picture(channel_of(request).database, await request.read())
    said = await people_of(request).send_picture(field(query, "person_id"), field(query, "room_id"), picture.id)
    return web.json_response({"id": said})


async def forward(request: web.Request, _actor: Actor) -> web.StreamResponse:
    """One message into several rooms; the answer counts how many took it."""
    body = await body_of(request)
    person_id, message_id, targets = field(body, "person_id"), body.get("message_id"), body.get("room_ids")
    if type(message_id) is not int or not 0 < message_id < 2**63:
        raise NotFound("要转发的消息不存在")
    wanted = targets if isinstance(targets, list) else []
    room_ids = dict.fromkeys(clean(target) for target in wanted if isinstance(target, str))
    if not room_ids:
        raise UserError("请选择要转发到的群")
    if len(room_ids) > MAX_FORWARDS:
        raise UserError(f"一次最多转发到 {MAX_FORWARDS} 个群")
    forwards = [people_of(request).forward(person_id, message_id, room_id) for room_id in room_ids]
    results = await asyncio.gather(*forwards, return_exceptions=True)
    faults = [result for result in results if isinstance(result, BaseException)]
    if len(faults) == len(results):
        raise faults[0]
    return web.json_response({"forwarded": len(results) - len(faults), "failed": len(faults)})


async def picture(request: web.Request, _actor: Actor) -> web.StreamResponse:
    async with channel_of(request).database.read() as session:
        found = await find_picture(session, path_id(request))
    if found is None:
        raise NotFound("没有这张图片")
    return web.Response(body=found.data, content_type=found.media_type, headers={"Cache-Control": _FOREVER})


async def _visible_room(request: web.Request, room_id: str, person_id: str) -> str:
    if not await people_of(request).may_see(room_id, person_id=person_id):
        raise NotFound("没有这个群，可能已经停用")
    return room_id


def _person_json(person: LocalPerson) -> dict[str, str]:
    return {"person_id": person.person_id, "name": person.name}


def local_chat_routes() -> list[Route]:
    may = Permission.TRAINING
    return [
        Route("GET", "/chat", chat_page, may),
        Route("GET", "/chat/ws", live, may),
        Route("GET", "/chat/pictures/{id}", picture, may),
        Route("GET", "/chat/api/people", people, may),
        Route("POST", "/chat/api/people", add_person, may),
        Route("GET", "/chat/api/rooms", rooms, may),
        Route("POST", "/chat/api/private", open_private, may),
        Route("GET", "/chat/api/messages", messages, may),
        Route("POST", "/chat/api/messages", say, may),
        Route("POST", "/chat/api/pictures", send_picture, may, limit=MAX_BYTES),
        Route("POST", "/chat/api/forward", forward, may),
    ]
