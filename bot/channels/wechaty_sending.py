"""Saying things through a gateway: text, picture, link card, and passing on what was said."""

from __future__ import annotations

import base64
import json
from typing import Any

from bot.channels.wechaty_incoming import IMAGE, TEXT, URL
from bot.errors import MessageRefused
from bot.messages import Outgoing
from db.models import Picture
from db.states import ContentKind

MAX_TEXT = 600  # characters; what people still read of one WeChat message (domain facts)
_ENDINGS = {"image/png": "png", "image/jpeg": "jpg"}


def check(message: Outgoing) -> None:
    """Raises `MessageRefused` for what can never be said."""
    if len(message.text) > MAX_TEXT:
        raise MessageRefused(f"消息有 {len(message.text)} 个字，超过 {MAX_TEXT} 个字的上限")
    if message.kind is ContentKind.TEXT and not message.text.strip():
        raise MessageRefused("消息没有内容")
    if message.kind is ContentKind.LINK and not message.link_url:
        raise MessageRefused("链接消息没有网址")
    if message.kind is ContentKind.PICTURE and message.picture_id is None:
        raise MessageRefused("图片消息没有图片")


async def say(puppet: Any, room_id: str, message: Outgoing, picture: Picture | None) -> str | None:
    """One message of the platform; its id where the gateway gives one."""
    if picture is not None:
        name = f"picture-{picture.id}.{_ENDINGS.get(picture.media_type, 'jpg')}"
        return await _show(puppet, room_id, name, picture.data)
    if message.kind is ContentKind.LINK:
        return await _link(puppet, room_id, message.link_url, message.link_title, message.text)
    return await puppet.message_send_text(room_id, message.text, list(message.mention_ids)) or None


async def pass_on(puppet: Any, room_id: str, original: Any, *, most: int) -> str | None:
    """Say again what a message payload of the gateway says; a picture of at most `most` bytes. Raises
    `MessageRefused` for other kinds.

    The SDK's own `message_forward` says it again in the same way, but reads pictures by a call that today's gateways
    do not serve, and the gateway's is not in the SDK.
    """
    kind = int(original.type)
    if kind == TEXT and original.text:
        return await puppet.message_send_text(room_id, original.text, []) or None
    if kind == IMAGE:
        data = await read_picture(puppet, original.id, most=most)
        if data is None:
            raise MessageRefused(f"图片超过 {most // 1024 // 1024} MB，不能转发")
        ending = "png" if data.startswith(b"\x89PNG") else "jpg"
        return await _show(puppet, room_id, f"picture.{ending}", data)
    if kind == URL:
        card = await puppet.message_url(original.id)
        return await _link(puppet, room_id, card.url, card.title, card.description or "")
    raise MessageRefused("只能转发文字、图片和链接")


async def _show(puppet: Any, room_id: str, name: str, data: bytes) -> str | None:
    # The SDK's own FileBox warns with calls that Python has deprecated; this is what it would write.
    box = {"boxType": 1, "name": name, "base64": base64.b64encode(data).decode(), "metadata": {}}
    answer = await puppet.puppet_stub.message_send_file(conversation_id=room_id, filebox=json.dumps(box))
    return answer.id or None


async def _link(puppet: Any, room_id: str, url: str, title: str, note: str) -> str | None:
    card = {
        "url": url,
        "title": title or url,
        "description": note[:120],  # two lines on a phone
        "thumbnailUrl": "",
    }
    return await puppet.message_send_url(room_id, json.dumps(card, ensure_ascii=False)) or None


async def read_picture(puppet: Any, message_id: str, *, most: int) -> bytes | None:
    """The picture of a message. The SDK's own calls fail with today's gateways; the streams work: parts that carry
    first a name, then data. None when it is larger than `most` bytes."""
    data = bytearray()
    async for part in puppet.puppet_stub.message_image_stream(id=message_id, type=3):
        chunk = part.file_box_chunk
        data += chunk.data
        if len(data) > most:
            return None
    return bytes(data)
