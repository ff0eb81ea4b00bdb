"""Sending through a real gateway: the whole engine against a bare loop of the SDK's own `say()`, in one run.

`python -m benchmarks.bench_wechaty` (after `make gateway`). The bare loop keeps no books: no rows, no order, no
echo, nothing to resume from. Rounds of both alternate, so that a busy machine is busy for both; the best of each counts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from db.migrating import upgrade
from db.session import Database
from tests.gateway.driver import TOKEN, Gateway
from tests.gateway.office import ACCOUNT, Office, gateway_settings, open_office, room_id, running_engine
from tests.world import until

ROOMS = 213
ROUNDS = 3
TARGET = 0.5

BARE = """
import asyncio, json, sys, time
from pathlib import Path
from bot.channels.wechaty_compat import load_sdk
load_sdk(Path(sys.argv[3]))
import logging, warnings
warnings.simplefilter("ignore")
from wechaty import Wechaty, WechatyOptions
from wechaty_puppet import PuppetOptions
for name in list(logging.Logger.manager.loggerDict):
    logging.getLogger(name).handlers.clear(); logging.getLogger(name).setLevel(logging.CRITICAL)

async def main():
    options = PuppetOptions(); options.end_point, options.token = sys.argv[1], sys.argv[2]
    bot = Wechaty(WechatyOptions(puppet_options=options))
    logged_in = asyncio.Event()
    bot.on("login", lambda contact: logged_in.set())
    task = asyncio.create_task(bot.start())
    await asyncio.wait_for(logged_in.wait(), 30)
    await asyncio.sleep(1)
    rooms = [bot.Room.load(room) for room in json.loads(sys.argv[4])]
    began = time.perf_counter()
    for room in rooms:
        await room.say(sys.argv[5])
    print(json.dumps(time.perf_counter() - began), flush=True)
    import os; os._exit(0)

asyncio.run(main())
"""


async def bare_round(gateway: Gateway, folder: Path, rooms: list[str], text: str) -> float:
    """Seconds that the SDK's own loop takes, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", BARE, gateway.endpoint, TOKEN, str(folder), json.dumps(rooms), text]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    seconds: float = json.loads(done.stdout.splitlines()[-1])
    return seconds


async def engine_round(office: Office, gateway: Gateway) -> float:
    """Seconds from the release to the last arrival, by the machine's monotonic clock that the gateway writes down."""
    before = len(await gateway.arrivals())
    async with running_engine(office) as engine:
        await until(lambda: _known(office), 60)
        began = time.monotonic()
        alert = await office.release(engine=engine)
        while not await office.finished(alert):
            await asyncio.sleep(0.25)
    arrivals = (await gateway.arrivals())[before:]
    assert len(arrivals) == ROOMS
    return max(arrival.at for arrival in arrivals) / 1000 - began


async def _known(office: Office) -> bool:
    return await office.rooms_known() == ROOMS


async def run() -> float:
    """The engine's throughput as a share of the bare loop's."""
    rooms = [room_id(number) for number in range(ROOMS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        gateway = Gateway(folder / "gateway")
        gateway.start()
        try:
            await gateway.make_rooms(dict.fromkeys(rooms, 90))
            database = Database(f"sqlite:///{folder / 'xinfang.db'}")
            await upgrade(database)
            office = await open_office(database, gateway_settings({ACCOUNT: gateway}, folder), rooms)
            bare, ours = [], []
            for number in range(1, ROUNDS + 1):
                bare.append(await bare_round(gateway, folder, rooms, f"预警正文 {number}" * 20))
                ours.append(await engine_round(office, gateway))
                print(f"round {number}: SDK {ROOMS / bare[-1]:.0f}/s, engine {ROOMS / ours[-1]:.0f}/s", flush=True)
            await database.close()
        finally:
            gateway.kill()
    ratio = min(bare) / min(ours)
    print(f"{ROOMS} messages, pacing off: {ratio:.2f} × the SDK's own say() (target ≥ {TARGET})")
    return ratio


def main() -> int:
    logging.disable(logging.WARNING)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as `bot.py run` does
        return 0 if runner.run(run()) >= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
