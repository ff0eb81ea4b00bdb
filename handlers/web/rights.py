"""The guard in front of every route: who is asking, may they, and did the request come from our own page."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from bot.errors import Forbidden, UserError
from bot.identity import Actor
from bot.permissions import Permission, require
from handlers.web.keys import NOBODY_CSRF, VISITOR, Visitor

SMALL = 256 * 1024  # bytes of an ordinary form
SAFE = ("GET", "HEAD")
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

Handler = Callable[..., Awaitable[web.StreamResponse]]


class Open(Enum):
    """Routes that need no permission of a role."""

    PUBLIC = "public"  # anybody, signed in or not; the handler gets the request alone
    SIGNED_IN = "signed_in"  # whoever is signed in


PUBLIC, SIGNED_IN = Open.PUBLIC, Open.SIGNED_IN


class SignInNeeded(UserError):
    """Nobody is signed in, or the session has ended."""


class PasswordNeeded(UserError):
    """The one-time password must be replaced before anything else."""


@dataclass(frozen=True)
class Route:
    """One line of the route table. `limit` is the largest body in bytes."""

    method: str
    path: str
    handler: Handler
    needs: Permission | Open
    limit: int = SMALL
    before_password: bool = False  # reachable while the one-time password is still to be replaced
    cookieless: bool = False  # takes nothing from cookies, so there is no session that another site could misuse
    secret_address: bool = False  # its pages name their address to nobody, so browsers send forms without an origin


def guarded(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The handler as the application sees it: it is called with the actor when everything is in order."""

    async def guard(request: web.Request) -> web.StreamResponse:
        if not (route.secret_address and request.headers.get("Origin") == "null"):
            check_origin(request)
        actor = _actor(request, route)
        arguments = () if actor is None else (actor,)
        if request.method in SAFE:
            return await route.handler(request, *arguments)
        request = request.clone(client_max_size=route.limit)
        form = await request.post() if request.content_type in FORMS else {}
        try:
            if not route.cookieless:
                check_csrf(request, form)
            return await route.handler(request, *arguments)
        finally:
            for value in form.values():  # uploads are temporary files, also those that nobody asked for
                if isinstance(value, web.FileField):
                    value.file.close()

    return guard


def _actor(request: web.Request, route: Route) -> Actor | None:
    """Who is asking; None for a public route. Raises when they may not."""
    if route.needs is PUBLIC:
        return None
    visitor: Visitor | None = request.get(VISITOR)
    if visitor is None:
        raise SignInNeeded("请先登录")
    if visitor.must_change and not route.before_password:
        raise PasswordNeeded("请先修改一次性密码")
    if isinstance(route.needs, Permission):
        require(visitor.actor, route.needs)
    return visitor.actor


def check_origin(request: web.Request) -> None:
    """A change, or a WebSocket, is only taken from a page of our own: browsers say where they come from."""
    opens_socket = request.headers.get("Upgrade", "").lower() == "websocket"
    if request.method in SAFE and not opens_socket:
        return
    origin = request.headers.get("Origin") or request.headers.get("Referer", "")
    if urlsplit(origin).netloc != request.host:
        raise Forbidden("请求不是从本系统页面发出的，已拒绝；请从本系统页面重新操作")


def check_csrf(request: web.Request, form: Mapping[str, Any]) -> None:
    visitor: Visitor | None = request.get(VISITOR)
    expected = visitor.csrf if visitor is not None else request.get(NOBODY_CSRF, "")
    given = request.headers.get("X-CSRF-Token") or form.get("csrf", "")
    if not expected or not isinstance(given, str) or not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden("页面已过期，请刷新后重新提交")
