"""Alerts: the list, one alert by its state, and every step that a person takes with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.delivery import decide_unknown
from bot.errors import Invalid, NotFound, UserError
from bot.identity import Actor
from bot.scheduler import is_overdue
from bot.second_factor import prove_for_release
from db.alerts import count_alerts, list_alerts
from db.audience import Audience
from db.console import find_top_unit
from db.deliveries import list_deliveries
from db.figures import list_child_figures, list_forwards
from db.models import Alert, Delivery
from db.pictures import find_picture
from db.reminders import list_reminders
from db.seen import count_seen
from db.states import AlertState, DeliveryState
from db.users import list_user_names
from handlers.web.alert_changes import find_changes
from handlers.web.audience import describe, find_chosen, view_audience
from handlers.web.forms import Paging, choice_of, int_of, page_number, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of
from handlers.web.pictures import picture_url
from handlers.web.progress import get_progress, list_progress, progress_json
from handlers.web.views import page

PAGE_SIZE = 20
DELIVERIES = 50  # of one page
SHOWN_FORWARDS = 20

DONE = {
    "save": "已保存为草稿",
    "submit": "已提交，等待同事审核",
    "send_back": "已退回为草稿",
    "release": "审核通过",
    "pause": "已暂停，正在发送的一条除外",
    "resume": "已继续推送",
    "cancel": "已取消，没有推送的群不再推送",
    "decide": "已处理",
    "remind": "已私聊提醒联络员，见催办记录",
    "not_reminded": "没有发出提醒，原因见催办记录",
}


async def alert_list(request: web.Request, actor: Actor) -> web.StreamResponse:
    state = choice_of(AlertState, request.query, "state")
    search = text_of(request.query, "search")[:60]
    states = [state] if state else []
    async with request.app[ENGINE].browse() as session:
        total = await count_alerts(session, states=states, search=search)
        paging = Paging(page_number(request), PAGE_SIZE, total)
        found = await list_alerts(session, states=states, search=search, limit=paging.size, offset=paging.offset)
        top = await find_top_unit(session, "")
        progress = await list_progress(session, found, top.id if top else None)
        names = await list_user_names(session, [alert.created_by for alert in found])
    kept = {"state": state.value if state else "", "search": search}
    query = urlencode({key: value for key, value in kept.items() if value})
    return await page(
        request,
        "alerts.html",
        progress=progress,
        paging=paging,
        state=state,
        search=search,
        query=query,
        names=names,
    )


async def alert_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show(request, actor, done=DONE.get(request.query.get("done", ""), ""))


async def _show(
    request: web.Request,
    actor: Actor,
    *,
    done: str = "",
    message: str = "",
    faults: dict[str, str] | None = None,
    status: int = 200,
) -> web.StreamResponse:
    engine = request.app[ENGINE]
    now = engine.clock.now()
    async with engine.browse() as session:
        alert = await alerts.get_alert(session, path_id(request))
        context = await _common(request, session, alert)
        if alert.released_at is None:
            context |= await _before_release(request, session, alert)
        else:
            context |= await _after_release(request, session, alert)
            context["seen"] = await count_seen(session, alert.id, "")
    return await page(
        request,
        "alert.html",
        status=status,
        alert=alert,
        done=done,
        message=message,
        faults=faults or {},
        steps=alerts.possible_steps(alert),
        overdue=is_overdue(alert, now, engine.settings),
        own=actor.user_id is not None and alert.created_by == actor.user_id,
        second_person=engine.settings.second_person,
        **context,
    )


async def _common(request: web.Request, session: AsyncSession, alert: Alert) -> dict[str, Any]:
    settings = request.app[ENGINE].settings
    number = await alerts.related_number(session, alert)
    picture = await find_picture(session, alert.picture_id) if alert.picture_id else None
    audience = Audience.from_json(alert.audience)
    return {
        "text": alerts.rendered_text(alert, settings, number),
        "related_number": number,
        "picture": picture_url(picture) if picture else "",
        "names": await list_user_names(session, [alert.created_by, alert.reviewed_by]),
        "rule": describe(audience, await find_chosen(session, audience)),
    }


async def _before_release(request: web.Request, session: AsyncSession, alert: Alert) -> dict[str, Any]:
    """What a release would do, for whoever decides about it."""
    engine = request.app[ENGINE]
    view = await view_audience(
        session,
        Audience.from_json(alert.audience),
        severity=alert.severity,
        start=alert.scheduled_at,
        settings=engine.settings,
        now=engine.clock.now(),
    )
    changed_from, changes = await find_changes(session, alert, engine.settings.zone)
    return {"view": view, "changed_from": changed_from, "changes": changes}


async def _after_release(request: web.Request, session: AsyncSession, alert: Alert) -> dict[str, Any]:
    """How far it has come: in all, by unit, and group by group."""
    engine = request.app[ENGINE]
    now = engine.clock.now()
    top = await find_top_unit(session, "")
    progress = await get_progress(session, alert, top.id if top else None, settings=engine.settings, now=now)
    wanted = choice_of(DeliveryState, request.query, "delivery")
    total = getattr(progress.counts, wanted.value) if wanted else progress.counts.total
    paging = Paging(page_number(request), DELIVERIES, total)
    return {
        "progress": progress,
        "figures": progress_json(progress, zone=engine.settings.zone, now=now),
        "top": top,
        "units": await list_child_figures(session, alert.id, top.id) if top else [],
        "wanted": wanted,
        "paging": paging,
        "query": f"delivery={wanted.value}" if wanted else "",
        "deliveries": await list_deliveries(
            session, alert.id, states=[wanted] if wanted else [], limit=paging.size, offset=paging.offset
        ),
        "forwards": await list_forwards(session, alert.id, "", limit=SHOWN_FORWARDS),
        "reminders": await list_reminders(session, alert.id),
    }


# ── steps ───────────────────────────────────────────────────────────────────

Step = Callable[[AsyncSession], Awaitable[object]]


async def submit(request: web.Request, actor: Actor) -> web.StreamResponse:
    alert_id, now = path_id(request), _now(request)
    return await _take(request, actor, "submit", lambda session: alerts.submit(session, actor, alert_id, now=now))


async def send_back(request: web.Request, actor: Actor) -> web.StreamResponse:
    alert_id, now, reason = path_id(request), _now(request), text_of(await request.post(), "reason")
    return await _take(
        request, actor, "send_back", lambda session: alerts.send_back(session, actor, alert_id, reason, now=now)
    )


async def release(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Releases the version that the reviewer saw on the page, no later one."""
    alert_id, now, form = path_id(request), _now(request), await request.post()
    version, settings, database = int_of(form, "version"), request.app[ENGINE].settings, request.app[ENGINE].database
    try:
        actor = await prove_for_release(database, actor, text_of(form, "code"), settings=settings, now=now)
    except UserError as error:
        return await _refused(request, actor, error)
    return await _take(
        request,
        actor,
        "release",
        lambda session: alerts.release(session, actor, alert_id, settings=settings, now=now, version=version or 0),
    )


async def pause(request: web.Request, actor: Actor) -> web.StreamResponse:
    alert_id, now = path_id(request), _now(request)
    return await _take(request, actor, "pause", lambda session: alerts.pause(session, actor, alert_id, now=now))


async def resume(request: web.Request, actor: Actor) -> web.StreamResponse:
    alert_id, now = path_id(request), _now(request)
    return await _take(request, actor, "resume", lambda session: alerts.resume(session, actor, alert_id, now=now))


async def cancel(request: web.Request, actor: Actor) -> web.StreamResponse:
    """A broadcast that has begun is only stopped by whoever types its number."""
    alert_id, now, form = path_id(request), _now(request), await request.post()

    async def step(session: AsyncSession) -> None:
        alert = await alerts.get_alert(session, alert_id)
        if alert.released_at is not None and text_of(form, "number") != alert.number:
            raise Invalid({"number": f"请输入编号 {alert.number} 以确认取消"})
        await alerts.cancel(session, actor, alert_id, text_of(form, "reason"), now=now)

    return await _take(request, actor, "cancel", step)


async def decide(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Send a delivery in doubt again, or leave it."""
    alert_id, delivery_id = path_id(request), path_id(request, "delivery")
    decision, now = text_of(await request.post(), "decision"), _now(request)

    async def step(session: AsyncSession) -> None:
        delivery = await session.get(Delivery, delivery_id)
        if delivery is None or delivery.alert_id != alert_id:
            raise NotFound("这条预警没有这条投递")
        await decide_unknown(session, actor, delivery_id, decision, now=now)

    return await _take(request, actor, "decide", step)


async def _take(request: web.Request, actor: Actor, name: str, step: Step) -> web.StreamResponse:
    """Take the step and show the alert again; a step that is not possible says why on the same page."""
    engine = request.app[ENGINE]
    try:
        async with engine.database.write() as session:
            await step(session)
    except UserError as error:
        return await _refused(request, actor, error)
    engine.events.publish("alerts", "deliveries")
    raise web.HTTPSeeOther(f"/alerts/{path_id(request)}?done={name}")


async def _refused(request: web.Request, actor: Actor, error: UserError) -> web.StreamResponse:
    faults = error.faults if isinstance(error, Invalid) else {}
    return await _show(request, actor, message=str(error), faults=faults, status=status_of(error))


def _now(request: web.Request) -> Any:
    return request.app[ENGINE].clock.now()
