"""The roll-up: per alert and unit, the figures of the unit's whole subtree, kept in step with the reach rows.

Rules, the same for `fold_step` (quick, in batches) and `recount` (naive, from all rows):

- A group counts for the unit that its reach row froze, and for every ancestor of that unit in the present tree.
- Only expected groups count. One that was reached without being in the audience stays in `reach` and in the log of
  forwards, but raises nothing, so that coverage never exceeds 100 %.
- Latency runs from the alert's release, in whole milliseconds, and is never negative.

Folding reads and writes absolute values and is therefore the work of one leader at a time: a write transaction on
SQLite, an advisory lock on PostgreSQL. A reach row's mark `folded` changes in the same transaction as the figures,
so a crash at any instant counts nothing twice and loses nothing. `db.histogram` describes the latency buckets.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.histogram import from_stored
from db.models import Alert, Reach, Rollup, Unit
from db.tally import COUNTS, Tallies, Tally, latency_ms
from db.units import ancestor_paths

T = TypeVar("T")

BATCH = 2000
"""Reach rows folded per transaction: some 0.2 s of the one writer that SQLite has (20,000 groups in 1,885 units)."""

_CHUNK = 5000  # values of one IN list; both databases take some 32,000 parameters
_LEADER_KEY = 0x7866_726F_6C6C  # "xfroll"


@dataclass(frozen=True)
class Difference:
    """A figure of the roll-up that a recount does not confirm."""

    alert_id: int
    unit_id: int
    name: str  # of the column
    stored: Any
    counted: Any


# ── folding ─────────────────────────────────────────────────────────────────


async def has_work(session: AsyncSession) -> bool:
    """Whether anything waits to be folded: two quick reads, so that an idle folder never takes the writer."""
    return await _next_unrolled(session) is not None or bool(await _unfolded(session, limit=1))


async def lead(session: AsyncSession, *, wait: bool = False) -> bool:
    """Become the one who folds until this transaction ends; False when another process is it now."""
    if session.get_bind().dialect.name != "postgresql":
        return True  # a write transaction is alone on SQLite
    if wait:
        await session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LEADER_KEY)))
        return True
    return bool(await session.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LEADER_KEY))))


async def fold_step(session: AsyncSession, *, limit: int = BATCH) -> int:
    """Fold one newly released alert's expectations or one batch of reached groups; returns how many rows it took.

    0 means that everything is folded. The caller leads (`lead`) and commits.
    """
    alert_id = await _next_unrolled(session)
    if alert_id is not None:
        return await _fold_expected(session, alert_id)
    rows = await _unfolded(session, limit=limit)
    by_alert: dict[int, list[Any]] = {}
    for row in rows:
        by_alert.setdefault(row.alert_id, []).append(row)
    for each, reached in by_alert.items():
        await _fold_reached(session, each, reached)
    return len(rows)


async def _next_unrolled(session: AsyncSession) -> int | None:
    query = sa.select(Alert.id).where(Alert.released_at.is_not(None), Alert.rolled_up.is_(False))
    return await session.scalar(query.order_by(Alert.id).limit(1))


async def _fold_expected(session: AsyncSession, alert_id: int) -> int:
    """Put a released alert's expected figures in; at least 1, because the alert itself was work."""
    expected = (
        sa.select(Reach.unit_id, sa.func.count(), sa.func.sum(Reach.members))
        .where(Reach.alert_id == alert_id, Reach.expected)
        .group_by(Reach.unit_id)
    )
    rows = (await session.execute(expected)).all()
    own = {unit_id: Tally(expected_groups=groups, expected_members=int(members)) for unit_id, groups, members in rows}
    await _store(session, alert_id, await _sum_up(session, own))
    await affected(session, sa.update(Alert).where(Alert.id == alert_id).values(rolled_up=True))
    return max(1, len(rows))


async def _unfolded(session: AsyncSession, *, limit: int) -> Sequence[Any]:
    """Reached rows that the figures do not hold yet; the condition is that of the partial index."""
    query = (
        sa.select(
            Reach.alert_id,
            Reach.group_id,
            Reach.unit_id,
            Reach.members,
            Reach.expected,
            Reach.way,
            Reach.reached_at,
            Alert.released_at,
        )
        .join(Alert, Alert.id == Reach.alert_id)
        .where(Reach.reached_at.is_not(None), Reach.folded == sa.false())
        .order_by(Reach.alert_id, Reach.group_id)
        .limit(limit)
    )
    return (await session.execute(query)).all()


async def _fold_reached(session: AsyncSession, alert_id: int, rows: Sequence[Any]) -> None:
    own: Tallies = {}
    for row in rows:
        if row.expected:
            tally = own.setdefault(row.unit_id, Tally())
            tally.reach(row.way, row.members, latency_ms(row.released_at, row.reached_at))
    tallies = await _sum_up(session, own)
    for unit_id, stored in (await _stored(session, alert_id, tallies)).items():
        tallies[unit_id].merge(stored)
    await _store(session, alert_id, tallies)
    for groups in _chunks([row.group_id for row in rows]):
        marked = sa.update(Reach).where(Reach.alert_id == alert_id, Reach.group_id.in_(groups))
        await affected(session, marked.values(folded=True))


async def _sum_up(session: AsyncSession, own: Mapping[int, Tally]) -> Tallies:
    """The figures of each unit itself, added to all its ancestors."""
    tallies: Tallies = {}
    for unit_id, ancestors in (await _ancestors(session, own)).items():
        for ancestor in ancestors:
            tallies.setdefault(ancestor, Tally()).merge(own[unit_id])
    return tallies


async def _ancestors(session: AsyncSession, unit_ids: Collection[int]) -> dict[int, list[int]]:
    """Unit id → ids from the root down to the unit itself."""
    paths: dict[int, str] = {}
    for chunk in _chunks(list(unit_ids)):
        rows = await session.execute(sa.select(Unit.id, Unit.path).where(Unit.id.in_(chunk)))
        paths.update((unit_id, path) for unit_id, path in rows)
    trails = {unit_id: ancestor_paths(path) for unit_id, path in paths.items()}
    ids: dict[str, int] = {}
    for part in _chunks(list({path for trail in trails.values() for path in trail})):
        found = await session.execute(sa.select(Unit.path, Unit.id).where(Unit.path.in_(part)))
        ids.update((path, unit_id) for path, unit_id in found)
    return {unit_id: [ids[path] for path in trail if path in ids] for unit_id, trail in trails.items()}


async def _stored(session: AsyncSession, alert_id: int, unit_ids: Collection[int]) -> Tallies:
    stored: Tallies = {}
    for chunk in _chunks(list(unit_ids)):
        rows = await session.execute(_rollup_rows(alert_id).where(Rollup.unit_id.in_(chunk)))
        stored.update((row.unit_id, _as_tally(row)) for row in rows)
    return stored


def _rollup_rows(alert_id: int) -> sa.Select[Any]:
    # The table, not the class: loaded objects would keep the figures of an earlier batch.
    return sa.select(Rollup.__table__).where(Rollup.alert_id == alert_id)


def _as_tally(row: Any) -> Tally:
    counts = {name: getattr(row, name) for name in COUNTS}
    return Tally(**counts, first_ms=row.first_ms, histogram=from_stored(row.histogram))


async def _store(session: AsyncSession, alert_id: int, tallies: Tallies) -> None:
    if not tallies:
        return
    insert = upsert(session, Rollup.__table__)
    columns = (*COUNTS, "first_ms", "histogram")
    insert = insert.on_conflict_do_update(
        index_elements=["alert_id", "unit_id"], set_={name: insert.excluded[name] for name in columns}
    )
    rows = [{"alert_id": alert_id, "unit_id": unit_id} | tally.columns() for unit_id, tally in tallies.items()]
    await session.execute(insert, rows)


def _chunks(values: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(values), _CHUNK):
        yield values[start : start + _CHUNK]


# ── checking ────────────────────────────────────────────────────────────────


async def recount(session: AsyncSession, alert_id: int, *, folded_only: bool = False) -> Tallies:
    """The figures of every unit that has any, counted afresh from the reach rows, one by one and up the parents.

    `folded_only` counts what the roll-up should hold now: not the groups that wait for the next batch.
    """
    units = await session.execute(sa.select(Unit.id, Unit.parent_id))
    parents: dict[int, int | None] = {row.id: row.parent_id for row in units}
    rows = await session.execute(
        sa.select(Reach.unit_id, Reach.members, Reach.way, Reach.reached_at, Reach.folded, Alert.released_at)
        .join(Alert, Alert.id == Reach.alert_id)
        .where(Reach.alert_id == alert_id, Reach.expected)
    )
    tallies: Tallies = {}
    for unit_id, members, way, reached_at, folded, released_at in rows:
        unit: int | None = unit_id
        while unit is not None:
            tally = tallies.setdefault(unit, Tally())
            tally.expected_groups += 1
            tally.expected_members += members
            if way and reached_at and released_at and (folded or not folded_only):
                tally.reach(way, members, latency_ms(released_at, reached_at))
            unit = parents[unit]
    return tallies


async def verify_rollup(session: AsyncSession) -> list[Difference]:
    """Every figure that differs between the roll-up and a recount; empty when all agree. Also right while folding.

    Takes seconds per 100,000 groups: a check for the night, not for a page.
    """
    if session.get_bind().dialect.name == "postgresql" and not session.in_transaction():
        # One snapshot for all queries; SQLite's read transactions always are.
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    differences: list[Difference] = []
    rolled_up = await session.scalars(sa.select(Alert.id).where(Alert.rolled_up).order_by(Alert.id))
    for alert_id in rolled_up.all():
        counted = await recount(session, alert_id, folded_only=True)
        rows = await session.execute(_rollup_rows(alert_id))
        stored = {row.unit_id: _as_tally(row) for row in rows}
        for unit_id in sorted(counted.keys() | stored.keys()):
            ours = stored.get(unit_id, Tally()).columns()
            theirs = counted.get(unit_id, Tally()).columns()
            differences += [
                Difference(alert_id, unit_id, name, ours[name], theirs[name])
                for name in ours
                if ours[name] != theirs[name]
            ]
    return differences


async def count_unfolded(session: AsyncSession) -> int:
    """Reached groups that wait for the next batch."""
    query = sa.select(sa.func.count()).select_from(Reach)
    return await session.scalar(query.where(Reach.reached_at.is_not(None), Reach.folded == sa.false())) or 0


async def forget_rollup(session: AsyncSession, alert_id: int | None = None) -> None:
    """Drop an alert's figures so that they are folded anew, to repair them; without an id those of every alert, as
    must be done in the transaction that moves units in the tree."""
    await lead(session, wait=True)
    these = (lambda column: column == alert_id) if alert_id is not None else (lambda _: sa.true())
    await affected(session, sa.delete(Rollup).where(these(Rollup.alert_id)))
    await affected(session, sa.update(Reach).where(these(Reach.alert_id), Reach.folded).values(folded=False))
    await affected(session, sa.update(Alert).where(these(Alert.id), Alert.rolled_up).values(rolled_up=False))
