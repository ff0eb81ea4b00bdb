"""Reach: the first time a group had an alert. The first way wins; nothing later changes the row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import Group, Reach
from db.states import Way

# Put together once: that takes longer than the database needs for it.
_REACH = cast("sa.Table", Reach.__table__)
_FIRST = (
    sa.update(_REACH)
    .where(
        _REACH.c.alert_id == sa.bindparam("of_alert"),
        _REACH.c.group_id == sa.bindparam("of_group"),
        _REACH.c.reached_at.is_(None),
    )
    .values(way=sa.bindparam("by"), reached_at=sa.bindparam("then"))
)


@dataclass(frozen=True)
class ReachState:
    """What is known about one group and one alert. `way` and `reached_at` are None until it was reached."""

    expected: bool
    way: Way | None
    reached_at: datetime | None


async def record_reach(session: AsyncSession, *, alert_id: int, group: Group, way: Way, at: datetime) -> bool:
    """The group had the alert by `way` at `at`. True when this was the first time, and so is what counts.

    A group outside the frozen audience gets a row with `expected` false: it is on record, but coverage, which is a
    share of the expected groups, does not count it. Safe when two transactions reach the same group at once.
    """
    if await affected(session, _FIRST, {"of_alert": alert_id, "of_group": group.id, "by": way, "then": at}):
        return True
    unexpected = upsert(session, Reach).values(
        alert_id=alert_id,
        group_id=group.id,
        unit_id=group.unit_id,
        members=group.members,
        expected=False,
        way=way,
        reached_at=at,
        folded=False,
    )
    return bool(await affected(session, unexpected.on_conflict_do_nothing()))


async def find_reach(session: AsyncSession, *, alert_id: int, group_id: int) -> ReachState | None:
    """None: the group was not in the audience, and never had the alert."""
    query = sa.select(Reach.expected, Reach.way, Reach.reached_at).where(
        Reach.alert_id == alert_id, Reach.group_id == group_id
    )
    row = (await session.execute(query)).one_or_none()
    return ReachState(*row) if row is not None else None
