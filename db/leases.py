"""An account is served by one sender at a time: a lease row with an owner and an end."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Account


async def list_owners(session: AsyncSession, channels: Collection[str]) -> dict[int, str]:
    """Who holds each account of these channels; "" for nobody."""
    rows = await session.execute(sa.select(Account.id, Account.lease_owner).where(Account.channel.in_(channels)))
    return {row.id: row.lease_owner for row in rows}


async def take(
    session: AsyncSession, account_id: int, *, owner: str, now: datetime, until: datetime, dead: Collection[str] = ()
) -> bool:
    """Take the account if nobody holds it, the lease has run out, or its holder is known to be dead."""
    free = sa.or_(
        Account.lease_owner.in_(["", *dead]),
        Account.lease_until.is_(None),
        Account.lease_until <= now,
    )
    update = sa.update(Account).where(Account.id == account_id, free)
    return bool(await affected(session, update.values(lease_owner=owner, lease_until=until)))


async def renew(session: AsyncSession, *, owner: str, now: datetime, until: datetime) -> set[int]:
    """Heartbeat: prolong what `owner` still holds; returns those account ids."""
    mine = sa.and_(Account.lease_owner == owner, Account.lease_until > now)
    await affected(session, sa.update(Account).where(mine).values(lease_until=until))
    return set(await session.scalars(sa.select(Account.id).where(mine)))


async def give_back(session: AsyncSession, owner: str) -> None:
    await affected(
        session, sa.update(Account).where(Account.lease_owner == owner).values(lease_owner="", lease_until=None)
    )
