"""A level's table as it stands: one alert's, or one month's.

The rows of the roll-up carry what the ranking compares (`db.ranking` has the rule) and their unit's level, and an index
keeps them in that order. A page is read off the index instead of sorting thousands of units to show fifty. Several
alerts or months have to be added up first: `db.ranking`.

Rows exist only where something was expected (`db.rollup`), so the units without one are those without a rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Rollup, RollupMonth, Unit
from db.periods import Span
from db.ranking import CONDITIONS, Among, Ranked, Shape
from db.states import UnitState
from db.tally import COUNTS

FEW = 100
"""Of a small part of a level, all units are sorted: the walk along the index would pass too many others."""

KEYS = ("groups_share", "members_share", "ontime_share", "expected_members")


async def walk_standings(
    session: AsyncSession, span: Span, among: Among, *, limit: int, offset: int
) -> list[Ranked] | None:
    """One page, best first. None where the question is another: several alerts or months, no level, or few units."""
    if among.level is None or len(span.months) + len(span.alert_ids) != 1:
        return None
    walk = _Walk(session, span, among)
    total = await walk.count(_counted)
    if total <= FEW and among.scope:
        return None
    rows = await walk.ranked(limit, offset)
    ranks = await _ranks(walk, [tuple(row[-len(KEYS) :]) for row in rows], offset)
    page = [_ranked(row, rank, total) for row, rank in zip(rows, ranks, strict=True)]
    if len(rows) == limit:
        return page
    before = offset + len(rows) if rows or not offset else await walk.count(_counted_ranked)
    unranked = await walk.unranked(limit - len(rows), max(0, offset - before))
    return page + [Ranked(unit, None, [0] * len(COUNTS), 0, total) for unit in unranked]


def _ranked(row: Any, rank: int, total: int) -> Ranked:
    end = 1 + len(COUNTS)
    alerts, first_ms, histogram = row[end : end + 3]
    return Ranked(row[0], rank, row[1:end], alerts, total, (first_ms, histogram))


async def _ranks(walk: _Walk, keys: Sequence[tuple[Any, ...]], offset: int) -> list[int]:
    """1, 1, 3 …; only the first of a later page has to be looked up: it may equal the last of the page before."""
    ranks: list[int] = []
    for place, key in enumerate(keys, start=offset + 1):
        if ranks:
            ranks.append(ranks[-1] if key == keys[len(ranks) - 1] else place)
        else:
            better = {f"key{number}": value for number, value in enumerate(key)}
            ranks.append(1 + await walk.count(_better, **better) if offset else place)
    return ranks


@dataclass(frozen=True)
class _Walk:
    """A question to one table: of which alert or month, among which units."""

    session: AsyncSession
    span: Span
    among: Among

    @property
    def values(self) -> dict[str, Any]:
        return self.among.values() | {"key": (*self.span.months, *self.span.alert_ids)[0]}

    def _statement(self, make: Any) -> Any:
        return make(self.among.shape, bool(self.span.months))

    async def count(self, make: Any, **values: Any) -> int:
        return await self.session.scalar(self._statement(make), self.values | values) or 0

    async def ranked(self, limit: int, offset: int) -> Sequence[Any]:
        query = self._statement(_page).limit(limit).offset(offset)
        return (await self.session.execute(query, self.values)).all()

    async def unranked(self, limit: int, offset: int) -> Sequence[Unit]:
        query = self._statement(_rest).limit(limit).offset(offset)
        return (await self.session.scalars(query, self.values)).all()


def _table(by_month: bool) -> tuple[Any, sa.ColumnElement[bool]]:
    """The table, and which of its rows."""
    table: Any = RollupMonth if by_month else Rollup
    key = RollupMonth.month if by_month else Rollup.alert_id
    return table, key == sa.bindparam("key")


def _among(shape: Shape) -> list[sa.ColumnElement[bool]]:
    return [CONDITIONS[name] for name in shape]


def _joined(query: sa.Select[Any], shape: Shape, by_month: bool) -> sa.Select[Any]:
    """Rows of the level; the unit is only looked at where more than its level is asked."""
    table, here = _table(by_month)
    of_level = table.level == sa.bindparam("level")
    others = [CONDITIONS[name] for name in shape if name != "level"]
    return query.where(here, of_level, *others)


@cache
def _page(shape: Shape, by_month: bool) -> sa.Select[Any]:
    table, _ = _table(by_month)
    counts = [getattr(table, name) for name in COUNTS]
    alerts, first_ms = (RollupMonth.alerts, sa.null()) if by_month else (sa.literal(1), Rollup.first_ms)
    keys = [getattr(table, name) for name in KEYS]
    query = sa.select(Unit, *counts, alerts, first_ms, table.histogram, *(key.label(f"k_{key.key}") for key in keys))
    query = query.select_from(table).join(Unit, Unit.id == table.unit_id)
    return _joined(query, shape, by_month).order_by(*(key.desc() for key in keys), Unit.path)


@cache
def _counted(shape: Shape, by_month: bool) -> sa.Select[Any]:
    """Units in use, and those retired since of which something was expected."""
    table, here = _table(by_month)
    count = sa.select(sa.func.count()).select_from(Unit).where(*_among(shape))
    active = count.where(Unit.state == UnitState.ACTIVE).scalar_subquery()
    gone = count.join(table, sa.and_(table.unit_id == Unit.id, here)).where(Unit.state == UnitState.RETIRED)
    return sa.select(active + gone.scalar_subquery())


@cache
def _counted_ranked(shape: Shape, by_month: bool) -> sa.Select[Any]:
    table, _ = _table(by_month)
    query = sa.select(sa.func.count()).select_from(table)
    if len(shape) > 1:
        query = query.join(Unit, Unit.id == table.unit_id)
    return _joined(query, shape, by_month)


@cache
def _better(shape: Shape, by_month: bool) -> sa.Select[Any]:
    """How many have a better key than `key0` … `key3`."""
    table, _ = _table(by_month)
    keys = [getattr(table, name) for name in KEYS]
    given = sa.tuple_(*(sa.bindparam(f"key{number}", type_=key.type) for number, key in enumerate(keys)))
    return _counted_ranked(shape, by_month).where(sa.tuple_(*keys) > given)


@cache
def _rest(shape: Shape, by_month: bool) -> sa.Select[Any]:
    """Units in use of which nothing was expected, in the order of the tree."""
    table, here = _table(by_month)
    expected = sa.exists().where(table.unit_id == Unit.id, here)
    return sa.select(Unit).where(*_among(shape), Unit.state == UnitState.ACTIVE, ~expected).order_by(Unit.path)
