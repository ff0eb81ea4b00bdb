"""Alerts: list, write, review, run; how far they are, group by group."""

from __future__ import annotations

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.delivery import decide_unknown
from bot.errors import Invalid, NotFound
from bot.pictures import save_picture
from bot.reminders import remind_now
from bot.scheduler import is_overdue
from db.alerts import count_alerts, count_deliveries, list_alerts
from db.audience import Audience
from db.console import find_top_unit
from db.deliveries import list_deliveries
from db.models import Alert, Delivery
from db.pictures import find_picture
from db.states import AlertState, ContentKind
from db.users import list_user_names
from handlers.web.api.definitions import Call, File
from handlers.web.api.models import alerts as shapes
from handlers.web.api.models.common import Id, Page, Reason, page_of
from handlers.web.audience import describe, find_chosen, view_audience
from handlers.web.progress import get_progress
from handlers.web.short_page import links_csv

STEPS = {
    "edit": {"submit"},  # a draft
    "submit": {"submit"},
    "send_back": {"send_back"},
    "release": {"schedule", "start"},
    "pause": {"pause"},
    "resume": {"resume"},
    "cancel": {"cancel"},
}
"""The operation on an alert, and the steps of its life by one of which it must be possible now."""


async def list_all(call: Call, session: AsyncSession, query: shapes.AlertListing) -> Page[shapes.AlertSummary]:
    states: list[AlertState] = [query.state] if query.state else []
    total = await count_alerts(session, states=states, search=query.search)
    found = await list_alerts(session, states=states, search=query.search, limit=query.limit, offset=query.cursor)
    return page_of([shapes.AlertSummary.model_validate(alert) for alert in found], total=total, query=query)


async def read(call: Call, session: AsyncSession, id: Id) -> shapes.AlertFull:
    return await _full(call, session, await alerts.get_alert(session, id))


async def create(call: Call, session: AsyncSession, body: shapes.AlertWrite) -> shapes.AlertFull:
    content = await _content(session, body)
    alert = await alerts.create(session, call.actor, content, settings=call.engine.settings, now=call.now)
    return await _changed(call, session, alert)


async def edit(call: Call, session: AsyncSession, id: Id, body: shapes.AlertWrite) -> shapes.AlertFull:
    content = await _content(session, body)
    alert = await alerts.edit(session, call.actor, id, content, settings=call.engine.settings, now=call.now)
    return await _changed(call, session, alert)


async def _content(session: AsyncSession, body: shapes.AlertWrite) -> alerts.AlertContent:
    """For the engine. A picture or link of another kind of content is dropped, as the form does."""
    picture = body.picture_id if body.kind is ContentKind.PICTURE else None
    if picture is not None and await find_picture(session, picture) is None:
        raise Invalid({"picture_id": "没有这张图片，请先上传"})
    link = body.kind is ContentKind.LINK
    return alerts.AlertContent(
        title=body.title,
        body=body.body,
        severity=body.severity,
        kind=body.kind,
        picture_id=picture,
        link_url=body.link_url if link else "",
        link_title=body.link_title if link else "",
        audience=_audience(body.audience),
        relation=body.relation,
        related_id=body.related_id if body.relation else None,
        scheduled_at=body.scheduled_at,
        expires_at=body.expires_at,
    )


def _audience(rule: shapes.AudienceRule) -> Audience:
    """Each thing once, in the order in which it was named."""
    lists: dict[str, Any] = {name: tuple(dict.fromkeys(value)) for name, value in rule}
    return Audience(**lists)


# ── steps ───────────────────────────────────────────────────────────────────


async def submit(call: Call, session: AsyncSession, id: Id) -> shapes.AlertFull:
    return await _changed(call, session, await alerts.submit(session, call.actor, id, now=call.now))


async def send_back(call: Call, session: AsyncSession, id: Id, body: Reason) -> shapes.AlertFull:
    return await _changed(call, session, await alerts.send_back(session, call.actor, id, body.reason, now=call.now))


async def release(call: Call, session: AsyncSession, id: Id, body: shapes.Release) -> shapes.AlertFull:
    alert = await alerts.release(
        session, call.actor, id, settings=call.engine.settings, now=call.now, version=body.version
    )
    return await _changed(call, session, alert)


async def pause(call: Call, session: AsyncSession, id: Id) -> shapes.AlertFull:
    return await _changed(call, session, await alerts.pause(session, call.actor, id, now=call.now))


async def resume(call: Call, session: AsyncSession, id: Id) -> shapes.AlertFull:
    return await _changed(call, session, await alerts.resume(session, call.actor, id, now=call.now))


async def cancel(call: Call, session: AsyncSession, id: Id, body: shapes.Cancel) -> shapes.AlertFull:
    """A broadcast that has begun is only stopped by whoever writes its number."""
    alert = await alerts.get_alert(session, id)
    if alert.released_at is not None and body.number != alert.number:
        raise Invalid({"number": f"请写编号 {alert.number} 以确认取消"})
    return await _changed(call, session, await alerts.cancel(session, call.actor, id, body.reason, now=call.now))


async def decide(call: Call, session: AsyncSession, id: Id, delivery: Id, body: shapes.Decision) -> None:
    row = await session.get(Delivery, delivery)
    if row is None or row.alert_id != id:
        raise NotFound("这条预警没有这条投递")
    await decide_unknown(session, call.actor, delivery, body.decision, now=call.now)
    call.tell("alerts", "deliveries")


async def remind(call: Call, session: AsyncSession, id: Id, body: shapes.RemindAsk) -> shapes.Reminded:
    """The liaisons of a unit that is behind are reminded now."""
    result = await remind_now(session, call.actor, id, body.unit_id, call.now, settings=call.engine.settings)
    call.tell("replies")
    return shapes.Reminded(message=str(result), sent=list(result.sent), not_sent=dict(result.not_sent))


async def _changed(call: Call, session: AsyncSession, alert: Alert) -> shapes.AlertFull:
    call.tell("alerts", "deliveries")
    return await _full(call, session, alert)


async def _full(call: Call, session: AsyncSession, alert: Alert) -> shapes.AlertFull:
    settings = call.engine.settings
    audience = Audience.from_json(alert.audience)
    names = await list_user_names(session, [alert.created_by, alert.reviewed_by])
    words = [f"{what}：{which}" for what, which in describe(audience, await find_chosen(session, audience))]
    summary = shapes.AlertSummary.model_validate(alert).model_dump()
    return shapes.AlertFull(
        **summary,
        body=alert.body,
        text=alerts.rendered_text(alert, settings, await alerts.related_number(session, alert)),
        picture_id=alert.picture_id,
        link_url=alert.link_url,
        link_title=alert.link_title,
        note=alert.note,
        audience=shapes.Rule(**_rule(audience), words=words),
        created_by=names.get(alert.created_by or 0, ""),
        reviewed_by=names.get(alert.reviewed_by or 0, ""),
        reviewed_at=alert.reviewed_at,
        steps=[step for step in STEPS if STEPS[step] & set(alerts.possible_steps(alert))],
        overdue=is_overdue(alert, call.now, settings),
    )


def _rule(audience: Audience) -> dict[str, Any]:
    return {name: value for name, value in audience.to_json().items() if name in shapes.Rule.model_fields}


# ── audience, progress, deliveries, pictures ────────────────────────────────


async def preview(call: Call, session: AsyncSession, body: shapes.AudienceAsk) -> shapes.AudienceOutcome:
    view = await view_audience(
        session,
        _audience(body.audience),
        severity=body.severity,
        start=body.scheduled_at,
        settings=call.engine.settings,
        now=call.now,
    )
    return shapes.AudienceOutcome.model_validate(view.to_json())


async def progress(call: Call, session: AsyncSession, id: Id) -> shapes.Progress:
    alert = await alerts.get_alert(session, id)
    top = await find_top_unit(session, "")
    found = await get_progress(session, alert, top.id if top else None, settings=call.engine.settings, now=call.now)
    figures = found.figures
    return shapes.Progress(
        alert_id=alert.id,
        state=alert.state,
        done=found.counts.done,
        counts=shapes.DeliveryCounts.model_validate(found.counts),
        finish_at=found.finish,
        reached_groups=figures.reached_groups if figures else 0,
        expected_groups=figures.expected_groups if figures else 0,
        reached_members=figures.reached_members if figures else 0,
        expected_members=figures.expected_members if figures else 0,
    )


async def deliveries(
    call: Call, session: AsyncSession, id: Id, query: shapes.DeliveryListing
) -> Page[shapes.DeliveryRow]:
    await alerts.get_alert(session, id)
    counts = (await count_deliveries(session, [id]))[id]
    rows = await list_deliveries(
        session, id, states=[query.state] if query.state else [], limit=query.limit, offset=query.cursor
    )
    total = getattr(counts, query.state.value) if query.state else counts.total
    return page_of([shapes.DeliveryRow.model_validate(row) for row in rows], total=total, query=query)


async def links(call: Call, session: AsyncSession, id: Id) -> File:
    """Makes those that there are not yet: hence no GET."""
    alert = await alerts.get_alert(session, id)
    if alert.released_at is None:
        raise NotFound("没有这条已发布的预警")
    host = call.engine.settings.public_url.rstrip("/")
    return File(await links_csv(session, alert, host), "text/csv", f"links-{alert.number}.csv")


async def upload_picture(call: Call, body: shapes.PictureUpload) -> shapes.Picture:
    return shapes.Picture.model_validate(await save_picture(call.engine.database, body.data))


async def picture(call: Call, session: AsyncSession, id: Id) -> File:
    """Of an alert, so that nobody counts through pictures."""
    alert = await alerts.get_alert(session, id)
    found = await find_picture(session, alert.picture_id) if alert.picture_id else None
    if found is None:
        raise NotFound("这条预警没有图片")
    return File(found.data, found.media_type)
