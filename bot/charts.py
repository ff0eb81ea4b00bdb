"""Drawing charts: Vega-Lite specifications in, SVG or PNG out, by a process of its own that goes when nobody draws.

The bot's process never loads the drawing engine. Pictures are kept by what they show, so a page that many people look
at is drawn once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any, Literal

from bot.errors import UserError

log = logging.getLogger(__name__)

Kind = Literal["svg", "png"]
Spec = dict[str, Any]
TIMEOUT_SECONDS = 20.0  # the first chart of a process takes 2 s on an idle machine
IDLE_SECONDS = 30.0
LIFE = 100  # charts per process: what the engine does not give back goes with it
KEPT_BYTES = 8 * 2**20
MOST_ANSWER = 32 * 2**20
_ROOT = Path(__file__).resolve().parents[1]


class ChartFailed(UserError):
    """The chart could not be drawn; its figures are in the table beside it."""


class Charts:
    """One drawing process at most, started when it is needed."""

    def __init__(self, command: tuple[str, ...] = (sys.executable, "-m", "bot.chart_worker")) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._drawn = 0
        self._turn = asyncio.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._rest: asyncio.TimerHandle | None = None

    async def draw(self, spec: Spec, kind: Kind = "svg", *, scale: float = 2.0) -> bytes:
        """The picture. Raises `ChartFailed`."""
        request = json.dumps({"spec": spec, "kind": kind, "scale": scale}, ensure_ascii=True).encode()
        key = hashlib.sha256(request).hexdigest()
        async with self._turn:
            if key not in self._kept:
                self._keep(key, await self._ask(request))
            self._kept.move_to_end(key)
            return self._kept[key]

    async def close(self) -> None:
        async with self._turn:
            await self._end()

    async def _ask(self, request: bytes) -> bytes:
        if self._rest is not None:
            self._rest.cancel()
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                length, answer = await self._exchange(request)
        except BaseException as error:  # also when whoever asked has gone: half an answer must not meet the next one
            await self._end()
            if not isinstance(error, OSError | EOFError | TimeoutError | ValueError):
                raise
            log.warning("chart not drawn", extra={"error": repr(error)})
            raise ChartFailed("图表暂时画不出来，请看表格") from error
        self._drawn += 1
        if self._drawn >= LIFE:
            await self._end()
        else:
            self._rest = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._leave)
        if length < 0:
            log.warning("chart not drawn", extra={"error": answer.decode(errors="replace")[:500]})
            raise ChartFailed("图表暂时画不出来，请看表格")
        return answer

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._process is None or self._process.returncode is not None:
            self._drawn = 0
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                cwd=_ROOT,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(request + b"\n")
        await process.stdin.drain()
        (length,) = struct.unpack(">q", await process.stdout.readexactly(8))
        if abs(length) > MOST_ANSWER:
            raise ValueError("a picture of this size is none")
        return length, await process.stdout.readexactly(abs(length))

    def _leave(self) -> None:
        """Nobody has drawn for a while: the process sees the end of its input and goes."""
        if self._process is not None and self._process.stdin is not None and not self._turn.locked():
            self._process.stdin.close()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if self._rest is not None:
            self._rest.cancel()
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    def _keep(self, key: str, picture: bytes) -> None:
        self._kept[key] = picture
        while len(self._kept) > 1 and sum(map(len, self._kept.values())) > KEPT_BYTES:
            self._kept.popitem(last=False)
