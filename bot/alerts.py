"""The life of an alert: who may take which step from which state, and what each step does.

Every function takes a session inside a transaction (`Database.write`) and writes its own audit entry; a step
that is not possible raises a `UserError` and leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.deadlines import deadline_of
from bot.errors import Forbidden, Invalid, NotFound, WrongState
from bot.identity import SYSTEM, Actor
from bot.permissions import Permission, require, require_proof
from bot.settings import Settings
from content.messages import MAX_TEXT, render_alert, room_for_body
from db import alerts as store
from db.audience import Audience, freeze
from db.models import Alert
from db.states import AlertState, ContentKind, Relation, Severity


@dataclass(frozen=True)
class AlertContent:
    """What a publisher writes."""

    title: str
    body: str
    severity: Severity
    kind: ContentKind = ContentKind.TEXT
    picture_id: int | None = None
    link_url: str = ""
    link_title: str = ""
    audience: Audience = field(default_factory=Audience)
    relation: Relation | None = None
    related_id: int | None = None
    scheduled_at: datetime | None = None  # None: as soon as it is released
    expires_at: datetime | None = None  # None: the setting's hours after its start


class SystemStep(Protocol):
    """A step that the clock takes."""

    def __call__(self, session: AsyncSession, alert_id: int, *, now: datetime) -> Awaitable[Alert]: ...


STEPS: dict[str, tuple[frozenset[AlertState], AlertState]] = {
    "submit": (frozenset({AlertState.DRAFT}), AlertState.IN_REVIEW),
    "send_back": (frozenset({AlertState.IN_REVIEW}), AlertState.DRAFT),
    "schedule": (frozenset({AlertState.IN_REVIEW}), AlertState.SCHEDULED),
    "start": (frozenset({AlertState.IN_REVIEW, AlertState.SCHEDULED}), AlertState.RUNNING),
    "pause": (frozenset({AlertState.RUNNING}), AlertState.PAUSED),
    "resume": (frozenset({AlertState.PAUSED}), AlertState.RUNNING),
    "finish": (frozenset({AlertState.RUNNING}), AlertState.FINISHED),
    "reopen": (frozenset({AlertState.FINISHED}), AlertState.RUNNING),  # something of it is to be sent again
    "expire": (frozenset({AlertState.SCHEDULED, AlertState.RUNNING, AlertState.PAUSED}), AlertState.EXPIRED),
    "cancel": (
        frozenset(
            {
                AlertState.DRAFT,
                AlertState.IN_REVIEW,
                AlertState.SCHEDULED,
                AlertState.RUNNING,
                AlertState.PAUSED,
            }
        ),
        AlertState.CANCELLED,
    ),
}
"""step → states from which it is possible, and the state it leads to. Nothing else changes `Alert.state`."""


def rendered_text(alert: Alert, settings: Settings, related_number: str = "") -> str:
    """What the groups read."""
    return render_alert(
        severity=alert.severity.label,
        title=alert.title,
        body=alert.body,
        office=settings.office,
        number=alert.number,
        relation=alert.relation.label if alert.relation else "",
        related=related_number,
    )


async def related_number(session: AsyncSession, alert: Alert) -> str:
    """The number of the alert that this one corrects or cancels, or ""."""
    if alert.related_id is None:
        return ""
    related = await store.find_alert(session, alert.related_id)
    return related.number if related else ""


async def get_alert(session: AsyncSession, alert_id: int) -> Alert:
    alert = await store.find_alert(session, alert_id)
    if alert is None:
        raise NotFound(f"没有编号为 {alert_id} 的预警")
    return alert


async def create(
    session: AsyncSession, actor: Actor, content: AlertContent, *, settings: Settings, now: datetime
) -> Alert:
    """A new draft. Raises `Invalid` naming every field to mend."""
    require(actor, Permission.WRITE_ALERT)
    content = await _checked(session, content, settings=settings, now=now)
    alert = Alert(
        number=await store.next_number(session, now.astimezone(settings.zone).date()),
        created_by=actor.user_id,
        created_at=now,
        **_columns(content),
    )
    session.add(alert)
    await session.flush()
    await _record(session, actor, now, "alert.create", alert, title=alert.title, severity=alert.severity)
    return alert


async def edit(
    session: AsyncSession, actor: Actor, alert_id: int, content: AlertContent, *, settings: Settings, now: datetime
) -> Alert:
    """Change a draft. An alert in review must be sent back first, so that nobody releases what they did not read."""
    require(actor, Permission.WRITE_ALERT)
    alert = await get_alert(session, alert_id)
    if alert.state is not AlertState.DRAFT:
        raise WrongState(f"预警{alert.state.label}，不能修改；请先退回为草稿")
    content = await _checked(session, content, settings=settings, now=now)
    new = _columns(content)
    old = {column: _noted(getattr(alert, column)) for column in new}
    noted = {column: _noted(value) for column, value in new.items()}
    for column, value in new.items():
        setattr(alert, column, value)
    alert.version += 1
    changed = [column for column in new if old[column] != noted[column]]
    before, after = ({column: values[column] for column in changed} for values in (old, noted))
    await _record(session, actor, now, "alert.edit", alert, before=before, after=after)
    return alert


def _noted(value: Any) -> Any:
    """As the audit log keeps it; a form knows minutes only."""
    return value.astimezone(UTC).isoformat(timespec="minutes") if isinstance(value, datetime) else value


async def submit(session: AsyncSession, actor: Actor, alert_id: int, *, now: datetime) -> Alert:
    require(actor, Permission.WRITE_ALERT)
    return await _step(session, actor, alert_id, "submit", now, note="")


async def send_back(session: AsyncSession, actor: Actor, alert_id: int, reason: str, *, now: datetime) -> Alert:
    """Back to draft with a reason that the publisher will read. The author may take it back as well."""
    alert = await get_alert(session, alert_id)
    if actor.user_id is None or alert.created_by != actor.user_id:
        require(actor, Permission.REVIEW_ALERT)
    if not reason.strip():
        raise Invalid({"reason": "请写明退回原因"})
    return await _step(session, actor, alert_id, "send_back", now, note=reason.strip()[:200])


async def release(
    session: AsyncSession,
    actor: Actor,
    alert_id: int,
    *,
    settings: Settings,
    now: datetime,
    version: int | None = None,
) -> Alert:
    """The second person's step: start now, or leave it to the scheduler when a later time is set.

    `version` is the version that the reviewer read; when it has changed since, nothing is released.
    """
    require(actor, Permission.REVIEW_ALERT)
    require_proof(actor, settings)
    alert = await get_alert(session, alert_id)
    if version is not None and alert.version != version:
        raise WrongState("内容在您审核期间有改动，请重新阅读后再发布")
    if settings.second_person and actor.user_id is not None and alert.created_by == actor.user_id:
        raise Forbidden("编写人不能审核自己的预警，请由另一位同事审核发布")
    if alert.expires_at <= now:
        raise WrongState("有效期已过，请退回修改有效期")
    reviewed = {"reviewed_by": actor.user_id, "reviewed_at": now}
    if alert.state is AlertState.IN_REVIEW and alert.scheduled_at is not None and alert.scheduled_at > now:
        return await _step(session, actor, alert_id, "schedule", now, **reviewed)
    if alert.state is AlertState.SCHEDULED:
        reviewed = {}
    return await start(session, actor, alert_id, settings=settings, now=now, **reviewed)


async def start(
    session: AsyncSession, actor: Actor, alert_id: int, *, settings: Settings, now: datetime, **values: Any
) -> Alert:
    """Freeze the audience and begin: one transaction, after which senders find their deliveries.

    An alert that corrects or cancels an earlier one also ends what the earlier one still had to send.
    """
    alert = await _step(session, actor, alert_id, "start", now, released_at=now, **values)
    alert.deadline_at = deadline_of(alert.severity, now, settings)
    audience = Audience.from_json(alert.audience)
    if alert.relation is not None and alert.related_id is not None:
        await _end_related(session, actor, alert, now)
    groups, members, deliveries = await freeze(session, alert.id, audience, rank=alert.severity.rank)
    if groups == 0:
        raise WrongState("受众里没有任何群，请退回修改受众")
    alert.expected_groups, alert.expected_members, alert.deliveries = groups, members, deliveries
    return alert


async def _end_related(session: AsyncSession, actor: Actor, alert: Alert, now: datetime) -> None:
    related = await get_alert(session, alert.related_id or 0)
    assert alert.relation is not None
    reason = f"由预警 {alert.number} {alert.relation.label}"
    allowed, to = STEPS["cancel"]
    if await store.set_state(session, related.id, allowed=allowed, to=to, note=reason, finished_at=now):
        await store.cancel_waiting(session, related.id, reason)
        await _record(session, actor, now, "alert.cancel", related, reason=reason)


async def pause(session: AsyncSession, actor: Actor, alert_id: int, *, now: datetime) -> Alert:
    require(actor, Permission.RUN_ALERT)
    return await _step(session, actor, alert_id, "pause", now)


async def resume(session: AsyncSession, actor: Actor, alert_id: int, *, now: datetime) -> Alert:
    require(actor, Permission.RUN_ALERT)
    return await _step(session, actor, alert_id, "resume", now)


async def cancel(session: AsyncSession, actor: Actor, alert_id: int, reason: str, *, now: datetime) -> Alert:
    """End it: what waits is not sent any more. What was sent stays sent; to take it back, write a cancellation."""
    require(actor, Permission.RUN_ALERT)
    reason = reason.strip()[:200] or "人工取消"
    alert = await _step(session, actor, alert_id, "cancel", now, note=reason, finished_at=now)
    await store.cancel_waiting(session, alert_id, reason)
    return alert


async def expire(session: AsyncSession, alert_id: int, *, now: datetime) -> Alert:
    alert = await _step(session, SYSTEM, alert_id, "expire", now, finished_at=now)
    await store.cancel_waiting(session, alert_id, store.EXPIRED_REASON)
    return alert


async def finish(session: AsyncSession, alert_id: int, *, now: datetime) -> Alert:
    if not await store.is_through(session, alert_id):
        raise WrongState("还有没发完的群，预警不能完成")
    return await _step(session, SYSTEM, alert_id, "finish", now, finished_at=now)


async def reopen(session: AsyncSession, actor: Actor, alert_id: int, *, now: datetime) -> Alert:
    """Let senders look at a finished alert again; raises when it was cancelled or has expired."""
    require(actor, Permission.RUN_ALERT)
    alert = await get_alert(session, alert_id)
    state, _ = await store.hold_state(session, alert_id)
    if state in (AlertState.RUNNING, AlertState.PAUSED):
        return alert
    return await _step(session, actor, alert_id, "reopen", now, finished_at=None)


async def _step(session: AsyncSession, actor: Actor, alert_id: int, step: str, now: datetime, **values: Any) -> Alert:
    allowed, to = STEPS[step]
    if not await store.set_state(session, alert_id, allowed=allowed, to=to, **values):
        alert = await get_alert(session, alert_id)
        raise WrongState(f"预警“{alert.title}”{alert.state.label}，不能{_STEP_LABELS[step]}")
    alert = await get_alert(session, alert_id)
    detail = {key: value for key, value in values.items() if key == "note" and value}
    await _record(session, actor, now, f"alert.{step}", alert, state=to, **detail)
    return alert


_STEP_LABELS = {
    "submit": "提交审核",
    "send_back": "退回",
    "schedule": "定时发布",
    "start": "发布",
    "pause": "暂停",
    "resume": "继续",
    "finish": "完成",
    "reopen": "重发",
    "expire": "过期",
    "cancel": "取消",
}


async def _record(
    session: AsyncSession, actor: Actor, now: datetime, action: str, alert: Alert, **detail: Any
) -> None:
    await audit(session, actor, now, action, f"预警 {alert.number}", detail)


def _columns(content: AlertContent) -> dict[str, Any]:
    return {
        "title": content.title,
        "body": content.body,
        "severity": content.severity,
        "kind": content.kind,
        "picture_id": content.picture_id,
        "link_url": content.link_url,
        "link_title": content.link_title,
        "audience": content.audience.to_json(),
        "relation": content.relation,
        "related_id": content.related_id,
        "scheduled_at": content.scheduled_at,
        "expires_at": content.expires_at,
    }


async def _checked(
    session: AsyncSession, content: AlertContent, *, settings: Settings, now: datetime
) -> AlertContent:
    """The content with white space trimmed and defaults filled in, or `Invalid` with every fault."""
    content = replace(content, title=content.title.strip(), body=content.body.strip().replace("\r\n", "\n"))
    faults = _text_faults(content, settings) | _kind_faults(content)
    begin = content.scheduled_at or now
    if content.scheduled_at is not None and content.scheduled_at <= now:
        faults["scheduled_at"] = "发布时间已经过去，请改为将来的时间，或选择立即发布"
    if content.expires_at is None:
        content = replace(content, expires_at=begin + timedelta(hours=settings.expiry_hours))
    elif content.expires_at <= begin:
        faults["expires_at"] = "有效期应晚于发布时间"
    if content.relation is not None:
        related = await store.find_alert(session, content.related_id or 0)
        if related is None or related.released_at is None:
            faults["related_id"] = f"请选择要{content.relation.label}的已发布预警"
        else:
            content = replace(content, audience=_related_audience(content.relation, related))
    if faults:
        raise Invalid(faults)
    return content


def _related_audience(relation: Relation, related: Alert) -> Audience:
    """A cancellation goes to whoever had the alert; a correction also to whoever was still to get it."""
    return Audience(heard_alert=related.id, heard_or_waiting=relation is Relation.UPDATE)


def _text_faults(content: AlertContent, settings: Settings) -> dict[str, str]:
    faults = {}
    if not content.title:
        faults["title"] = "请填写标题"
    elif len(content.title) > 40:
        faults["title"] = f"标题最多 40 个字，现在 {len(content.title)} 个"
    room = room_for_body(
        severity=content.severity.label,
        title=content.title,
        office=settings.office,
        relation=content.relation.label if content.relation else "",
    )
    if not content.body:
        faults["body"] = "请填写正文"
    elif len(content.body) > room:
        faults["body"] = f"正文最多 {room} 个字（整条消息不超过 {MAX_TEXT} 字），现在 {len(content.body)} 个"
    return faults


def _kind_faults(content: AlertContent) -> dict[str, str]:
    faults = {}
    if content.kind is ContentKind.PICTURE and content.picture_id is None:
        faults["picture_id"] = "请选择图片"
    if content.kind is ContentKind.LINK:
        if not content.link_url.startswith(("https://", "http://")):
            faults["link_url"] = "链接应以 https:// 开头"
        if not content.link_title.strip():
            faults["link_title"] = "请填写链接标题"
    return faults


def possible_steps(alert: Alert) -> Collection[str]:
    """The steps that the present state allows, for buttons; rights are checked when the step is taken."""
    return [step for step, (allowed, _) in STEPS.items() if alert.state in allowed]
