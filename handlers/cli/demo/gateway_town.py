"""The demo's people on real Wechaty gateways: a Node process per account, over a mock puppet instead of WeChat.

The gateway is the tests' own (tests/gateway), so this needs a source tree with its packages: `make demo` sees to that.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import sqlalchemy as sa

from bot.app import Engine
from bot.errors import UserError
from db.models import Account, Group
from handlers.cli.demo.town import Seen

SCRIPT = Path(__file__).parents[3] / "tests" / "gateway" / "gateway.mjs"
TOKEN = "demo"
SELF = "bot"
START_SECONDS = 60


class Gate:
    """One gateway process, and how it is told what happens on it."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.port, self._control = _free_port(), _free_port()

    @contextlib.asynccontextmanager
    async def running(self, folder: Path) -> AsyncIterator[Gate]:
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        command = ["node", str(SCRIPT), "--folder", str(folder), "--token", TOKEN]
        command += ["--port", str(self.port), "--control", str(self._control)]
        process = await asyncio.create_subprocess_exec(
            *command,
            env={**os.environ, "WECHATY_LOG": "silent", "NODE_NO_WARNINGS": "1"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(START_SECONDS):
                answer = await process.stdout.readline()
            if answer != b"ready\n":
                raise UserError("网关没有启动；请先运行 make gateway 安装它的组件")
            yield self
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def tell(self, command: str, **given: Any) -> Any:
        url = f"http://127.0.0.1:{self._control}/"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"command": command, **given}) as answer,
        ):
            return (await answer.json(content_type=None))["result"]


@contextlib.asynccontextmanager
async def running_gates(accounts: list[str], folder: Path) -> AsyncIterator[list[Gate]]:
    """A gateway for each account; the settings name them."""
    if accounts and not (SCRIPT.parent / "node_modules").is_dir():
        raise UserError("没有安装网关的组件；请用 make demo 运行，或先运行 make gateway（需要 Node 18 以上）")
    async with contextlib.AsyncExitStack() as stack:
        gates = [Gate(account) for account in accounts]
        running = [gate.running(folder / f"gateway-{number}") for number, gate in enumerate(gates)]
        yield [await stack.enter_async_context(one) for one in running]


class GatewayTown:
    channel = "wechaty"

    def __init__(self, engine: Engine, gates: list[Gate]) -> None:
        self._database = engine.database
        self._gates = {gate.account: gate for gate in gates}
        self._of_room: dict[str, Gate] = {}

    async def build(self) -> None:
        async with self._database.read() as session:
            query = sa.select(Group, Account.name).join(Account, Account.id == Group.account_id)
            rows = [(row[0], row[1]) for row in await session.execute(query.where(Group.channel == self.channel))]
        for name, gate in self._gates.items():
            groups = [group for group, account in rows if account == name]
            self._of_room |= {str(group.room_id): gate for group in groups}
            rooms = [
                {
                    "id": group.room_id,
                    "topic": group.name,
                    "members": [SELF, *(f"{group.room_id}-{n}" for n in range(1, group.members))],
                }
                for group in groups
            ]
            await gate.tell("rooms", rooms=rooms)

    async def ensure_person(self, person_id: str, name: str) -> None:
        for gate in self._gates.values():
            await gate.tell("contacts", contacts={person_id: name})

    async def open_private(self, person_id: str, account: str) -> str:
        self._of_room[person_id] = self._gates[account]
        return person_id  # a private chat is known by the other person

    async def say(self, person_id: str, room_id: str, text: str) -> str:
        to = SELF if room_id == person_id else room_id
        mentions = [SELF] if "@心防" in text else []
        said = await self._of_room[room_id].tell(
            "say", **{"from": person_id, "to": to, "text": text, "mentions": mentions}
        )
        return str(said["id"])

    async def forward(self, person_id: str, seen: Seen, room_id: str) -> None:
        await self.say(person_id, room_id, seen.text)

    async def find_seen(self, words: str) -> Seen | None:
        for gate in self._gates.values():
            for arrival in await gate.tell("arrivals"):
                if words in arrival["text"]:
                    return Seen(arrival["id"], arrival["text"])
        return None

    async def list_twice(self, words: str) -> list[str]:
        arrivals = [a for gate in self._gates.values() for a in await gate.tell("arrivals")]
        rooms = Counter(arrival["to"] for arrival in arrivals if words in arrival["text"])
        return [room for room, count in rooms.items() if count > 1]

    async def remove_bot(self, room_id: str) -> None:
        await self._of_room[room_id].tell("kick", room=room_id, members=[SELF], quiet=True)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
