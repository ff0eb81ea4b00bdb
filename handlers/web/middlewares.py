"""Around every request: whose session it is, how errors look, and the headers that keep pages safe."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import quote

from aiohttp import web

from bot.errors import Forbidden, ImportRefused, Invalid, NotFound, UserError, WrongState
from bot.identity import Actor
from bot.portal import TooManyQuestions
from bot.sign_in import TooManyAttempts, token_hash
from db.groups import NoSuchGroup
from db.states import Role
from db.units import NoSuchUnit
from db.users import SessionRow, find_session, touch_session
from handlers.web.keys import ENGINE, FRAME_ANCESTORS, NOBODY_CSRF, VISITOR, Visitor
from handlers.web.proxies import is_encrypted, visitor_address
from handlers.web.rights import PasswordNeeded, SignInNeeded
from handlers.web.views import page

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
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (SignInNeeded, 401),
    (PasswordNeeded, 403),
    (Forbidden, 403),
    (NotFound, 404),
    (NoSuchUnit, 404),
    (NoSuchGroup, 404),
    (WrongState, 409),
    (Invalid, 422),
    (ImportRefused, 422),
    (TooManyAttempts, 429),
    (TooManyQuestions, 429),
    (UserError, 400),
)
_HTTP_MESSAGES = {
    404: "没有这个页面",
    405: "这个地址不支持这样的请求",
    413: "提交的内容过大",
}


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
    # Scripts and styles are asked for again each time but only sent when they changed; pages are never kept.
    response.headers.setdefault("Cache-Control", "no-cache" if request.path.startswith("/static/") else "no-store")


@web.middleware
async def errors(request: web.Request, handler: Next) -> web.StreamResponse:
    """The one place that decides how an error looks: a page, or `{"error": {"message": …}}`."""
    try:
        return await handler(request)
    except (SignInNeeded, PasswordNeeded) as error:
        if _wants_json(request):
            return _json_error(request, status_of(error), str(error))
        raise _redirect(request, error) from None
    except (UserError, NoSuchUnit, NoSuchGroup) as error:
        message = str(error) if isinstance(error, UserError) else "没有找到，或不在您的管辖范围内"
        return await _answer(request, status_of(error), message, getattr(error, "faults", None))
    except web.HTTPException as error:
        if error.status < 400:
            raise
        return await _answer(request, error.status, _HTTP_MESSAGES.get(error.status, error.reason))
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("request failed", extra={"reference": reference, "path": request.path})
        return await _answer(request, 500, f"系统出错了，已记录（编号 {reference}）。请稍后重试，仍不行请联系管理员")


def status_of(error: Exception) -> int:
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def _wants_json(request: web.Request) -> bool:
    accept = request.headers.get("Accept", "")
    return "application/json" in accept or "text/event-stream" in accept


async def _answer(
    request: web.Request, status: int, message: str, faults: object | None = None
) -> web.StreamResponse:
    if _wants_json(request):
        return _json_error(request, status, message, faults)
    return await page(request, "error.html", status=status, message=message)


def _json_error(_request: web.Request, status: int, message: str, faults: object | None = None) -> web.StreamResponse:
    error: dict[str, object] = {"message": message}
    if isinstance(faults, dict):
        error["faults"] = faults
    return web.json_response({"error": error}, status=status)


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
    visitor = await _find_visitor(request)
    if visitor is not None:
        request[VISITOR] = visitor
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
    async with engine.database.read() as session:
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
