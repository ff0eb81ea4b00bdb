"""Reports that can still be taken back. While a row is here, the reach that it made is not folded into any figure."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import Delivery, Forward, HeldReport, Reach
from db.states import DeliveryState, Way


async def hold(
    session: AsyncSession, *, alert_id: int, group_id: int, person_id: int, at: datetime, until: datetime
) -> None:
    values = {"alert_id": alert_id, "group_id": group_id, "person_id": person_id, "at": at, "until": until}
    await session.execute(upsert(session, HeldReport).values(**values).on_conflict_do_nothing())


async def list_held(session: AsyncSession, *, alert_id: int, person_id: int, now: datetime) -> dict[int, datetime]:
    """By group id, until when the person can take the report back."""
    query = sa.select(HeldReport.group_id, HeldReport.until).where(
        HeldReport.alert_id == alert_id, HeldReport.person_id == person_id, HeldReport.until > now
    )
    return {row.group_id: row.until for row in await session.execute(query)}


async def take_back(session: AsyncSession, *, alert_id: int, group_id: int, person_id: int, now: datetime) -> bool:
    """As if the report had never been made; whatever else reached the group meanwhile counts instead. False when it
    is not held (any more)."""
    mine = sa.and_(
        HeldReport.alert_id == alert_id, HeldReport.group_id == group_id, HeldReport.person_id == person_id
    )
    at = await session.scalar(sa.delete(HeldReport).where(mine, HeldReport.until > now).returning(HeldReport.at))
    if at is None:
        return False
    here = sa.and_(Forward.alert_id == alert_id, Forward.group_id == group_id)
    said = sa.delete(Forward).where(here, Forward.person_id == person_id, Forward.way == Way.REPORT, Forward.at >= at)
    await affected(session, said)
    way, reached_at = await _next_way(session, alert_id, group_id)
    row = sa.update(Reach).where(
        Reach.alert_id == alert_id, Reach.group_id == group_id, Reach.way == Way.REPORT, Reach.folded.is_(False)
    )
    return bool(await affected(session, row.values(way=way, reached_at=reached_at)))


async def _next_way(session: AsyncSession, alert_id: int, group_id: int) -> tuple[Way | None, datetime | None]:
    """What else the group had the alert by, the earliest first."""
    forwards = sa.select(Forward.at, Forward.way).where(
        Forward.alert_id == alert_id, Forward.group_id == group_id, Forward.outdated.is_(False)
    )
    pushes = sa.select(Delivery.sent_at).where(
        Delivery.alert_id == alert_id, Delivery.group_id == group_id, Delivery.state == DeliveryState.SENT
    )
    found: list[tuple[datetime, Way]] = [(row.at, row.way) for row in await session.execute(forwards)]
    found += [(at, Way.PUSH) for at in await session.scalars(pushes) if at is not None]
    if not found:
        return None, None
    at, way = min(found)
    return way, at


async def has_over(session: AsyncSession, now: datetime) -> bool:
    query = sa.select(HeldReport.group_id).where(HeldReport.until <= now).limit(1)
    return (await session.scalar(query)) is not None


async def let_go(session: AsyncSession, now: datetime) -> int:
    """The minute is over: they count for good."""
    return await affected(session, sa.delete(HeldReport).where(HeldReport.until <= now))


async def is_expected(session: AsyncSession, *, alert_id: int, group_id: int) -> bool:
    query = sa.select(Reach.expected).where(Reach.alert_id == alert_id, Reach.group_id == group_id)
    return bool(await session.scalar(query))
