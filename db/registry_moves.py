"""Units that change places in the tree: the writes, whole subtrees by one statement each.

Loaded units and groups are not refreshed by these; callers read what they need before.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import AuditEntry, BindCode, Group, Person, Unit, User
from db.states import GroupState, UnitState
from db.units import in_subtree


@dataclass(frozen=True)
class Codes:
    """What a step touched, by what never changes: codes of units and groups, ids of the others."""

    units: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # those of the groups that were lost before they were retired
    people: list[int] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)  # one-time codes that nobody has used yet


async def hang_below(session: AsyncSession, unit: Unit, parent: Unit) -> None:
    """Make `parent` the parent of `unit`; the paths of its whole subtree follow."""
    old, new = unit.path, f"{parent.path}{unit.code}/"
    await affected(session, sa.update(Unit).where(Unit.id == unit.id).values(parent_id=parent.id))
    rest = sa.func.substr(Unit.path, len(old) + 1)
    await affected(session, sa.update(Unit).where(in_subtree(old)).values(path=sa.literal(new).concat(rest)))


async def list_child_units(session: AsyncSession, unit_id: int) -> Sequence[Unit]:
    """Retired ones as well, in the order of the tree."""
    return (await session.scalars(sa.select(Unit).where(Unit.parent_id == unit_id).order_by(Unit.path))).all()


async def list_owned(session: AsyncSession, unit_id: int) -> Codes:
    """What belongs to the unit itself: its children, all its groups, its people, users and open codes."""
    codes = sa.select(BindCode.id).where(BindCode.unit_id == unit_id, BindCode.used_at.is_(None))
    return Codes(
        units=[unit.code for unit in await list_child_units(session, unit_id)],
        groups=await _column(session, sa.select(Group.code).where(Group.unit_id == unit_id).order_by(Group.code)),
        people=await _column(session, sa.select(Person.id).where(Person.unit_id == unit_id).order_by(Person.id)),
        users=await _column(session, sa.select(User.id).where(User.unit_id == unit_id).order_by(User.id)),
        codes=await _column(session, codes.order_by(BindCode.id)),
    )


async def list_below(session: AsyncSession, path: str) -> Codes:
    """Units and groups of a subtree that are in use."""
    units = sa.select(Unit.code).where(in_subtree(path), Unit.state == UnitState.ACTIVE)
    groups = sa.select(Group.code).join(Unit, Unit.id == Group.unit_id).where(in_subtree(path))
    in_use, lost = groups.where(Group.state != GroupState.RETIRED), groups.where(Group.state == GroupState.LOST)
    return Codes(
        units=await _column(session, units.order_by(Unit.path)),
        groups=await _column(session, in_use.order_by(Group.code)),
        lost=await _column(session, lost.order_by(Group.code)),
    )


async def _column(session: AsyncSession, query: sa.Select[Any]) -> list[Any]:
    return list((await session.scalars(query)).all())


async def hand_to(session: AsyncSession, owned: Codes, source_id: int, target_id: int) -> None:
    """Groups, people, users and open codes among `owned` that are still `source_id`'s become `target_id`'s. Links to
    phone pages end: they show another unit now."""
    groups = sa.update(Group).where(Group.unit_id == source_id)
    await _each(session, groups.values(unit_id=target_id), Group.code, owned.groups)
    people = sa.update(Person).where(Person.unit_id == source_id)
    people = people.values(unit_id=target_id, link_version=Person.link_version + 1)
    await _each(session, people, Person.id, owned.people)
    users = sa.update(User).where(User.unit_id == source_id)
    await _each(session, users.values(unit_id=target_id), User.id, owned.users)
    codes = sa.update(BindCode).where(BindCode.unit_id == source_id, BindCode.used_at.is_(None))
    await _each(session, codes.values(unit_id=target_id), BindCode.id, owned.codes)


async def set_states(session: AsyncSession, codes: Codes, *, retired: bool) -> None:
    """Retire these units and groups, or bring them back; groups that were lost before are lost again."""
    state = UnitState.RETIRED if retired else UnitState.ACTIVE
    await _each(session, sa.update(Unit).values(state=state), Unit.code, codes.units)
    if retired:
        await _each(session, sa.update(Group).values(state=GroupState.RETIRED), Group.code, codes.groups)
        return
    was_retired = sa.update(Group).where(Group.state == GroupState.RETIRED)
    lost = set(codes.lost)
    found = [code for code in codes.groups if code not in lost]
    await _each(session, was_retired.values(state=GroupState.ACTIVE), Group.code, found)
    await _each(session, was_retired.values(state=GroupState.LOST), Group.code, codes.lost)


async def _each(session: AsyncSession, update: sa.Update, column: Any, values: Collection[Any]) -> None:
    """In pieces: databases bound how many values a statement may have."""
    listed = list(values)
    for start in range(0, len(listed), 500):
        await affected(session, update.where(column.in_(listed[start : start + 500])))


async def list_retired(session: AsyncSession, unit_id: int) -> tuple[Sequence[Unit], Sequence[Group]]:
    """The unit's own children and groups that are retired."""
    units = sa.select(Unit).where(Unit.parent_id == unit_id, Unit.state == UnitState.RETIRED)
    groups = sa.select(Group).where(Group.unit_id == unit_id, Group.state == GroupState.RETIRED)
    return (
        (await session.scalars(units.order_by(Unit.path))).all(),
        (await session.scalars(groups.order_by(Group.code))).all(),
    )


async def list_steps(session: AsyncSession, subject: str, *, limit: int = 10) -> Sequence[AuditEntry]:
    """What the audit log says was done to the unit that is called this, newest first."""
    query = sa.select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.action.startswith("registry."))
    return (await session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit))).all()
