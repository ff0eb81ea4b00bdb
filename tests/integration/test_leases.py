"""Leases: one holder at a time by the database's clock, fencing numbers that only grow, accounts spread evenly."""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import SystemClock
from bot.events import Events
from bot.lease import Lease, boot_time
from bot.ledger import FencedOff, Ledger
from bot.presence import Presence, is_dead
from bot.relay import Relay
from bot.roles import Part
from bot.scheduler import Scheduler
from bot.sharing import quota
from db import deliveries, leases, marks, processes
from db.database_time import DatabaseTime
from db.marks import FENCED, Claim, Turn, Wanted
from db.models import Account, Alert, AuditEntry, Delivery, Tick
from db.session import Database
from db.states import AccountState, AlertState, DeliveryState, Severity
from tests.conftest import PostgresTemplates
from tests.fakes import FakeChannel
from tests.world import Post, build_world, content, quick_settings, release, settled, states, until

SETTINGS = quick_settings()
CLOCK = SystemClock()


class Ahead(SystemClock):
    """The clock of a machine that is a minute ahead."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=60)


async def take(database: Database, owner: str, *, seconds: float = 60, limit: int = 10) -> dict[int, int]:
    async with database.write() as session:
        ids = list(await session.scalars(sa.select(Account.id)))
        return dict(await leases.take(session, ids, owner=owner, seconds=seconds, limit=limit))


async def test_one_holder_until_the_lease_is_over_and_numbers_grow(database: Database) -> None:
    async with database.write() as session:
        await build_world(session, accounts=3)
    first = await take(database, "a", seconds=0.3, limit=2)
    assert list(first.values()) == [1, 1]
    assert len(await take(database, "b")) == 1  # what is left
    async with database.write() as session:
        assert await leases.renew(session, owner="a", seconds=0.2) == first
    await asyncio.sleep(0.25)
    second = await take(database, "b")
    assert second == dict.fromkeys(first, 2)
    async with database.write() as session:
        assert await leases.renew(session, owner="a", seconds=60) == {}
        assert not await leases.locked(session, next(iter(first)), owner="a", fence=1)
        assert not await leases.locked(session, next(iter(first)), owner="b", fence=1)
        assert await leases.locked(session, next(iter(first)), owner="b", fence=2)


async def test_the_databases_clock_is_read_as_times_are_written(database: Database) -> None:
    async with database.read() as session:
        at = await session.scalar(sa.select(DatabaseTime(90)))
    assert abs((at - datetime.now(UTC)).total_seconds() - 90) < 5


async def test_a_late_holder_writes_nothing(database: Database) -> None:
    """Whatever it asks for is refused in the transaction itself, and what it had in flight is its successor's."""
    async with database.write() as session:
        world = await build_world(session)
        await session.execute(sa.update(Account).values(state=AccountState.ONLINE))
    alert = await release(database, world, SETTINGS, CLOCK.now())
    account = world.accounts[0]
    (fence,) = (await take(database, "old")).values()
    wanted = Wanted(CLOCK.now(), frozenset(Severity), CLOCK.now() - timedelta(minutes=5), margin=0.1)
    turn = Turn(account.id, CLOCK.now(), "old", fence, None, wanted)
    claim = await database.share(marks.advance, turn)
    assert isinstance(claim, Claim)
    async with database.write() as session:
        found = await leases.take(session, [account.id], owner="new", seconds=60, limit=1, dead=["old"])
        assert (await deliveries.strand_in_flight(session, account.id)).deliveries == [claim.id]
    assert found == {account.id: fence + 1}
    ledger = Ledger(account, Lease(account.id, owner="old", fence=fence, until=boot_time() + 60), database)
    assert await database.share(marks.advance, turn) is FENCED
    done = Turn(account.id, CLOCK.now(), "old", fence, claim)
    with pytest.raises(FencedOff):
        await ledger.sent(done, done)
    with pytest.raises(FencedOff):
        await ledger.record(
            claim, lambda session: deliveries.decide(session, claim.id, state=DeliveryState.FAILED, reason="")
        )
    assert Counter(state for state, _ in (await states(database, alert.id)).values()) == {
        DeliveryState.UNKNOWN: 1,
        DeliveryState.WAITING: len(world.groups) - 1,
    }


async def test_nothing_is_claimed_when_the_lease_ends_too_soon(database: Database) -> None:
    async with database.write() as session:
        world = await build_world(session)
        await session.execute(sa.update(Account).values(state=AccountState.ONLINE))
    await release(database, world, SETTINGS, CLOCK.now())
    (fence,) = (await take(database, "me", seconds=5)).values()
    wanted = Wanted(CLOCK.now(), frozenset(Severity), CLOCK.now(), margin=10)
    turn = Turn(world.accounts[0].id, CLOCK.now(), "me", fence, None, wanted)
    assert await database.share(marks.advance, turn) is None


async def test_an_answer_that_was_lost_leaves_nothing_in_flight(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The claim was committed and its answer never came: it was not sent, so it waits again, and is sent once."""
    async with database.write() as session:
        world = await build_world(session)
    alert = await release(database, world, SETTINGS, CLOCK.now())
    channel = FakeChannel(CLOCK, ("心防1号",))
    share, lost = database.share, 0

    async def losing(work: object, item: object) -> object:
        nonlocal lost
        result = await share(work, item)  # type: ignore[arg-type]
        if isinstance(result, Claim) and lost < 2:
            lost += 1
            raise ConnectionResetError("the answer is lost")
        return result

    monkeypatch.setattr(database, "share", losing)
    async with Post(database, SETTINGS, channel, CLOCK):
        await until(lambda: settled(database, alert.id))
    assert lost == 2
    assert sorted(arrived.room_id for arrived in channel.arrived) == sorted(
        str(group.room_id) for group in world.groups
    )
    assert {state for state, _ in (await states(database, alert.id)).values()} == {DeliveryState.SENT}


async def test_clocks_a_minute_apart_change_nothing(database: Database) -> None:
    """A sender whose clock is ahead takes nothing that is held, and is not thought dead itself."""
    async with database.write() as session:
        world = await build_world(session, villages=10, accounts=4)
    names = tuple(account.name for account in world.accounts)
    channel = FakeChannel(CLOCK, names)
    second = Database(database.url.render_as_string(hide_password=False))
    try:
        async with Post(database, SETTINGS, channel, CLOCK), Post(second, SETTINGS, channel, Ahead()):
            await until(lambda: _spread(database, 2, 2))
            alert = await release(database, world, SETTINGS, CLOCK.now())
            await until(lambda: settled(database, alert.id))
            async with database.read() as session:
                numbers = set(await session.scalars(sa.select(Account.lease_fence)))
    finally:
        await second.close()
    assert len(channel.arrived) == len(world.groups)
    assert numbers <= {1, 2}  # taken once, and handed over once at most


async def _spread(database: Database, *counts: int) -> bool:
    async with database.read() as session:
        held = Counter(await session.scalars(sa.select(Account.lease_owner)))
    return "" not in held and sorted(held.values()) == sorted(counts)


@given(
    st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 20), min_size=1, max_size=6),
    st.integers(0, 60),
)
@settings(deadline=None, max_examples=100)
def test_quotas_share_everything_evenly(held: dict[str, int], accounts: int) -> None:
    quotas = {owner: quota(owner, held, accounts) for owner in held}
    assert sum(quotas.values()) == accounts
    assert max(quotas.values()) - min(quotas.values()) <= 1
    assert all(quotas[a] >= quotas[b] for a in held for b in held if held[a] > held[b])
    assert {owner: quota(owner, quotas, accounts) for owner in held} == quotas  # and then nothing moves any more


async def test_processes_are_known_while_they_live(database: Database) -> None:
    presence = Presence(quick_settings(lease_seconds=0.5), database, [Part.WEB, Part.SCHEDULER])
    presence.address, presence.note = "http://127.0.0.1:1", "说明"
    await presence.start()
    async with database.read() as session:
        (one,) = await processes.list_alive(session)
    assert (one.owner, one.roles, one.note, one.accounts) == (presence.owner, {"web", "scheduler"}, "说明", 0)
    await asyncio.sleep(0.7)  # it goes on giving signs of life
    async with database.read() as session:
        assert len(await processes.list_alive(session)) == 1
    await presence.stop()
    assert not is_dead(presence.owner)
    await asyncio.sleep(0.6)
    async with database.read() as session:
        assert await processes.list_alive(session) == []


async def test_earlier_programs_of_this_machine_get_no_share(database: Database) -> None:
    """One was killed and its accounts were taken over, then that one was killed: neither may keep accounts waiting."""
    settings = quick_settings(lease_seconds=60)
    async with database.write() as session:
        world = await build_world(session, villages=1, accounts=2)
        for number in range(3):
            owner = f"{socket.gethostname()}:{2**22 + number}:0"  # no machine has so many processes
            sign = processes.Sign(owner, ["sender"], pool=Presence(settings, database).pool)
            await processes.beat(session, sign, seconds=60)
    await take(database, owner)
    channel = FakeChannel(CLOCK, tuple(account.name for account in world.accounts))
    async with Post(database, settings, channel, CLOCK):
        alert = await release(database, world, settings, CLOCK.now())
        await until(lambda: settled(database, alert.id), 5)


async def test_two_schedulers_do_everything_once(database: Database) -> None:
    """Ticks are unique by name and time, and every step is guarded by the state it leaves."""
    async with database.write() as session:
        world = await build_world(session)
    soon = content(scheduled_at=CLOCK.now() + timedelta(seconds=0.2))
    alert = await release(database, world, SETTINGS, CLOCK.now(), soon)
    await asyncio.sleep(0.25)
    second = Database(database.url.render_as_string(hide_password=False))
    both = [Scheduler(SETTINGS, each, CLOCK, Events()) for each in (database, second)]
    try:
        await asyncio.gather(*(one.sweep() for one in both), *(one.sweep() for one in both))
        at = CLOCK.now()
        won = await asyncio.gather(*(one._take_tick("backup", at) for one in both for _ in range(3)))
    finally:
        await second.close()
    assert sorted(won) == [False] * 5 + [True]
    async with database.read() as session:
        assert await session.scalar(sa.select(Alert.state).where(Alert.id == alert.id)) is AlertState.RUNNING
        assert await session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == len(world.groups)
        actions = list(await session.scalars(sa.select(AuditEntry.action)))
        assert len(list(await session.scalars(sa.select(Tick.name).where(Tick.at == at)))) == 1
    assert actions.count("alert.start") == 1


@pytest.fixture
async def two_ends(postgres: PostgresTemplates):  # type: ignore[no-untyped-def]
    url = await postgres.create()
    database = Database(url)
    ends = [(Relay(database, events, name), events) for name, events in (("a:1:x", Events()), ("b:2:y", Events()))]
    for relay, _ in ends:
        await relay.start()
        await asyncio.wait_for(relay.connected.wait(), 10)
    yield database, ends[0], ends[1]
    for relay, _ in ends:
        await relay.stop()
    await database.close()
    await postgres.drop(url)


async def test_nudges_reach_other_processes_and_a_lost_connection_is_made_again(two_ends) -> None:  # type: ignore[no-untyped-def]
    database, (relay, here), (_, there) = two_ends
    with there.listen("replies") as heard, there.listen("alerts") as other:
        here.publish("replies", "deliveries")
        await asyncio.wait_for(heard.wait(), 5)
        assert not other.is_set()
        async with database.engine.connect() as connection:
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query LIKE '%pg_notify%' AND pid <> pg_backend_pid()"
            await connection.execute(sa.text(kill))
        await asyncio.wait_for(other.wait(), 10)  # when it is there again everybody looks
        heard.clear()
        await asyncio.wait_for(relay.connected.wait(), 5)
        here.publish("replies")
        await asyncio.wait_for(heard.wait(), 5)
