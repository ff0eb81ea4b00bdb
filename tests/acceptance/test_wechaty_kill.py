"""Case 8 of the Wechaty channel: the program killed with -9 in the middle of a send, again and again.

The gateway is the witness: each room has the alert at most once, and what is in doubt is shown.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.invariants import check_invariants
from db.migrating import upgrade
from db.models import Alert
from db.session import Database
from db.states import DeliveryState
from tests.acceptance.lives import Nursery
from tests.gateway.driver import TOKEN, Gateway
from tests.gateway.office import ACCOUNT, Office, gateway_settings, open_office, room_id
from tests.world import quick_environment, until

KILLS = 20
ROOMS = 260
GAP = 0.02
SLOW = 60  # ms until the gateway answers: most of the time a message is under way
ALL = [room_id(number) for number in range(ROOMS)]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(400)]


@pytest.fixture
def nursery(gateway: Gateway, tmp_path: Path) -> Iterator[Nursery]:
    """`python bot.py run` as an office runs it, on the database in its data folder."""
    environment = {
        **quick_environment(GAP),
        "XINFANG_DATA_DIR": str(tmp_path),
        "XINFANG_CHANNELS": "wechaty",
        "XINFANG_WECHATY_GATEWAYS": json.dumps([{"name": ACCOUNT, "endpoint": gateway.endpoint, "token": TOKEN}]),
        "XINFANG_LOG_LEVEL": "error",
    }
    opened = Nursery(tmp_path / "errors.txt", environment)
    yield opened
    opened.close()


async def test_8_killed_twenty_times_in_the_middle_of_a_send(
    gateway: Gateway, nursery: Nursery, tmp_path: Path
) -> None:
    await gateway.make_rooms(dict.fromkeys(ALL, 5))
    await gateway.tell("fault", then="late", ms=SLOW, times=-1)
    database = Database(f"sqlite:///{tmp_path / 'xinfang.db'}")
    try:
        await upgrade(database)
        settings = gateway_settings({ACCOUNT: gateway}, tmp_path, gap_seconds=GAP)
        office = await open_office(database, settings, ALL)
        alert = await office.release()
        await _kill_often(office, alert, gateway, nursery)
        await gateway.tell("heal")
        with nursery.life():
            await until(lambda: office.finished(alert), 60)
            await asyncio.sleep(1)  # the last echoes
        await _judge(office, alert, gateway)
        async with database.snapshot() as session:
            assert [check for check in await check_invariants(session, settings) if not check.holds] == []
    finally:
        await database.close()


async def _kill_often(office: Office, alert: Alert, gateway: Gateway, nursery: Nursery) -> None:
    chance = random.Random()
    for _ in range(KILLS):
        before = len(await gateway.arrivals())
        with nursery.life() as pid:
            await until(lambda before=before: _arrived(gateway, before + 3), 30)
            nursery.check(pid)
            await asyncio.sleep(chance.uniform(0, 0.1))
    assert await office.deliveries(alert, DeliveryState.WAITING), "the broadcast ended too early: give it more rooms"


async def _arrived(gateway: Gateway, count: int) -> bool:
    return len(await gateway.arrivals()) >= count


async def _judge(office: Office, alert: Alert, gateway: Gateway) -> None:
    times = Counter(arrival.to for arrival in await gateway.arrivals())
    unknown = await office.rooms_in(alert, DeliveryState.UNKNOWN)
    sent = await office.rooms_in(alert, DeliveryState.SENT)
    assert set(times.values()) == {1}, "a room got it twice"
    assert sorted([*sent, *unknown]) == sorted(ALL), "every room is either sent or shown as unknown"
    assert not set(sent) - set(times), "called sent, but it never arrived"
    assert len(unknown) <= KILLS
    print(
        f"\ncase 8: {KILLS} kills of the program, {len(times)} of {ROOMS} rooms got it, none twice; {len(unknown)} unknown "
        f"shown ({sum(room in times for room in unknown)} of them had arrived)"
    )
