"""What is kept no longer goes, and nothing else: on both databases, in pieces, once a night."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot import retention
from bot.events import Events
from bot.folding import Folding
from bot.invariants import check_invariants
from bot.scheduler import Scheduler
from bot.settings import Settings, load_settings
from db.alerts import count_deliveries
from db.figures import get_figures
from db.models import (
    Alert,
    AuditEntry,
    Delivery,
    Incoming,
    Lead,
    LocalMessage,
    LocalRoom,
    LoginFailure,
    Question,
    Reach,
    Reply,
    Send,
    Tick,
)
from db.session import Database
from db.states import AlertState, AnswerKind, ContentKind, DeliveryState, LeadReason, LeadState, Way
from tests.factories import make_account, make_alert
from tests.fakes import START, FakeClock
from tests.world import build_world, quick_settings, release

SETTINGS = quick_settings(backup_daily=0)
NIGHT = START + timedelta(hours=18, minutes=40)  # 03:40 in Shanghai


async def _fill(database: Database, at: datetime, name: str) -> None:
    """One row of everything that has a time, written at `at`."""
    async with database.write() as session:
        account = await make_account(session, name=f"账号{name}")
        room = LocalRoom(room_id=f"room-{name}", name="群", account=account.name)
        session.add(room)
        await session.flush()
        asked = Question(
            channel="local",
            room_id="r",
            member_hash="0" * 32,
            kind=AnswerKind.NONE,
            types=[],
            score=0,
            text=f"问{name}",
            asked_at=at,
        )
        said: dict[str, Any] = {"sender_id": "p", "sender_name": "王", "kind": ContentKind.TEXT, "payload": {}}
        lead: dict[str, Any] = {"reason": LeadReason.UNANSWERED, "state": LeadState.CLOSED, "asker": "王"}
        reply: dict[str, Any] = {"channel": "local", "account_id": account.id, "room_id": "r", "created_at": at}
        session.add_all(
            [
                asked,
                Incoming(channel="local", message_id=f"m{name}", at=at, outcome="silent"),
                Send(account_id=account.id, at=at),
                AuditEntry(at=at, actor="李静", action="alert.start", subject=name),
                LoginFailure(key=f"user:{name}", at=at),
                LocalMessage(room_id=room.room_id, text=f"话{name}", at=at, taken=True, **said),
                Lead(text=f"线索{name}", answer="答", created_at=at, **lead),
                Reply(message_id=f"done{name}", text=f"答{name}", state=DeliveryState.SENT, **reply),
                Reply(message_id=f"doubt{name}", text=f"疑{name}", state=DeliveryState.UNKNOWN, **reply),
            ]
        )


async def _all(database: Database, query: Any) -> list[Any]:
    async with database.read() as session:
        return list(await session.scalars(query))


async def test_each_thing_goes_when_its_time_is_over(database: Database) -> None:
    async with database.write() as session:
        alert = await make_alert(session, created_at=NIGHT - timedelta(days=2000))
    for days in (1, 31, 181, 1096):
        await _fill(database, NIGHT - timedelta(days=days), str(days))
    removed = await retention.tidy(database, SETTINGS, now=NIGHT)
    assert await _all(database, sa.select(Incoming.message_id)) == ["m1"]
    assert await _all(database, sa.select(Question.text).order_by(Question.id)) == ["问1", "问31", "", ""]
    assert await _all(database, sa.select(Lead.text).order_by(Lead.id)) == ["线索1", "线索31", "", ""]
    assert await _all(database, sa.select(Lead.asker).order_by(Lead.id)) == ["王", "王", "", ""]
    assert await _all(database, sa.select(LocalMessage.text).order_by(LocalMessage.id)) == ["话1", "话31"]
    texts = await _all(database, sa.select(Reply.text).order_by(Reply.id))
    assert texts == ["答1", "疑1", "答31", "疑31", "", "疑181", "", "疑1096"]  # what is in doubt is still compared
    assert len(await _all(database, sa.select(Send.id))) == 1
    subjects = await _all(database, sa.select(AuditEntry.subject).order_by(AuditEntry.id))
    assert subjects == ["1", "31", "181", "审计日志"]
    assert removed["audit"] == 1
    assert await _all(database, sa.select(Alert.id)) == [alert.id]
    assert await retention.tidy(database, SETTINGS, now=NIGHT) == {}


async def test_words_are_found_without_looking_at_what_has_lost_them(database: Database) -> None:
    """A province has millions of questions and replies without words, and looks for the others every night."""
    blanking = [rule for rule in retention.rules(SETTINGS) if rule.blanks]
    assert [rule.table for rule in blanking] == [Question, Reply]
    for rule in blanking:
        query = sa.select(rule.table.id).where(rule.over(NIGHT)).limit(10)
        statement = query.compile(database.engine.sync_engine, compile_kwargs={"literal_binds": True})
        async with database.read() as session:
            if not database.is_sqlite:
                await session.execute(sa.text("SET LOCAL enable_seqscan = off"))
            how = "EXPLAIN QUERY PLAN" if database.is_sqlite else "EXPLAIN"
            connection = await session.connection()
            plan = [str(row) for row in await connection.exec_driver_sql(f"{how} {statement}")]
        assert f"ix_{rule.table.__tablename__}_words" in " ".join(plan), plan


def test_the_audit_log_stays_for_six_months_at_least() -> None:
    assert Settings.model_fields["audit_days"].default >= 183
    with pytest.raises(Exception, match="183"):
        load_settings(audit_days=182)


async def test_past_deliveries_leave_their_totals(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is counted, shown and checked of the alert stays as it was."""
    monkeypatch.setattr(retention, "PIECE", 2)
    async with database.write() as session:
        world = await build_world(session, villages=4)
    ends = (DeliveryState.SENT, DeliveryState.SENT, DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.SKIPPED)
    released = {}
    for days, state in ((401, AlertState.EXPIRED), (399, AlertState.FINISHED), (402, AlertState.PAUSED)):
        at = START - timedelta(days=days)
        alert = await release(database, world, SETTINGS, at)
        await _end(database, alert.id, state, (*ends, DeliveryState.UNKNOWN), at)
        released[days] = alert.id
    await Folding(database, Events()).fold_now()
    before = await _seen(database, *released.values())
    assert await retention.tidy(database, SETTINGS, now=START, going_on=iter([True] * 10 + [False]).__next__) == {
        "deliveries": 2
    }
    assert await _seen(database, *released.values()) == before  # half way
    assert await retention.tidy(database, SETTINGS, now=START) == {"deliveries": 3}
    assert await retention.tidy(database, SETTINGS, now=START) == {}
    assert await _seen(database, *released.values()) == before
    left = await _all(database, sa.select(Delivery.alert_id).order_by(Delivery.id))
    assert left == [
        released[401],
        *[released[399]] * 6,
        *[released[402]] * 6,
    ]  # what is in doubt may still be decided
    states = await _all(database, sa.select(Delivery.state).where(Delivery.alert_id == released[401]))
    assert states == [DeliveryState.UNKNOWN]


async def _end(
    database: Database, alert_id: int, state: AlertState, ends: tuple[DeliveryState, ...], at: datetime
) -> None:
    """Let the alert's deliveries end like this, one after the other."""
    async with database.write() as session:
        rows = list(await session.scalars(sa.select(Delivery).where(Delivery.alert_id == alert_id)))
        for row, end in zip(rows, ends, strict=True):
            row.state, row.sending_at = end, at
            if end is DeliveryState.SENT:
                reached = sa.update(Reach).where(Reach.alert_id == alert_id, Reach.group_id == row.group_id)
                await session.execute(reached.values(way=Way.PUSH, reached_at=at + timedelta(minutes=1)))
        await session.execute(sa.update(Alert).where(Alert.id == alert_id).values(state=state, finished_at=at))


async def _seen(database: Database, *alert_ids: int) -> Any:
    """What people see of the alerts; the invariants hold, as far as nothing of the channel's record is asked for."""
    async with database.read() as session:
        checks = {check.name: check.faults for check in await check_invariants(session, SETTINGS)}
        figures = [vars(await get_figures(session, alert_id, 1)) | {"unit": None} for alert_id in alert_ids]
        counts = await count_deliveries(session, alert_ids)
    assert not checks["nothing_lost"]
    assert not checks["figures_agree"]
    return counts, figures


async def test_it_works_in_pieces_and_stops_when_the_program_does(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PIECE", 10)
    async with database.write() as session:
        for number in range(25):
            session.add(
                Incoming(channel="c", message_id=str(number), at=START - timedelta(days=99), outcome="silent")
            )
    turns = iter([True] * 5)  # three kinds with nothing to remove, then two pieces of this one
    await retention.tidy(database, SETTINGS, now=START, going_on=lambda: next(turns, False))
    assert len(await _all(database, sa.select(Incoming.message_id))) == 5
    assert await retention.tidy(database, SETTINGS, now=START) == {"incoming": 5}
    assert await _all(database, sa.select(Incoming.message_id)) == []


async def test_once_a_night_however_many_schedulers(database: Database) -> None:
    clock = FakeClock(NIGHT - timedelta(minutes=20))
    await _fill(database, NIGHT - timedelta(days=200), "old")
    schedulers = [Scheduler(SETTINGS, database, clock, Events()) for _ in range(2)]
    await schedulers[0].upkeep()
    assert await _all(database, sa.select(Question.text)) == ["问old"]  # it is not half past three yet
    clock.advance(20 * 60)
    for scheduler in schedulers:
        await scheduler.upkeep()
    assert await _all(database, sa.select(Question.text)) == [""]
    assert await _all(database, sa.select(Tick.name)) == ["tidy"]
