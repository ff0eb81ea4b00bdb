"""How far alerts have come: the only readers of coverage. The console, the chat, the command line and the bulletins
all call these, so that they can never disagree.

Counts of groups and members come from the roll-up (`db.rollup`), one indexed read per unit, whatever the size of its
subtree; who is missing and who forwarded is read from the rows themselves. A figure may lag by one batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.histogram import quantile_ms
from db.models import Alert, Forward, Group, Person, Reach, Rollup, Unit
from db.states import GroupMode, UnitState, Way
from db.units import NoSuchUnit, in_subtree


@dataclass(frozen=True)
class Figures:
    """One alert in one unit's whole subtree. Groups and members are those frozen when the alert was released."""

    unit: Unit
    expected_groups: int
    expected_members: int
    pushed_groups: int
    pushed_members: int
    forwarded_groups: int
    forwarded_members: int
    reported_groups: int
    reported_members: int
    ontime_groups: int  # reached before the deadline that was frozen at release
    first_s: float | None  # release → first group reached, exact
    median_s: float | None  # release → half of the reached groups; within 7.5 %, see `db.histogram`

    @property
    def reached_groups(self) -> int:
        """Of the expected ones; each counts once, by the way that came first."""
        return self.pushed_groups + self.forwarded_groups + self.reported_groups

    @property
    def reached_members(self) -> int:
        return self.pushed_members + self.forwarded_members + self.reported_members

    @property
    def missing_groups(self) -> int:
        return self.expected_groups - self.reached_groups

    @property
    def coverage_groups(self) -> float | None:
        """Reached ÷ expected groups, 0 … 1; None where nothing is expected."""
        return self.reached_groups / self.expected_groups if self.expected_groups else None

    @property
    def coverage_members(self) -> float | None:
        """Reached ÷ expected members, 0 … 1; None where no member is expected."""
        return self.reached_members / self.expected_members if self.expected_members else None

    def to_json(self) -> dict[str, Any]:
        """For scripts: `python bot.py stats --json` and the web API."""
        unit = {
            "code": self.unit.code,
            "name": self.unit.name,
            "level": self.unit.level,
            "kind": self.unit.kind.value,
        }
        counts = {name: getattr(self, name) for name in _COUNTS}
        derived = ("reached_groups", "reached_members", "coverage_groups", "coverage_members", "first_s", "median_s")
        return {"unit": unit} | counts | {name: getattr(self, name) for name in derived}


_COUNTS = (
    "expected_groups",
    "expected_members",
    "pushed_groups",
    "pushed_members",
    "forwarded_groups",
    "forwarded_members",
    "reported_groups",
    "reported_members",
    "ontime_groups",
)


@dataclass(frozen=True)
class MissingGroup:
    """A group that should have the alert and has not, as far as anybody knows."""

    group_id: int
    code: str
    name: str
    members: int  # when the audience was frozen
    mode: GroupMode
    unit_id: int
    unit_name: str
    unit_path: str
    liaison: str  # of the unit; empty when the registry names none


@dataclass(frozen=True)
class ForwardEntry:
    """A line of the log: who passed the alert on, where, when. `person` is empty for residents."""

    at: datetime
    way: Way
    group_code: str
    group_name: str
    unit_name: str
    person: str
    members: int | None
    score: float
    first: bool  # it is what reached the group


async def get_figures(session: AsyncSession, alert_id: int, unit_id: int) -> Figures:
    """One unit's figures; all zero when the alert expects nothing of it. Raises `NoSuchUnit`."""
    rows = await session.execute(_figures(alert_id).where(Unit.id == unit_id))
    row = rows.one_or_none()
    if row is None:
        raise NoSuchUnit(unit_id)
    return _as_figures(row)


async def list_child_figures(session: AsyncSession, alert_id: int, unit_id: int) -> list[Figures]:
    """The unit's children, each with its subtree, best first; children without groups come last and have no rank.

    Best is: more of the groups, then more of the members, then half of them sooner. Groups that belong to the unit
    itself are in its own figures only.
    """
    rows = await session.execute(_figures(alert_id).where(Unit.parent_id == unit_id, _shown()))
    return sorted((_as_figures(row) for row in rows), key=_rank)


async def list_tree_figures(session: AsyncSession, alert_id: int, scope: str) -> list[Figures]:
    """Every unit of a subtree in the order of the tree, parents before children."""
    rows = await session.execute(_figures(alert_id).where(in_subtree(scope), _shown()).order_by(Unit.path))
    return [_as_figures(row) for row in rows]


def _figures(alert_id: int) -> sa.Select[Any]:
    here = sa.and_(Rollup.unit_id == Unit.id, Rollup.alert_id == alert_id)
    columns = [column for column in Rollup.__table__.columns if column.name not in ("alert_id", "unit_id")]
    return sa.select(Unit, *columns).outerjoin(Rollup, here)


def _shown() -> sa.ColumnElement[bool]:
    """A unit that has been retired since is shown where it was expected to have the alert."""
    return sa.or_(Unit.state == UnitState.ACTIVE, Rollup.expected_groups > 0)


def _as_figures(row: Any) -> Figures:
    counts = {name: getattr(row, name) or 0 for name in _COUNTS}
    first_ms = row.first_ms
    median_ms = quantile_ms(row.histogram or [], 0.5, first_ms=first_ms)
    return Figures(
        unit=row[0],
        **counts,
        first_s=None if first_ms is None else first_ms / 1000,
        median_s=None if median_ms is None else round(median_ms) / 1000,
    )


def _rank(figures: Figures) -> tuple[Any, ...]:
    if not figures.expected_groups:
        return (1, figures.unit.path)
    slow = figures.median_s if figures.median_s is not None else float("inf")
    return (0, -(figures.coverage_groups or 0), -(figures.coverage_members or 0), slow, figures.unit.path)


async def list_missing_groups(
    session: AsyncSession, alert_id: int, scope: str, limit: int = 50, offset: int = 0
) -> list[MissingGroup]:
    """Expected groups of a subtree that the alert has not reached, in the order of the tree."""
    query = sa.select(
        Group.id,
        Group.code,
        Group.name,
        Reach.members,
        Group.mode,
        Unit.id,
        Unit.name,
        Unit.path,
        Unit.liaison,
    )
    query = query.select_from(Reach).join(Group, Group.id == Reach.group_id).join(Unit, Unit.id == Reach.unit_id)
    query = query.where(*_missing(alert_id, scope)).order_by(Unit.path, Group.code).limit(limit).offset(offset)
    return [MissingGroup(*row) for row in await session.execute(query)]


async def count_missing_groups(session: AsyncSession, alert_id: int, scope: str) -> int:
    query = sa.select(sa.func.count()).select_from(Reach).join(Unit, Unit.id == Reach.unit_id)
    return await session.scalar(query.where(*_missing(alert_id, scope))) or 0


def _missing(alert_id: int, scope: str) -> list[sa.ColumnElement[bool]]:
    return [Reach.alert_id == alert_id, Reach.expected.is_(True), Reach.reached_at.is_(None), in_subtree(scope)]


async def list_forwards(
    session: AsyncSession, alert_id: int, scope: str, limit: int = 50, offset: int = 0
) -> list[ForwardEntry]:
    """The log of forwards and reports in a subtree, newest first."""
    first = sa.and_(Reach.reached_at == Forward.at, Reach.way == Forward.way)
    query = (
        sa.select(
            Forward.at,
            Forward.way,
            Group.code,
            Group.name,
            Unit.name,
            sa.func.coalesce(Person.name, ""),
            Forward.members,
            Forward.score,
            first,
        )
        .join(Group, Group.id == Forward.group_id)
        .join(Reach, sa.and_(Reach.alert_id == Forward.alert_id, Reach.group_id == Forward.group_id))
        .join(Unit, Unit.id == Reach.unit_id)
        .outerjoin(Person, Person.id == Forward.person_id)
        .where(Forward.alert_id == alert_id, in_subtree(scope))
        .order_by(Forward.at.desc(), Forward.id.desc())
        .limit(limit)
        .offset(offset)
    )
    return [ForwardEntry(*row) for row in await session.execute(query)]


async def latest_released(session: AsyncSession, limit: int, *, unit_id: int | None = None) -> Sequence[Alert]:
    """Released alerts, the latest first; with `unit_id` only those that expected something of its subtree."""
    query = sa.select(Alert).where(Alert.released_at.is_not(None))
    if unit_id is not None:
        expecting = sa.and_(Rollup.alert_id == Alert.id, Rollup.unit_id == unit_id, Rollup.expected_groups > 0)
        query = query.where(sa.exists().where(expecting))
    return (await session.scalars(query.order_by(Alert.released_at.desc(), Alert.id.desc()).limit(limit))).all()
