"""`/a/<token>`: an alert for anybody's phone. No sign-in, no cookie, nothing kept about who reads it."""

from __future__ import annotations

from typing import Any

import aiohttp_jinja2
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import NotFound
from bot.identity import Actor
from bot.sheets import write_csv
from bot.short_pages import ShortPage, count_view, find_page, short_path
from db.alerts import find_alert
from db.models import Alert
from db.pictures import find_picture
from db.seen import list_seen
from handlers.web.forms import path_id
from handlers.web.keys import ENGINE
from handlers.web.proxies import visitor_address


async def short_page(request: web.Request) -> web.StreamResponse:
    engine = request.app[ENGINE]
    page = await _page(request)
    if request.method == "GET":
        visitor = f"{visitor_address(request, engine.settings)}\n{request.headers.get('User-Agent', '')[:300]}"
        now = engine.clock.now()
        await engine.database.batched(
            lambda session: count_view(session, engine.settings, page, visitor=visitor, now=now)
        )
    shown: dict[str, Any] = {
        "page": page,
        "alert": page.alert,
        "token": request.match_info["token"],
        "share": _words(page),
        "instead": "",
    }
    if page.successor is not None:
        async with engine.database.write() as session:
            shown["instead"] = await short_path(session, page.successor.id, page.unit_id)
    return aiohttp_jinja2.render_template("short_page.html", request, shown)


async def short_picture(request: web.Request) -> web.StreamResponse:
    """The alert's picture, for whoever has the page."""
    page = await _page(request)
    async with request.app[ENGINE].database.read() as session:
        picture = await find_picture(session, page.alert.picture_id) if page.alert.picture_id else None
    if picture is None:
        raise NotFound("没有这张图片")
    day = {"Cache-Control": "private, max-age=86400"}
    return web.Response(body=picture.data, content_type=picture.media_type, headers=day)


async def links(request: web.Request, _actor: Actor) -> web.StreamResponse:
    """Every expected unit's own link to an alert and how often it was opened, as CSV for a spreadsheet."""
    engine = request.app[ENGINE]
    host = engine.settings.public_url.rstrip("/") or str(request.url.origin())
    async with engine.database.write() as session:
        alert = await find_alert(session, path_id(request))
        if alert is None or alert.released_at is None:
            raise NotFound("没有这条已发布的预警")
        table = await links_csv(session, alert, host)
    return web.Response(
        body=table,
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="links-{alert.number}.csv"'},
    )


async def links_csv(session: AsyncSession, alert: Alert, host: str) -> bytes:
    table = [
        (code, name, host + await short_path(session, alert.id, unit_id), visits)
        for unit_id, code, name, visits in await list_seen(session, alert.id)
    ]
    return write_csv(("单位编码", "单位", "本单位专用链接", "打开人次（每人每天一次，不含下级）"), table)


async def _page(request: web.Request) -> ShortPage:
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        page = await find_page(session, request.match_info["token"], now=engine.clock.now())
    if page is None:
        raise NotFound("没有这个页面，链接可能不完整，请重新复制")
    return page


def _words(page: ShortPage) -> str:
    """What the copy button copies: the words that still hold, to be followed by the page's own address."""
    alert = page.successor or page.alert
    return f"【{alert.severity.label}预警】{alert.title}\n{alert.body.strip()}"
