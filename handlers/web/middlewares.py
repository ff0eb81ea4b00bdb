"""Around every request: whose session it is, how errors look, and the headers that keep pages safe."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import quote

from aiohttp import web

from bot.database import is_away
from bot.errors import UserError
from bot.identity import Actor
from bot.sign_in import token_hash
from db.states import Role
from db.users import SessionRow, find_session, touch_session
from handlers.web.api.definitions import PREFIX as API
from handlers.web.keys import ENGINE, FRAME_ANCESTORS, NOBODY_CSRF, VISITOR, Visitor
from handlers.web.problems import EXPECTED, Trouble, status_of, trouble_of
from handlers.web.proxies import is_encrypted, visitor_address
from handlers.web.rights import PasswordNeeded, SignInNeeded
from handlers.web.views import page, static_version

__all__ = ["add_headers", "errors", "sessions", "set_cookie", "status_of"]

log = logging.getLogger(__name__)

Next = Callable[[web.Request], Awaitable[web.StreamResponse]]

SESSION_COOKIE = "xinfang_session"
COOKIELESS = ("/ask", "/widget.js", "/healthz", "/readyz", "/metrics")  # machines, and visitors of other sites
FORM_COOKIE = "xinfang_form"  # the CSRF secret of whoever is not signed in yet
SEEN_EVERY = timedelta(minutes=1)  # how exactly "last used" is written down

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; "
    "form-action 'self'; frame-ancestors {ancestors}"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def _caching(request: web.Request) -> str:
    """Pages are never kept. Scripts and styles are, when their address names this version; those that a script imports
    do not, and are asked for again each time but only sent when they changed."""
    if not request.path.startswith("/static/"):
        return "no-store"
    this_version = request.query_string == f"v={static_version()}"
    return "public, max-age=31536000, immutable" if this_version else "no-cache"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For the signal `on_response_prepare`, so that streams and errors have the headers as well."""
    ancestors = request.get(FRAME_ANCESTORS, "")
    policy = CONTENT_SECURITY_POLICY.format(ancestors=ancestors or "'none'")
    response.headers.setdefault("Content-Security-Policy", policy)
    if not ancestors:  # older than the policy, and it can name no site
        response.headers.setdefault("X-Frame-Options", "DENY")
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    if is_encrypted(request, request.app[ENGINE].settings):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    response.headers.setdefault("Cache-Control", _caching(request))


@web.middleware
async def errors(request: web.Request, handler: Next) -> web.StreamResponse:
    """The one place that decides how an error looks: a page, or JSON (`handlers.web.problems`)."""
    try:
        return await handler(request)
    except (SignInNeeded, PasswordNeeded) as error:
        if not _wants_json(request):
            raise _redirect(request, error) from None
        return await _answer(request, trouble_of(error))
    except EXPECTED as error:
        return await _answer(request, trouble_of(error))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return await _answer(request, trouble_of(error))
    except Exception as error:
        if is_away(error):  # nothing that needs the database can be shown, not even the frame of a page
            log.warning("request without the database", extra={"path": request.path, "why": type(error).__name__})
            away = Trouble(503, "database_away", "数据库暂时连接不上，请稍候再试；推送会在恢复后自动继续")
            return away.answer() if _wants_json(request) else web.Response(status=503, text=f"{away.message}\n")
        reference = secrets.token_hex(4)
        log.exception("request failed", extra={"reference": reference, "path": request.path})
        message = f"系统出错了，已记录（编号 {reference}）。请稍后重试，仍不行请联系管理员"
        return await _answer(request, Trouble(500, "internal", message))


def _wants_json(request: web.Request) -> bool:
    accept = request.headers.get("Accept", "")
    return "application/json" in accept or "text/event-stream" in accept or request.path.startswith(f"{API}/")


async def _answer(request: web.Request, trouble: Trouble) -> web.StreamResponse:
    if _wants_json(request):
        return trouble.answer()
    return await page(request, "error.html", status=trouble.status, code=trouble.status, message=trouble.message)


def _redirect(request: web.Request, error: UserError) -> web.HTTPSeeOther:
    if isinstance(error, PasswordNeeded):
        return web.HTTPSeeOther("/account/password")
    after = request.path_qs if request.method == "GET" else "/"
    return web.HTTPSeeOther("/login" if after == "/" else f"/login?next={quote(after, safe='')}")


@web.middleware
async def sessions(request: web.Request, handler: Next) -> web.StreamResponse:
    """Find out who is asking. Whoever is nobody gets a form secret, so that the sign-in form is guarded as well."""
    if request.path in COOKIELESS or request.path.startswith(("/static/", "/ask/", "/a/", "/m/")):
        return await handler(request)
    is_api = request.path.startswith(f"{API}/")  # where no form is shown, and a token may say who asks
    visitor = None if is_api and "Authorization" in request.headers else await _find_visitor(request)
    if visitor is not None:
        request[VISITOR] = visitor
    if visitor is not None or is_api:
        return await handler(request)
    known = request.cookies.get(FORM_COOKIE, "")
    request[NOBODY_CSRF] = known if len(known) >= 32 else secrets.token_urlsafe(24)
    response = await handler(request)
    if request[NOBODY_CSRF] != known and not response.prepared:
        set_cookie(request, response, FORM_COOKIE, request[NOBODY_CSRF])
    return response


def set_cookie(
    request: web.Request, response: web.StreamResponse, name: str, value: str, max_age: int | None = None
) -> None:
    behind_tls = is_encrypted(request, request.app[ENGINE].settings)
    response.set_cookie(name, value, httponly=True, samesite="Lax", secure=behind_tls, max_age=max_age, path="/")


async def _find_visitor(request: web.Request) -> Visitor | None:
    token = request.cookies.get(SESSION_COOKIE, "")
    if not token:
        return None
    engine = request.app[ENGINE]
    now, idle = engine.clock.now(), timedelta(minutes=engine.settings.idle_minutes)
    async with engine.database.glance() as session:
        row = await find_session(session, token_hash(token), now, idle_since=now - idle)
    if row is None:
        return None
    seen = row.session.seen_at or row.session.created_at
    if now - seen >= SEEN_EVERY and _by_hand(request):
        async with engine.database.write() as session:
            await touch_session(session, row.session.token_hash, now)
    return _visitor(row, visitor_address(request, engine.settings))


def _by_hand(request: web.Request) -> bool:
    """A person did something. A page that is open and asks for news by itself keeps nobody signed in."""
    mode = request.headers.get(
        "Sec-Fetch-Mode", ""
    )  # over plain HTTP not sent: there only opened pages ask for XHTML
    opened = mode == "navigate" if mode else "application/xhtml+xml" in request.headers.get("Accept", "")
    return opened or request.method == "POST"


def _visitor(row: SessionRow, address: str) -> Visitor | None:
    user = row.user
    liaison = user.role is Role.LIAISON
    if liaison and not row.unit_path:
        return None  # an empty scope would show them everything
    actor = Actor(
        name=user.name, role=user.role, user_id=user.id, scope=row.unit_path if liaison else "", origin=address
    )
    return Visitor(actor, user.username, row.session.csrf, row.session.token_hash, user.must_change)
