"""Ranking units: the one query behind league tables and lists of children.

The rule, the same everywhere:

1. the larger share of the expected groups was reached;
2. then the larger share of the expected members;
3. then the larger share of the expected groups on time, that is before the deadline of each alert's severity;
4. then the more members were to be reached, so that of two complete units the one with more to do comes first.

Units that agree in all four share a rank, and the next one's counts those before it (1, 1, 3). A unit of which nothing
was expected has no rank and comes last. The children of one unit are ranked kind by kind: towns with towns, and the
departments beside them, which have a group or two each, with departments. Shares of equal fractions are equal numbers
(1/2 and 2/4), on both databases and in Python, because all round the true quotient to the same double.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
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
    unit_ids: tuple[int, ...] = ()

    @property
    def shape(self) -> Shape:
        return tuple(name for name in ("level", "kinds", "scope", "parent_id", "unit_ids") if self._given(name))

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
    speed: tuple[int | None, list[Any]] | None = None  # first latency and stored histogram, where already read


async def rank_units(
    session: AsyncSession, span: Span, among: Among, *, limit: int | None = None, offset: int = 0
) -> list[Ranked]:
    """The units, best first. One that has been retired since is among them only where it was expected to have an
    alert.

    Only what decides the order is sorted, and ranks are counted from it: a window function over all units of a level
    takes the databases ten times as long as the rest. One unit's children are few: there, kind by kind, it is the
    window that counts.
    """
    asked = _Asked(session, span, among)
    order = (await session.execute(asked.statement(_ordered).limit(limit).offset(offset), asked.values)).all()
    if not order:
        return []
    if among.parent_id is None:
        ranks = await _ranks(asked, [tuple(row[1:]) for row in order], offset)
    else:
        ranks = [row.rank if row[1] else None for row in order]
    total = len(order) if not offset and (limit is None or len(order) < limit) else await asked.count(_counted)
    details = await _details(asked, [row[0] for row in order])
    return [
        Ranked(unit, rank, counts, alerts, total)
        for rank, (unit, counts, alerts) in zip(ranks, (details[row[0]] for row in order), strict=True)
    ]


Key = tuple[Any, ...]
"""Whether anything was expected, the three shares, the members to be reached."""


async def _ranks(asked: _Asked, keys: Sequence[Key], offset: int) -> list[int | None]:
    """1, 1, 3 …; None for units of which nothing was expected, which come last."""
    ranks: list[int | None] = []
    for place, key in enumerate(keys, start=offset + 1):
        if not key[0]:
            ranks.append(None)
        elif ranks and key == keys[len(ranks) - 1]:
            ranks.append(ranks[-1])
        elif ranks or not offset:
            ranks.append(place)
        else:  # the first of a later page may be equal to the last of the page before
            better = {f"key{number}": value for number, value in enumerate(key[1:])}
            ranks.append(1 + await asked.count(_better, **better))
    return ranks


async def _details(asked: _Asked, unit_ids: Sequence[int]) -> dict[int, tuple[Unit, list[int], int]]:
    """Unit, what was added up, and how many alerts, by unit id."""
    few = _Asked(asked.session, asked.span, Among(unit_ids=tuple(unit_ids)))
    rows = await few.session.execute(few.statement(_detailed), few.values)
    end = 1 + len(COUNTS)
    return {row[0].id: (row[0], [int(n) for n in row[1:end]], int(row[end])) for row in rows}


class _Asked:
    """A question to the roll-up: what is added up, among which units."""

    def __init__(self, session: AsyncSession, span: Span, among: Among) -> None:
        self.session, self.span = session, span
        self.values = among.values() | {"months": span.months, "alert_ids": span.alert_ids}
        alone = len(span.months) + len(span.alert_ids) == 1
        self._shape = (among.shape, bool(span.months), bool(span.alert_ids or not span.months), alone)

    def statement(self, make: Callable[..., sa.Select[Any]]) -> sa.Select[Any]:
        return make(*self._shape)

    async def count(self, make: Callable[..., sa.Select[Any]], **values: Any) -> int:
        return await self.session.scalar(self.statement(make), self.values | values) or 0


async def read_histograms(
    session: AsyncSession, span: Span, unit_ids: Sequence[int]
) -> list[tuple[int, int | None, list[Any]]]:
    """(unit id, first latency in ms or None, stored histogram) of every row that the span adds up."""
    return [tuple(row) async for row in _each(session, span, _histograms, unit_ids=unit_ids)]


@dataclass(frozen=True)
class UnitRow:
    """What the roll-up says of a unit in one alert or month; `first_ms` only of an alert."""

    counts: Sequence[int]  # in the order of `COUNTS`
    alerts: int
    first_ms: int | None
    histogram: list[Any]


async def read_rows(session: AsyncSession, span: Span, unit_id: int) -> list[UnitRow]:
    """Every row of the span of one unit."""
    return [UnitRow(row[:-3], *row[-3:]) async for row in _each(session, span, _rows, unit_id=unit_id)]


async def _each(
    session: AsyncSession, span: Span, make: Callable[[Any], sa.Select[Any]], **values: Any
) -> AsyncIterator[Any]:
    """The rows of the months, then of the alerts, that a span adds up."""
    for table, keys in ((RollupMonth, {"months": span.months}), (Rollup, {"alert_ids": span.alert_ids})):
        if any(keys.values()):
            for row in await session.execute(make(table), values | keys):
                yield row


@cache
def _rows(table: Any) -> sa.Select[Any]:
    alerts, first = (table.alerts, sa.null()) if table is RollupMonth else (sa.literal(1), table.first_ms)
    query = sa.select(*(getattr(table, name) for name in COUNTS), alerts, first, table.histogram)
    return query.where(table.unit_id == sa.bindparam("unit_id"), _these(table))


@cache
def _histograms(table: Any) -> sa.Select[Any]:
    first = table.first_ms if table is Rollup else sa.null()
    query = sa.select(table.unit_id, first, table.histogram).where(_these(table))
    return query.where(table.unit_id.in_(sa.bindparam("unit_ids", expanding=True)))


_KIND_ORDER: sa.ColumnElement[int] = sa.case(
    *((Unit.kind == kind, number) for number, kind in enumerate(UnitKind)), else_=len(UnitKind)
)
"""Kinds in the order in which they are named."""


@cache
def _ordered(shape: Shape, *tables: bool) -> sa.Select[Any]:
    """Ids and keys, best first."""
    source = _source(shape, *tables)
    expected, *keys = _keys(source.columns)
    best = [key.desc() for key in keys]
    columns = [Unit.id, expected, *keys]
    if "parent_id" not in shape:
        return source.of(sa.select(*columns)).order_by(expected.desc(), *best, Unit.path)
    rank = sa.func.rank().over(partition_by=[expected, Unit.kind], order_by=best).label("rank")
    return source.of(sa.select(*columns, rank)).order_by(expected.desc(), _KIND_ORDER, *best, Unit.path)


@cache
def _detailed(shape: Shape, *tables: bool) -> sa.Select[Any]:
    source = _source(shape, *tables)
    counts = (sa.func.coalesce(source.columns[name], 0) for name in (*COUNTS, "alerts"))
    return source.of(sa.select(Unit, *counts))


@cache
def _counted(shape: Shape, *tables: bool) -> sa.Select[Any]:
    return _source(shape, *tables).of(sa.select(sa.func.count()).select_from(Unit))


@cache
def _better(shape: Shape, *tables: bool) -> sa.Select[Any]:
    """How many units have a better key than `key0` … `key3`."""
    source = _source(shape, *tables)
    expected, *keys = _keys(source.columns)
    given = sa.tuple_(*(sa.bindparam(f"key{number}", type_=key.type) for number, key in enumerate(keys)))
    return _counted(shape, *tables).where(expected, sa.tuple_(*keys) > given)


@dataclass(frozen=True)
class _Source:
    """Units beside what is added up for them."""

    table: Any
    joined: Condition
    columns: dict[str, Any]
    where: tuple[Condition, ...]

    def of(self, query: sa.Select[Any]) -> sa.Select[Any]:
        shown = sa.or_(Unit.state == UnitState.ACTIVE, _keys(self.columns)[0])
        return query.outerjoin(self.table, self.joined).where(*self.where, shown)


@cache
def _source(shape: Shape, by_month: bool, by_alert: bool, alone: bool) -> _Source:
    where = tuple(CONDITIONS[name] for name in shape)
    tables = [table for table, used in ((RollupMonth, by_month), (Rollup, by_alert)) if used]
    if alone:  # nothing to add up
        table = tables[0].__table__
        joined = sa.and_(table.c.unit_id == Unit.id, _these(tables[0]))
        return _Source(table, joined, _columns(tables[0]), where)
    sums = _sums(where, tables)
    return _Source(sums, sums.c.unit_id == Unit.id, {name: sums.c[name] for name in (*COUNTS, "alerts")}, where)


def _columns(table: Any) -> dict[str, Any]:
    """What is added up, by name; an alert's own row counts as one alert."""
    columns = {name: getattr(table, name) for name in COUNTS}
    one = sa.case((Rollup.unit_id.is_not(None), 1), else_=0)
    return columns | {"alerts": RollupMonth.alerts if table is RollupMonth else one}


CONDITIONS: dict[str, Condition] = {
    "level": Unit.level == sa.bindparam("level"),
    "kinds": Unit.kind.in_(sa.bindparam("kinds", expanding=True)),
    "scope": sa.and_(Unit.path >= sa.bindparam("scope"), Unit.path < sa.bindparam("scope_end")),
    "parent_id": Unit.parent_id == sa.bindparam("parent_id"),
    "unit_ids": Unit.id.in_(sa.bindparam("unit_ids", expanding=True)),
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


def _keys(columns: Mapping[str, Any]) -> list[Any]:
    """What decides, in this order; see the top of this module."""
    groups, members = (sum(columns[f"{way}_{what}"] for way in REACHED) for what in ("groups", "members"))
    return [
        sa.func.coalesce(columns["expected_groups"], 0) > 0,
        _share(groups, columns["expected_groups"]),
        _share(members, columns["expected_members"]),
        _share(columns["ontime_groups"], columns["expected_groups"]),
        sa.func.coalesce(columns["expected_members"], 0),
    ]


def _share(part: Any, whole: Any) -> sa.ColumnElement[float]:
    return sa.func.coalesce(sa.cast(part, sa.Double) / sa.func.nullif(sa.cast(whole, sa.Double), 0.0), 0.0)
