"""Views of alerts' short pages: counted once per visitor and day, kept apart from reach, and nobody is remembered."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import date

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import PageVisit, Rollup, Secret, Seen, Unit
from db.units import in_subtree, within

_SALT = "visits "


async def find_secret(session: AsyncSession, name: str) -> bytes | None:
    value: bytes | None = await session.scalar(sa.select(Secret.value).where(Secret.name == name))
    return value


def read_secret(connection: sa.Connection, name: str) -> bytes | None:
    """`find_secret` for the transactions that many share."""
    value: bytes | None = connection.execute(sa.select(Secret.value).where(Secret.name == name)).scalar()
    return value


async def make_secret(session: AsyncSession, name: str) -> bytes:
    """The key of this name, made now if there is none: two processes get the same one."""
    fresh = upsert(session, Secret).values(name=name, value=secrets.token_bytes(32)).on_conflict_do_nothing()
    await affected(session, fresh)
    value = await find_secret(session, name)
    assert value is not None
    return value


async def make_salt(session: AsyncSession, day: date) -> bytes:
    """What that day's visitors are hashed with."""
    return await make_secret(session, f"{_SALT}{day:%Y-%m-%d}")


async def record_visit(session: AsyncSession, *, alert_id: int, unit_id: int, visitor: str, day: date) -> bool:
    """Count a view; False when this visitor has been counted today."""
    visit = upsert(session, PageVisit).values(day=day, alert_id=alert_id, unit_id=unit_id, visitor=visitor)
    if not await affected(session, visit.on_conflict_do_nothing()):
        return False
    count = upsert(session, Seen).values(alert_id=alert_id, unit_id=unit_id, visits=1)
    more = count.on_conflict_do_update(index_elements=["alert_id", "unit_id"], set_={"visits": Seen.visits + 1})
    await affected(session, more)
    return True


async def forget_visitors(session: AsyncSession, today: date) -> None:
    """Drop the hashes and salts of earlier days: from then on nobody can find out who it was, not even we."""
    await affected(session, sa.delete(PageVisit).where(PageVisit.day < today))
    old = sa.and_(Secret.name.startswith(_SALT), Secret.name < f"{_SALT}{today:%Y-%m-%d}")
    await affected(session, sa.delete(Secret).where(old))


async def count_seen(session: AsyncSession, alert_id: int, scope: str) -> int:
    """Views of the pages of a unit's whole subtree."""
    query = sa.select(sa.func.coalesce(sa.func.sum(Seen.visits), 0)).join(Unit, Unit.id == Seen.unit_id)
    return int(await session.scalar(query.where(Seen.alert_id == alert_id, in_subtree(scope))) or 0)


async def list_seen(session: AsyncSession, alert_id: int) -> Sequence[tuple[int, str, str, int]]:
    """(unit id, code, name, views of its own page) for every unit that the alert expects something of, in the order
    of the tree."""
    seen = sa.and_(Seen.alert_id == alert_id, Seen.unit_id == Unit.id)
    expecting = sa.and_(Rollup.unit_id == Unit.id, Rollup.alert_id == alert_id, Rollup.expected_groups > 0)
    query = sa.select(Unit.id, Unit.code, Unit.name, sa.func.coalesce(Seen.visits, 0)).join(Rollup, expecting)
    return [
        (row[0], row[1], row[2], row[3])
        for row in await session.execute(query.outerjoin(Seen, seen).order_by(Unit.path))
    ]


async def count_seen_each(session: AsyncSession, alert_id: int, scopes: Collection[str]) -> dict[str, int]:
    """By path, the views of each subtree; one query, as pages are opened for few units."""
    query = sa.select(Unit.path, Seen.visits).join(Unit, Unit.id == Seen.unit_id).where(Seen.alert_id == alert_id)
    rows = [(path, visits) for path, visits in await session.execute(query)]
    return {scope: sum(visits for path, visits in rows if within(path, scope)) for scope in scopes}
