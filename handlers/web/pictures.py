"""Pictures of alerts. The address holds a piece of the content's digest: numbers alone cannot be counted through."""

from __future__ import annotations

import hmac

from aiohttp import web

from bot.errors import NotFound
from bot.identity import Actor
from db.models import Picture
from db.pictures import find_picture
from handlers.web.forms import path_id
from handlers.web.keys import ENGINE

_TOKEN = 24  # characters of the digest: 96 bits


def picture_url(picture: Picture) -> str:
    return f"/pictures/{picture.id}/{picture.sha256[:_TOKEN]}"


async def picture(request: web.Request, actor: Actor) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        found = await find_picture(session, path_id(request))
    token = request.match_info["token"].encode()
    if found is None or not hmac.compare_digest(found.sha256[:_TOKEN].encode(), token):
        raise NotFound("没有这张图片")
    forever = {"Cache-Control": "private, max-age=31536000, immutable"}
    return web.Response(body=found.data, content_type=found.media_type, headers=forever)
