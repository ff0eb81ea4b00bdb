"""Cases 3 and 4 of the Wechaty channel: a gateway that is killed, freezes, forgets its login or ends its stream.

The gateway's record is the witness: it is written before anything is answered, and survives the kill.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest

from db.models import Alert, Forward, Question, Reach, Reply
from db.session import Database
from db.states import AccountState, DeliveryState, Way
from tests.gateway.driver import Gateway
from tests.gateway.office import ACCOUNT, Office, gateway_settings, open_office, room_id, running_engine
from tests.world import until

ROOMS = 213
KILLS = 3
ALL = [room_id(number) for number in range(ROOMS)]
FEW = ALL[:5]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(240)]


async def state_is(office: Office, state: AccountState) -> bool:
    return (await office.account()).state is state


async def arrived(gateway: Gateway, count: int) -> bool:
    return len(await gateway.arrivals()) >= count


async def test_3_killed_three_times_in_the_middle(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    await gateway.make_rooms(dict.fromkeys(ALL, 90))
    settings = gateway_settings({ACCOUNT: gateway}, tmp_path, gap_seconds=0.03)
    office = await open_office(sqlite_database, settings, ALL)
    noticed, resumed = [], []
    async with running_engine(office) as engine:
        alert = await office.release(engine=engine)
        for kill in range(1, KILLS + 1):
            # Answers are slow, so that the kill finds a message under way, and its echo is held back.
            await gateway.tell("fault", then="late", ms=60, times=-1)
            await until(lambda kill=kill: arrived(gateway, kill * ROOMS // (KILLS + 1)), 30)
            await gateway.tell("settings", echoes=False)
            await asyncio.sleep(0.1)
            notice, resume = await kill_and_restart(office, gateway, after=0.5 * kill)
            noticed.append(notice)
            resumed.append(resume)
        await until(lambda: office.finished(alert), 60)
        await asyncio.sleep(1)  # the last echoes
    times = Counter(arrival.to for arrival in await gateway.arrivals())
    unknown = await office.rooms_in(alert, DeliveryState.UNKNOWN)
    sent = await office.rooms_in(alert, DeliveryState.SENT)
    assert sorted([*sent, *unknown]) == sorted(ALL), "every room is either sent or shown as unknown"
    assert set(times.values()) == {1}, "a room got it twice"
    assert not set(sent) - set(times), "called sent, but it never arrived"
    assert len(unknown) <= KILLS
    assert max(noticed) <= 1
    assert max(resumed) <= 2
    print(
        f"\ncase 3: {KILLS} kills, {len(times)} of {ROOMS} rooms got it, none twice; {len(unknown)} unknown shown "
        f"({sum(room in times for room in unknown)} of them had arrived); noticed after "
        f"{', '.join(f'{s * 1000:.0f}' for s in noticed)} ms, sending again "
        f"{', '.join(f'{s * 1000:.0f}' for s in resumed)} ms after the gateway answered"
    )


async def kill_and_restart(office: Office, gateway: Gateway, *, after: float) -> tuple[float, float]:
    """How long until the loss was on record, and from the gateway's first answer until a message arrived again."""
    began = time.monotonic()
    gateway.kill()
    await until(lambda: state_is(office, AccountState.OFFLINE), 10)
    notice = time.monotonic() - began
    await asyncio.sleep(after)
    await asyncio.to_thread(gateway.start)
    before, began = len(await gateway.arrivals()), time.monotonic()
    await until(lambda: arrived(gateway, before + 1), 20)
    return notice, time.monotonic() - began


async def few(database: Database, gateway: Gateway, folder: Path) -> Office:
    await gateway.make_rooms(dict.fromkeys(FEW, 10))
    settings = gateway_settings({ACCOUNT: gateway}, folder, send_timeout=0.5, gap_seconds=0.02)
    return await open_office(database, settings, FEW)


async def test_4_a_gateway_that_never_answers_leaves_a_doubt_that_no_echo_ends(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await few(sqlite_database, gateway, tmp_path)
    await gateway.tell("fault", room=FEW[2], hang=True)
    async with running_engine(office) as engine:
        alert = await office.release(engine=engine)
        await until(lambda: office.finished(alert), 20)
    assert await office.rooms_in(alert, DeliveryState.UNKNOWN) == [FEW[2]]
    assert Counter(a.to for a in await gateway.arrivals()) == Counter(set(FEW) - {FEW[2]})
    print("\ncase 4a: never answers: 1 of 5 unknown and shown, 4 sent, none twice")


@pytest.mark.parametrize("answer", ["hang", "late"])
async def test_4_a_message_whose_answer_does_not_come_is_confirmed_by_its_echo(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path, answer: str
) -> None:
    office = await few(sqlite_database, gateway, tmp_path)
    await gateway.tell("fault", room=FEW[1], then=answer, ms=1500)
    async with running_engine(office) as engine:
        alert = await office.release(engine=engine)
        began = time.monotonic()
        await until(lambda: office.finished(alert), 20)
        await until(lambda: _all_sent(office, alert), 10)
        seconds = time.monotonic() - began
    assert Counter(a.to for a in await gateway.arrivals()) == Counter(FEW)
    print(f"\ncase 4b: arrives, answer {answer}: echo confirmed it, all 5 sent once, after {seconds:.2f} s")


async def test_echoes_come_late_twice_and_under_other_names(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    """Whatever a gateway does with the bot's own messages, each delivery is made once and is nobody's forward."""
    rooms = ALL[:40]
    await gateway.make_rooms(dict.fromkeys(rooms, 10))
    settings = gateway_settings({ACCOUNT: gateway}, tmp_path, send_timeout=0.3, gap_seconds=0.02)
    office = await open_office(sqlite_database, settings, rooms)
    await gateway.tell("settings", echoing={"delay": 1200, "again": 3})
    for room in rooms[::8]:
        await gateway.tell("fault", room=room, then="hang")  # in doubt until its echo comes
    async with running_engine(office) as engine:
        alert = await office.release(engine=engine)
        await until(lambda: office.finished(alert), 30)
        in_doubt = await office.deliveries(alert, DeliveryState.UNKNOWN)
        await until(lambda: _echoed(office, alert, len(rooms)), 20)
        await asyncio.sleep(2.5)  # the last copies
    assert await office.deliveries(alert, DeliveryState.SENT) == len(rooms)
    assert Counter(arrival.to for arrival in await gateway.arrivals()) == Counter(rooms)
    assert await office.count(Reach, Reach.way == Way.PUSH) == len(rooms)
    assert await office.count(Forward) == await office.count(Question) == await office.count(Reply) == 0
    print(f"\nechoes 1.2 s late, four times, two ids: 40 of 40 sent once, {in_doubt} were in doubt until their echo")


async def _echoed(office: Office, alert: Alert, count: int) -> bool:
    return await office.confirmed(alert) == count


async def _all_sent(office: Office, alert: Alert) -> bool:
    return await office.deliveries(alert, DeliveryState.SENT) == len(FEW)


async def test_4_logged_out_in_the_middle_waits_for_the_login(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await few(sqlite_database, gateway, tmp_path)
    async with running_engine(office) as engine:
        await gateway.tell("logout")
        await until(lambda: state_is(office, AccountState.OFFLINE), 5)
        alert = await office.release(engine=engine)
        await asyncio.sleep(0.5)
        assert await office.deliveries(alert, DeliveryState.WAITING) == len(FEW)
        began = time.monotonic()
        await gateway.tell("login")
        await until(lambda: arrived(gateway, 1), 10)
        seconds = time.monotonic() - began
        await until(lambda: _all_sent(office, alert), 10)
    assert Counter(a.to for a in await gateway.arrivals()) == Counter(FEW)
    assert seconds <= 2
    print(f"\ncase 4c: not logged in: 5 waited, first out {seconds * 1000:.0f} ms after the login")


async def test_4_a_login_that_only_a_send_finds_lost_is_looked_for(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await few(sqlite_database, gateway, tmp_path)
    await gateway.tell("fault", error="not logged in")
    async with running_engine(office) as engine:
        alert = await office.release(engine=engine)
        await until(lambda: state_is(office, AccountState.OFFLINE), 5)
        await until(lambda: _all_sent(office, alert), 10)
    assert Counter(a.to for a in await gateway.arrivals()) == Counter(FEW)


async def test_4_a_stream_that_ends_quietly_is_opened_again(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await few(sqlite_database, gateway, tmp_path)
    async with running_engine(office) as engine:
        began = time.monotonic()
        await gateway.tell("close_stream")
        await until(lambda: state_is(office, AccountState.OFFLINE), 5)
        noticed = time.monotonic() - began
        await until(lambda: state_is(office, AccountState.ONLINE), 5)
        back = time.monotonic() - began
        alert = await office.release(engine=engine)
        await until(lambda: _all_sent(office, alert), 10)
        await until(lambda: _all_confirmed(office, alert), 5)
    assert noticed <= 1
    print(
        f"\ncase 4d: stream ended quietly: noticed after {noticed * 1000:.0f} ms, back after {back:.2f} s, echoes heard"
    )


async def _all_confirmed(office: Office, alert: Alert) -> bool:
    return await office.confirmed(alert) == len(FEW)


@pytest.mark.parametrize("pause", [0.0, 4.0], ids=["stutters", "frozen"])
async def test_4_a_frozen_gateway_is_noticed_by_the_probe(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path, pause: float
) -> None:
    """One that goes on soon keeps its connection, one that does not is called anew."""
    office = await few(sqlite_database, gateway, tmp_path)
    async with running_engine(office) as engine:
        began = time.monotonic()
        gateway.freeze()
        await until(lambda: state_is(office, AccountState.OFFLINE), 20)
        noticed = time.monotonic() - began
        await asyncio.sleep(pause)
        gateway.thaw()
        began = time.monotonic()
        await until(lambda: state_is(office, AccountState.ONLINE), 20)
        back = time.monotonic() - began
        alert = await office.release(engine=engine)
        await until(lambda: _all_sent(office, alert), 10)
        await until(lambda: _all_confirmed(office, alert), 5)
    assert noticed <= 1
    assert Counter(a.to for a in await gateway.arrivals()) == Counter(FEW)
    print(f"\ncase 4e: frozen for {pause:.0f} s: noticed after {noticed:.2f} s, back {back:.2f} s after it went on")
