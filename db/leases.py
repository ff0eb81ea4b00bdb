"""An account is served by one sender at a time: a lease with an owner, a fencing number and an end.

The end is by the database's clock. The number grows with every new holder, so a holder that was asleep when it lost
the lease is recognised by it: whoever writes for an account locks its row and compares (`locked`, `db.marks`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.database_time import DatabaseTime
from db.dml import affected
from db.models import Account


@dataclass(frozen=True)
class Leased:
    """An account and who holds it. `live` says that the lease has not run out."""

    id: int
    channel: str
    name: str
    owner: str
    live: bool


async def list_leases(session: AsyncSession, channels: Collection[str]) -> Sequence[Leased]:
    """All accounts of these channels, by id."""
    live = sa.and_(Account.lease_owner != "", sa.func.coalesce(Account.lease_until > DatabaseTime(), sa.false()))
    query = sa.select(Account.id, Account.channel, Account.name, Account.lease_owner, live)
    rows = await session.execute(query.where(Account.channel.in_(channels)).order_by(Account.id))
    return [Leased(row[0], row[1], row[2], row[3], bool(row[4])) for row in rows]


async def take(
    session: AsyncSession,
    account_ids: Collection[int],
    *,
    owner: str,
    seconds: float,
    limit: int,
    dead: Collection[str] = (),
) -> Mapping[int, int]:
    """Take up to `limit` of these accounts that nobody holds, whose lease has run out, or whose holder is known to
    be dead; returns account id → fencing number. One that somebody writes for at this instant is left for later."""
    if limit <= 0 or not account_ids:
        return {}
    free = sa.or_(
        Account.lease_owner.in_(["", *dead]), Account.lease_until.is_(None), Account.lease_until <= DatabaseTime()
    )
    found = sa.select(Account.id).where(Account.id.in_(account_ids), free, Account.lease_owner != owner)
    ids = list(
        await session.scalars(
            found.order_by(Account.id).limit(limit).with_for_update(key_share=True, skip_locked=True)
        )
    )
    update = sa.update(Account).where(Account.id.in_(ids), free)
    values = {"lease_owner": owner, "lease_until": DatabaseTime(seconds), "lease_fence": Account.lease_fence + 1}
    rows = await session.execute(
        update.values(values).returning(Account.id, Account.lease_fence),
        execution_options={"synchronize_session": False},
    )
    return {row[0]: row[1] for row in rows}


async def renew(session: AsyncSession, *, owner: str, seconds: float) -> Mapping[int, int]:
    """Heartbeat: prolong what `owner` holds, as account id → fencing number. One that has run out is prolonged as
    well, for nobody has taken it: the database was away, and with it for everybody else."""
    update = sa.update(Account).where(Account.lease_owner == owner).values(lease_until=DatabaseTime(seconds))
    rows = await session.execute(
        update.returning(Account.id, Account.lease_fence), execution_options={"synchronize_session": False}
    )
    return {row[0]: row[1] for row in rows}


async def locked(session: AsyncSession, account_id: int, *, owner: str, fence: int) -> bool:
    """Is this still the holder? Then it stays so until the transaction ends."""
    query = sa.select(Account.id).where(
        Account.id == account_id, Account.lease_owner == owner, Account.lease_fence == fence
    )
    return await session.scalar(query.with_for_update(read=True)) is not None


async def give_back(session: AsyncSession, owner: str, account_ids: Collection[int] | None = None) -> None:
    """These accounts, or all that `owner` holds, are free at once."""
    update = sa.update(Account).where(Account.lease_owner == owner)
    if account_ids is not None:
        update = update.where(Account.id.in_(account_ids))
    await affected(session, update.values(lease_owner="", lease_until=None))


async def held_by_another(session: AsyncSession, channel: str, name: str, owner: str) -> bool:
    """Has somebody else a lease on this account that has not run out?"""
    query = sa.select(Account.id).where(
        Account.channel == channel,
        Account.name == name,
        Account.lease_owner.not_in(["", owner]),
        Account.lease_until > DatabaseTime(),
    )
    return await session.scalar(query) is not None
