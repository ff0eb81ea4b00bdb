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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Rollup, RollupMonth, Unit
from db.periods import Span
from db.states import UnitState
from db.tally import COUNTS

REACHED = ("pushed", "forwarded", "reported")
Condition = sa.ColumnElement[bool]


@dataclass(frozen=True)
class Ranked:
    """A unit, its rank, what was added up in the order of `COUNTS`, and how many alerts that was."""

    unit: Unit
    rank: int | None
    counts: Sequence[int]
    alerts: int
    total: int  # units of the whole table, of which this is one row


async def rank_units(
    session: AsyncSession,
    span: Span,
    where: Sequence[Condition],
    *,
    limit: int | None = None,
    offset: int = 0,
) -> list[Ranked]:
    """Units that meet the conditions, best first. A unit that has been retired since is among them only where it was
    expected to have an alert."""
    sums = _sums(span, where).subquery()
    rank, expected = _rank(sums)
    shown = sa.or_(Unit.state == UnitState.ACTIVE, expected > 0)
    counts = [sa.func.coalesce(sums.c[name], 0) for name in (*COUNTS, "alerts")]
    query = sa.select(Unit, rank, sa.func.count().over(), *counts).outerjoin(sums, sums.c.unit_id == Unit.id)
    query = query.where(*where, shown).order_by(rank.is_(None), rank, Unit.path).limit(limit).offset(offset)
    rows = (await session.execute(query)).all()
    end = 3 + len(COUNTS)
    return [Ranked(row[0], row[1], [int(n) for n in row[3:end]], int(row[end]), row[2]) for row in rows]


def sources(span: Span) -> list[tuple[Any, Any, Condition]]:
    """Tables to read, what counts their alerts, and which of their rows."""
    found: list[tuple[Any, Any, Condition]] = []
    if span.months:
        found.append((RollupMonth, RollupMonth.alerts, RollupMonth.month.in_(span.months)))
    if span.alert_ids or not span.months:
        found.append((Rollup, sa.literal_column("1"), Rollup.alert_id.in_(span.alert_ids)))
    return found


def _sums(span: Span, where: Sequence[Condition]) -> sa.Select[Any]:
    """Unit id and figures. The units' conditions are inside, or both databases would add up all other units first."""
    parts = [
        sa.select(Unit.id.label("unit_id"), *(getattr(table, name) for name in COUNTS), alerts.label("alerts"))
        .join(table, table.unit_id == Unit.id)
        .where(*where, these)
        for table, alerts, these in sources(span)
    ]
    if len(parts) == 1 and len(span.months) + len(span.alert_ids) == 1:
        return parts[0]
    every = sa.union_all(*parts).subquery() if len(parts) > 1 else parts[0].subquery()
    added = (sa.func.sum(every.c[name]).label(name) for name in (*COUNTS, "alerts"))
    return sa.select(every.c.unit_id, *added).group_by(every.c.unit_id)


def _rank(sums: Any) -> tuple[sa.ColumnElement[int | None], sa.ColumnElement[int]]:
    expected = sa.func.coalesce(sums.c.expected_groups, 0)
    groups, members = (sum(sums.c[f"{way}_{what}"] for way in REACHED) for what in ("groups", "members"))
    order = (
        _share(groups, sums.c.expected_groups).desc(),
        _share(members, sums.c.expected_members).desc(),
        _share(sums.c.ontime_groups, sums.c.expected_groups).desc(),
        sums.c.expected_members.desc(),
    )
    rank = sa.func.rank().over(partition_by=expected > 0, order_by=order)
    return sa.case((expected > 0, rank), else_=None), expected


def _share(part: Any, whole: Any) -> sa.ColumnElement[float]:
    return sa.func.coalesce(sa.cast(part, sa.Double) / sa.func.nullif(sa.cast(whole, sa.Double), 0.0), 0.0)
