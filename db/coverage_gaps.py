"""What figures cannot show: groups that cannot be reached, and units that have none.

Reads groups one by one: some ten milliseconds for a county, seconds for 200,000 groups (`bot.gap_watch` then counts
beside the pages).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Alert, Group, Reach, Unit
from db.states import GroupMode, GroupState, UnitState
from db.units import in_subtree

FULL = 500  # members; a WeChat group takes no more (domain facts)
SILENT_DAYS = 30


@dataclass(frozen=True)
class CoverageGaps:
    """Counts, and some to begin with."""

    units: int  # in use, below the county, without any group in use in their subtree
    without_group: list[Unit]
    without_bot: int  # to be pushed into, but no account is in it, or the account has lost it
    without_bot_groups: list[Group]
    full: int  # nobody can join any more
    full_groups: list[Group]
    silent: int  # expected something in the last 30 days, and nothing reached it in any way
    silent_groups: list[Group]


async def find_coverage_gaps(session: AsyncSession, scope: str, now: datetime, *, shown: int = 10) -> CoverageGaps:
    """The gaps of a subtree today."""
    active = Group.state == GroupState.ACTIVE
    bare = sa.or_(
        sa.and_(active, Group.mode == GroupMode.PUSH, Group.account_id.is_(None)), Group.state == GroupState.LOST
    )
    recent = sa.select(Alert.id).where(
        Alert.released_at >= now - timedelta(days=SILENT_DAYS), Alert.released_at <= now
    )
    alert_ids = (await session.scalars(recent.order_by(Alert.id))).all()
    return CoverageGaps(
        *await _units_without_group(session, scope, shown),
        *await _groups(session, scope, shown, bare),
        *await _groups(session, scope, shown, active, Group.members >= FULL),
        *await _groups(session, scope, shown, active, *_silent(alert_ids)),
    )


async def _units_without_group(session: AsyncSession, scope: str, shown: int) -> tuple[int, list[Unit]]:
    """From the groups up: looking below each unit would pass every group once per level."""
    has = sa.select(Group.unit_id.label("id")).join(Unit, Unit.id == Group.unit_id)
    covered = has.where(Group.state == GroupState.ACTIVE, in_subtree(scope)).distinct().cte("covered", recursive=True)
    above = sa.select(Unit.parent_id).join(covered, covered.c.id == Unit.id).where(Unit.parent_id.is_not(None))
    covered = covered.union(above)
    query = sa.select(Unit).outerjoin(covered, covered.c.id == Unit.id).where(covered.c.id.is_(None))
    query = query.where(Unit.level >= 2, Unit.state == UnitState.ACTIVE, in_subtree(scope))
    return await _first(session, query.order_by(Unit.path), shown)


def _silent(alert_ids: Sequence[int]) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    """Reached is asked first: of most groups the first row says so."""
    ours = (Reach.group_id == Group.id, Reach.alert_id.in_(alert_ids))
    return ~sa.exists().where(*ours, Reach.reached_at.is_not(None)), sa.exists().where(*ours, Reach.expected)


async def _groups(
    session: AsyncSession, scope: str, shown: int, *conditions: sa.ColumnElement[bool]
) -> tuple[int, list[Group]]:
    query = sa.select(Group).join(Unit, Unit.id == Group.unit_id).where(in_subtree(scope), *conditions)
    return await _first(session, query.order_by(Unit.path, Group.code), shown)


async def _first(session: AsyncSession, query: sa.Select[Any], shown: int) -> tuple[int, list[Any]]:
    """How many there are, and the first ones."""
    rows = (await session.execute(query.add_columns(sa.func.count().over()).limit(shown))).all()
    return (rows[0][1], [row[0] for row in rows]) if rows else (0, [])
