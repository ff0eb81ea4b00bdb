"""People with a task, and the one-time codes that bind them. Residents are in neither table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import BindCode, Person, Unit
from db.units import in_subtree


async def find_person(session: AsyncSession, channel: str, member_hash: str) -> Person | None:
    query = sa.select(Person).where(Person.channel == channel, Person.member_hash == member_hash)
    return (await session.scalars(query)).one_or_none()


async def list_people(session: AsyncSession, *, scope: str = "") -> Sequence[Person]:
    """People of the units of a subtree, in the order of the tree."""
    query = sa.select(Person).join(Unit, Unit.id == Person.unit_id).where(in_subtree(scope))
    return (await session.scalars(query.order_by(Unit.path, Person.name))).all()


async def find_bind_code(session: AsyncSession, code_hash: str) -> BindCode | None:
    return (await session.scalars(sa.select(BindCode).where(BindCode.code_hash == code_hash))).one_or_none()


async def claim_bind_code(session: AsyncSession, bind_code_id: int, *, at: datetime) -> bool:
    """Use the code up; False when somebody else used it first."""
    statement = (
        sa.update(BindCode)
        .where(BindCode.id == bind_code_id, BindCode.used_at.is_(None))
        .values(used_at=at)
        .returning(BindCode.id)
    )
    return (await session.scalar(statement)) is not None
