"""What a process without the console answers: whether it lives, whether it can work, and how it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiohttp import web

from handlers.web.health import KEPT, Kept, healthz, metrics_text, readyz
from handlers.web.keys import ENGINE
from handlers.web.middlewares import add_headers
from handlers.web.problems import EXPECTED, trouble_of

if TYPE_CHECKING:
    from bot.app import Engine


def create_status(engine: Engine) -> web.Application:
    """The three pages of supervisors and monitoring, and nothing else."""
    app = web.Application(middlewares=[_errors])
    app[ENGINE] = engine
    app[KEPT] = Kept()
    for path, handler in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics_text)):
        app.router.add_get(path, handler)
    app.on_response_prepare.append(add_headers)
    return app


@web.middleware
async def _errors(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except EXPECTED as error:
        return trouble_of(error).answer()
    return answer
