"""Live alerts as the forward recogniser reads them, and the log of forwards and reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import Enum, auto
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.alerts import LIVE
from db.dml import insert_row
from db.models import Alert, Forward, Reach, Unit
from db.states import AlertState, Way
from db.units import in_subtree


def _live(since: datetime) -> sa.ColumnElement[bool]:
    """The same alerts as `db.alerts.list_live`."""
    return sa.and_(Alert.released_at >= since, Alert.state.in_((*LIVE, AlertState.EXPIRED)))


class Standing(Enum):
    """What passing on a released alert is today."""

    LIVE = auto()  # a forward
    OUTDATED = auto()  # it has been corrected or cancelled since: the group must be told
    OLD = auto()  # its window is over: nothing


class Words(NamedTuple):
    """What an alert is recognised by."""

    text: str  # title and body
    number: str


def _superseding() -> list[sa.ColumnElement[bool]]:
    """Released corrections and cancellations, but not one that was cancelled and that nothing took the place of."""
    later = aliased(Alert)
    followed = sa.exists().where(
        later.related_id == Alert.id, later.relation.is_not(None), later.released_at.is_not(None)
    )
    in_force = Alert.state.in_((*LIVE, AlertState.EXPIRED))
    return [Alert.relation.is_not(None), Alert.released_at.is_not(None), sa.or_(in_force, followed)]


def _compared() -> sa.Select[int, datetime | None, bool]:
    states = (*LIVE, AlertState.EXPIRED, AlertState.CANCELLED)
    replaced = Alert.id.in_(sa.select(Alert.related_id).where(*_superseding()))
    query = sa.select(Alert.id, Alert.released_at, sa.or_(Alert.state == AlertState.CANCELLED, replaced))
    return query.where(Alert.released_at >= sa.bindparam("kept_since"), Alert.state.in_(states))


# Put together once: that takes longer than the database needs for the answer.
_COMPARED = _compared()
_COMPARED_OF = _COMPARED.where(Alert.id.in_(sa.bindparam("alerts", expanding=True)))
_RELEASED_AT = sa.select(Alert.released_at).where(Alert.id == sa.bindparam("alert"))


async def list_compared(
    session: AsyncSession, since: datetime, kept_since: datetime, alert_ids: Collection[int] | None = None
) -> dict[int, Standing]:
    """Every alert (of `alert_ids`) released after `kept_since` and what it is: live only when it was released after
    `since` and nothing has taken its place."""
    if alert_ids is None:
        rows = await session.execute(_COMPARED, {"kept_since": kept_since})
    else:
        rows = await session.execute(_COMPARED_OF, {"kept_since": kept_since, "alerts": alert_ids})
    found: dict[int, Standing] = {}
    for alert_id, released_at, outdated in rows:
        current = Standing.LIVE if released_at is not None and released_at >= since else Standing.OLD
        found[alert_id] = Standing.OUTDATED if outdated else current
    return found


async def find_successor(session: AsyncSession, alert_id: int) -> Alert | None:
    """The alert that corrects or cancels this one today: the last of the chain."""
    last: Alert | None = None
    seen = {alert_id}
    while True:
        query = sa.select(Alert).where(*_superseding(), Alert.related_id == (last.id if last else alert_id))
        found: Alert | None = await session.scalar(query.order_by(Alert.released_at.desc(), Alert.id.desc()).limit(1))
        if found is None or found.id in seen:
            return last
        seen.add(found.id)
        last = found


async def list_words(session: AsyncSession, alert_ids: Collection[int]) -> dict[int, Words]:
    """By id. Released alerts never change, so each is read once."""
    query = sa.select(Alert.id, Alert.title, Alert.body, Alert.number).where(Alert.id.in_(alert_ids))
    return {
        alert_id: Words(f"{title}\n{body}", number) for alert_id, title, body, number in await session.execute(query)
    }


def _released(since: datetime) -> sa.ColumnElement[bool]:
    """Released alerts, whatever became of them."""
    return sa.and_(Alert.released_at >= since, Alert.state.in_((*LIVE, AlertState.EXPIRED, AlertState.CANCELLED)))


async def list_pictures(session: AsyncSession, since: datetime) -> set[int]:
    """Ids of the pictures of alerts released after `since`."""
    query = sa.select(Alert.picture_id).where(_released(since), Alert.picture_id.is_not(None))
    return {picture_id for picture_id in await session.scalars(query) if picture_id is not None}


async def find_showing(
    session: AsyncSession, since: datetime, *, picture_id: int | None, link_url: str
) -> int | None:
    """The latest alert released after `since` with this picture or this link; one that was cancelled only if there is
    no other."""
    shown = Alert.picture_id == picture_id if picture_id is not None else Alert.link_url == link_url
    gone = (Alert.state == AlertState.CANCELLED).asc()
    query = (
        sa.select(Alert.id).where(_released(since), shown).order_by(gone, Alert.released_at.desc(), Alert.id.desc())
    )
    found: int | None = await session.scalar(query.limit(1))
    return found


async def find_release_time(session: AsyncSession, alert_id: int) -> datetime | None:
    released_at: datetime | None = await session.scalar(_RELEASED_AT, {"alert": alert_id})
    return released_at


async def list_live_expecting(
    session: AsyncSession, since: datetime, *, group_id: int | None = None, scope: str = "", limit: int = 1
) -> Sequence[Alert]:
    """Live alerts whose audience has this group, or any group under `scope`; the latest release first."""
    expected = sa.select(Reach.alert_id).where(Reach.alert_id == Alert.id, Reach.expected)
    if group_id is not None:
        expected = expected.where(Reach.group_id == group_id)
    elif scope:
        expected = expected.join(Unit, Unit.id == Reach.unit_id).where(in_subtree(scope))
    query = sa.select(Alert).where(_live(since), expected.exists())
    return (await session.scalars(query.order_by(Alert.released_at.desc(), Alert.id.desc()).limit(limit))).all()


async def add_forward(
    session: AsyncSession,
    *,
    alert_id: int,
    group_id: int,
    way: Way,
    person_id: int | None,
    members: int | None,
    score: float,
    at: datetime,
    outdated: bool = False,
) -> None:
    forward = Forward(
        alert_id=alert_id,
        group_id=group_id,
        way=way,
        person_id=person_id,
        members=members,
        score=score,
        at=at,
        outdated=outdated,
    )
    await insert_row(session, forward)


async def was_reported(session: AsyncSession, *, alert_id: int, group_id: int) -> bool:
    reported = sa.select(Forward.id).where(
        Forward.alert_id == alert_id, Forward.group_id == group_id, Forward.way == Way.REPORT
    )
    return (await session.scalar(reported.limit(1))) is not None


async def was_told_outdated(session: AsyncSession, *, alert_id: int, group_id: int) -> bool:
    """Whether somebody passed the outdated alert on in this group before: the group was told then."""
    before = sa.select(Forward.id).where(
        Forward.alert_id == alert_id, Forward.group_id == group_id, Forward.outdated.is_(True)
    )
    return (await session.scalar(before.limit(1))) is not None
