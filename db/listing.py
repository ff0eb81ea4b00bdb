"""Long lists of the registry, one page at a time, for programs that read all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Account, Group, Person, Unit, User
from db.states import GroupState, Role, UnitState
from db.units import in_subtree


async def page_units(
    session: AsyncSession, *, scope: str, parent_id: int | None, search: str, limit: int, offset: int
) -> tuple[Sequence[Unit], int]:
    """Units in use of a subtree, parents before children, and how many there are in all. `search` looks in names, and
    finds a code that is exactly it."""
    where = [in_subtree(scope), Unit.state == UnitState.ACTIVE]
    if parent_id is not None:
        where.append(Unit.parent_id == parent_id)
    if search:
        where.append(sa.or_(Unit.name.contains(search, autoescape=True), Unit.code == search))
    total = await session.scalar(sa.select(sa.func.count()).select_from(Unit).where(*where)) or 0
    query = sa.select(Unit).where(*where).order_by(Unit.path).limit(limit).offset(offset)
    return (await session.scalars(query)).all(), total


async def page_groups(
    session: AsyncSession,
    *,
    scope: str,
    state: GroupState | None,
    account_id: int | None,
    search: str,
    limit: int,
    offset: int,
) -> tuple[list[tuple[Group, Unit, str]], int]:
    """Groups of a subtree with their unit and the name of their account, in the order of the tree, and how many there
    are in all. Without `state`, those that are not retired."""
    where = [in_subtree(scope), Group.state != GroupState.RETIRED if state is None else Group.state == state]
    if account_id is not None:
        where.append(Group.account_id == account_id)
    if search:
        where.append(sa.or_(Group.name.contains(search, autoescape=True), Group.code == search))
    count = sa.select(sa.func.count()).select_from(Group).join(Unit, Unit.id == Group.unit_id).where(*where)
    query = _groups().where(*where).order_by(Unit.path, Group.code).limit(limit).offset(offset)
    rows = await session.execute(query)
    return [(row[0], row[1], row[2] or "") for row in rows], await session.scalar(count) or 0


async def find_group_row(session: AsyncSession, group_id: int, *, scope: str) -> tuple[Group, Unit, str] | None:
    """One group as `page_groups` lists it, if it is in the subtree."""
    rows = await session.execute(_groups().where(Group.id == group_id, in_subtree(scope)))
    row = rows.one_or_none()
    return None if row is None else (row[0], row[1], row[2] or "")


def _groups() -> sa.Select[*tuple[Any, ...]]:
    query = sa.select(Group, Unit, Account.name).join(Unit, Unit.id == Group.unit_id)
    return query.outerjoin(Account, Account.id == Group.account_id)


async def page_people(
    session: AsyncSession, *, scope: str, limit: int, offset: int, search: str = "", role: Role | None = None
) -> tuple[list[tuple[Person, Unit]], int]:
    """People with a task in a subtree, in the order of the tree, and how many there are in all. `search` looks in
    their names and in those of their units, and finds a unit's code that is exactly it."""
    where = [in_subtree(scope)]
    if role is not None:
        where.append(Person.role == role)
    if search:
        named = (Person.name.contains(search, autoescape=True), Unit.name.contains(search, autoescape=True))
        where.append(sa.or_(*named, Unit.code == search))
    count = sa.select(sa.func.count()).select_from(Person).join(Unit, Unit.id == Person.unit_id)
    query = sa.select(Person, Unit).join(Unit, Unit.id == Person.unit_id).where(*where)
    rows = await session.execute(query.order_by(Unit.path, Person.id).limit(limit).offset(offset))
    return [(row[0], row[1]) for row in rows], await session.scalar(count.where(*where)) or 0


async def page_users(session: AsyncSession, *, limit: int, offset: int) -> tuple[list[tuple[User, str]], int]:
    """Users with the name of their unit ("" for none), in the order in which they were added, and how many there are."""
    query = sa.select(User, Unit.name).outerjoin(Unit, Unit.id == User.unit_id).order_by(User.id)
    rows = await session.execute(query.limit(limit).offset(offset))
    total = await session.scalar(sa.select(sa.func.count()).select_from(User)) or 0
    return [(row[0], row[1] or "") for row in rows], total
