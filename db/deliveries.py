"""Deliveries and replies: claimed, marked, recorded. Every change of state is guarded by the state it leaves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Account, Alert, Delivery, Group, Reach, Reply, Send, Unit
from db.states import AccountState, AlertState, ContentKind, DeliveryState, GroupState, Severity, Way

# A literal, not a parameter: only then may the databases use the partial index of waiting rows.
_WAITING: sa.ColumnElement[DeliveryState] = sa.literal_column(f"'{DeliveryState.WAITING.value}'")


@dataclass(frozen=True)
class Claim:
    """One thing to send, already marked `sending`. A reply has `text` and no alert."""

    table: type[Delivery] | type[Reply]
    id: int
    room_id: str
    attempts: int
    alert_id: int | None = None
    group_id: int | None = None
    text: str = ""
    card: bool = False  # a link card, which has a budget of its own


async def claim_next(
    session: AsyncSession,
    account_id: int,
    *,
    owner: str,
    now: datetime,
    planned: datetime,
    severities: Collection[Severity],
    replies_since: datetime,
    cards: bool = True,
) -> Claim | None:
    """Mark the account's most urgent item `sending` and return it; None when there is nothing to do.

    Replies count as the most urgent, then severity, then upper levels, then age. Nothing is claimed unless
    `owner` holds the account's lease and the account may send. `planned` is when the send will start. Without
    `cards`, link cards wait: their budget is spent.
    """
    if not await _may_send(session, account_id, owner, now):
        return None
    claim = await _claim_reply(session, account_id, replies_since, planned)
    if claim is None:
        claim = await _claim_delivery(session, account_id, now, planned, severities, cards)
    if claim is not None:
        await record_send(session, account_id, planned, card=claim.card)
    return claim


async def record_send(session: AsyncSession, account_id: int, at: datetime, *, card: bool = False) -> None:
    """A message of the platform starts at `at`: the budgets count it, however it ends."""
    await session.execute(sa.insert(Send).values(account_id=account_id, at=at, card=card))


async def _may_send(session: AsyncSession, account_id: int, owner: str, now: datetime) -> bool:
    holds = sa.select(Account.id).where(
        Account.id == account_id,
        Account.lease_owner == owner,
        Account.lease_until > now,
        Account.state == AccountState.ONLINE,
    )
    return await session.scalar(holds) is not None


async def _claim_reply(session: AsyncSession, account_id: int, since: datetime, planned: datetime) -> Claim | None:
    query = (
        sa.select(Reply.id, Reply.room_id, Reply.text)
        .where(Reply.account_id == account_id, Reply.state == DeliveryState.WAITING, Reply.created_at > since)
        .order_by(Reply.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    row = (await session.execute(query)).one_or_none()
    if row is None:
        return None
    mark = sa.update(Reply).where(Reply.id == row.id, Reply.state == DeliveryState.WAITING)
    if not await affected(session, mark.values(state=DeliveryState.SENDING, sending_at=planned)):
        return None
    return Claim(Reply, row.id, row.room_id, 1, text=row.text)


async def _claim_delivery(
    session: AsyncSession,
    account_id: int,
    now: datetime,
    planned: datetime,
    severities: Collection[Severity],
    cards: bool,
) -> Claim | None:
    query = (
        sa.select(
            Delivery.id,
            Delivery.alert_id,
            Delivery.group_id,
            Delivery.attempts,
            Group.room_id,
            Group.state.label("group"),
            Alert.kind,
        )
        .join(Alert, Alert.id == Delivery.alert_id)
        .join(Group, Group.id == Delivery.group_id)
        .where(
            Delivery.account_id == account_id,
            Delivery.state == _WAITING,
            Alert.state == AlertState.RUNNING,
            Alert.severity.in_(severities),
            Alert.expires_at > planned,
            sa.or_(Delivery.not_before.is_(None), Delivery.not_before <= now),
        )
        .order_by(Delivery.rank, Delivery.level, Delivery.id)
        .limit(1)
        .with_for_update(of=Delivery, skip_locked=True)
    )
    if not cards:
        query = query.where(Alert.kind != ContentKind.LINK)
    while (row := (await session.execute(query)).one_or_none()) is not None:
        mark = sa.update(Delivery).where(Delivery.id == row.id, Delivery.state == DeliveryState.WAITING)
        if row.group is not GroupState.ACTIVE or row.room_id is None:
            reason = "群已停用" if row.group is GroupState.RETIRED else "群已失联"
            await affected(session, mark.values(state=DeliveryState.SKIPPED, reason=reason))
            continue
        sending = {"state": DeliveryState.SENDING, "sending_at": planned, "attempts": row.attempts + 1, "reason": ""}
        if not await affected(session, mark.values(**sending)):
            return None
        card = row.kind is ContentKind.LINK
        return Claim(Delivery, row.id, row.room_id, row.attempts + 1, row.alert_id, row.group_id, card=card)
    return None


async def record_sent(session: AsyncSession, claim: Claim, *, now: datetime, message_id: str | None) -> bool:
    """`sending` → `sent`, and the group is reached by push if nothing reached it before."""
    values: dict[str, Any] = {"state": DeliveryState.SENT, "sent_at": now}
    if not await _leave_sending(session, claim, values):
        return False
    if claim.alert_id is not None and claim.group_id is not None:
        await reach_by_push(session, claim.alert_id, claim.group_id, now)
    return True


async def record_not_sent(
    session: AsyncSession, claim: Claim, *, state: DeliveryState, reason: str, not_before: datetime | None = None
) -> bool:
    """`sending` → failed, unknown, or back to waiting; False when an echo has confirmed it meanwhile."""
    values: dict[str, Any] = {"state": state, "reason": reason[:200]}
    if claim.table is Delivery:
        values["not_before"] = not_before
    return await _leave_sending(session, claim, values)


async def _leave_sending(session: AsyncSession, claim: Claim, values: dict[str, Any]) -> bool:
    table = claim.table
    update = sa.update(table).where(table.id == claim.id, table.state == DeliveryState.SENDING).values(**values)
    return bool(await affected(session, update))


async def reach_by_push(session: AsyncSession, alert_id: int, group_id: int, at: datetime) -> None:
    update = sa.update(Reach).where(
        Reach.alert_id == alert_id, Reach.group_id == group_id, Reach.reached_at.is_(None)
    )
    await affected(session, update.values(way=Way.PUSH, reached_at=at))


async def strand_in_flight(session: AsyncSession, account_id: int) -> int:
    """What was `sending` when the last holder of the account died is `unknown`; returns how many.

    Whatever its echo has confirmed is already `sent`.
    """
    count = 0
    for table in (Delivery, Reply):
        update = sa.update(table).where(table.account_id == account_id, table.state == DeliveryState.SENDING)
        count += await affected(
            session, update.values(state=DeliveryState.UNKNOWN, reason="发送时程序中断，等待回显")
        )
    return count


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


async def list_unconfirmed(session: AsyncSession, group_id: int, limit: int = 50) -> Sequence[tuple[Delivery, Alert]]:
    """The group's deliveries that an echo could confirm, newest first: attempted, and no echo yet."""
    query = (
        sa.select(Delivery, Alert)
        .join(Alert, Alert.id == Delivery.alert_id)
        .where(Delivery.group_id == group_id, Delivery.echo_at.is_(None), Delivery.attempts > 0)
        .order_by(Delivery.id.desc())
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def confirm(session: AsyncSession, delivery: Delivery, *, message_id: str, at: datetime) -> None:
    """The echo came: whatever we believed, this delivery was made."""
    values: dict[str, Any] = {"echo_at": at, "echo_id": message_id}
    if delivery.state is not DeliveryState.SENT:
        values |= {"state": DeliveryState.SENT, "sent_at": at, "reason": ""}
    update = sa.update(Delivery).where(Delivery.id == delivery.id, Delivery.echo_at.is_(None)).values(**values)
    if await affected(session, update):
        await reach_by_push(session, delivery.alert_id, delivery.group_id, at)


async def confirm_reply(session: AsyncSession, channel: str, room_id: str, text: str, at: datetime) -> bool:
    """The echo of a reply: the oldest one of this room with this text that is not known to be sent."""
    states = (DeliveryState.SENDING, DeliveryState.UNKNOWN)
    oldest = (
        sa.select(sa.func.min(Reply.id))
        .where(Reply.channel == channel, Reply.room_id == room_id, Reply.text == text, Reply.state.in_(states))
        .scalar_subquery()
    )
    update = sa.update(Reply).where(Reply.id == oldest).values(state=DeliveryState.SENT, sent_at=at, reason="")
    return bool(await affected(session, update))


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
