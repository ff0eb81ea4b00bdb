"""The button beside a unit that is behind: its liaisons are reminded now."""

from __future__ import annotations

from aiohttp import web

from bot.identity import Actor
from bot.reminders import Reminded, remind_now
from handlers.web.forms import int_of, path_id
from handlers.web.keys import ENGINE


async def remind(request: web.Request, actor: Actor) -> web.StreamResponse:
    """`unit`: the unit's id. Answers scripts with what came of it, and forms by going back to the alert."""
    engine = request.app[ENGINE]
    alert_id, form = path_id(request), await request.post()
    unit_id = int_of(form, "unit") or 0
    async with engine.database.write() as session:
        result = await remind_now(session, actor, alert_id, unit_id, engine.clock.now(), settings=engine.settings)
    engine.events.publish("replies")
    if "application/json" in request.headers.get("Accept", ""):
        return web.json_response(_json(result))
    raise web.HTTPSeeOther(f"/alerts/{alert_id}?done={'remind' if result.sent else 'not_reminded'}")


def _json(result: Reminded) -> dict[str, object]:
    return {"message": str(result), "sent": list(result.sent), "not_sent": dict(result.not_sent)}
