"""The web application: one engine, one route table."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from aiohttp import web

from bot.library_trial import Trials
from handlers.web.api.pages import add_api
from handlers.web.health import KEPT, Kept
from handlers.web.keys import ENGINE, STOPPING
from handlers.web.library_try import TRIALS
from handlers.web.live import SHARED, Shared
from handlers.web.local_chat_hub import HUB, Hub
from handlers.web.middlewares import add_headers, errors, sessions
from handlers.web.portal import create_portal
from handlers.web.reach_files import create_charts
from handlers.web.registry import UPLOADS
from handlers.web.rights import guarded
from handlers.web.routes import ROUTES
from handlers.web.views import STATIC, setup_templates

if TYPE_CHECKING:
    from bot.app import Engine

BIGGEST_BODY = 42 * 1024 * 1024  # the import of a province's registry; each route has its own, lower limit


def create_web(engine: Engine) -> web.Application:
    """The console around `engine`. It starts and stops nothing of the engine."""
    app = web.Application(middlewares=[errors, sessions], client_max_size=BIGGEST_BODY)
    app[ENGINE] = engine
    app[STOPPING] = asyncio.Event()
    app[SHARED] = Shared()
    app[HUB] = Hub()
    app[UPLOADS] = {}
    app[TRIALS] = Trials(engine.database, engine.knowledge, engine.library)
    app[KEPT] = Kept()
    create_portal(app)
    create_charts(app)
    setup_templates(app, engine.settings)
    for route in ROUTES:
        app.router.add_route(route.method, route.path, guarded(route))
    add_api(app)
    app.router.add_static("/static/", STATIC)
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_end_live_pages)
    return app


async def _end_live_pages(app: web.Application) -> None:
    app[STOPPING].set()
