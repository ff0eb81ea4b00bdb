"""`/m/<token>`: the phone page of one liaison. No sign-in, no cookie: the signed address says whose it is, and nothing
in it or in a form says what may be seen; that is looked up from the liaison's own unit each time."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import aiohttp_jinja2
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Forbidden, UserError
from bot.liaison_links import Holder, find_holder
from bot.phone import SHOWN, load_phone_page
from bot.phone_reports import report_group, undo_report
from handlers.web.forms import int_of, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of

DONE = {
    "reported": "已记录，辛苦了！一分钟内可以撤回",
    "known": "这个群早先已经有记录了，不用再报",
    "undone": "已撤回",
}
HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
FRAGMENT = "X-Fragment"  # the page's own script asks for what changes only


async def phone_page(request: web.Request) -> web.StreamResponse:
    return await _show(request, done=DONE.get(request.query.get("done", ""), ""))


async def report(request: web.Request) -> web.StreamResponse:
    """A group had the alert, says the liaison."""
    engine = request.app[ENGINE]
    form = await request.post()
    now = engine.clock.now()
    alert_id, group_id, members = int_of(form, "alert") or 0, int_of(form, "group") or 0, _members(form)
    try:
        async with engine.database.write() as session:
            holder = await _holder_of_form(request, session, form)
            known = await report_group(
                session,
                holder.person,
                holder.unit,
                alert_id=alert_id,
                group_id=group_id,
                members=members,
                since=now - timedelta(days=engine.settings.forward_days),
                now=now,
            )
    except UserError as error:
        return await _refused(request, error, alert_id)
    engine.events.publish("reach")
    return await _done(request, alert_id, "reported" if known is None else "known")


async def undo(request: web.Request) -> web.StreamResponse:
    """It was a mistake, within the minute."""
    engine = request.app[ENGINE]
    form = await request.post()
    alert_id, group_id = int_of(form, "alert") or 0, int_of(form, "group") or 0
    try:
        async with engine.database.write() as session:
            holder = await _holder_of_form(request, session, form)
            now = engine.clock.now()
            await undo_report(session, holder.person, holder.unit, alert_id=alert_id, group_id=group_id, now=now)
    except UserError as error:
        return await _refused(request, error, alert_id)
    engine.events.publish("reach")
    return await _done(request, alert_id, "undone")


class LinkGone(UserError):
    """The link is not ours, too old, or was ended."""


async def _holder(request: web.Request, session: AsyncSession) -> Holder:
    holder = await find_holder(session, request.match_info["token"], now=request.app[ENGINE].clock.now())
    if holder is None:
        raise LinkGone("链接已失效")
    return holder


async def _holder_of_form(request: web.Request, session: AsyncSession, form: Any) -> Holder:
    """For a form that this page made."""
    holder = await _holder(request, session)
    if not hmac.compare_digest(text_of(form, "csrf").encode(), holder.csrf.encode()):
        raise Forbidden("页面已过期，请刷新后再点一次")
    return holder


def _members(form: Any) -> int | None:
    """None when the field is empty; 0, which is refused, for what is no number."""
    return (int_of(form, "members") or 0) if text_of(form, "members") else None


async def _done(request: web.Request, alert_id: int, what: str) -> web.StreamResponse:
    if FRAGMENT in request.headers:
        return await _show(request, alert_id=alert_id, done=DONE[what])
    query = urlencode({"alert": alert_id, "done": what})
    raise web.HTTPSeeOther(f"/m/{request.match_info['token']}?{query}#list")


async def _refused(request: web.Request, error: UserError, alert_id: int) -> web.StreamResponse:
    return await _show(request, alert_id=alert_id, message=str(error), status=_status(error))


def _status(error: UserError) -> int:
    return 404 if isinstance(error, LinkGone) else status_of(error)


async def _show(
    request: web.Request, *, alert_id: int | None = None, done: str = "", message: str = "", status: int = 200
) -> web.StreamResponse:
    """The page, or the part of it that changes."""
    engine = request.app[ENGINE]
    now = engine.clock.now()
    offset = min(int_of(request.query, "from") or 0, 1_000_000)
    async with engine.database.read() as session:
        try:
            holder = await _holder(request, session)
        except LinkGone:
            return _render(request, "phone_gone.html", {}, 404)
        chosen = alert_id or int_of(request.query, "alert")
        shown = await load_phone_page(session, engine.settings, holder, alert_id=chosen, offset=offset, now=now)
    context = {
        "token": request.match_info["token"],
        "holder": holder,
        "csrf": holder.csrf,
        "page": shown,
        "sheet": shown.sheet,
        "offset": offset,
        "size": SHOWN,
        "when": partial(_when, today=now, zone=engine.settings.zone),
        "done": done,
        "message": message,
    }
    part = FRAGMENT in request.headers and shown.sheet is not None
    response = _render(request, "phone_live.html" if part else "phone.html", context, status)
    if part:
        response.headers[FRAGMENT] = "1"
    return response


def _when(at: datetime, *, today: datetime, zone: ZoneInfo) -> str:
    """The time of day, with the date when it is not today's."""
    local = at.astimezone(zone)
    return local.strftime("%H:%M" if local.date() == today.astimezone(zone).date() else "%m-%d %H:%M")


def _render(request: web.Request, template: str, context: dict[str, Any], status: int) -> web.Response:
    response = aiohttp_jinja2.render_template(template, request, context)
    response.set_status(status)
    response.headers.update(HEADERS)
    return response
