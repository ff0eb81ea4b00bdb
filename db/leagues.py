"""League tables and records: units among their like, and one unit over months. Read from the roll-up only, except for
what is said of single forwards (who relayed)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.figures import Figures, add_up, read_ranked
from db.models import Alert, Forward, Person, Reach, Rollup, RollupMonth, Seen, Unit
from db.periods import Span
from db.ranking import Among, read_rows
from db.states import UnitKind, Way
from db.units import NoSuchUnit, in_subtree


@dataclass(frozen=True)
class League:
    """One page of a table of units among their like."""

    rows: list[Figures]
    total: int  # units in the whole table, ranked or not


@dataclass(frozen=True)
class Relayer:
    """Somebody who passed an alert on, or reported it. `person_id` None: all residents together, without names."""

    person_id: int | None
    name: str
    unit_name: str
    forwards: int  # messages and reports, also those that came later than others
    first: int  # groups that had the alert through them first
    members: int  # in those groups
    first_at: datetime


@dataclass(frozen=True)
class Laggard:
    """A unit with own groups that an alert has not reached."""

    unit: Unit
    groups: int
    members: int


async def read_league(
    session: AsyncSession,
    span: Span,
    *,
    level: int,
    scope: str = "",
    kinds: Sequence[UnitKind] = (),
    limit: int = 50,
    offset: int = 0,
) -> League:
    """Units of one level (and of these kinds) within a subtree, best first; see `db.ranking` for the rule."""
    among = Among(level=level, kinds=tuple(kinds), scope=scope)
    return League(*await read_ranked(session, span, among, limit=limit, offset=offset))


async def get_span_figures(session: AsyncSession, span: Span, unit_id: int) -> Figures:
    """One unit's figures over a whole span; all zero when nothing was expected of it. Raises `NoSuchUnit`."""
    unit = await session.get(Unit, unit_id)
    if unit is None:
        raise NoSuchUnit(unit_id)
    return add_up(unit, await read_rows(session, span, unit_id))


async def list_months(session: AsyncSession, unit_id: int, months: Sequence[int]) -> list[tuple[int, Figures]]:
    """The unit's figures of each of these months in which an alert concerned it, in order."""
    query = sa.select(RollupMonth.month).where(RollupMonth.unit_id == unit_id, RollupMonth.month.in_(months))
    known = sorted(await session.scalars(query))
    return [(month, await get_span_figures(session, Span(months=(month,)), unit_id)) for month in known]


async def list_alert_figures(
    session: AsyncSession, unit_id: int, since: datetime, until: datetime, *, limit: int = 20, offset: int = 0
) -> list[tuple[Alert, Figures]]:
    """Alerts released in between that concerned the unit, the newest first, each with the unit's figures."""
    query = (
        sa.select(Alert)
        .join(Rollup, sa.and_(Rollup.alert_id == Alert.id, Rollup.unit_id == unit_id))
        .where(Alert.released_at >= since, Alert.released_at < until)
        .order_by(Alert.released_at.desc(), Alert.id.desc())
        .limit(limit)
        .offset(offset)
    )
    alerts = (await session.scalars(query)).all()
    return [(alert, await get_span_figures(session, Span(alert_ids=(alert.id,)), unit_id)) for alert in alerts]


async def count_span_seen(session: AsyncSession, alert_ids: Sequence[int], scope: str) -> int:
    """Views of the short pages of a subtree's units; apart from reach, and never part of it."""
    query = sa.select(sa.func.coalesce(sa.func.sum(Seen.visits), 0)).join(Unit, Unit.id == Seen.unit_id)
    return int(await session.scalar(query.where(Seen.alert_id.in_(alert_ids), in_subtree(scope))) or 0)


async def list_alert_ids(session: AsyncSession, since: datetime, until: datetime) -> list[int]:
    query = sa.select(Alert.id).where(Alert.released_at >= since, Alert.released_at < until)
    return list(await session.scalars(query.order_by(Alert.id)))


# ── who relayed ─────────────────────────────────────────────────────────────


async def list_relayers(
    session: AsyncSession, alert_ids: Sequence[int], scope: str, *, limit: int = 50
) -> list[Relayer]:
    """People with a task by name, whoever reached most groups first; all residents as one line without names."""
    home = sa.orm.aliased(Unit)
    first = sa.and_(
        Reach.reached_at == Forward.at, Reach.way == Forward.way, Reach.expected.is_(True), Reach.way != Way.PUSH
    )
    # Two forwards in the same instant: the group is counted for the one that is logged first.
    twin = sa.orm.aliased(Forward)
    earlier = sa.exists().where(
        twin.alert_id == Forward.alert_id,
        twin.group_id == Forward.group_id,
        twin.at == Forward.at,
        twin.way == Forward.way,
        twin.id < Forward.id,
    )
    credited = sa.and_(first, ~earlier)
    groups = sa.func.count(sa.case((credited, Forward.group_id)))
    members = sa.func.coalesce(sa.func.sum(sa.case((credited, Reach.members), else_=0)), 0)
    query = (
        sa.select(Person.id, Person.name, home.name, sa.func.count(), groups, members, sa.func.min(Forward.at))
        .select_from(Forward)
        .join(Reach, sa.and_(Reach.alert_id == Forward.alert_id, Reach.group_id == Forward.group_id))
        .join(Unit, Unit.id == Reach.unit_id)
        .outerjoin(Person, Person.id == Forward.person_id)
        .outerjoin(home, home.id == Person.unit_id)
        .where(Forward.alert_id.in_(alert_ids), Forward.outdated.is_(False), in_subtree(scope))
        .group_by(Person.id, Person.name, home.name)
        .order_by(groups.desc(), sa.func.min(Forward.at), Person.id)
        .limit(limit)
    )
    return [
        Relayer(row[0], row[1] or "", row[2] or "", row[3], row[4], int(row[5]), row[6])
        for row in await session.execute(query)
    ]


async def list_laggards(
    session: AsyncSession, alert_id: int, scope: str, *, limit: int = 20, offset: int = 0
) -> tuple[list[Laggard], int]:
    """One page of the units whose own groups are missing, those with most members to reach first; and how many."""
    missing = (Reach.alert_id == alert_id, Reach.expected, Reach.reached_at.is_(None), in_subtree(scope))
    groups, members = sa.func.count(), sa.func.sum(Reach.members)
    query = sa.select(Unit, groups, members, sa.func.count().over()).join(Reach, Reach.unit_id == Unit.id)
    query = query.where(*missing).group_by(Unit.id).order_by(members.desc(), Unit.path).limit(limit).offset(offset)
    rows = (await session.execute(query)).all()
    return [Laggard(row[0], row[1], int(row[2])) for row in rows], rows[0][3] if rows else 0
