"""What happens by the clock: due alerts start, missed ones wait for a person, old rows go."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from bot import alerts
from bot.clock import SystemClock
from bot.events import Events
from bot.scheduler import Scheduler, is_overdue
from db.models import Alert, Delivery, Reply
from db.session import Database
from db.states import AlertState, DeliveryState
from tests.factories import make_alert
from tests.fakes import START, FakeClock
from tests.world import World, build_world, content, quick_settings, release, until

SETTINGS = quick_settings()


async def _world(database: Database) -> World:
    async with database.write() as session:
        return await build_world(session)


async def _state(database: Database, alert_id: int) -> AlertState:
    async with database.read() as session:
        return (await alerts.get_alert(session, alert_id)).state


async def test_a_scheduled_alert_starts_at_its_time(database: Database) -> None:
    world, clock = await _world(database), FakeClock()
    wanted = content(scheduled_at=START + timedelta(minutes=10))
    alert = await release(database, world, SETTINGS, clock.now(), wanted)
    scheduler = Scheduler(SETTINGS, database, clock, Events())
    await scheduler.sweep()
    assert await _state(database, alert.id) is AlertState.SCHEDULED
    clock.advance(600)
    await scheduler.sweep()
    await scheduler.sweep()
    assert await _state(database, alert.id) is AlertState.RUNNING
    async with database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == len(world.groups)
        found = await alerts.get_alert(session, alert.id)
    assert found.released_at == clock.now()


async def test_a_missed_alert_is_shown_and_not_fired_late(database: Database) -> None:
    world, clock = await _world(database), FakeClock()
    wanted = content(scheduled_at=START + timedelta(minutes=10))
    alert = await release(database, world, SETTINGS, clock.now(), wanted)
    clock.advance(600 + SETTINGS.overdue_minutes * 60 + 1)
    await Scheduler(SETTINGS, database, clock, Events()).sweep()
    assert await _state(database, alert.id) is AlertState.SCHEDULED
    async with database.write() as session:
        found = await alerts.get_alert(session, alert.id)
        assert is_overdue(found, clock.now(), SETTINGS)
        await alerts.release(session, world.reviewer, alert.id, settings=SETTINGS, now=clock.now())
    assert await _state(database, alert.id) is AlertState.RUNNING  # a person decided


async def test_expired_and_finished(database: Database) -> None:
    world, clock = await _world(database), FakeClock()
    expiring = await release(database, world, SETTINGS, clock.now(), content(expires_at=START + timedelta(minutes=5)))
    finishing = await release(database, world, SETTINGS, clock.now())
    async with database.write() as session:
        done = sa.update(Delivery).where(Delivery.alert_id == finishing.id)
        await session.execute(done.values(state=DeliveryState.SENT))
    clock.advance(301)
    await Scheduler(SETTINGS, database, clock, Events()).sweep()
    assert await _state(database, expiring.id) is AlertState.EXPIRED
    assert await _state(database, finishing.id) is AlertState.FINISHED
    async with database.read() as session:
        left = set(await session.scalars(sa.select(Delivery.state).where(Delivery.alert_id == expiring.id)))
    assert left == {DeliveryState.CANCELLED}


async def test_it_wakes_by_itself_and_stops_cleanly(sqlite_database: Database) -> None:
    world, clock = await _world(sqlite_database), SystemClock()
    wanted = content(scheduled_at=clock.now() + timedelta(seconds=1.2))
    alert = await release(sqlite_database, world, SETTINGS, clock.now(), wanted)
    scheduler = Scheduler(SETTINGS, sqlite_database, clock, Events())
    await scheduler.start()
    try:

        async def running() -> bool:
            return await _state(sqlite_database, alert.id) is AlertState.RUNNING

        await until(running)
    finally:
        await scheduler.stop()
    async with sqlite_database.read() as session:
        found = await alerts.get_alert(session, alert.id)
    assert found.released_at is not None
    assert found.scheduled_at is not None
    assert timedelta(0) <= found.released_at - found.scheduled_at < timedelta(seconds=1)


async def test_stale_replies_are_skipped(database: Database) -> None:
    world, clock = await _world(database), FakeClock()
    async with database.write() as session:
        for number, age in enumerate((31, 1)):
            session.add(
                Reply(
                    channel="local",
                    account_id=world.accounts[0].id,
                    room_id="room",
                    message_id=f"m{number}",
                    text="答复",
                    created_at=START - timedelta(minutes=age),
                )
            )
    await Scheduler(SETTINGS, database, clock, Events()).sweep()
    async with database.read() as session:
        states = list(await session.scalars(sa.select(Reply.state).order_by(Reply.message_id)))
    assert states == [DeliveryState.SKIPPED, DeliveryState.WAITING]


async def test_one_alert_that_cannot_start_does_not_stop_another(database: Database) -> None:
    world, clock = await _world(database), FakeClock()
    async with database.write() as session:
        rule = {"tags": ["没有这个标签"]}
        times = {"scheduled_at": START, "expires_at": START + timedelta(hours=1), "state": AlertState.SCHEDULED}
        empty = await make_alert(session, audience=rule, **times)
        good = await make_alert(session, **times)
    await Scheduler(SETTINGS, database, clock, Events()).sweep()
    assert await _state(database, empty.id) is AlertState.SCHEDULED
    assert await _state(database, good.id) is AlertState.RUNNING
    assert world.groups
    assert Alert.__tablename__ == "alerts"
