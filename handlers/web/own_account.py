"""My account: password, second factor, sessions. Whatever changes the ways in asks for the password first."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime
from typing import Any

import segno
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot import second_factor, totp
from bot.audit import audit
from bot.errors import Invalid, UserError
from bot.identity import Actor
from bot.throttle import TooManyAttempts
from bot.users import change_password, get_user
from db.models import WebSession
from db.users import delete_session, delete_sessions_of, list_sessions
from handlers.web.forms import text_of
from handlers.web.keys import ENGINE, VISITOR
from handlers.web.middlewares import status_of
from handlers.web.views import page

_DONE = {
    "password": "密码已修改，其他设备上的登录已全部退出",
    "off": "两步验证已关闭",
    "session": "已退出那一处登录",
    "sessions": "其他各处的登录已全部退出",
}
_SYSTEMS = ("Windows", "Android", "iPhone", "iPad", "Mac OS X", "Linux")
_BROWSERS = (
    ("Edg", "Edge"),
    ("MicroMessenger", "微信"),
    ("Firefox", "Firefox"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)


async def account_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show(request, actor)


async def save_password(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, form = request.app[ENGINE], await request.post()
    new = str(form.get("new", ""))
    try:
        if new != str(form.get("again", "")):
            raise Invalid({"again": "两次输入的新密码不一致"})
        await _prove(request, actor, str(form.get("old", "")), field="old")
        async with engine.database.write() as session:
            await change_password(
                session,
                actor.user_id or 0,
                old=str(form.get("old", "")),
                new=new,
                office=engine.settings.office,
                origin=actor.origin,
                keep_session=request[VISITOR].token_hash,
                now=engine.clock.now(),
            )
    except (Invalid, TooManyAttempts) as error:
        return await _show(request, actor, error)
    raise web.HTTPSeeOther("/account?done=password")


# ── the second factor ───────────────────────────────────────────────────────


async def begin_second_factor(request: web.Request, actor: Actor) -> web.StreamResponse:
    form = await request.post()
    try:
        await _prove(request, actor, str(form.get("password", "")))
        async with request.app[ENGINE].database.write() as session:
            await second_factor.offer(session, actor.user_id or 0, settings=request.app[ENGINE].settings)
    except UserError as error:
        return await _show(request, actor, error)
    raise web.HTTPSeeOther("/account/second_factor")


async def second_factor_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _offered(request, actor)


async def confirm_second_factor(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, code = request.app[ENGINE], text_of(await request.post(), "code")
    try:
        async with engine.database.write() as session:
            codes = await second_factor.confirm(
                session,
                actor.user_id or 0,
                code,
                settings=engine.settings,
                origin=actor.origin,
                now=engine.clock.now(),
            )
    except Invalid as error:
        return await _offered(request, actor, error)
    except UserError as error:
        return await _show(request, actor, error)
    return await page(request, "recovery_codes.html", codes=codes, first=True)


async def renew_recovery(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    try:
        await _prove_code(request, actor)
        async with engine.database.write() as session:
            codes = await second_factor.renew_codes(
                session, actor.user_id or 0, origin=actor.origin, now=engine.clock.now()
            )
    except UserError as error:
        return await _show(request, actor, error)
    return await page(request, "recovery_codes.html", codes=codes, first=False)


async def end_second_factor(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    try:
        await _prove_code(request, actor)
        async with engine.database.write() as session:
            await second_factor.turn_off(session, actor.user_id or 0, origin=actor.origin, now=engine.clock.now())
    except UserError as error:
        return await _show(request, actor, error)
    raise web.HTTPSeeOther("/account?done=off")


async def _prove(request: web.Request, actor: Actor, password: str, *, field: str = "password") -> None:
    engine = request.app[ENGINE]
    try:
        await second_factor.prove_password(
            engine.database,
            actor.user_id or 0,
            password,
            address=actor.origin,
            settings=engine.settings,
            now=engine.clock.now(),
        )
    except Invalid as error:
        message = "原密码不正确" if field == "old" else error.faults["password"]
        raise Invalid({field: message}) from error


async def _prove_code(request: web.Request, actor: Actor) -> None:
    """A code from the app, or a recovery code: whoever lost the telephone must be able to turn it off."""
    engine = request.app[ENGINE]
    await second_factor.prove_code(
        engine.database,
        actor.user_id or 0,
        text_of(await request.post(), "code"),
        address=actor.origin,
        settings=engine.settings,
        now=engine.clock.now(),
        recovery=True,
    )


async def _offered(request: web.Request, actor: Actor, error: Invalid | None = None) -> web.StreamResponse:
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        user = await get_user(session, actor.user_id or 0)
    if second_factor.has_second_factor(user) or not user.totp_secret:
        raise web.HTTPSeeOther("/account")
    secret = second_factor.secret_of(user, engine.settings)
    address = totp.app_address(secret, account=user.username, issuer="心防")
    return await page(
        request,
        "second_factor.html",
        status=200 if error is None else 422,
        faults={} if error is None else error.faults,
        secret=totp.spoken_secret(secret),
        qr=segno.make(address, error="m").svg_inline(
            border=3, light="#fff", omitsize=True, lineclass=None, svgclass=None
        ),
    )


# ── sessions ────────────────────────────────────────────────────────────────


async def end_sessions(request: web.Request, actor: Actor) -> web.StreamResponse:
    """One of one's own sessions, or all others."""
    engine, wanted, here = request.app[ENGINE], text_of(await request.post(), "session"), request[VISITOR].token_hash
    now = engine.clock.now()
    async with engine.database.write() as session:
        if wanted == "others":
            await delete_sessions_of(session, actor.user_id or 0, keep=here)
        else:
            await _end_one(session, actor, wanted, now)
        await audit(session, actor, now, "user.sessions_ended", f"用户 {request[VISITOR].username}")
    raise web.HTTPSeeOther(f"/account?done={'sessions' if wanted == 'others' else 'session'}")


async def _end_one(session: AsyncSession, actor: Actor, wanted: str, now: datetime) -> None:
    for each in await list_sessions(session, actor.user_id or 0, now):
        if session_name(each) == wanted:
            await delete_session(session, each.token_hash)


def session_name(session: WebSession) -> str:
    """What a form calls a session: not even the hash of a token leaves the database."""
    return hashlib.sha256(f"name of {session.token_hash}".encode()).hexdigest()[:16]


def device_text(agent: str) -> str:
    """What people call the device of a user agent: 「Windows · Edge」."""
    system = next((name for name in _SYSTEMS if name in agent), "")
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    known = " · ".join(part for part in (system.replace("Mac OS X", "Mac"), browser) if part)
    return known or re.sub(r"[^\w./ -]", "", agent)[:40] or "未知设备"


# ── the page ────────────────────────────────────────────────────────────────


async def _show(request: web.Request, actor: Actor, error: UserError | None = None) -> web.StreamResponse:
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        user = await get_user(session, actor.user_id or 0)
        sessions = await list_sessions(session, user.id, engine.clock.now())
    faults = error.faults if isinstance(error, Invalid) else {}
    context: dict[str, Any] = {
        "user": user,
        "sessions": [(each, session_name(each), device_text(each.agent)) for each in sessions],
        "here": request[VISITOR].token_hash,
        "second": second_factor.has_second_factor(user),
        "recovery_left": second_factor.recovery_left(user),
        "faults": faults,
        "message": str(error) if error is not None and not faults else "",
        "done": _DONE.get(request.query.get("done", ""), ""),
    }
    status = 200 if error is None else status_of(error)
    return await page(request, "account.html", status=status, **context)
