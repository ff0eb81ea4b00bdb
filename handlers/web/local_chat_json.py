"""What the chat page and its live feed are told about rooms and messages, and how its requests are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot.channels.local import BOT_NAME, LocalChannel
from bot.channels.local_people import LocalPeople
from bot.errors import NotFound, UserError
from db.local_chat import RoomSummary
from db.models import LocalMessage, LocalRoom
from db.states import ContentKind
from handlers.web.forms import text_of
from handlers.web.keys import ENGINE

PREVIEW = 60  # characters of a last line in the room list


def channel_of(request: web.Request) -> LocalChannel:
    """Raises `NotFound` where the built-in channel is not switched on."""
    channel = request.app[ENGINE].channels.get(LocalChannel.name)
    if not isinstance(channel, LocalChannel):
        raise NotFound("本系统没有启用内置通道，不能使用训练群聊")
    return channel


def people_of(request: web.Request) -> LocalPeople:
    return LocalPeople(channel_of(request))


def clean(text: str) -> str:
    """Without what no database stores: NUL and halves of characters, which JSON can carry."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def field(values: Mapping[str, Any], name: str) -> str:
    """A text field of a query or a JSON body; empty when it is missing or no text."""
    return clean(text_of(values, name))


async def body_of(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError as error:
        raise UserError("请求内容不是 JSON") from error
    if not isinstance(body, dict):
        raise UserError("请求内容应为 JSON 对象")
    return body


def message_json(message: LocalMessage) -> dict[str, Any]:
    payload = message.payload
    picture_id = payload.get("picture_id")
    return {
        "id": message.id,
        "room_id": message.room_id,
        "sender_id": message.sender_id,
        "sender_name": message.sender_name,
        "by_bot": _by_bot(message),
        "kind": message.kind.value,
        "text": message.text,
        "picture": None if picture_id is None else f"/chat/pictures/{picture_id}",
        "link_url": payload.get("link_url", ""),
        "link_title": payload.get("link_title", ""),
        "at": message.at.isoformat(),
    }


def room_json(summary: RoomSummary) -> dict[str, Any]:
    room, last = summary.room, summary.last
    return {
        "room_id": room.room_id,
        "name": _title(room),
        "private": room.private,
        "account": room.account,
        "last": None
        if last is None
        else {"id": last.id, "at": last.at.isoformat(), "line": _line(last, room), "sender_id": last.sender_id},
    }


def _title(room: LocalRoom) -> str:
    """A private room is called by whom one talks to, as on WeChat."""
    return BOT_NAME if room.private else room.name


def _line(message: LocalMessage, room: LocalRoom) -> str:
    words = " ".join(message.text.split())[:PREVIEW]
    line = {
        ContentKind.TEXT: words,
        ContentKind.PICTURE: "[图片]",
        ContentKind.LINK: f"[链接] {message.payload.get('link_title', '')}"[:PREVIEW],
    }[message.kind]
    return line if room.private else f"{message.sender_name}：{line}"


def _by_bot(message: LocalMessage) -> bool:
    return message.sender_id.startswith("bot:")
