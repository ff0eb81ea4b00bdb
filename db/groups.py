"""Groups: one chat room of one unit each."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Group, Unit
from db.states import GroupState
from db.units import in_subtree


class NoSuchGroup(LookupError):
    """No group has this id."""


async def get_group(session: AsyncSession, group_id: int) -> Group:
    group = await session.get(Group, group_id)
    if group is None:
        raise NoSuchGroup(group_id)
    return group


async def find_group(session: AsyncSession, code: str) -> Group | None:
    return (await session.scalars(sa.select(Group).where(Group.code == code))).one_or_none()


async def find_group_of_room(session: AsyncSession, channel: str, room_id: str) -> Group | None:
    """The group that a platform's room is registered as, retired ones included."""
    query = sa.select(Group).where(Group.channel == channel, Group.room_id == room_id)
    return (await session.scalars(query)).one_or_none()


async def list_groups(
    session: AsyncSession, *, scope: str = "", retired: bool = False, limit: int | None = None
) -> Sequence[Group]:
    """Groups of the units of a subtree, in the order of the tree and then of their codes."""
    query = sa.select(Group).join(Unit, Unit.id == Group.unit_id).where(in_subtree(scope))
    if not retired:
        query = query.where(Group.state != GroupState.RETIRED)
    return (await session.scalars(query.order_by(Unit.path, Group.code).limit(limit))).all()


async def list_groups_of_unit(session: AsyncSession, unit_id: int) -> Sequence[Group]:
    """The unit's own groups that are not retired."""
    query = sa.select(Group).where(Group.unit_id == unit_id, Group.state != GroupState.RETIRED)
    return (await session.scalars(query.order_by(Group.code))).all()


async def list_groups_named(session: AsyncSession, text: str, *, scope: str = "", limit: int = 20) -> Sequence[Group]:
    """Groups in use whose code is `text` or whose name contains it; exact hits come first."""
    exact = sa.or_(Group.code == text, Group.name == text)
    query = (
        sa.select(Group)
        .join(Unit, Unit.id == Group.unit_id)
        .where(in_subtree(scope), Group.state == GroupState.ACTIVE)
        .where(sa.or_(exact, Group.name.contains(text, autoescape=True)))
        .order_by(sa.case((exact, 0), else_=1), Unit.path, Group.code)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


async def count_groups(session: AsyncSession, *, scope: str = "") -> tuple[int, int]:
    """Active groups of a subtree, and the members in them."""
    query = (
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Group.members), 0))
        .join(Unit, Unit.id == Group.unit_id)
        .where(in_subtree(scope), Group.state == GroupState.ACTIVE)
    )
    groups, members = (await session.execute(query)).one()
    return groups, int(members)


async def count_all_groups(session: AsyncSession) -> int:
    """Rows, whatever their state: how large the office is."""
    return await session.scalar(_ALL) or 0


_ALL = sa.select(sa.func.count()).select_from(Group)


async def mark_lost(session: AsyncSession, group_id: int) -> bool:
    """The room is gone or the account is not in it any more; False when that was known."""
    update = sa.update(Group).where(Group.id == group_id, Group.state == GroupState.ACTIVE)
    return bool(await affected(session, update.values(state=GroupState.LOST)))
