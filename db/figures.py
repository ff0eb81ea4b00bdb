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

from db.histogram import add_stored, quantile_ms
from db.models import Alert, Delivery, Forward, Group, Person, Reach, Rollup, Unit
from db.periods import Span
from db.ranking import Among, Ranked, UnitRow, rank_units, read_histograms
from db.standing import walk_standings
from db.states import DeliveryState, GroupMode, UnitState, Way
from db.tally import COUNTS
from db.units import NoSuchUnit, in_subtree

Speed = tuple[float | None, float | None, float | None]
"""Seconds from release to the first group, to half of the reached ones, to nine of ten."""


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
    p90_s: float | None = None  # release → nine of ten reached groups; as exact as the median
    rank: int | None = None  # among the units that it is listed with, of a parent's children among its kind
    alerts: int = 1  # over which the figures are added up

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

    @property
    def ontime_share(self) -> float | None:
        """Expected groups that were reached before the deadline, 0 … 1; None where nothing is expected."""
        return self.ontime_groups / self.expected_groups if self.expected_groups else None

    def to_json(self) -> dict[str, Any]:
        """For scripts: `python bot.py stats --json` and the web API."""
        unit = {
            "code": self.unit.code,
            "name": self.unit.name,
            "level": self.unit.level,
            "kind": self.unit.kind.value,
        }
        counts = {name: getattr(self, name) for name in COUNTS}
        return {"unit": unit} | counts | {name: getattr(self, name) for name in _DERIVED}


_DERIVED = (
    "reached_groups",
    "reached_members",
    "coverage_groups",
    "coverage_members",
    "ontime_share",
    "first_s",
    "median_s",
    "p90_s",
    "rank",
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
    coming: bool = False  # the bot is about to push into it, so nobody has to do anything yet


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
    outdated: bool = False  # of an alert that had been corrected or cancelled by then: it reached nobody


async def get_figures(session: AsyncSession, alert_id: int, unit_id: int) -> Figures:
    """One unit's figures; all zero when the alert expects nothing of it. Raises `NoSuchUnit`."""
    rows = await session.execute(_figures(alert_id).where(Unit.id == unit_id))
    row = rows.one_or_none()
    if row is None:
        raise NoSuchUnit(unit_id)
    return _as_figures(row)


async def list_child_figures(session: AsyncSession, alert_id: int, unit_id: int) -> list[Figures]:
    """The unit's children, each with its subtree, kind by kind, ranked among their like (`db.ranking`); children
    without groups come last.

    Groups that belong to the unit itself are in its own figures only.
    """
    return await list_ranked(session, Span(alert_ids=(alert_id,)), Among(parent_id=unit_id))


async def list_ranked(
    session: AsyncSession, span: Span, among: Among, *, limit: int | None = None, offset: int = 0
) -> list[Figures]:
    """The units, best first, each with the figures of the whole span."""
    return (await read_ranked(session, span, among, limit=limit, offset=offset))[0]


async def read_ranked(
    session: AsyncSession, span: Span, among: Among, *, limit: int | None = None, offset: int = 0
) -> tuple[list[Figures], int]:
    """One page of `list_ranked`, and how many units there are in all."""
    rows = await walk_standings(session, span, among, limit=limit, offset=offset) if limit else None
    if rows is None:
        rows = await rank_units(session, span, among, limit=limit, offset=offset)
    speeds = await _speeds(session, span, rows)
    nothing: Speed = (None, None, None)
    figures = [
        _made(row.unit, row.counts, speeds.get(row.unit.id, nothing), rank=row.rank, alerts=row.alerts)
        for row in rows
    ]
    return figures, rows[0].total if rows else 0


async def _speeds(session: AsyncSession, span: Span, ranked: Sequence[Ranked]) -> dict[int, Speed]:
    """First (of a single alert), median and 90 % latency over all groups reached in the span."""
    if any(row.speed for row in ranked):
        return {row.unit.id: _speed(row.speed[1], row.speed[0]) for row in ranked if row.speed}
    unit_ids = [row.unit.id for row in ranked if row.rank]
    alone = not span.months and len(span.alert_ids) == 1  # only then is "the first" something one can speak of
    rows = await read_histograms(session, span, unit_ids)
    if len(rows) == len(unit_ids):  # nothing to add up
        return {unit_id: _speed(histogram, first_ms if alone else None) for unit_id, first_ms, histogram in rows}
    stored: dict[int, list[list[Any]]] = {}
    for unit_id, _, histogram in rows:
        stored.setdefault(unit_id, []).append(histogram)
    return {unit_id: _speed(add_stored(histograms), None) for unit_id, histograms in stored.items()}


def _speed(histogram: list[Any], first_ms: int | None) -> Speed:
    quantiles = (quantile_ms(histogram, share, first_ms=first_ms) for share in (0.5, 0.9))
    median, p90 = (None if ms is None else round(ms) / 1000 for ms in quantiles)
    return (None if first_ms is None else first_ms / 1000, median, p90)


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
    counts = [getattr(row, name) or 0 for name in COUNTS]
    return _made(row[0], counts, _speed(row.histogram or [], row.first_ms))


def add_up(unit: Unit, rows: Sequence[UnitRow]) -> Figures:
    """One unit's rows of the roll-up together; without any, nothing was expected of it."""
    counts = [sum(each) for each in zip(*(row.counts for row in rows), strict=True)] or [0] * len(COUNTS)
    if len(rows) == 1:
        speed = _speed(rows[0].histogram, rows[0].first_ms)
    else:
        together = add_stored(row.histogram for row in rows)
        speed = _speed(together, None)  # of several alerts there is no "first"
    return _made(unit, counts, speed, alerts=sum(row.alerts for row in rows))


def _made(unit: Unit, counts: Sequence[int], speed: Speed, *, rank: int | None = None, alerts: int = 1) -> Figures:
    first_s, median_s, p90_s = speed
    named: dict[str, Any] = dict(zip(COUNTS, counts, strict=True))
    return Figures(unit=unit, first_s=first_s, median_s=median_s, p90_s=p90_s, rank=rank, alerts=alerts, **named)


async def list_missing_groups(
    session: AsyncSession, alert_id: int, scope: str, limit: int = 50, offset: int = 0
) -> list[MissingGroup]:
    """Expected groups of a subtree that the alert has not reached, in the order of the tree."""
    columns: list[Any] = [
        Group.id,
        Group.code,
        Group.name,
        Reach.members,
        Group.mode,
        Unit.id,
        Unit.name,
        Unit.path,
        Unit.liaison,
        is_coming(),
    ]
    query = (
        sa.select(*columns)
        .select_from(Reach)
        .join(Group, Group.id == Reach.group_id)
        .join(Unit, Unit.id == Reach.unit_id)
    )
    query = query.outerjoin(Delivery, push_of_reach())
    query = query.where(*_missing(alert_id, scope)).order_by(Unit.path, Group.code).limit(limit).offset(offset)
    return [MissingGroup(*row) for row in await session.execute(query)]


def push_of_reach() -> sa.ColumnElement[bool]:
    """Joins a reach row's delivery, where there is one."""
    return sa.and_(Delivery.alert_id == Reach.alert_id, Delivery.group_id == Reach.group_id)


def is_coming() -> sa.ColumnElement[bool]:
    """The push waits or is under way."""
    return sa.func.coalesce(Delivery.state.in_((DeliveryState.WAITING, DeliveryState.SENDING)), sa.false())


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
    columns: list[Any] = [
        Forward.at,
        Forward.way,
        Group.code,
        Group.name,
        Unit.name,
        sa.func.coalesce(Person.name, ""),
        Forward.members,
        Forward.score,
        first,
        Forward.outdated,
    ]
    query = (
        sa.select(*columns)
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
