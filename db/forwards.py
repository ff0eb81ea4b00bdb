"""Live alerts as the forward recogniser reads them, and the log of forwards and reports."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.alerts import LIVE
from db.models import Alert, Forward, Reach, Unit
from db.states import AlertState, Way
from db.units import in_subtree


def _live(since: datetime) -> sa.ColumnElement[bool]:
    """The same alerts as `db.alerts.list_live`."""
    return sa.and_(Alert.released_at >= since, Alert.state.in_((*LIVE, AlertState.EXPIRED)))


async def list_live_ids(session: AsyncSession, since: datetime) -> set[int]:
    return set(await session.scalars(sa.select(Alert.id).where(_live(since))))


async def list_texts(session: AsyncSession, alert_ids: Collection[int]) -> dict[int, str]:
    """By id, the words (title and body) of alerts. Released alerts never change, so each is read once."""
    rows = await session.execute(sa.select(Alert.id, Alert.title, Alert.body).where(Alert.id.in_(alert_ids)))
    return {alert_id: f"{title}\n{body}" for alert_id, title, body in rows}


async def list_live_pictures(session: AsyncSession, since: datetime) -> set[int]:
    """Ids of the pictures that live alerts show."""
    query = sa.select(Alert.picture_id).where(_live(since), Alert.picture_id.is_not(None))
    return {picture_id for picture_id in await session.scalars(query) if picture_id is not None}


async def find_live_showing(
    session: AsyncSession, since: datetime, *, picture_id: int | None, link_url: str
) -> int | None:
    """The latest live alert with this picture or this link."""
    shown = Alert.picture_id == picture_id if picture_id is not None else Alert.link_url == link_url
    query = sa.select(Alert.id).where(_live(since), shown).order_by(Alert.released_at.desc(), Alert.id.desc())
    found: int | None = await session.scalar(query.limit(1))
    return found


async def find_release_time(session: AsyncSession, alert_id: int) -> datetime | None:
    released_at: datetime | None = await session.scalar(sa.select(Alert.released_at).where(Alert.id == alert_id))
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
) -> None:
    forward = Forward(
        alert_id=alert_id,
        group_id=group_id,
        way=way,
        person_id=person_id,
        members=members,
        score=score,
        at=at,
    )
    session.add(forward)
    await session.flush()


async def was_reported(session: AsyncSession, *, alert_id: int, group_id: int) -> bool:
    reported = sa.select(Forward.id).where(
        Forward.alert_id == alert_id, Forward.group_id == group_id, Forward.way == Way.REPORT
    )
    return (await session.scalar(reported.limit(1))) is not None
