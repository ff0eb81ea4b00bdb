"""How long the registry import of a province takes, beside the bare database doing the same inserts.

    python -m benchmarks.bench_import [DIVISIONS.csv.gz]

Prints one JSON line. `ratio` is our apply ÷ a raw sqlite3 executemany of the same rows into an equal table, in one
transaction of the same durability, both in this run; only the ratio means anything on a busy machine.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.identity import SYSTEM
from bot.registry import apply_import, plan_import
from bot.sheets import read_tables
from db.models import Base
from db.session import Database

COLUMNS = ("code", "name", "kind", "level", "parent_id", "path", "tags", "liaison", "state")


def main() -> None:
    source = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data/zhejiang_divisions.csv.gz")
    data = gzip.decompress(source.read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asyncio.run(measure(data, Path(folder))), ensure_ascii=False))


async def measure(data: bytes, folder: Path) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    database = Database(f"sqlite:///{folder / 'ours.db'}")
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    started = time.perf_counter()
    tables = read_tables(data)
    figures["parse_s"] = _since(started)
    started = time.perf_counter()
    async with database.read() as session:
        plan = await plan_import(session, tables)
    figures["plan_s"] = _since(started)
    started = time.perf_counter()
    async with database.write() as session:
        await apply_import(session, plan, SYSTEM, datetime.now(UTC))
    figures["apply_s"] = _since(started)
    started = time.perf_counter()
    async with database.read() as session:
        again = await plan_import(session, tables)
    figures["plan_again_s"] = _since(started)
    figures["units"] = len(plan.units.added)
    figures["unchanged_again"] = again.is_empty
    await database.close()
    figures["raw_executemany_s"] = _raw(folder)
    figures["ratio"] = round(figures["apply_s"] / figures["raw_executemany_s"], 2)
    return figures


def _raw(folder: Path) -> float:
    """The same rows, ids given, by sqlite3 alone."""
    with sqlite3.connect(folder / "ours.db") as ours:
        rows = ours.execute(f"SELECT id, {', '.join(COLUMNS)} FROM units ORDER BY id").fetchall()
    ours.close()
    engine = sa.create_engine(f"sqlite:///{folder / 'raw.db'}")
    Base.metadata.create_all(engine)
    engine.dispose()
    raw = sqlite3.connect(folder / "raw.db", isolation_level=None)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        raw.execute(f"PRAGMA {pragma}")
    started = time.perf_counter()
    raw.execute("BEGIN IMMEDIATE")
    raw.executemany(f"INSERT INTO units (id, {', '.join(COLUMNS)}) VALUES (?{', ?' * len(COLUMNS)})", rows)
    raw.execute("COMMIT")
    seconds = _since(started)
    raw.close()
    return seconds


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)


if __name__ == "__main__":
    main()
