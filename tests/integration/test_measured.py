"""The hot paths count and time themselves."""

from __future__ import annotations

import json

import pytest

from bot import metrics
from bot.clock import SystemClock
from db.session import Database
from tests.chatting import knowledge
from tests.console import open_console
from tests.fakes import FakeChannel
from tests.world import Post, build_world, quick_settings, release, settled, until

CLOCK = SystemClock()


async def test_every_message_that_is_sent_has_its_wait_counted(sqlite_database: Database) -> None:
    settings = quick_settings(gap_seconds=0.3)
    async with sqlite_database.write() as session:
        world = await build_world(session)
    before, waited = metrics.PACING_WAIT.count, metrics.PACING_WAIT.total
    alert = await release(sqlite_database, world, settings, CLOCK.now())
    async with Post(sqlite_database, settings, FakeChannel(CLOCK, ("心防1号",)), CLOCK):
        await until(lambda: settled(sqlite_database, alert.id))
    sent = len(world.groups)
    assert metrics.PACING_WAIT.count - before == sent
    assert 0 < metrics.PACING_WAIT.total - waited <= 0.3 * sent  # what a busy machine took itself is no wait


async def test_questions_are_counted_by_what_the_asker_got(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.app.Knowledge", knowledge)
    counts = {kind: metrics.QUESTIONS.value(outcome=kind) for kind in ("emergency", "none")}
    before = metrics.MATCH_TIME.count
    async with open_console(sqlite_database) as console:
        for text in ("我刚给骗子转了五千块，怎么办", "今天的海鲜多少钱一斤"):
            await console.browser().request(
                "POST",
                "/ask/messages",
                data=json.dumps({"text": text}).encode(),
                headers={"X-Dialog": "0123456789abcdef" * 2, "Content-Type": "application/json"},
            )
        found = (await console.browser().get("/metrics")).text
    assert metrics.QUESTIONS.value(outcome="emergency") == counts["emergency"] + 1
    assert metrics.QUESTIONS.value(outcome="none") == counts["none"] + 1
    assert metrics.MATCH_TIME.count == before + 2
    assert 'xinfang_questions_total{outcome="emergency"}' in found
