"""How an alert spread: when how many groups and members were reached, in all and in each child of a unit.

Steps are fine at first and coarse later (a second, ten, a minute, ten minutes, an hour), as the spreading itself is.
Read from the reach rows: some 0.4 s for 200,000 groups, so pages ask for it by themselves and keep it for a while.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.models import Alert, Reach, Rollup, Unit
from db.units import in_subtree

STEPS = ((60, 1), (600, 10), (3600, 60), (86_400, 600))
"""(up to so many seconds after release, steps of so many seconds); an hour after the last."""
LAST_STEP = 3600


@dataclass(frozen=True)
class Strand:
    """One child of the unit, or (`unit` None) the unit's own groups. `groups` and `members` are reached by the end of
    each step of the timeline."""

    unit: Unit | None
    expected_groups: int
    expected_members: int
    groups: list[int] = field(default_factory=list)
    members: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Timeline:
    """`seconds` are the ends of the steps in which something happened, counted from release."""

    seconds: list[int]
    strands: list[Strand]

    def total(self, what: str) -> list[int]:
        """`groups` or `members` of all strands together at each step."""
        columns = [getattr(strand, what) for strand in self.strands]
        return [sum(values) for values in zip(*columns, strict=True)] if columns else []


async def read_timeline(session: AsyncSession, alert: Alert, unit: Unit) -> Timeline:
    """Of the unit's subtree. Only expected groups count, as in all figures."""
    children = (await session.scalars(sa.select(Unit).where(Unit.parent_id == unit.id).order_by(Unit.path))).all()
    expected = await _expected(session, alert.id, [unit.id, *(child.id for child in children)])
    events = [
        (child, _step_end(seconds), groups, members)
        for child, seconds, groups, members in await _rows(session, alert, unit)
    ]
    ends = sorted({end for _, end, _, _ in events})
    shown = [child for child in children if child.id in expected]
    strands = [Strand(child, *expected[child.id]) for child in shown]
    groups, members = (
        expected.get(unit.id, (0, 0))[what] - sum(expected[child.id][what] for child in shown) for what in (0, 1)
    )
    if groups:
        strands.append(Strand(None, groups, members))
    for strand in strands:
        _fill(strand, ends, events)
    return Timeline(ends, strands)


def _fill(strand: Strand, ends: list[int], events: list[tuple[int | None, int, int, int]]) -> None:
    child = strand.unit.id if strand.unit else None
    mine: dict[int, tuple[int, int]] = {}
    for owner, end, groups, members in events:
        if owner == child:
            known = mine.get(end, (0, 0))
            mine[end] = (known[0] + groups, known[1] + members)
    groups = members = 0
    for end in ends:
        more = mine.get(end, (0, 0))
        groups, members = groups + more[0], members + more[1]
        strand.groups.append(groups)
        strand.members.append(members)


def _step_end(second: int) -> int:
    """The end of the step that holds a latency of `second` full seconds."""
    width = next((width for limit, width in STEPS if second < limit), LAST_STEP)
    return (second // width + 1) * width


async def _expected(session: AsyncSession, alert_id: int, unit_ids: list[int]) -> dict[int, tuple[int, int]]:
    query = sa.select(Rollup.unit_id, Rollup.expected_groups, Rollup.expected_members)
    rows = await session.execute(query.where(Rollup.alert_id == alert_id, Rollup.unit_id.in_(unit_ids)))
    return {row[0]: (row[1], row[2]) for row in rows if row[1]}


async def _rows(session: AsyncSession, alert: Alert, unit: Unit) -> list[tuple[int | None, int, int, int]]:
    """(child or None, whole second after release, groups, members): the database adds up, Python only sees steps."""
    child, below = aliased(Unit), aliased(Unit)
    upper = sa.func.substr(child.path, 1, sa.func.length(child.path) - 1).concat("0")
    place = (
        sa.select(below.id.label("unit_id"), child.id.label("child_id"))
        .join(below, sa.and_(below.path >= child.path, below.path < upper))
        .where(child.parent_id == unit.id)
        .cte("place")
    )
    second = _whole_second(session, alert)
    step = sa.case(
        *((second < limit, _floor(second, width)) for limit, width in STEPS), else_=_floor(second, LAST_STEP)
    )
    inner = (
        sa.select(place.c.child_id, step.label("step"), Reach.members)
        .select_from(Reach)
        .join(Unit, Unit.id == Reach.unit_id)
        .outerjoin(place, place.c.unit_id == Reach.unit_id)
        .where(Reach.alert_id == alert.id, Reach.expected, Reach.reached_at.is_not(None), in_subtree(unit.path))
        .subquery()
    )
    query = sa.select(inner.c.child_id, inner.c.step, sa.func.count(), sa.func.sum(inner.c.members))
    rows = await session.execute(query.group_by(inner.c.child_id, inner.c.step))
    return [(row[0], int(row[1]), row[2], int(row[3])) for row in rows]


def _floor(second: Any, width: int) -> Any:
    return second - second % width


def _whole_second(session: AsyncSession, alert: Alert) -> Any:
    """Whole seconds between release and reach, never negative."""
    released = sa.bindparam(None, alert.released_at, type_=Alert.released_at.type)
    if session.get_bind().dialect.name == "postgresql":
        whole = sa.cast(sa.func.floor(sa.func.extract("epoch", Reach.reached_at - released)), sa.Integer)
        return sa.func.greatest(whole, 0)
    days = sa.func.julianday(Reach.reached_at) - sa.func.julianday(released)
    # Julian days are doubles of some 40 µs: round to the millisecond before the fraction is cut off.
    return sa.func.max(sa.cast(sa.func.round(days * 86_400, 3), sa.Integer), 0)
