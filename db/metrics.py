"""What the rows say about the work of this moment, in a few indexed reads; and how long statements take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Account, Alert, Delivery, Lead, Reply
from db.session import Database
from db.states import AlertState, DeliveryState, LeadReason, LeadState

LIVE = (AlertState.RUNNING, AlertState.PAUSED)
LIVE_ALERTS = 5  # whose echoes are looked at
ECHOES = 300  # of each


@dataclass(frozen=True)
class Readings:
    """Times are in seconds. Deliveries and echoes are those of alerts that run or are paused."""

    deliveries: dict[str, int]
    alerts: dict[str, int]
    accounts: dict[tuple[str, str], int]  # (channel, state)
    delivery_age: float  # since the release of the oldest running alert that still has something to send
    replies: int  # that wait
    reply_age: float
    echo_mean: float
    echo_max: float
    echo_missing: int  # sent, and no echo yet
    leads: int  # open
    alarms: int  # open, somebody is being defrauded


async def read_metrics(session: AsyncSession, now: datetime) -> Readings:
    replies, oldest = (await session.execute(_waiting_replies())).one()
    echoes = await _list_echoes(session)
    latencies = [max(0.0, (echo - sent).total_seconds()) for sent, echo in echoes if echo is not None]
    return Readings(
        deliveries={row[0].value: row[1] for row in await session.execute(_deliveries())},
        alerts={row[0].value: row[1] for row in await session.execute(_by(Alert.state))},
        accounts={
            (row[0], row[1].value): row[2] for row in await session.execute(_by(Account.channel, Account.state))
        },
        delivery_age=_age(await session.scalar(_oldest_release()), now),
        replies=replies,
        reply_age=_age(oldest, now),
        echo_mean=sum(latencies) / len(latencies) if latencies else 0.0,
        echo_max=max(latencies, default=0.0),
        echo_missing=len(echoes) - len(latencies),
        leads=await session.scalar(_open_leads()) or 0,
        alarms=await session.scalar(_open_leads().where(Lead.reason == LeadReason.EMERGENCY)) or 0,
    )


def _by(*columns: Any) -> sa.Select[Any]:
    return sa.select(*columns, sa.func.count()).group_by(*columns)


def _deliveries() -> sa.Select[Any]:
    live = sa.select(Alert.id).where(Alert.state.in_(LIVE))
    return _by(Delivery.state).where(Delivery.alert_id.in_(live))


async def _list_echoes(session: AsyncSession) -> list[tuple[datetime, datetime | None]]:
    """When the newest deliveries of the newest live alerts were sent and came back; alert by alert, along the index."""
    newest = sa.select(Alert.id).where(Alert.state.in_(LIVE)).order_by(Alert.id.desc()).limit(LIVE_ALERTS)
    found: list[tuple[datetime, datetime | None]] = []
    for alert_id in list(await session.scalars(newest)):
        sent = sa.select(Delivery.sent_at, Delivery.echo_at).where(
            Delivery.alert_id == alert_id, Delivery.state == DeliveryState.SENT, Delivery.sent_at.is_not(None)
        )
        rows = await session.execute(sent.order_by(Delivery.id.desc()).limit(ECHOES))
        found += [(row[0], row[1]) for row in rows if row[0] is not None]
    return found


def _oldest_release() -> sa.Select[Any]:
    waits = sa.exists().where(Delivery.alert_id == Alert.id, Delivery.state == DeliveryState.WAITING)
    return sa.select(sa.func.min(Alert.released_at)).where(Alert.state == AlertState.RUNNING, waits)


def _waiting_replies() -> sa.Select[*tuple[Any, ...]]:
    query = sa.select(sa.func.count(), sa.func.min(Reply.created_at))
    return query.select_from(Reply).where(Reply.state == DeliveryState.WAITING)


def _open_leads() -> sa.Select[Any]:
    return sa.select(sa.func.count()).select_from(Lead).where(Lead.state == LeadState.OPEN)


def _age(at: datetime | None, now: datetime) -> float:
    return 0.0 if at is None else max(0.0, (now - at).total_seconds())


def watch_statements(database: Database, observe: Callable[[float], None]) -> None:
    """Call `observe` with the seconds of every statement of this database from now on."""

    def began(_connection: Any, _cursor: Any, _statement: Any, _values: Any, context: Any, _many: bool) -> None:
        context.xinfang_began = time.perf_counter()

    def ended(_connection: Any, _cursor: Any, _statement: Any, _values: Any, context: Any, _many: bool) -> None:
        observe(time.perf_counter() - context.xinfang_began)

    for engine in database.engines:
        sa.event.listen(engine.sync_engine, "before_cursor_execute", began)
        sa.event.listen(engine.sync_engine, "after_cursor_execute", ended)
