"""Live figures by server-sent events: a stream tells the page the newest figures, at most twice a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from bot.alerts import get_alert
from bot.events import wait_for
from bot.identity import Actor
from db.alerts import list_alerts
from db.console import find_top_unit
from db.models import Alert
from db.states import AlertState
from handlers.web.forms import path_id
from handlers.web.keys import ENGINE, STOPPING
from handlers.web.progress import get_progress, progress_json

LIFE_SECONDS = 600.0  # then the page asks again, and with it whether the visitor may still look
POLL_SECONDS = 1.0  # another process may be the one that sends
GAP_SECONDS = 0.5
HEARTBEAT_SECONDS = 15.0  # proxies close what is silent

Look = Callable[[], Awaitable[list[dict[str, Any]]]]


async def alert_events(request: web.Request, actor: Actor) -> web.StreamResponse:
    """One alert."""
    alert_id = path_id(request)

    async def look() -> list[dict[str, Any]]:
        async with request.app[ENGINE].database.read() as session:
            return await _figures(request, session, [await get_alert(session, alert_id)])

    return await _stream(request, look)


async def running_events(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Every alert that is going out, and those which just came to their end."""
    known: set[int] = set()

    async def look() -> list[dict[str, Any]]:
        async with request.app[ENGINE].database.read() as session:
            running = await list_alerts(session, states=[AlertState.RUNNING, AlertState.PAUSED], limit=20)
            ended = [await get_alert(session, gone) for gone in known - {alert.id for alert in running}]
            known.update(alert.id for alert in running)
            return await _figures(request, session, [*running, *ended])

    return await _stream(request, look)


async def _figures(request: web.Request, session: Any, alerts: list[Alert]) -> list[dict[str, Any]]:
    engine = request.app[ENGINE]
    now = engine.clock.now()
    top = await find_top_unit(session, "")
    return [
        progress_json(
            await get_progress(session, alert, top.id if top else None, settings=engine.settings, now=now),
            zone=engine.settings.zone,
            now=now,
        )
        for alert in alerts
    ]


async def _stream(request: web.Request, look: Look) -> web.StreamResponse:
    engine, stopping = request.app[ENGINE], request.app[STOPPING]
    first = await look()  # before the headers: what is not there is an ordinary error
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    loop = asyncio.get_running_loop()
    end, told_at, told = loop.time() + LIFE_SECONDS, loop.time(), first
    try:
        await _tell(response, first)
        with engine.events.listen("deliveries", "alerts", "reach") as nudge:
            while loop.time() < end and not stopping.is_set():
                await asyncio.sleep(GAP_SECONDS)
                await wait_for(nudge, POLL_SECONDS - GAP_SECONDS)
                news = await look()
                if news != told or loop.time() - told_at > HEARTBEAT_SECONDS:
                    await _tell(response, news)
                    told, told_at = news, loop.time()
    except ConnectionResetError:
        pass  # the page was closed
    return response


async def _tell(response: web.StreamResponse, alerts: list[dict[str, Any]]) -> None:
    await response.write(f"retry: 1000\ndata: {json.dumps({'alerts': alerts}, ensure_ascii=False)}\n\n".encode())
