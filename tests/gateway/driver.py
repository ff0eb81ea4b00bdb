"""Starts, kills and drives the gateway process; see gateway.mjs for what it can be told."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

HERE = Path(__file__).parent
TOKEN = "gateway-token"
SELF = "bot"  # the account's own id


@dataclass(frozen=True)
class Arrival:
    """One message of the bot, as the gateway wrote it down. `at` is milliseconds of its own monotonic clock."""

    at: float
    id: str
    to: str
    kind: str  # text, picture, link
    text: str
    link: dict[str, str] | None = None
    picture: str = ""  # base64
    name: str = ""
    mentions: list[str] = field(default_factory=list)


class Gateway:
    """One gateway with a folder of its own. It may be killed and started again: its world stays."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.said_at: dict[str, float] = {}  # message → ms of the gateway's clock
        self.port, self._control = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Returns when it takes connections."""
        command = ["node", str(HERE / "gateway.mjs"), "--folder", str(self._folder), "--token", TOKEN]
        command += ["--port", str(self.port), "--control", str(self._control)]
        with (self._folder / "errors.txt").open("ab") as errors:
            self._process = subprocess.Popen(
                command,
                env={**os.environ, "WECHATY_LOG": "silent", "NODE_NO_WARNINGS": "1"},
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == b"ready\n", (self._folder / "errors.txt").read_text()[-2000:]

    def kill(self) -> None:
        """As a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def freeze(self) -> None:
        """Alive, but it answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def tell(self, command: str, **given: Any) -> Any:
        url = f"http://127.0.0.1:{self._control}/"
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, json={"command": command, **given}) as response,
        ):
            answer = await response.json(content_type=None)
        assert "error" not in answer, answer
        return answer["result"]

    # ── the world ──

    async def make_people(self, people: dict[str, str]) -> None:
        """By id, the names of contacts."""
        await self.tell("contacts", contacts=people)

    async def make_rooms(self, rooms: dict[str, int], *, with_bot: bool = True) -> None:
        """Rooms by id with this many members, the bot among them; nobody but the bot has a name."""
        bot = [SELF] if with_bot else []
        await self.tell(
            "rooms",
            rooms=[
                {
                    "id": room,
                    "topic": f"群 {room}",
                    "members": bot + [f"{room}-{n}" for n in range(members - len(bot))],
                }
                for room, members in rooms.items()
            ],
        )

    async def say(self, person: str, to: str, text: str = "", **content: Any) -> str:
        """`to` is a room, or the bot for a private chat. Returns the message's id."""
        picture = content.pop("picture", None)
        if picture is not None:
            content |= {"kind": "picture", "picture": base64.b64encode(picture).decode()}
        said = await self.tell("say", **{"from": person, "to": to, "text": text, **content})
        self.said_at[said["id"]] = said["at"]
        message_id: str = said["id"]
        return message_id

    async def arrivals(self, *, to: str = "") -> list[Arrival]:
        every = [Arrival(**row) for row in await self.tell("arrivals")]
        return [arrival for arrival in every if not to or arrival.to == to]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
