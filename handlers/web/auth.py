"""Signing in and out, and the visitor's own account."""

from __future__ import annotations

from aiohttp import web

from bot.errors import Invalid
from bot.identity import Actor
from bot.sign_in import SignInRefused, TooManyAttempts, sign_in
from bot.users import change_password, get_user
from db.users import delete_session
from handlers.web.forms import text_of
from handlers.web.keys import ENGINE, VISITOR
from handlers.web.middlewares import FORM_COOKIE, SESSION_COOKIE, set_cookie, status_of
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
            address=request.remote or "",
            settings=engine.settings,
            now=engine.clock.now(),
        )
    except (SignInRefused, TooManyAttempts) as error:
        status = 401 if isinstance(error, SignInRefused) else status_of(error)
        return await page(request, "login.html", status=status, username=username, message=str(error), next=after)
    response = web.HTTPSeeOther(_safe_next(after))
    set_cookie(request, response, SESSION_COOKIE, signed_in.token, max_age=engine.settings.session_hours * 3600)
    response.del_cookie(FORM_COOKIE, path="/")
    raise response


def _safe_next(after: str) -> str:
    """Only a path of our own: `//elsewhere` and `/\\elsewhere` would leave the console."""
    ours = after.startswith("/") and not after.startswith(("//", "/\\")) and after.isprintable()
    return after if ours else "/"


async def logout(request: web.Request, actor: Actor) -> web.StreamResponse:
    async with request.app[ENGINE].database.write() as session:
        await delete_session(session, request[VISITOR].token_hash)
    response = web.HTTPSeeOther("/login")
    response.del_cookie(SESSION_COOKIE, path="/")
    raise response


async def account_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _account(request, actor, {})


async def save_password(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    form = await request.post()
    new = str(form.get("new", ""))
    try:
        if new != str(form.get("again", "")):
            raise Invalid({"again": "两次输入的新密码不一致"})
        async with engine.database.write() as session:
            await change_password(
                session,
                actor.user_id or 0,
                old=str(form.get("old", "")),
                new=new,
                origin=actor.origin,
                keep_session=request[VISITOR].token_hash,
                now=engine.clock.now(),
            )
    except Invalid as error:
        return await _account(request, actor, error.faults, status=422)
    raise web.HTTPSeeOther("/account?done=password")


async def _account(
    request: web.Request, actor: Actor, faults: dict[str, str], *, status: int = 200
) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        user = await get_user(session, actor.user_id or 0)
    done = "密码已修改，其他设备上的登录已全部退出" if request.query.get("done") == "password" else ""
    return await page(request, "account.html", status=status, user=user, faults=faults, done=done)
