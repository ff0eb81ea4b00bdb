"""Where the tree of groups has holes: what an officer mends before the next alert."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Group, Unit
from db.states import GroupMode, GroupState, UnitState
from db.units import ancestor_paths, in_subtree

NEARLY_FULL = 475  # a WeChat group holds 500 (domain facts): 25 more and nobody can join
OWN_GROUP_LEVEL = 3  # communities, villages, schools and below are expected to have a group of their own


@dataclass(frozen=True, slots=True)
class GapUnit:
    """A unit that lacks groups. `units` counts it and the units below it that lack them with it."""

    id: int
    code: str
    name: str
    path: str
    level: int
    units: int = 1


@dataclass(frozen=True, slots=True)
class GapGroup:
    id: int
    code: str
    name: str
    unit_name: str
    members: int


@dataclass(frozen=True)
class Gaps:
    """`uncovered`: no group in the whole subtree, topmost units only. `without_own`: there are groups below, but
    none of its own, from level 3 down. `unserved`: to be pushed into, but no account is in it."""

    uncovered: list[GapUnit] = field(default_factory=list)
    without_own: list[GapUnit] = field(default_factory=list)
    unserved: list[GapGroup] = field(default_factory=list)
    lost: list[GapGroup] = field(default_factory=list)
    nearly_full: list[GapGroup] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        return {
            "uncovered": sum(unit.units for unit in self.uncovered),
            "without_own": len(self.without_own),
            "unserved": len(self.unserved),
            "lost": len(self.lost),
            "nearly_full": len(self.nearly_full),
        }


GAP_LABELS = {
    "uncovered": "整片没有群的单位",
    "without_own": "本级没有群的单位",
    "unserved": "应推送但没有账号的群",
    "lost": "失联的群",
    "nearly_full": f"将满的群（{NEARLY_FULL} 人以上）",
}


async def find_gaps(session: AsyncSession, *, scope: str = "") -> Gaps:
    """The gaps of a subtree (everything when `scope` is ""). Only groups in use count as groups."""
    active = Group.state == GroupState.ACTIVE
    uncovered, without_own = await _unit_gaps(session, scope)
    return Gaps(
        uncovered=uncovered,
        without_own=without_own,
        unserved=await _groups(session, scope, active, Group.mode == GroupMode.PUSH, Group.account_id.is_(None)),
        lost=await _groups(session, scope, Group.state == GroupState.LOST),
        nearly_full=await _groups(session, scope, active, Group.members >= NEARLY_FULL),
    )


async def _unit_gaps(session: AsyncSession, scope: str) -> tuple[list[GapUnit], list[GapUnit]]:
    """One pass over the units in path order, parents before children."""
    own = sa.exists().where(Group.unit_id == Unit.id, Group.state == GroupState.ACTIVE)
    query = (
        sa.select(Unit.id, Unit.code, Unit.name, Unit.path, Unit.level, own.label("own"))
        .where(in_subtree(scope), Unit.state == UnitState.ACTIVE)
        .order_by(Unit.path)
    )
    units = (await session.execute(query)).all()
    covered = {path for unit in units if unit.own for path in ancestor_paths(unit.path)}
    uncovered: list[GapUnit] = []
    without_own: list[GapUnit] = []
    for unit in units:
        above = uncovered[-1] if uncovered and unit.path.startswith(uncovered[-1].path) else None
        if unit.path not in covered and above is None:
            uncovered.append(GapUnit(unit.id, unit.code, unit.name, unit.path, unit.level))
        elif above is not None:
            uncovered[-1] = GapUnit(above.id, above.code, above.name, above.path, above.level, above.units + 1)
        elif not unit.own and unit.level >= OWN_GROUP_LEVEL:
            without_own.append(GapUnit(unit.id, unit.code, unit.name, unit.path, unit.level))
    return uncovered, without_own


async def _groups(session: AsyncSession, scope: str, *conditions: Any) -> list[GapGroup]:
    query = (
        sa.select(Group.id, Group.code, Group.name, Unit.name, Group.members)
        .join(Unit, Unit.id == Group.unit_id)
        .where(in_subtree(scope), *conditions)
        .order_by(Unit.path, Group.code)
    )
    return [GapGroup(*row) for row in await session.execute(query)]
