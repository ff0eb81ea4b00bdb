"""The roll-up: per alert and unit, the figures of the unit's whole subtree, kept in step with the reach rows.

Rules, the same for `fold_step` (quick, in batches) and `recount` (naive, from all rows):

- A group counts for the unit that its reach row froze, and for every ancestor of that unit in the present tree.
- Only expected groups count. One that was reached without being in the audience stays in `reach` and in the log of
  forwards, but raises nothing, so that coverage never exceeds 100 %.
- Latency runs from the alert's release, in whole milliseconds, and is never negative. A group is on time when it was
  reached before the deadline that was frozen with the release.
- `rollup_months` holds the same figures added up over the alerts of a month; it changes in the same transaction.

Folding reads and writes absolute values and is therefore the work of one leader at a time: a write transaction on
SQLite, an advisory lock on PostgreSQL. A reach row's mark `folded` changes in the same transaction as the figures,
so a crash at any instant counts nothing twice and loses nothing. `db.histogram` describes the latency buckets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.histogram import from_stored
from db.models import Alert, HeldReport, Reach, Rollup, RollupMonth, Unit
from db.tally import COUNTS, MONTH_COLUMNS, ROLLUP_COLUMNS, Tallies, Tally, is_late, latency_ms, month_of
from db.units import ancestor_paths

T = TypeVar("T")

BATCH = 2000
"""Reach rows folded per transaction: some 0.1 s of the one writer that SQLite has (`make bench ARGS=reach`)."""

OFFICE = ZoneInfo("Asia/Shanghai")
"""Whose calendar decides the month of a release, unless the caller says otherwise."""

_CHUNK = 5000  # values of one IN list; both databases take some 32,000 parameters
_LEADER_KEY = 0x7866_726F_6C6C  # "xfroll"


@dataclass(frozen=True)
class Difference:
    """A figure of the roll-up that a recount does not confirm."""

    alert_id: int  # 0: of a month
    unit_id: int
    name: str  # of the column
    stored: Any
    counted: Any
    month: int  # 202611; 0 for an alert that has none


# ── folding ─────────────────────────────────────────────────────────────────


async def has_work(session: AsyncSession) -> bool:
    """Whether anything waits to be folded: two quick reads, so that an idle folder never takes the writer."""
    return await _next_unrolled(session) is not None or (await session.execute(_unfolded(1))).first() is not None


async def lead(session: AsyncSession, *, wait: bool = False) -> bool:
    """Become the one who folds until this transaction ends; False when another process is it now."""
    if session.get_bind().dialect.name != "postgresql":
        return True  # a write transaction is alone on SQLite
    if wait:
        await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LEADER_KEY)))
        return True
    return bool(await session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LEADER_KEY))))


async def fold_step(session: AsyncSession, *, limit: int = BATCH, zone: tzinfo = OFFICE) -> int:
    """Fold one newly released alert's expectations or one batch of reached groups; returns how many rows it took.

    0 means that everything is folded. The caller leads (`lead`) and commits.
    """
    alert_id = await _next_unrolled(session)
    if alert_id is not None:
        return await _fold_expected(session, alert_id, zone)
    rows = await _take_unfolded(session, limit)
    own = _by_alert(rows, await _releases(session, {row[0] for row in rows}))
    months: dict[int, Tallies] = {}
    for (each, month), tallies in own.items():
        fresh = await _sum_up(session, tallies)
        _add_up(months.setdefault(month, {}), fresh)
        await _raise(session, Rollup, "alert_id", each, fresh)
    for month, tallies in months.items():
        await _raise(session, RollupMonth, "month", month, tallies)
    return len(rows)


async def _next_unrolled(session: AsyncSession) -> int | None:
    query = sa.select(Alert.id).where(Alert.released_at.is_not(None), Alert.rolled_up.is_(False))
    return await session.scalar(query.order_by(Alert.id).limit(1))


async def _fold_expected(session: AsyncSession, alert_id: int, zone: tzinfo) -> int:
    """Put a released alert's expected figures in; at least 1, because the alert itself was work."""
    expected = (
        sa.select(Reach.unit_id, sa.func.count(), sa.func.sum(Reach.members))
        .where(Reach.alert_id == alert_id, Reach.expected)
        .group_by(Reach.unit_id)
    )
    rows = (await session.execute(expected)).all()
    own = {unit_id: Tally(expected_groups=groups, expected_members=int(members)) for unit_id, groups, members in rows}
    tallies = await _sum_up(session, own)
    released_at, month = (
        await session.execute(sa.select(Alert.released_at, Alert.month).where(Alert.id == alert_id))
    ).one()
    if month is None:
        assert released_at is not None
        month = month_of(released_at, zone)
    await _store(session, Rollup, "alert_id", alert_id, tallies)
    await _raise(session, RollupMonth, "month", month, {unit: _once(tally) for unit, tally in tallies.items()})
    await affected(session, sa.update(Alert).where(Alert.id == alert_id).values(rolled_up=True, month=month))
    return max(1, len(rows))


def _once(tally: Tally) -> Tally:
    """What one alert adds to its month."""
    expected = (tally.expected_groups, tally.expected_members)
    return Tally(*expected, alerts=1, level=tally.level)


def _unfolded(limit: int) -> sa.Select[int, int]:
    """Reached rows that the figures do not hold yet; the condition is that of the partial index."""
    query = sa.select(Reach.alert_id, Reach.group_id)
    held = sa.exists().where(HeldReport.alert_id == Reach.alert_id, HeldReport.group_id == Reach.group_id)
    query = query.where(Reach.reached_at.is_not(None), Reach.folded == sa.false(), ~held)
    return query.order_by(Reach.alert_id, Reach.unit_id, Reach.group_id).limit(limit)


async def _take_unfolded(session: AsyncSession, limit: int) -> Sequence[Any]:
    """Mark a batch as folded and return just those rows: nothing that comes in meanwhile is marked unseen."""
    batch = sa.tuple_(Reach.alert_id, Reach.group_id).in_(_unfolded(limit))
    columns = (Reach.alert_id, Reach.unit_id, Reach.members, Reach.expected, Reach.way, Reach.reached_at)
    taken = sa.update(Reach).where(batch).values(folded=True).returning(*columns)
    return (await session.execute(taken, execution_options={"synchronize_session": False})).all()


async def _releases(session: AsyncSession, alert_ids: Collection[int]) -> dict[int, Any]:
    query = sa.select(Alert.id, Alert.released_at, Alert.deadline_at, Alert.month).where(Alert.id.in_(alert_ids))
    return {row.id: row for row in await session.execute(query)}


def _by_alert(rows: Sequence[Any], releases: Mapping[int, Any]) -> dict[tuple[int, int], Tallies]:
    """(alert id, its month) → what its rows add to each unit itself."""
    found: dict[tuple[int, int], Tallies] = {}
    for alert_id, unit_id, members, expected, way, reached_at in rows:
        if expected:
            alert = releases[alert_id]
            tally = found.setdefault((alert_id, alert.month), {}).setdefault(unit_id, Tally())
            ms = latency_ms(alert.released_at, reached_at)
            tally.reach(way, members, ms, late=is_late(reached_at, alert.deadline_at))
    return found


def _add_up(tallies: Tallies, more: Mapping[int, Tally]) -> None:
    for unit_id, tally in more.items():
        tallies.setdefault(unit_id, Tally()).merge(tally)


async def _sum_up(session: AsyncSession, own: Mapping[int, Tally]) -> Tallies:
    """The figures of each unit itself, added to all its ancestors."""
    tallies: Tallies = {}
    for unit_id, ancestors in (await _ancestors(session, own)).items():
        for ancestor, level in ancestors:
            tallies.setdefault(ancestor, Tally(level=level)).merge(own[unit_id])
    return tallies


async def _ancestors(session: AsyncSession, unit_ids: Collection[int]) -> dict[int, list[tuple[int, int]]]:
    """Unit id → ids and levels from the root down to the unit itself."""
    paths: dict[int, str] = {}
    for chunk in _chunks(list(unit_ids)):
        rows = await session.execute(sa.select(Unit.id, Unit.path).where(Unit.id.in_(chunk)))
        paths.update((unit_id, path) for unit_id, path in rows)
    trails = {unit_id: ancestor_paths(path) for unit_id, path in paths.items()}
    ids: dict[str, tuple[int, int]] = {}
    for part in _chunks(list({path for trail in trails.values() for path in trail})):
        found = await session.execute(sa.select(Unit.path, Unit.id, Unit.level).where(Unit.path.in_(part)))
        ids.update((path, (unit_id, level)) for path, unit_id, level in found)
    return {unit_id: [ids[path] for path in trail if path in ids] for unit_id, trail in trails.items()}


async def _raise(session: AsyncSession, table: Any, name: str, key: int, tallies: Tallies) -> None:
    """Add to the rows of one alert or month; `tallies` then holds what these say."""
    for unit_id, stored in (await _stored(session, table, name, key, tallies)).items():
        stored.merge(tallies[unit_id])
        tallies[unit_id] = stored
    await _store(session, table, name, key, tallies)


async def _stored(session: AsyncSession, table: Any, name: str, key: int, unit_ids: Collection[int]) -> Tallies:
    stored: Tallies = {}
    for chunk in _chunks(list(unit_ids)):
        rows = await session.execute(_rows_of(table, name, key).where(table.unit_id.in_(chunk)))
        stored.update((row[0], _as_tally(row)) for row in rows)
    return stored


def _rows_of(table: Any, name: str, key: int) -> sa.Select[Any]:
    # The table, not the class: loaded objects would keep the figures of an earlier batch.
    columns = table.__table__.columns
    return sa.select(columns.unit_id, *(columns[each] for each in _columns(table))).where(columns[name] == key)


def _columns(table: Any) -> tuple[str, ...]:
    return ROLLUP_COLUMNS if table is Rollup else MONTH_COLUMNS


def _as_tally(row: Any) -> Tally:
    """COUNTS come first in both tables, then what only one has, then the histogram."""
    tally = Tally(*row[1 : 1 + len(COUNTS)])
    tally.histogram, tally.level = from_stored(row.histogram), row.level
    if hasattr(row, "first_ms"):
        tally.first_ms = row.first_ms
    else:
        tally.alerts = row.alerts
    return tally


async def _store(session: AsyncSession, table: Any, name: str, key: int, tallies: Tallies) -> None:
    if not tallies:
        return
    columns = _columns(table)
    insert = upsert(session, table.__table__)
    insert = insert.on_conflict_do_update(
        index_elements=[name, "unit_id"], set_={each: insert.excluded[each] for each in columns}
    )
    rows = [{name: key, "unit_id": unit_id} | tally.columns(columns) for unit_id, tally in tallies.items()]
    await session.execute(insert, rows)


def _chunks(values: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


# ── checking ────────────────────────────────────────────────────────────────


async def recount(session: AsyncSession, alert_id: int, *, folded_only: bool = False) -> Tallies:
    """The figures of every unit that has any, counted afresh from the reach rows, one by one and up the parents.

    `folded_only` counts what the roll-up should hold now: not the groups that wait for the next batch.
    """
    units = (await session.execute(sa.select(Unit.id, Unit.parent_id, Unit.level))).all()
    parents: dict[int, int | None] = {row.id: row.parent_id for row in units}
    levels = {row.id: row.level for row in units}
    columns = (Reach.unit_id, Reach.members, Reach.way, Reach.reached_at, Reach.folded)
    rows = await session.execute(
        sa.select(*columns, Alert.released_at, Alert.deadline_at)
        .join(Alert, Alert.id == Reach.alert_id)
        .where(Reach.alert_id == alert_id, Reach.expected)
    )
    tallies: Tallies = {}
    for unit_id, members, way, reached_at, folded, released_at, deadline_at in rows:
        unit: int | None = unit_id
        while unit is not None:
            tally = tallies.setdefault(unit, Tally(level=levels[unit]))
            tally.expected_groups += 1
            tally.expected_members += members
            if way and reached_at and released_at and (folded or not folded_only):
                tally.reach(way, members, latency_ms(released_at, reached_at), late=is_late(reached_at, deadline_at))
            unit = parents[unit]
    return tallies


async def verify_rollup(session: AsyncSession) -> list[Difference]:
    """Every figure that differs between the roll-up and a recount; empty when all agree. While somebody may be folding
    or reporting, ask it in a `Database.snapshot`.

    Takes seconds per 100,000 groups: a check for the night, not for a page.
    """
    differences: list[Difference] = []
    months: dict[int, Tallies] = {
        month: {} for month in await session.scalars(sa.select(RollupMonth.month).distinct())
    }
    rolled_up = await session.execute(sa.select(Alert.id, Alert.month).where(Alert.rolled_up).order_by(Alert.id))
    for alert_id, month in rolled_up.all():
        counted = await recount(session, alert_id, folded_only=True)
        stored = await session.execute(_rows_of(Rollup, "alert_id", alert_id))
        differences += _compare(stored, counted, ROLLUP_COLUMNS, alert_id=alert_id, month=month or 0)
        for tally in counted.values():
            tally.alerts = 1
        _add_up(months.setdefault(month or 0, {}), counted)
    for month, tallies in sorted(months.items()):
        stored = await session.execute(_rows_of(RollupMonth, "month", month))
        differences += _compare(stored, tallies, MONTH_COLUMNS, alert_id=0, month=month)
    return differences


def _compare(
    rows: Iterable[Any], counted: Tallies, columns: Sequence[str], *, alert_id: int, month: int
) -> list[Difference]:
    stored = {row[0]: _as_tally(row) for row in rows}
    differences: list[Difference] = []
    for unit_id in sorted(counted.keys() | stored.keys()):
        ours = stored.get(unit_id, Tally()).columns(columns)
        theirs = counted.get(unit_id, Tally()).columns(columns)
        differences += [
            Difference(alert_id, unit_id, name, ours[name], theirs[name], month)
            for name in ours
            if ours[name] != theirs[name]
        ]
    return differences


async def count_unfolded(session: AsyncSession) -> int:
    """Reached groups that wait for the next batch."""
    query = sa.select(sa.func.count()).select_from(Reach)
    return await session.scalar(query.where(Reach.reached_at.is_not(None), Reach.folded == sa.false())) or 0


async def forget_rollup(session: AsyncSession, alert_id: int | None = None, *, month: int | None = None) -> None:
    """Drop figures so that they are folded anew, to repair them: those of a month, or of the month of an alert. Without
    either those of every alert, as must be done in the transaction that moves units in the tree."""
    await lead(session, wait=True)
    if alert_id is not None:
        month = await session.scalar(sa.select(Alert.month).where(Alert.id == alert_id))
    ours = sa.true() if month is None else Alert.month == month
    if alert_id is not None and month is None:
        ours = Alert.id == alert_id
    alerts = sa.select(Alert.id).where(ours)
    these = (lambda column: column.in_(alerts)) if ours is not sa.true() else (lambda _: sa.true())
    await affected(session, sa.delete(Rollup).where(these(Rollup.alert_id)))
    await affected(session, sa.update(Reach).where(these(Reach.alert_id), Reach.folded).values(folded=False))
    await affected(session, sa.update(Alert).where(ours, Alert.rolled_up).values(rolled_up=False))
    if alert_id is None or month is not None:
        await affected(session, sa.delete(RollupMonth).where(*([RollupMonth.month == month] if month else [])))
