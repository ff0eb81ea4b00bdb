"""Ranking units: the one query behind league tables and lists of children.

The rule, the same everywhere:

1. the larger share of the expected groups was reached;
2. then the larger share of the expected members;
3. then the larger share of the expected groups on time, that is before the deadline of each alert's severity;
4. then the more members were to be reached, so that of two complete units the one with more to do comes first.

Units that agree in all four share a rank, and the next one's counts those before it (1, 1, 3). A unit of which nothing
was expected has no rank and comes last. Shares of equal fractions are equal numbers (1/2 and 2/4), on both databases
and in Python, because all round the true quotient to the same double.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Rollup, RollupMonth, Unit
from db.periods import Span
from db.states import UnitKind, UnitState
from db.tally import COUNTS

Condition = sa.ColumnElement[bool]

REACHED = ("pushed", "forwarded", "reported")


@dataclass(frozen=True)
class Among:
    """Which units are compared: everything that is given must hold."""

    level: int | None = None
    kinds: tuple[UnitKind, ...] = ()
    scope: str = ""  # a subtree
    parent_id: int | None = None
    unit_id: int | None = None

    @property
    def shape(self) -> Shape:
        return tuple(name for name in ("level", "kinds", "scope", "parent_id", "unit_id") if self._given(name))

    def values(self) -> dict[str, Any]:
        named = {name: getattr(self, name) for name in self.shape}
        return named | ({"scope_end": f"{self.scope[:-1]}0"} if self.scope else {})

    def _given(self, name: str) -> bool:
        return getattr(self, name) not in (None, (), "")


Shape = tuple[str, ...]
"""Names of the conditions: statements are put together once for each, which takes longer than running them."""


@dataclass(frozen=True)
class Ranked:
    """A unit, its rank, what was added up in the order of `COUNTS`, and how many alerts that was."""

    unit: Unit
    rank: int | None
    counts: Sequence[int]
    alerts: int
    total: int  # units of the whole table, of which this is one row


async def rank_units(
    session: AsyncSession, span: Span, among: Among, *, limit: int | None = None, offset: int = 0
) -> list[Ranked]:
    """The units, best first. One that has been retired since is among them only where it was expected to have an
    alert."""
    alone = len(span.months) + len(span.alert_ids) == 1
    query = _ranking(among.shape, bool(span.months), bool(span.alert_ids or not span.months), alone)
    values = among.values() | {"months": span.months, "alert_ids": span.alert_ids}
    rows = (await session.execute(query.limit(limit).offset(offset), values)).all()
    end = 3 + len(COUNTS)
    return [Ranked(row[0], row[1], [int(n) for n in row[3:end]], int(row[end]), row[2]) for row in rows]


async def read_histograms(
    session: AsyncSession, span: Span, unit_ids: Sequence[int]
) -> list[tuple[int, int | None, list[Any]]]:
    """(unit id, first latency in ms or None, stored histogram) of every row that the span adds up."""
    found: list[tuple[int, int | None, list[Any]]] = []
    values = {"unit_ids": unit_ids, "months": span.months, "alert_ids": span.alert_ids}
    for table, keys in ((RollupMonth, span.months), (Rollup, span.alert_ids)):
        if keys and unit_ids:
            found += [(row[0], row[1], row[2]) for row in await session.execute(_histograms(table), values)]
    return found


@cache
def _histograms(table: Any) -> sa.Select[Any]:
    first = table.first_ms if table is Rollup else sa.null()
    query = sa.select(table.unit_id, first, table.histogram).where(_these(table))
    return query.where(table.unit_id.in_(sa.bindparam("unit_ids", expanding=True)))


@cache
def _ranking(shape: Shape, by_month: bool, by_alert: bool, alone: bool) -> sa.Select[Any]:
    where = [_CONDITIONS[name] for name in shape]
    tables = [table for table, used in ((RollupMonth, by_month), (Rollup, by_alert)) if used]
    if alone:  # nothing to add up
        source, columns = tables[0].__table__, _columns(tables[0])
        joined = sa.and_(source.c.unit_id == Unit.id, _these(tables[0]))
    else:
        source = _sums(where, tables)
        columns = {name: source.c[name] for name in (*COUNTS, "alerts")}
        joined = source.c.unit_id == Unit.id
    rank, expected = _rank(columns)
    shown = sa.or_(Unit.state == UnitState.ACTIVE, expected > 0)
    counts = [sa.func.coalesce(columns[name], 0) for name in (*COUNTS, "alerts")]
    query = sa.select(Unit, rank, sa.func.count().over(), *counts).outerjoin(source, joined)
    return query.where(*where, shown).order_by(rank.is_(None), rank, Unit.path)


def _columns(table: Any) -> dict[str, Any]:
    """What is added up, by name; an alert's own row counts as one alert."""
    columns = {name: getattr(table, name) for name in COUNTS}
    one = sa.case((Rollup.unit_id.is_not(None), 1), else_=0)
    return columns | {"alerts": RollupMonth.alerts if table is RollupMonth else one}


_CONDITIONS: dict[str, Condition] = {
    "level": Unit.level == sa.bindparam("level"),
    "kinds": Unit.kind.in_(sa.bindparam("kinds", expanding=True)),
    "scope": sa.and_(Unit.path >= sa.bindparam("scope"), Unit.path < sa.bindparam("scope_end")),
    "parent_id": Unit.parent_id == sa.bindparam("parent_id"),
    "unit_id": Unit.id == sa.bindparam("unit_id"),
}


def _these(table: Any) -> Condition:
    if table is RollupMonth:
        return RollupMonth.month.in_(sa.bindparam("months", expanding=True))
    return Rollup.alert_id.in_(sa.bindparam("alert_ids", expanding=True))


def _sums(where: Sequence[Condition], tables: Sequence[Any]) -> Any:
    """Unit id and figures. The units' conditions are inside, or both databases would add up all other units first."""
    parts = [
        sa.select(Unit.id.label("unit_id"), *(column.label(name) for name, column in _columns(table).items()))
        .join(table, table.unit_id == Unit.id)
        .where(*where, _these(table))
        for table in tables
    ]
    every = sa.union_all(*parts).subquery() if len(parts) > 1 else parts[0].subquery()
    added = (sa.func.sum(every.c[name]).label(name) for name in (*COUNTS, "alerts"))
    return sa.select(every.c.unit_id, *added).group_by(every.c.unit_id).subquery()


def _rank(columns: Mapping[str, Any]) -> tuple[sa.ColumnElement[int | None], sa.ColumnElement[int]]:
    expected = sa.func.coalesce(columns["expected_groups"], 0)
    groups, members = (sum(columns[f"{way}_{what}"] for way in REACHED) for what in ("groups", "members"))
    order = (
        _share(groups, columns["expected_groups"]).desc(),
        _share(members, columns["expected_members"]).desc(),
        _share(columns["ontime_groups"], columns["expected_groups"]).desc(),
        columns["expected_members"].desc(),
    )
    rank = sa.func.rank().over(partition_by=expected > 0, order_by=order)
    return sa.case((expected > 0, rank), else_=None), expected


def _share(part: Any, whole: Any) -> sa.ColumnElement[float]:
    return sa.func.coalesce(sa.cast(part, sa.Double) / sa.func.nullif(sa.cast(whole, sa.Double), 0.0), 0.0)
