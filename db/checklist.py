"""One liaison's groups and one alert: who has it, by which way, who has not. Read from the rows, so that a report is
seen at once; figures of many groups come from `db.figures`."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.figures import is_coming, push_of_reach
from db.models import Delivery, Group, Reach, Unit
from db.states import GroupMode, GroupState, Way
from db.units import in_subtree


@dataclass(frozen=True)
class ListedGroup:
    """An expected group. `way` and `reached_at` are None while nothing is known of it."""

    group_id: int
    code: str
    name: str
    unit_name: str
    members: int  # when the audience was frozen
    mode: GroupMode
    retired: bool
    coming: bool  # the bot is about to push into it
    way: Way | None
    reached_at: datetime | None


@dataclass(frozen=True)
class Counts:
    """Expected groups of a subtree, and how many had the alert by which way."""

    expected: int
    pushed: int
    forwarded: int
    reported: int

    @property
    def reached(self) -> int:
        return self.pushed + self.forwarded + self.reported

    @property
    def missing(self) -> int:
        return self.expected - self.reached

    @property
    def percent(self) -> int:
        """Rounded down, so that 100 means all."""
        return self.reached * 100 // self.expected if self.expected else 0


async def list_groups_of(
    session: AsyncSession,
    alert_id: int,
    scope: str,
    *,
    reached: bool,
    kept: Collection[int] = (),
    limit: int,
    offset: int = 0,
) -> list[ListedGroup]:
    """Missing ones in the order of the tree, or reached ones, the latest first. Those `kept` are listed among the
    missing, where they were a moment ago."""
    order: list[Any] = [Reach.reached_at.desc(), Group.id] if reached else [Unit.path, Group.code]
    missing = sa.or_(Reach.reached_at.is_(None), Reach.group_id.in_(kept))
    there = ~missing if reached else missing
    query = (
        sa.select(
            Group.id,
            Group.code,
            Group.name,
            Unit.name,
            Reach.members,
            Group.mode,
            Group.state == GroupState.RETIRED,
            is_coming(),
            Reach.way,
            Reach.reached_at,
        )
        .select_from(Reach)
        .join(Group, Group.id == Reach.group_id)
        .join(Unit, Unit.id == Reach.unit_id)
        .outerjoin(Delivery, push_of_reach())
        .where(Reach.alert_id == alert_id, Reach.expected.is_(True), there, in_subtree(scope))
        .order_by(*order)
        .limit(limit)
        .offset(offset)
    )
    rows: list[list[Any]] = [list(row) for row in await session.execute(query)]
    return [ListedGroup(*row) for row in rows]


async def count_groups_of(session: AsyncSession, alert_id: int, scope: str) -> Counts:
    def by(way: Way) -> sa.ColumnElement[int]:
        return sa.func.count().filter(Reach.way == way)

    query = (
        sa.select(sa.func.count(), by(Way.PUSH), by(Way.FORWARD), by(Way.REPORT))
        .select_from(Reach)
        .join(Unit, Unit.id == Reach.unit_id)
        .where(Reach.alert_id == alert_id, Reach.expected.is_(True), in_subtree(scope))
    )
    expected, pushed, forwarded, reported = (await session.execute(query)).one()
    return Counts(expected, pushed, forwarded, reported)
