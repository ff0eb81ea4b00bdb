"""Writing an alert: the form, what was typed into it, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aiohttp import web
from multidict import MultiMapping
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.alerts import AlertContent
from bot.errors import Invalid, UserError, WrongState
from bot.identity import Actor
from bot.lead_drafts import draft_alert
from bot.pictures import save_picture
from bot.settings import Settings
from content.messages import MAX_TEXT, render_alert
from db.audience import Audience
from db.console import count_subtree, find_top_unit, list_child_sizes, list_used_levels
from db.figures import latest_released
from db.models import Alert
from db.pictures import find_picture
from db.states import AlertState, ContentKind, Relation, Severity
from db.units import list_tags
from handlers.web.audience import find_chosen, parse_audience
from handlers.web.forms import choice_of, int_of, local_time_of, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.pictures import picture_url
from handlers.web.views import input_time, page


@dataclass
class AlertForm:
    """What is in the fields, as text where people type text, so that a fault never loses what was written."""

    title: str = ""
    body: str = ""
    severity: Severity | None = None
    kind: ContentKind = ContentKind.TEXT
    picture_id: int | None = None
    link_url: str = ""
    link_title: str = ""
    when: str = "now"
    scheduled_at: str = ""
    expires_at: str = ""
    relation: Relation | None = None
    related_id: int | None = None
    some_units: bool = False
    audience: Audience = field(default_factory=Audience)
    faults: dict[str, str] = field(default_factory=dict)

    def content(self, settings: Settings) -> AlertContent:
        """For the engine. Faults that only a form can have are added to `faults`."""
        if self.severity is None:
            self.faults["severity"] = "请选择预警级别"
        scheduled = self._time("scheduled_at", settings) if self.when == "later" else None
        if self.when == "later" and not self.scheduled_at:
            self.faults["scheduled_at"] = "请填写发布时间，或选择审核后立即发布"
        return AlertContent(
            title=self.title,
            body=self.body,
            severity=self.severity or Severity.BLUE,
            kind=self.kind,
            picture_id=self.picture_id if self.kind is ContentKind.PICTURE else None,
            link_url=self.link_url if self.kind is ContentKind.LINK else "",
            link_title=self.link_title if self.kind is ContentKind.LINK else "",
            audience=self.audience,
            relation=self.relation,
            related_id=self.related_id if self.relation else None,
            scheduled_at=scheduled,
            expires_at=self._time("expires_at", settings),
        )

    def _time(self, name: str, settings: Settings) -> datetime | None:
        try:
            return local_time_of({name: getattr(self, name)}, name, settings.zone)
        except ValueError:
            self.faults[name] = "时间格式应为 年-月-日 时:分，如 2026-11-21 09:30"
            return None


def form_of_alert(alert: Alert, settings: Settings) -> AlertForm:
    audience = Audience.from_json(alert.audience)
    return AlertForm(
        title=alert.title,
        body=alert.body,
        severity=alert.severity,
        kind=alert.kind,
        picture_id=alert.picture_id,
        link_url=alert.link_url,
        link_title=alert.link_title,
        when="later" if alert.scheduled_at else "now",
        scheduled_at=input_time(alert.scheduled_at, settings.zone),
        expires_at=input_time(alert.expires_at, settings.zone),
        relation=alert.relation,
        related_id=alert.related_id,
        some_units=bool(audience.units),
        audience=audience,
    )


def form_of_post(post: MultiMapping[Any]) -> AlertForm:
    faults: dict[str, str] = {}
    try:
        audience = parse_audience(post)
    except Invalid as error:
        audience, faults = Audience(), dict(error.faults)
    return AlertForm(
        title=text_of(post, "title"),
        body=text_of(post, "body"),
        severity=choice_of(Severity, post, "severity"),
        kind=choice_of(ContentKind, post, "kind") or ContentKind.TEXT,
        picture_id=int_of(post, "picture_id"),
        link_url=text_of(post, "link_url"),
        link_title=text_of(post, "link_title"),
        when="later" if text_of(post, "when") == "later" else "now",
        scheduled_at=text_of(post, "scheduled_at"),
        expires_at=text_of(post, "expires_at"),
        relation=choice_of(Relation, post, "relation"),
        related_id=int_of(post, "related_id"),
        some_units=text_of(post, "scope") == "some",
        audience=audience,
        faults=faults,
    )


async def new_alert(request: web.Request, actor: Actor) -> web.StreamResponse:
    """An empty form; with `?relation=&related_id=` one that corrects or cancels, with `?copy=` one like
    another, with `?lead=` one about what many people ask."""
    engine = request.app[ENGINE]
    form = AlertForm(
        relation=choice_of(Relation, request.query, "relation"), related_id=int_of(request.query, "related_id")
    )
    lead = int_of(request.query, "lead")
    if lead is not None:
        async with engine.database.read() as session:
            form.title, form.body = await draft_alert(session, engine.knowledge, lead)
    source = int_of(request.query, "copy") or (form.related_id if form.relation else None)
    if source is not None:
        async with engine.database.read() as session:
            earlier = form_of_alert(await alerts.get_alert(session, source), engine.settings)
        earlier.relation, earlier.related_id = form.relation, form.related_id
        earlier.when, earlier.scheduled_at, earlier.expires_at = "now", "", ""
        if earlier.audience.heard_alert is not None:
            earlier.audience = Audience()
        form = earlier
        if form.relation is Relation.CANCEL:
            form.title, form.body = f"撤销：{form.title}"[:40], ""
    return await _show(request, form, None)


async def edit_alert(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        alert = await alerts.get_alert(session, path_id(request))
    if alert.state is not AlertState.DRAFT:
        raise WrongState(f"预警{alert.state.label}，不能修改；请先退回为草稿")
    return await _show(request, form_of_alert(alert, engine.settings), alert)


async def create_alert(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _save(request, actor, None)


async def update_alert(request: web.Request, actor: Actor) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        alert = await alerts.get_alert(session, path_id(request))
    return await _save(request, actor, alert)


async def _save(request: web.Request, actor: Actor, alert: Alert | None) -> web.StreamResponse:
    engine = request.app[ENGINE]
    post = await request.post()
    form = form_of_post(post)
    await _take_picture(request, form, post.get("picture"))
    await _check_picture(request, form)
    content = form.content(engine.settings)
    now, submit = engine.clock.now(), text_of(post, "action") == "submit"
    try:
        async with engine.database.write() as session:
            saved = await _write(session, actor, alert, content, settings=engine.settings, now=now)
            if form.faults:
                raise Invalid({})  # roll back: the engine was only asked for its own faults
            if submit:
                await alerts.submit(session, actor, saved.id, now=now)
    except Invalid as error:
        form.faults = error.faults | form.faults
        return await _show(request, form, alert, status=422)
    engine.events.publish("alerts")
    raise web.HTTPSeeOther(f"/alerts/{saved.id}?done={'submit' if submit else 'save'}")


async def _write(
    session: AsyncSession,
    actor: Actor,
    alert: Alert | None,
    content: AlertContent,
    *,
    settings: Settings,
    now: datetime,
) -> Alert:
    if alert is None:
        return await alerts.create(session, actor, content, settings=settings, now=now)
    return await alerts.edit(session, actor, alert.id, content, settings=settings, now=now)


async def _take_picture(request: web.Request, form: AlertForm, upload: Any) -> None:
    """Keep the uploaded picture first: a fault elsewhere in the form must not cost it."""
    if not isinstance(upload, web.FileField) or not upload.filename:
        return
    try:
        picture = await save_picture(request.app[ENGINE].database, upload.file.read())
        form.picture_id = picture.id
    except UserError as error:
        form.faults["picture_id"] = str(error)


async def _check_picture(request: web.Request, form: AlertForm) -> None:
    """The number of a picture comes back in a hidden field, where anything can stand."""
    if form.picture_id is None:
        return
    async with request.app[ENGINE].database.read() as session:
        found = form.picture_id < 2**31 and await find_picture(session, form.picture_id)
    if not found:
        form.picture_id = None
        form.faults.setdefault("picture_id", "没有这张图片，请重新上传")


async def _show(
    request: web.Request, form: AlertForm, alert: Alert | None, *, status: int = 200
) -> web.StreamResponse:
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        top = await find_top_unit(session, "")
        picture = await find_picture(session, form.picture_id) if form.picture_id else None
        used = await list_used_levels(session)
        context = {
            "top": top,
            "top_size": await count_subtree(session, ""),
            "children": await list_child_sizes(session, top.id) if top else [],
            "chosen": await find_chosen(session, form.audience),
            "levels": list(dict.fromkeys(level for level, _ in used)),
            "kinds": [kind for _, kind in used],
            "tags": await list_tags(session),
            "correctable": await latest_released(session, 30),
            "picture": picture_url(picture) if picture else "",
        }
    return await page(
        request,
        "alert_form.html",
        status=status,
        form=form,
        alert=alert,
        frame=_frame(form, alert, engine.settings),
        max_text=MAX_TEXT,
        expiry_hours=engine.settings.expiry_hours,
        quiet_exempt=engine.settings.quiet_exempt,
        second_person=engine.settings.second_person,
        **context,
    )


def _frame(form: AlertForm, alert: Alert | None, settings: Settings) -> str:
    """The message with holes that the script fills while one types."""
    return render_alert(
        severity="{severity}",
        title="{title}",
        body="{body}",
        office=settings.office,
        number=alert.number if alert else "{number}",
        relation=form.relation.label if form.relation else "",
        related="{related}",
    )
