"""Signing in, with a second step for whoever has a second factor, and signing out."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from aiohttp import web

from bot.errors import UserError
from bot.identity import Actor
from bot.sealing import CannotUnseal
from bot.sign_in import CODE_TIME, SignedIn, SignInRefused, TooManyAttempts, Visit, sign_in, sign_in_code
from db.users import delete_session
from handlers.web.forms import text_of
from handlers.web.keys import ENGINE, VISITOR
from handlers.web.middlewares import FORM_COOKIE, SESSION_COOKIE, set_cookie, status_of
from handlers.web.proxies import visitor_address
from handlers.web.views import page


async def login_page(request: web.Request) -> web.StreamResponse:
    if VISITOR in request:
        raise web.HTTPSeeOther(_safe_next(request.query.get("next", "")))
    return await page(request, "login.html", username="", message="", next=request.query.get("next", ""))


async def login(request: web.Request) -> web.StreamResponse:
    engine = request.app[ENGINE]
    form = await request.post()
    username, after = text_of(form, "username"), text_of(form, "next")
    try:
        signed_in = await sign_in(
            engine.database,
            username=username,
            password=str(form.get("password", "")),
            visit=_visit(request),
            settings=engine.settings,
            now=engine.clock.now(),
        )
    except (SignInRefused, TooManyAttempts) as error:
        return await _refused(request, "login.html", error, username=username, next=after)
    raise _let_in(request, signed_in, after)


async def code_page(request: web.Request) -> web.StreamResponse:
    """The second step: the code that the visitor's app shows."""
    if VISITOR in request or SESSION_COOKIE not in request.cookies:
        raise web.HTTPSeeOther("/login")
    return await page(request, "login_code.html", message="", next=request.query.get("next", ""))


async def login_code(request: web.Request) -> web.StreamResponse:
    engine = request.app[ENGINE]
    form = await request.post()
    after = text_of(form, "next")
    try:
        signed_in = await sign_in_code(
            engine.database,
            token=request.cookies.get(SESSION_COOKIE, ""),
            code=text_of(form, "code"),
            visit=_visit(request),
            settings=engine.settings,
            now=engine.clock.now(),
        )
    except (SignInRefused, TooManyAttempts, CannotUnseal) as error:
        return await _refused(request, "login_code.html", error, next=after)
    raise _let_in(request, signed_in, after)


async def logout(request: web.Request, actor: Actor) -> web.StreamResponse:
    async with request.app[ENGINE].database.write() as session:
        await delete_session(session, request[VISITOR].token_hash)
    response = web.HTTPSeeOther("/login")
    response.del_cookie(SESSION_COOKIE, path="/")
    raise response


async def _refused(request: web.Request, template: str, error: UserError, **context: Any) -> web.StreamResponse:
    status = 401 if isinstance(error, SignInRefused) else status_of(error)
    return await page(request, template, status=status, message=str(error), **context)


def _let_in(request: web.Request, signed_in: SignedIn, after: str) -> web.HTTPSeeOther:
    target, hours = _safe_next(after), request.app[ENGINE].settings.session_hours
    if signed_in.pending:
        target = "/login/code" if target == "/" else f"/login/code?next={quote(target, safe='')}"
    response = web.HTTPSeeOther(target)
    age = int(CODE_TIME.total_seconds()) if signed_in.pending else hours * 3600
    set_cookie(request, response, SESSION_COOKIE, signed_in.token, max_age=age)
    if not signed_in.pending:
        response.del_cookie(FORM_COOKIE, path="/")
    return response


def _safe_next(after: str) -> str:
    """Only a path of our own: `//elsewhere` and `/\\elsewhere` would leave the console."""
    ours = after.startswith("/") and not after.startswith(("//", "/\\")) and after.isprintable()
    return after if ours else "/"


def _visit(request: web.Request) -> Visit:
    settings = request.app[ENGINE].settings
    return Visit(visitor_address(request, settings), request.headers.get("User-Agent", ""))
