"""The people of `bench_load`, in a process of their own: officers who read pages, viewers who hold the chat open.

Called with a JSON object on stdin (address, sessions, alert, seconds of the ramp); says "ready" when everybody is
there, measures from the line "go" until "end", and prints what it measured as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import uvloop

OFFICER_THINKS = (2.0, 5.0)  # seconds between two pages
VIEWER_THINKS = (20.0, 60.0)  # seconds until a viewer opens another room
RELOADS = 0.2  # of these times the viewer loads the whole chat page anew
PAGES = ("dashboard", "alerts", "alert", "units", "league", "reach", "questions")
_ASSET = re.compile(r'(?:src|href)="(/static/[^"#]+)')


class Tally:
    """Milliseconds by kind, and what went wrong."""

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = defaultdict(list)
        self.errors: Counter[str] = Counter()
        self.frames = 0
        self.open = 0
        self.came = 0

    def clear(self) -> None:
        self.times.clear()
        self.errors.clear()
        self.frames = 0


class Person:
    """Somebody with a browser: cookie, connections, and copies of scripts and styles that are asked for again."""

    def __init__(self, address: str, token: str, tally: Tally) -> None:
        self.address = address
        self.tally = tally
        self.client = aiohttp.ClientSession(
            cookies={"xinfang_session": token},
            connector=aiohttp.TCPConnector(limit=6, force_close=False),
            timeout=aiohttp.ClientTimeout(total=30),
        )
        self._marks: dict[str, str] = {}

    async def get(self, kind: str, path: str, accept: str = "application/json") -> str:
        """The text of an answer; anything but 200 is an error."""
        began = time.perf_counter()
        try:
            async with self.client.get(self.address + path, headers={"Accept": accept}) as answer:
                text = await answer.text()
                if answer.status != 200 or str(answer.url.path) != path.partition("?")[0]:
                    self.tally.errors[f"{kind}: {answer.status}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.tally.errors[f"{kind}: {type(error).__name__}"] += 1
            return ""
        self.tally.times[kind].append((time.perf_counter() - began) * 1000)
        return text

    async def page(self, kind: str, path: str) -> None:
        """A page with what it refers to, as a browser asks for it."""
        html = await self.get(kind, path, "text/html,application/xhtml+xml")
        await asyncio.gather(*(self._asset(asset) for asset in dict.fromkeys(_ASSET.findall(html))))

    async def _asset(self, path: str) -> None:
        if self._marks.get(path) == "kept":
            return
        known = {"If-None-Match": self._marks[path]} if path in self._marks else {}
        began = time.perf_counter()
        try:
            async with self.client.get(self.address + path, headers=known) as answer:
                await answer.read()
                if answer.status not in (200, 304):
                    self.tally.errors[f"asset: {answer.status}"] += 1
        except (aiohttp.ClientError, TimeoutError) as error:
            self.tally.errors[f"asset: {type(error).__name__}"] += 1
            return
        kept = "immutable" in answer.headers.get("Cache-Control", "")
        self._marks[path] = "kept" if kept else answer.headers.get("ETag", "")
        self.tally.times["scripts and styles"].append((time.perf_counter() - began) * 1000)

    @asynccontextmanager
    async def following(self, path: str) -> AsyncIterator[None]:
        """The page's stream of live figures, open while the block runs; the first figures are timed."""
        task = asyncio.create_task(self._follow(path))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _follow(self, path: str) -> None:
        began, first = time.perf_counter(), True
        try:
            headers = {"Accept": "text/event-stream"}
            async with self.client.get(self.address + path, headers=headers, timeout=aiohttp.ClientTimeout()) as live:
                if live.status != 200:
                    self.tally.errors[f"stream: {live.status}"] += 1
                async for line in live.content:
                    if line.startswith(b"data:") and first:
                        first = False
                        self.tally.times["live figures: first"].append((time.perf_counter() - began) * 1000)
                    self.tally.frames += line.startswith(b"data:")
        except (aiohttp.ClientError, TimeoutError) as error:
            self.tally.errors[f"stream: {type(error).__name__}"] += 1


async def officer(person: Person, alert: int, start: float) -> None:
    await asyncio.sleep(start)
    paths = {
        "dashboard": "/", "alerts": "/alerts", "alert": f"/alerts/{alert}", "units": "/units", "league": "/reach",
        "reach": f"/alerts/{alert}/reach", "questions": "/questions",
    }  # fmt: skip
    streams = {"dashboard": "/live", "alert": f"/alerts/{alert}/events", "reach": f"/alerts/{alert}/events"}
    turn = random.randrange(len(PAGES))
    while True:
        kind = PAGES[turn % len(PAGES)]
        turn += 1
        await person.page(kind, paths[kind])
        pause = random.uniform(*OFFICER_THINKS)
        if kind in streams:
            async with person.following(streams[kind]):
                await asyncio.sleep(pause)
        else:
            await asyncio.sleep(pause)


async def viewer(person: Person, start: float, sampled: bool) -> None:
    await asyncio.sleep(start)
    first = True
    while True:
        await person.page("chat page", "/chat")
        await person.get("chat: people", "/chat/api/people")
        rooms = json.loads(await person.get("chat: rooms", "/chat/api/rooms?search=") or '{"rooms": []}')["rooms"]
        try:
            async with person.client.ws_connect(
                f"{person.address}/chat/ws?person_id=", origin=person.address, heartbeat=30
            ) as socket:
                person.tally.open += 1
                person.tally.came += first
                first = False
                try:
                    await _look_around(person, socket, [room["room_id"] for room in rooms], sampled)
                finally:
                    person.tally.open -= 1
        except (aiohttp.ClientError, TimeoutError) as error:
            person.tally.errors[f"chat socket: {type(error).__name__}"] += 1


async def _look_around(person: Person, socket: Any, rooms: list[str], sampled: bool) -> None:
    """Open one room after the other while listening, until the page is loaded anew."""
    listening = asyncio.create_task(_listen(person, socket, sampled))
    try:
        while not listening.done():
            room = random.choice(rooms) if rooms else ""
            await socket.send_json({"type": "open", "room_id": room})
            await person.get("chat: messages", f"/chat/api/messages?room_id={room}&person_id=")
            await asyncio.wait({listening}, timeout=random.uniform(*VIEWER_THINKS))
            if random.random() < RELOADS:
                return
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _listen(person: Person, socket: Any, sampled: bool) -> None:
    async for message in socket:
        person.tally.frames += 1
        if sampled and '"news"' in message.data:
            now = datetime.now(UTC)
            for room in json.loads(message.data)["rooms"]:
                age = now - datetime.fromisoformat(room["last"]["at"])
                person.tally.times["chat: said until shown"].append(age.total_seconds() * 1000)
    person.tally.errors[f"chat socket closed: {socket.close_code}"] += 1


async def visit(plan: dict[str, Any]) -> None:
    tally, ramp = Tally(), plan["ramp"]
    people = [
        Person(plan["address"], token, tally) for token in plan["officers"] + plan["viewers"]
    ]  # whoever sits before a screen
    officers = len(plan["officers"])
    tasks = [
        asyncio.create_task(
            officer(person, plan["alert"], random.uniform(0, ramp))
            if number < officers
            else viewer(person, random.uniform(0, ramp), sampled=number % 25 == 0)
        )
        for number, person in enumerate(people)
    ]
    while tally.came < len(plan["viewers"]):
        await asyncio.sleep(0.2)
    await asyncio.sleep(OFFICER_THINKS[1])
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    tally.clear()
    began = time.perf_counter()
    await asyncio.to_thread(sys.stdin.readline)
    seconds = time.perf_counter() - began
    errors, times, frames = dict(tally.errors), {kind: list(of) for kind, of in tally.times.items()}, tally.frames
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            errors[f"{type(result).__name__}: {result}"] = errors.get(f"{type(result).__name__}: {result}", 0) + 1
    await asyncio.gather(*(person.client.close() for person in people))
    print(json.dumps({"seconds": seconds, "times": times, "errors": errors, "frames": frames, "open": tally.open}))


def main() -> None:
    uvloop.run(visit(json.loads(sys.stdin.readline())))


if __name__ == "__main__":
    main()
