"""Live figures by server-sent events: a stream tells the page the newest figures, at most once a second."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

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

log = logging.getLogger(__name__)

LIFE_SECONDS = 600.0  # then the page asks again, and with it whether the visitor may still look
POLL_SECONDS = 2.0  # another process may be the one that sends
GAP_SECONDS = 1.0  # nobody reads faster, and to look costs the broadcast as much as fifty messages
HEARTBEAT_SECONDS = 15.0  # proxies close what is silent

Figures = list[dict[str, Any]]
Look = Callable[[], Awaitable[Figures]]


class Shared:
    """What many pages look at is read once for all of them, at most every `GAP_SECONDS`."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, asyncio.Future[Figures]]] = {}

    async def look(self, name: str, read: Look) -> Figures:
        now = asyncio.get_running_loop().time()
        self._known = {key: one for key, one in self._known.items() if now - one[0] < GAP_SECONDS}
        if name not in self._known:
            self._known[name] = (now, asyncio.ensure_future(read()))
        return await asyncio.shield(self._known[name][1])  # one page that goes away must not take it from the others


SHARED: web.AppKey[Shared] = web.AppKey("shared", Shared)


async def alert_events(request: web.Request, actor: Actor) -> web.StreamResponse:
    """One alert."""
    alert_id = path_id(request)

    async def read() -> Figures:
        async with request.app[ENGINE].browse() as session:
            return await _figures(request, session, [await get_alert(session, alert_id)])

    return await stream(request, lambda: request.app[SHARED].look(f"alert {alert_id}", read))


async def running_events(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Every alert that is going out, and those which just came to their end."""
    seen: set[int] = set()  # by this page, which has to hear how each of them ended

    async def read() -> Figures:
        async with request.app[ENGINE].browse() as session:
            running = await list_alerts(session, states=[AlertState.RUNNING, AlertState.PAUSED], limit=20)
            return await _figures(request, session, running)

    async def look() -> Figures:
        figures = await request.app[SHARED].look("running", read)
        ended = seen - {alert["id"] for alert in figures}
        seen.update(alert["id"] for alert in figures)
        if not ended:
            return figures
        async with request.app[ENGINE].browse() as session:
            gone = [await get_alert(session, alert_id) for alert_id in sorted(ended)]
            return figures + await _figures(request, session, gone)

    return await stream(request, look)


async def _figures(request: web.Request, session: AsyncSession, alerts: Sequence[Alert]) -> Figures:
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


async def stream(
    request: web.Request,
    look: Look,
    *,
    name: str = "alerts",
    topics: Sequence[str] = ("deliveries", "alerts", "reach"),
) -> web.StreamResponse:
    """Tell the page what `look` sees, as `{name: …}`, whenever it changes; `topics` are the events that may change it."""
    engine, stopping = request.app[ENGINE], request.app[STOPPING]
    first = await look()  # before the headers: what is not there is an ordinary error
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    loop = asyncio.get_running_loop()
    end, told_at, told = loop.time() + LIFE_SECONDS, loop.time(), first
    try:
        await response.prepare(request)
        await _tell(response, name, first)
        with engine.events.listen(*topics) as nudge:
            while loop.time() < end and not stopping.is_set():
                await asyncio.sleep(GAP_SECONDS)
                await wait_for(nudge, POLL_SECONDS - GAP_SECONDS)
                news = await look()
                if news != told or loop.time() - told_at > HEARTBEAT_SECONDS:
                    await _tell(response, name, news)
                    told, told_at = news, loop.time()
    except ConnectionResetError:
        pass  # the page was closed
    except Exception:
        log.exception("live figures failed; the page asks again by itself")  # too late for an error page
    return response


async def _tell(response: web.StreamResponse, name: str, news: Figures) -> None:
    await response.write(f"retry: 1000\ndata: {json.dumps({name: news}, ensure_ascii=False)}\n\n".encode())
