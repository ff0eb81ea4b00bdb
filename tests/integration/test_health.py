"""What supervisors and monitoring ask: alive, ready, and figures that agree with the rows."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import metrics
from bot.doctor import NO_SPACE
from bot.metrics import Counter, Histogram, rendered
from db.models import Delivery, Lead, Reply
from db.session import Database
from db.states import AccountState, AlertState, DeliveryState, LeadReason
from tests.console import Browser, Console, make_county, open_console
from tests.factories import make_alert

ROOT = Path(__file__).parents[2]
SAMPLE = re.compile(r'([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\.)*"(?:,[a-z_]+="(?:[^"\\\n]|\\.)*")*\})? (\S+)')


def samples(text: str) -> dict[str, float]:
    """Every sample of an exposition; refuses what Prometheus would refuse."""
    found: dict[str, float] = {}
    typed: set[str] = set()
    assert text.endswith("\n")
    for line in text.splitlines():
        if line.startswith("# "):
            _, word, name, _ = line.split(" ", 3)
            assert word in ("HELP", "TYPE")
            assert word == "HELP" or name not in typed
            typed |= {name} if word == "TYPE" else set()
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        assert match[1] in typed or re.sub("_(bucket|sum|count)$", "", match[1]) in typed
        assert match[1] + (match[2] or "") not in found
        found[match[1] + (match[2] or "")] = float(match[3])
    return found


async def read(browser: Browser) -> dict[str, float]:
    return samples((await browser.get("/metrics")).text)


async def test_not_ready_when_the_disk_is_almost_full(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.web.health.shutil.disk_usage", lambda _: SimpleNamespace(free=NO_SPACE - 1))
    async with open_console(sqlite_database) as console:
        console.engine.started = True
        answer = await console.browser().get("/readyz")
        assert (answer.status, answer.json["checks"]["disk"]) == (503, "full")


async def test_alive_and_ready_only_when_everything_is_started(database: Database) -> None:
    async with open_console(database) as console:
        browser = console.browser()
        assert (await browser.get("/healthz")).text == "ok\n"
        early = await browser.get("/readyz")
        assert (early.status, early.json["checks"]["channels"]) == (503, "starting")
        console.engine.started = True
        ready = await browser.get("/readyz")
        assert (ready.status, ready.json) == (
            200,
            {"ready": True, "checks": {"database": "ok", "migrations": "ok", "disk": "ok", "channels": "ok"}},
        )
        async with database.engine.begin() as connection:
            await connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
        assert (await browser.get("/readyz")).json["checks"]["migrations"] == "behind"
        async with database.engine.begin() as connection:  # a newer program has prepared the tables for itself
            await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
        assert (await browser.get("/readyz")).status == 200
        assert (await browser.get("/healthz")).status == 200


async def test_not_ready_without_the_database(tmp_path: Path) -> None:
    gone = Database(f"sqlite:///{tmp_path}/no/such/folder.db")
    async with open_console(gone) as console:
        console.engine.started = True
        answer = await console.browser().get("/readyz")
        assert (answer.status, answer.json["checks"]["database"]) == (503, "unreachable")
        assert (await console.browser().get("/healthz")).status == 200
    await gone.close()


async def _busy(console: Console) -> None:
    """An alert on its way: one sent with its echo, one sent without, one waiting, one in doubt."""
    county = await make_county(console.database)
    now = console.clock.now()
    console.clock.advance(100)
    async with console.database.write() as session:
        alert = await make_alert(session, state=AlertState.RUNNING, released_at=now)
        account = county.groups[0].account_id
        states = (DeliveryState.SENT, DeliveryState.SENT, DeliveryState.WAITING)
        for number, state in enumerate(states):
            sent = now if state is DeliveryState.SENT else None
            session.add(
                Delivery(
                    alert_id=alert.id,
                    group_id=county.groups[number].id,
                    account_id=account,
                    rank=0,
                    level=1,
                    state=state,
                    sent_at=sent,
                    echo_at=console.clock.now() if number == 0 else None,
                )
            )
        reply = {"channel": "local", "account_id": account, "room_id": "r", "message_id": "m", "text": "答"}
        session.add(Reply(created_at=now, **reply))
        session.add(Lead(reason=LeadReason.EMERGENCY, text="被骗", created_at=now))


async def test_the_figures_are_those_of_the_rows(database: Database) -> None:
    async with open_console(database) as console:
        await _busy(console)
        found = await read(console.browser())
    assert found['xinfang_deliveries{state="sent"}'] == 2
    assert found['xinfang_deliveries{state="waiting"}'] == 1
    assert found["xinfang_delivery_queue_age_seconds"] == 100
    assert found["xinfang_reply_queue_age_seconds"] == 100
    assert found["xinfang_echo_latency_max_seconds"] == 100
    assert found["xinfang_echo_missing"] == 1
    assert found["xinfang_alarms_open"] == 1
    assert sum(value for name, value in found.items() if name.startswith("xinfang_accounts{")) == 1


async def test_one_reading_serves_everybody_for_a_moment(sqlite_database: Database) -> None:
    async with open_console(sqlite_database) as console:
        before = await read(console.browser())
        await _busy(console)
        assert (await read(console.browser()))["xinfang_alarms_open"] == 1 != before["xinfang_alarms_open"]
        async with sqlite_database.write() as session:
            await session.execute(sa.delete(Lead))
        assert (await read(console.browser()))["xinfang_alarms_open"] == 1
        console.clock.advance(6)
        assert (await read(console.browser()))["xinfang_alarms_open"] == 0


async def test_metrics_are_for_this_machine_or_for_the_token(sqlite_database: Database) -> None:
    async def status(console: Console, **headers: str) -> int:
        return (await console.browser().request("GET", "/metrics", headers=headers)).status

    async with open_console(sqlite_database) as console:
        assert await status(console) == 200
        assert await status(console, **{"X-Forwarded-For": "10.0.0.7"}) == 403  # through a proxy on this machine
    async with open_console(sqlite_database, metrics_token="watch-the-county") as console:
        assert await status(console) == 403
        assert await status(console, Authorization="Bearer guess") == 403
        assert await status(console, Authorization="Bearer watch-the-county", **{"X-Forwarded-For": "1.2.3.4"}) == 200


async def test_statements_are_timed(sqlite_database: Database) -> None:
    metrics.watch_database(sqlite_database)
    before = metrics.DATABASE_TIME.count
    async with sqlite_database.read() as session:
        await session.execute(sa.text("SELECT 1"))
    await sqlite_database.batched(lambda session: session.execute(sa.text("SELECT 1")))
    assert metrics.DATABASE_TIME.count >= before + 2


async def test_the_rules_name_only_what_there_is(sqlite_database: Database) -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus-rules.yml").read_text(encoding="utf-8"))
    async with open_console(sqlite_database) as console:
        await _busy(console)
        text = (await console.browser().get("/metrics")).text
    known = set(re.findall(r"# TYPE (\S+)", text)) | {"up", "xinfang_backup_age_seconds"}
    states = {state.value for state in (*AccountState, *DeliveryState)}
    for rule in rules["groups"][0]["rules"]:
        for name in re.findall(r"\bxinfang_\w+|\bup\b", rule["expr"]):
            assert re.sub("_bucket$", "", name) in known, rule["alert"]
        for wanted in re.findall(r'state=~?"([^"]+)"', rule["expr"]):
            assert set(wanted.split("|")) <= states, rule["alert"]
        assert rule["annotations"]["summary"]
        number = re.fullmatch(r"docs/operations\.md (\d+)", rule["annotations"]["action"])
        if number:
            assert f"\n## {number[1]}. " in (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


@given(st.lists(st.floats(0, 1000), max_size=40))
@settings(deadline=None, max_examples=60)
def test_histograms_add_up(values: list[float]) -> None:
    histogram = Histogram("x_seconds", "Time.", (0.1, 1.0, 10.0))
    for value in values:
        histogram.observe(value)
    found = samples(rendered([histogram]))
    assert found['x_seconds_bucket{le="+Inf"}'] == found["x_seconds_count"] == len(values)
    assert found['x_seconds_bucket{le="1"}'] == sum(value <= 1 for value in values)
    assert found["x_seconds_sum"] == pytest.approx(sum(values))


@given(st.dictionaries(st.text(max_size=20), st.integers(1, 5), max_size=5))
@settings(deadline=None, max_examples=60)
def test_labels_are_escaped(counts: dict[str, int]) -> None:
    counter = Counter("x_total", "Things.")
    for label, count in counts.items():
        counter.add(count, name=label)
    text = rendered([counter])
    assert sum(float(line.rsplit(" ", 1)[1]) for line in text.split("\n") if line.startswith("x_total")) == sum(
        counts.values()
    )
    for label, count in counts.items():
        assert counter.value(name=label) == count
