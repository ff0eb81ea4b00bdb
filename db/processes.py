"""The programs that run: each says every few seconds that it lives, and what it does."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.database_time import DatabaseTime
from db.dml import affected, upsert
from db.models import Account, Process

KEPT_SECONDS = 86_400.0  # rows of the dead are thrown away after a day


@dataclass(frozen=True)
class Alive:
    """A process that gave a sign of life."""

    owner: str
    roles: frozenset[str]
    pool: str
    address: str
    revision: str
    clock_ms: int
    note: str
    started_at: datetime
    accounts: int  # that it holds


@dataclass(frozen=True)
class Sign:
    """What a process says of itself."""

    owner: str
    roles: Collection[str]
    pool: str = ""
    address: str = ""
    revision: str = ""
    clock_ms: int = 0
    note: str = ""


async def beat(session: AsyncSession, sign: Sign, *, seconds: float) -> None:
    """This process lives, and counts as alive for so many seconds more."""
    fields = {
        "roles": ",".join(sorted(sign.roles)),
        "pool": sign.pool,
        "address": sign.address[:100],
        "revision": sign.revision,
        "clock_ms": max(-(2**31), min(sign.clock_ms, 2**31 - 1)),
        "note": sign.note[:200],
        "alive_until": DatabaseTime(seconds),
    }
    insert = upsert(session, Process).values(owner=sign.owner, started_at=DatabaseTime(), **fields)
    await session.execute(insert.on_conflict_do_update(index_elements=["owner"], set_=fields))


async def leave(session: AsyncSession, owner: str) -> None:
    """This process ends in order."""
    await affected(session, sa.delete(Process).where(Process.owner == owner))


async def forget_the_dead(session: AsyncSession) -> None:
    await affected(session, sa.delete(Process).where(Process.alive_until < DatabaseTime(-KEPT_SECONDS)))


async def list_alive(session: AsyncSession) -> Sequence[Alive]:
    """The oldest first."""
    held = sa.select(Account.lease_owner, sa.func.count().label("held")).group_by(Account.lease_owner).subquery()
    query = (
        sa.select(Process, sa.func.coalesce(held.c.held, 0))
        .join(held, held.c.lease_owner == Process.owner, isouter=True)
        .where(Process.alive_until > DatabaseTime())
        .order_by(Process.started_at, Process.owner)
    )
    return [_alive(row, count) for row, count in await session.execute(query)]


async def list_peers(session: AsyncSession, pool: str) -> Mapping[str, int]:
    """The living senders of a pool, as owner → how many accounts it holds."""
    return {
        one.owner: one.accounts for one in await list_alive(session) if one.pool == pool and "sender" in one.roles
    }


def _alive(row: Process, accounts: int) -> Alive:
    return Alive(
        row.owner,
        frozenset(row.roles.split(",")),
        row.pool,
        row.address,
        row.revision,
        row.clock_ms,
        row.note,
        row.started_at,
        accounts,
    )
