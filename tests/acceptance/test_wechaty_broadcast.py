"""Cases 1, 2 and 5 of the Wechaty channel: many rooms, an alert to all of them, and questions meanwhile.

Every figure is taken from the gateway's own clock and its own record of what arrived.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from bot.messages import Outgoing
from db.models import Account, Reply
from db.session import Database
from db.states import AccountState, ContentKind, DeliveryState
from tests.gateway.driver import SELF, Gateway
from tests.gateway.office import ACCOUNT, gateway_settings, open_office, room_id, running_engine
from tests.world import until

ROOMS = 213
MEMBERS = 90
ALL = [room_id(number) for number in range(ROOMS)]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]


async def test_1_two_hundred_rooms_are_in_step_and_sending_does_not_wait(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    await gateway.make_rooms(dict.fromkeys(ALL, MEMBERS))
    office = await open_office(sqlite_database, gateway_settings({ACCOUNT: gateway}, tmp_path), ALL)
    await gateway.tell("logout")
    async with running_engine(office, online=False) as engine:
        await until(lambda: gateway.tell("listening"), 20)
        began = time.monotonic()
        await gateway.tell("login")
        await until(lambda: office.count(Account, Account.state == AccountState.ONLINE), 20)
        ready = time.monotonic() - began
        await engine.channels["wechaty"].send(ACCOUNT, ALL[-1], Outgoing(ContentKind.TEXT, "先发一条"))
        sent, known_then = time.monotonic() - began, await office.rooms_known()
        await until(lambda: _all_known(office), 60)
        synced = time.monotonic() - began
    assert (await office.group_of(ALL[0])).members == MEMBERS
    counts = await gateway.tell("counts")
    assert counts["roomPayload"] <= ROOMS + 1  # the engine asks for a room, never for a member
    assert counts.get("contactPayload", 0) <= 1
    assert known_then < ROOMS, "the first sync must not come before sending"
    assert ready < 5
    print(
        f"\ncase 1: {ROOMS} rooms × {MEMBERS} members: ready to send {ready:.2f} s after login (first message out after "
        f"{sent:.2f} s, {known_then} rooms known then), all rooms in step after {synced:.2f} s; calls {counts}"
    )


async def _all_known(office) -> bool:  # type: ignore[no-untyped-def]
    return await office.rooms_known() == ROOMS


async def test_2_a_red_alert_reaches_every_room_once_in_order_and_in_time(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    gap, per_minute = 0.05, 190
    await gateway.make_rooms(dict.fromkeys(ALL, MEMBERS))
    settings = gateway_settings({ACCOUNT: gateway}, tmp_path, gap_seconds=gap, per_minute=per_minute)
    office = await open_office(sqlite_database, settings, ALL)
    async with running_engine(office) as engine:
        alert = await office.release(engine=engine)
        await until(lambda: office.finished(alert), 120)
        await until(lambda: _confirmed(office, alert), 20)
    arrivals = await gateway.arrivals()
    assert Counter(arrival.to for arrival in arrivals) == Counter(ALL)
    levels = await office.levels()
    order = [levels[arrival.to] for arrival in arrivals]
    assert order == sorted(order), "an upper level was served after a lower one"
    times = [arrival.at for arrival in arrivals]
    closest = min(later - earlier for earlier, later in pairwise(times))
    assert closest >= gap * 1000, f"two messages {closest:.1f} ms apart"
    densest = min(times[n + per_minute] - times[n] for n in range(len(times) - per_minute))
    assert densest >= 60_000, f"{per_minute + 1} messages within {densest:.1f} ms"
    first_minute = (times[per_minute - 1] - times[0]) / (per_minute - 1)
    print(
        f"\ncase 2: {len(arrivals)} rooms, each once, levels in order; closest {closest:.2f} ms (gap {gap * 1000:.0f}), mean "
        f"{first_minute:.1f} ms, {per_minute + 1} messages in {densest / 1000:.3f} s (limit {per_minute} a minute)"
    )


async def _confirmed(office, alert) -> bool:  # type: ignore[no-untyped-def]
    return await office.confirmed(alert) == ROOMS


async def test_5_fifty_people_ask_during_a_broadcast(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    gap, people = 0.1, 50
    await gateway.make_rooms(dict.fromkeys(ALL, MEMBERS))
    await gateway.make_people({f"p{number}": f"居民{number}" for number in range(people)})
    office = await open_office(sqlite_database, gateway_settings({ACCOUNT: gateway}, tmp_path, gap_seconds=gap), ALL)
    async with running_engine(office) as engine:
        alert = await office.release(engine=engine)
        await until(lambda: office.deliveries(alert, DeliveryState.SENT), 10)
        asked: dict[str, float] = {}
        for number in range(people):
            words = "@心防 有人叫我刷单，先垫付再返佣金，这个能做吗"
            message_id = await gateway.say(f"p{number}", ALL[number], words, mentions=[SELF])
            asked[ALL[number]] = gateway.said_at[message_id]
            await asyncio.sleep(gap * 2)  # one account answers no faster than its gap allows
        waiting = await office.deliveries(alert, DeliveryState.WAITING)
        await until(lambda: _replied(office, people), 30)
        await until(lambda: office.finished(alert), 60)
    answers = [a for a in await gateway.arrivals() if a.text.startswith("@居民") and a.to in asked]
    assert {a.to: a.mentions for a in answers} == {ALL[number]: [f"p{number}"] for number in range(people)}
    replies = {a.to: a.at for a in answers}
    seconds = sorted((replies[room] - at) / 1000 for room, at in asked.items())
    median, p95 = statistics.median(seconds), seconds[int(people * 0.95)]
    assert waiting > 0, "the broadcast was over before the last question"
    assert median <= 1
    print(
        f"\ncase 5: {people} questions during a broadcast (gap {gap * 1000:.0f} ms, {waiting} rooms still waited after the last): "
        f"median {median * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, slowest {seconds[-1] * 1000:.0f} ms"
    )


async def _replied(office, people: int) -> bool:  # type: ignore[no-untyped-def]
    return await office.count(Reply, Reply.state == DeliveryState.SENT) == people
