"""The switch on a unit's page: may the bot say in this group that a scam was posted there?"""

from __future__ import annotations

from aiohttp import web

from bot.group_warnings import set_warns
from bot.identity import Actor
from handlers.web.forms import path_id, text_of
from handlers.web.keys import ENGINE


async def change(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, post = request.app[ENGINE], await request.post()
    async with engine.database.write() as session:
        group = await set_warns(
            session, actor, path_id(request), text_of(post, "warns") == "yes", now=engine.clock.now()
        )
    raise web.HTTPSeeOther(f"/units/{group.unit_id}")
