"""The question dialog for everybody: `/ask`, what its page says and hears, and the script that embeds it elsewhere.

It reads and sets no cookie, so it works in a frame on another site, and nothing about the visitor can be misused there.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from bot.errors import Invalid, NotFound
from bot.portal import LONGEST_MESSAGE, Portal
from bot.settings import Settings
from handlers.web.keys import ENGINE, FRAME_ANCESTORS
from handlers.web.proxies import visitor_address
from handlers.web.views import STATIC

PORTAL: web.AppKey[Portal] = web.AppKey("portal", Portal)
BODY = 16 * 1024  # bytes: the longest message in the widest encoding, and its frame
SUGGESTIONS = (
    "自称客服，要给我退款理赔",
    "拉我进群刷单做任务，能赚佣金",
    "自称公安，说我涉嫌洗钱",
    "网上贷款，要先交保证金",
    "网友带我投资，说稳赚不赔",
    "我刚把钱转给骗子了，怎么办",
)


def create_portal(app: web.Application) -> None:
    engine = app[ENGINE]
    app[PORTAL] = Portal(engine.settings, engine.database, engine.knowledge, engine.clock, engine.events)


async def ask_page(request: web.Request) -> web.StreamResponse:
    """The one page that others may put into a frame: those whom the setting names."""
    settings = _open(request)
    request[FRAME_ANCESTORS] = " ".join(settings.portal_origins)
    context = {"suggestions": SUGGESTIONS, "longest": LONGEST_MESSAGE, "embedded": "embed" in request.query}
    return aiohttp_jinja2.render_template("ask.html", request, context)


async def say(request: web.Request) -> web.StreamResponse:
    """`{"text": …}` → what to show."""
    settings = _open(request)
    text = await _text(request)
    await asyncio.to_thread(request.app[ENGINE].knowledge.load)  # at the very first question it takes half a second
    reply = await request.app[PORTAL].say(_dialog(request), text, visitor_address(request, settings))
    return web.json_response(
        {
            "kind": reply.kind.value,
            "text": reply.text,
            "choices": [asdict(choice) for choice in reply.choices],
            "waiting": reply.waiting,
        }
    )


async def news(request: web.Request) -> web.StreamResponse:
    """What officers answered in this dialog."""
    settings = _open(request)
    answers, waiting = await request.app[PORTAL].news(_dialog(request), visitor_address(request, settings))
    return web.json_response(
        {
            "answers": [{"id": one.lead_id, "asked": one.asked[:60], "answer": one.answer} for one in answers],
            "waiting": waiting,
        }
    )


async def widget(request: web.Request) -> web.StreamResponse:
    """The script that another site names in one line. It holds no secret: where it may be used is said by the page."""
    _open(request)
    return web.FileResponse(
        STATIC / "widget.js",
        headers={
            "Content-Type": "text/javascript; charset=utf-8",
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Cache-Control": "no-cache",
        },
    )


def _open(request: web.Request) -> Settings:
    settings = request.app[ENGINE].settings
    if not settings.portal:
        raise NotFound("没有这个页面")
    return settings


def _dialog(request: web.Request) -> str:
    return request.headers.get("X-Dialog", "")


async def _text(request: web.Request) -> str:
    try:
        body: Any = json.loads(await request.read())
    except ValueError:
        body = None
    text = body.get("text") if isinstance(body, dict) else None
    if not isinstance(text, str):
        raise Invalid({"text": "请写下您的问题"})
    return text
