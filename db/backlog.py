"""What waits to be sent, by account."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Alert, Delivery, Send
from db.states import AlertState, DeliveryState

# A literal, not a parameter: only then may the databases use the partial index of waiting rows.
_WAITING: sa.ColumnElement[str] = sa.literal_column(f"'{DeliveryState.WAITING.value}'")


async def count_backlog(session: AsyncSession, *, rank: int, apart_from: int | None = None) -> dict[int, int]:
    """Account id → waiting deliveries of running alerts that are as urgent as `rank` or more so."""
    query = (
        sa.select(Delivery.account_id, sa.func.count())
        .join(Alert, Alert.id == Delivery.alert_id)
        .where(Delivery.state == _WAITING, Delivery.rank <= rank, Alert.state == AlertState.RUNNING)
        .group_by(Delivery.account_id)
    )
    if apart_from is not None:
        query = query.where(Delivery.alert_id != apart_from)
    return {row[0]: row[1] for row in await session.execute(query)}


async def count_waiting(session: AsyncSession, alert_id: int) -> dict[int, int]:
    """Account id → deliveries of one alert that wait."""
    query = (
        sa.select(Delivery.account_id, sa.func.count())
        .where(Delivery.alert_id == alert_id, Delivery.state == DeliveryState.WAITING)
        .group_by(Delivery.account_id)
    )
    return {row[0]: row[1] for row in await session.execute(query)}


async def count_sends_each(session: AsyncSession, account_ids: Collection[int], since: datetime) -> dict[int, int]:
    """Account id → messages of all kinds since then; accounts that sent none are left out."""
    query = sa.select(Send.account_id, sa.func.count()).where(Send.account_id.in_(account_ids), Send.at >= since)
    return {row[0]: row[1] for row in await session.execute(query.group_by(Send.account_id))}
