"""Who calls the API: a token, or the browser session of one of our own pages. Never both: a token that does not hold
is refused, whatever cookie comes with it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from aiohttp import web

from bot.tokens import TokenRefused, authenticate
from handlers.web.api.definitions import Call
from handlers.web.keys import ENGINE, VISITOR
from handlers.web.library_try import TRIALS
from handlers.web.problems import TooManyRequests
from handlers.web.proxies import visitor_address
from handlers.web.rights import SAFE, PasswordNeeded, SignInNeeded, check_csrf, check_origin

MINUTE = 60.0


class Rates:
    """At most so many requests a minute of each caller. Counted by this process alone, in memory."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._per_minute = per_minute
        self._monotonic = monotonic
        self._of: dict[str, deque[float]] = {}

    def take(self, owner: str) -> None:
        """Raises `TooManyRequests`; what is refused is not counted."""
        now = self._monotonic()
        times = self._of.setdefault(owner, deque())
        while times and times[0] <= now - MINUTE:
            times.popleft()
        if len(times) >= self._per_minute:
            raise TooManyRequests(times[0] + MINUTE - now)
        times.append(now)


RATES: web.AppKey[Rates] = web.AppKey("api_rates", Rates)


async def find_caller(request: web.Request) -> Call:
    """Raises what ends the request when nobody may be asking."""
    call = await _by_token(request) if "Authorization" in request.headers else _by_session(request)
    request.app[RATES].take(call.owner)
    return call


async def _by_token(request: web.Request) -> Call:
    engine = request.app[ENGINE]
    scheme, _, text = request.headers["Authorization"].partition(" ")
    if scheme.lower() != "bearer":
        raise TokenRefused("只接受“Authorization: Bearer 令牌”")
    now = engine.clock.now()
    bearer = await authenticate(
        engine.database,
        text.strip(),
        address=visitor_address(request, engine.settings),
        settings=engine.settings,
        now=now,
    )
    if bearer.must_change:
        raise PasswordNeeded("请先登录并修改一次性密码")
    return Call(
        bearer.actor, engine, now, request.app[TRIALS], owner=f"token:{bearer.token_id}", scopes=bearer.scopes
    )


def _by_session(request: web.Request) -> Call:
    visitor = request.get(VISITOR)
    if visitor is None:
        raise SignInNeeded("请先登录，或在请求头 Authorization 里给出令牌")
    if visitor.must_change:
        raise PasswordNeeded("请先修改一次性密码")
    if request.method not in SAFE:
        check_origin(request)
        check_csrf(request, {})
    engine = request.app[ENGINE]
    owner = f"user:{visitor.actor.user_id}"
    return Call(
        visitor.actor,
        engine,
        engine.clock.now(),
        request.app[TRIALS],
        owner=owner,
    )
