"""Deliveries and replies beside the hot path (`db.marks`): what failed, what is in doubt, what pages list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.alerts import cancel_if_over
from db.dml import affected, upsert
from db.marks import Claim
from db.models import Account, Alert, Delivery, Group, PastDelivery, Reply, Send, Unit
from db.states import AlertState, DeliveryState


async def record_not_sent(
    session: AsyncSession, claim: Claim, *, state: DeliveryState, reason: str, not_before: datetime | None = None
) -> bool:
    """`sending` → failed, unknown, or back to waiting, or cancelled when its alert is over by now; False when an echo
    has confirmed it meanwhile. The caller holds the account (`db.leases.locked`)."""
    values: dict[str, Any] = {"state": state, "reason": reason[:200]}
    if claim.table is Delivery:
        values["not_before"] = not_before
    left = await _leave_sending(session, claim, values)
    if left and state is DeliveryState.WAITING and claim.alert_id is not None:
        await cancel_if_over(session, claim.alert_id)
    return left


async def _leave_sending(session: AsyncSession, claim: Claim, values: dict[str, Any]) -> bool:
    table = claim.table
    update = sa.update(table).where(table.id == claim.id, table.state == DeliveryState.SENDING).values(**values)
    return bool(await affected(session, update))


@dataclass(frozen=True)
class InFlight:
    """What was being sent, by ids."""

    deliveries: list[int]
    replies: list[int]


async def strand_in_flight(session: AsyncSession, account_id: int) -> InFlight:
    """What was `sending` when the last holder of the account died is `unknown`.

    Whatever its echo has confirmed is already `sent`.
    """
    return await _leave_in_flight(session, account_id, DeliveryState.UNKNOWN, "发送时程序中断，等待回显")


async def put_back_unsent(session: AsyncSession, account_id: int) -> InFlight:
    """What is `sending` without its sender's knowing of it waits again: the answer to the claim was lost on its way,
    so it was never sent."""
    found = await _leave_in_flight(session, account_id, DeliveryState.WAITING, "")
    alerts = sa.select(Delivery.alert_id).where(Delivery.id.in_(found.deliveries)).distinct()
    for alert_id in (await session.scalars(alerts)).all():
        await cancel_if_over(session, alert_id)
    return found


async def _leave_in_flight(session: AsyncSession, account_id: int, state: DeliveryState, reason: str) -> InFlight:
    async def leave(table: type[Delivery] | type[Reply]) -> list[int]:
        update = sa.update(table).where(table.account_id == account_id, table.state == DeliveryState.SENDING)
        rows = await session.scalars(
            update.values(state=state, reason=reason).returning(table.id),
            execution_options={"synchronize_session": False},
        )
        return list(rows)

    return InFlight(await leave(Delivery), await leave(Reply))


async def decide(session: AsyncSession, delivery_id: int, *, state: DeliveryState, reason: str) -> bool:
    """Leave `unknown` by a person's decision; False when it is not unknown any more."""
    update = sa.update(Delivery).where(Delivery.id == delivery_id, Delivery.state == DeliveryState.UNKNOWN)
    return bool(await affected(session, update.values(state=state, reason=reason, not_before=None)))


async def list_sends(session: AsyncSession, account_id: int, since: datetime) -> Sequence[datetime]:
    query = sa.select(Send.at).where(Send.account_id == account_id, Send.at >= since)
    return (await session.scalars(query)).all()


async def count_sends(session: AsyncSession, account_id: int, since: datetime, *, cards: bool = False) -> int:
    """Messages of all kinds, or link cards only."""
    query = sa.select(sa.func.count()).where(Send.account_id == account_id, Send.at >= since)
    query = query.where(Send.card) if cards else query
    return int(await session.scalar(query) or 0)


async def skip_stale_replies(session: AsyncSession, before: datetime) -> int:
    """An answer that comes too late only confuses."""
    update = sa.update(Reply).where(Reply.state == DeliveryState.WAITING, Reply.created_at <= before)
    return await affected(session, update.values(state=DeliveryState.SKIPPED, reason="等待过久，不再答复"))


@dataclass(frozen=True)
class DeliveryRow:
    """A delivery as a page shows it."""

    id: int
    group_name: str
    group_code: str
    unit_name: str
    account_name: str
    level: int
    state: DeliveryState
    reason: str
    attempts: int
    sending_at: datetime | None
    sent_at: datetime | None
    echo_at: datetime | None


_OVER = (AlertState.FINISHED, AlertState.CANCELLED, AlertState.EXPIRED)
_CERTAIN = (DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SKIPPED, DeliveryState.CANCELLED)


async def remove_past(session: AsyncSession, before: datetime, limit: int) -> int:
    """Remove up to `limit` deliveries of alerts that are over and were released before then, and add them to what is
    counted of such (`PastDelivery`); returns how many. What is in doubt stays: a person may still decide."""
    past = sa.select(Alert.id).where(Alert.released_at < before, Alert.state.in_(_OVER))
    chosen = sa.select(Delivery.id).where(Delivery.alert_id.in_(past), Delivery.state.in_(_CERTAIN)).limit(limit)
    removal = sa.delete(Delivery).where(Delivery.id.in_(chosen)).returning(Delivery.alert_id, Delivery.state)
    rows = await session.execute(removal, execution_options={"synchronize_session": False})
    removed = Counter((alert_id, state) for alert_id, state in rows)
    if removed:
        counted = upsert(session, PastDelivery)
        counted = counted.on_conflict_do_update(
            index_elements=[PastDelivery.alert_id, PastDelivery.state],
            set_={"number": PastDelivery.number + counted.excluded.number},
        )
        sums = [{"alert_id": alert, "state": state, "number": number} for (alert, state), number in removed.items()]
        await session.execute(counted, sums)
    return removed.total()


async def list_deliveries(
    session: AsyncSession,
    alert_id: int,
    *,
    states: Collection[DeliveryState] = (),
    limit: int = 50,
    offset: int = 0,
) -> list[DeliveryRow]:
    """In the order in which they are sent."""
    query = (
        sa.select(
            Delivery.id,
            Group.name,
            Group.code,
            Unit.name,
            Account.name,
            Delivery.level,
            Delivery.state,
            Delivery.reason,
            Delivery.attempts,
            Delivery.sending_at,
            Delivery.sent_at,
            Delivery.echo_at,
        )
        .join(Group, Group.id == Delivery.group_id)
        .join(Unit, Unit.id == Group.unit_id)
        .join(Account, Account.id == Delivery.account_id)
        .where(Delivery.alert_id == alert_id)
        .order_by(Delivery.level, Delivery.id)
        .limit(limit)
        .offset(offset)
    )
    if states:
        query = query.where(Delivery.state.in_(states))
    rows: list[list[Any]] = [list(row) for row in await session.execute(query)]
    return [DeliveryRow(*row) for row in rows]
