"""What the rows say about the program's health: who holds accounts, whether clocks agree, what is left lying."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.database_time import DatabaseTime
from db.models import Account, Alert, AuditEntry, Delivery, Incoming, LocalMessage, Send, User
from db.states import AlertState, DeliveryState, Role, UserState


async def list_live_leases(session: AsyncSession) -> Sequence[str]:
    """The owners ("host:pid:nonce") of leases that have not run out: these programs are running, or died just now."""
    query = sa.select(Account.lease_owner).where(Account.lease_owner != "", Account.lease_until > DatabaseTime())
    return (await session.scalars(query.distinct().order_by(Account.lease_owner))).all()


async def newest_time(session: AsyncSession) -> datetime | None:
    """The latest instant that any program has written down as the present; each is one indexed read."""
    latest = (
        sa.select(AuditEntry.at).order_by(AuditEntry.at.desc()),
        sa.select(Incoming.at).order_by(Incoming.at.desc()),
        sa.select(Send.at).order_by(Send.id.desc()),
        sa.select(LocalMessage.at).order_by(LocalMessage.id.desc()),
    )
    found = [await session.scalar(query.limit(1)) for query in latest]
    return max((at for at in found if at is not None), default=None)


async def count_admins(session: AsyncSession) -> int:
    """Administrators who can sign in."""
    query = sa.select(sa.func.count()).select_from(User)
    return int(await session.scalar(query.where(User.role == Role.ADMIN, User.state == UserState.ACTIVE)) or 0)


async def list_scheduled(session: AsyncSession) -> Sequence[Alert]:
    """Alerts that wait for their time, the earliest first."""
    query = sa.select(Alert).where(Alert.state == AlertState.SCHEDULED).order_by(Alert.scheduled_at, Alert.id)
    return (await session.scalars(query)).all()


async def count_unknown(session: AsyncSession) -> dict[str, int]:
    """Alert number → deliveries in doubt that a person must decide."""
    query = (
        sa.select(Alert.number, sa.func.count())
        .join(Delivery, Delivery.alert_id == Alert.id)
        .where(Delivery.state == DeliveryState.UNKNOWN)
        .group_by(Alert.number)
        .order_by(Alert.number)
    )
    return {row[0]: row[1] for row in await session.execute(query)}
