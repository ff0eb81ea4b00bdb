"""Somebody passes on what has been corrected or cancelled since: the group is told once, the liaison each time."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.addressing import addressed_to
from bot.clock import local_text
from bot.messages import Incoming
from bot.settings import Settings
from db import forwards as store
from db.alerts import find_alert
from db.models import Alert, Group, Person
from db.states import Relation, Way


async def take_outdated(
    session: AsyncSession,
    settings: Settings,
    *,
    alert_id: int,
    message: Incoming,
    group: Group,
    person: Person | None,
    at: datetime,
    score: float,
) -> str:
    """Put the forward on record as outdated, which reaches nobody, and return what to say, "" for nothing."""
    told = await store.was_told_outdated(session, alert_id=alert_id, group_id=group.id)
    await store.add_forward(
        session,
        alert_id=alert_id,
        group_id=group.id,
        way=Way.FORWARD,
        person_id=person.id if person is not None else None,
        members=None,
        score=score,
        at=at,
        outdated=True,
    )
    if told and person is None:
        return ""
    old = await find_alert(session, alert_id)
    assert old is not None
    successor = await store.find_successor(session, alert_id)
    if told:
        return addressed_to(message, told_text(old, successor))
    text = correction_text(old, successor, settings, liaison=person is not None)
    return addressed_to(message, text) if person is not None else text


def correction_text(old: Alert, successor: Alert | None, settings: Settings, *, liaison: bool) -> str:
    """What a group reads after somebody passed on an outdated alert; `liaison`: it was one of ours."""
    who = "您转发的" if liaison else "刚才转发的"
    if successor is None:
        return (
            f"{who}预警《{old.title}》（{old.number}）已取消，请不要再转发，以{settings.office}最新发布为准。\n"
            f"有疑问请拨打 96110。{_uncounted(liaison)}"
        )
    since = local_text(successor.released_at, settings.zone) if successor.released_at else ""
    cancelled = successor.relation is Relation.CANCEL
    label = "撤销" if cancelled else "更正"
    what = "请不要再转发" if cancelled else "请以下面这条为准，转发也用这条"
    return (
        f"{who}预警《{old.title}》（{old.number}）已于 {since} {label}，{what}。{_uncounted(liaison)}\n\n"
        f"【{label}】{successor.title}\n{successor.body.strip()}\n——{settings.office} {successor.number}"
    )


def told_text(old: Alert, successor: Alert | None) -> str:
    """For a liaison who passes the same on again where the group has been told already."""
    instead = f"请转发 {successor.number}《{successor.title}》" if successor is not None else "请不要再转发"
    return f"{old.number} 是旧预警，本群已经通知过；{instead}。{_uncounted(True)}"


def _uncounted(liaison: bool) -> str:
    return "这次转发已记录，不计入触达。" if liaison else ""
