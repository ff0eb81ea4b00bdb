"""The connection to one account's gateway: calls, and the stream of events, supervised.

A lost gateway is noticed at once (the stream ends) or, when it only falls silent, by the next probe within a second:
then nothing more is sent, and the connection is given up when it stays silent. A lost gateway is looked for again after
1 s, 2 s, 4 s … 60 s; one whose port was closed is called as soon as the port opens, so that a long pause costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.channels.wechaty_compat import Sdk, load_sdk
from bot.errors import AccountOffline
from bot.events import set_within
from bot.settings import WechatyGateway

log = logging.getLogger(__name__)

CONNECT_SECONDS = 5.0
START_SECONDS = 20.0  # the gateway itself gives its puppet 15 s to start
PROBE_SECONDS = 0.3  # between two questions to a gateway that says nothing by itself
SILENT_SECONDS = 0.35  # without an answer, the gateway counts as silent
GIVEN_UP_SECONDS = 3.0  # without an answer, the connection is begun anew
RETRY_FIRST, RETRY_MOST = 1.0, 60.0
KNOCK_SECONDS = 0.25  # between two looks at a closed port
STEADY_SECONDS = 10.0  # a connection that lasted so long starts the backoff anew

OCCUPIED = "网关正被另一个程序使用"  # a gateway serves one listener at a time: perhaps one that is just letting go

OnEvent = Callable[[int, dict[str, Any]], Awaitable[None]]
OnLost = Callable[[str], Awaitable[None]]
OnSilence = Callable[[bool], Awaitable[None]]


class GatewayLink:
    """`on_event` gets each event's type and payload, in order; `on_lost` why the gateway is not heard any more;
    `on_silence` that a connected gateway has fallen silent (True) or answers again (False)."""

    def __init__(self, gateway: WechatyGateway, data_dir: Path) -> None:
        self.gateway = gateway
        self.sdk: Sdk
        self._data_dir = data_dir
        self._puppet: Any = None
        self._opening = asyncio.Lock()
        self._retry = asyncio.Event()
        self._doubt = ""

    async def puppet(self) -> Any:
        """The SDK's client, connected. Raises `AccountOffline` when the gateway cannot be reached: nothing has been
        said to it then."""
        async with self._opening:
            if self._puppet is None:
                self._puppet = await self._client()
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    await self._puppet.channel.__connect__()
            except (OSError, TimeoutError) as error:
                raise AccountOffline(f"连不上网关 {self.gateway.endpoint}") from error
        return self._puppet

    async def _client(self) -> Any:
        """Built as the SDK does, without its blocking ping and its start, which first stops the puppet: the account
        would be logged out at every restart of ours."""
        self.sdk = await asyncio.to_thread(load_sdk, self._data_dir)
        puppet = self.sdk.puppet_service(
            self.sdk.options(end_point=self.gateway.endpoint, token=self.gateway.token), self.gateway.name
        )
        puppet.channel = self.sdk.channel(host=self.gateway.host, port=self.gateway.port)
        puppet.channel._authority = self.gateway.token  # where the gateway looks for the token
        puppet._puppet_stub = self.sdk.stub(puppet.channel)
        return puppet

    def close(self) -> None:
        if self._puppet is not None:
            self._puppet.channel.close()
            self._puppet = None

    def retry_now(self, doubt: str) -> None:
        """Something says that the stream tells no truth any more: begin a new one, which begins with the state."""
        self._doubt = doubt
        self._retry.set()

    async def run(self, on_event: OnEvent, on_lost: OnLost, on_silence: OnSilence) -> None:
        """Listen for ever."""
        wait = RETRY_FIRST
        while True:
            loop = asyncio.get_running_loop()
            began = loop.time()
            reason = await self._listen(on_event, on_silence)
            log.warning("gateway lost", extra={"account": self.gateway.name, "why": reason})
            await on_lost(reason)
            if loop.time() - began > STEADY_SECONDS or reason == OCCUPIED:
                wait = RETRY_FIRST
            await self._pause(wait)
            wait = min(wait * 2, RETRY_MOST)

    async def _listen(self, on_event: OnEvent, on_silence: OnSilence) -> str:
        """Returns why it ended."""
        self._retry.clear()
        self._doubt = ""
        tasks: list[asyncio.Task[None]] = []
        try:
            puppet = await self.puppet()
            async with asyncio.timeout(START_SECONDS):
                await puppet.puppet_stub.start()
            listening = asyncio.create_task(self._events(puppet, on_event))
            tasks = [listening, asyncio.create_task(self._watch(puppet, on_silence))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if listening in done:
                listening.result()
                return "网关关闭了连接"
            self.close()
            return self._doubt or "网关没有答复"
        except AccountOffline as error:
            return str(error)
        except Exception as error:
            return self._why(error)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _events(self, puppet: Any, on_event: OnEvent) -> None:
        async for response in puppet.puppet_stub.event():
            await on_event(int(response.type), _payload(response.payload))

    async def _watch(self, puppet: Any, on_silence: OnSilence) -> None:
        """Ends when the gateway does not answer, or when told to."""
        while not await set_within(self._retry, PROBE_SECONDS):
            probe = asyncio.create_task(self._answers(puppet))
            try:
                if not await _done_within(probe, SILENT_SECONDS):
                    await on_silence(True)
                    if not await _done_within(probe, GIVEN_UP_SECONDS - SILENT_SECONDS):
                        return
                    await on_silence(False)
                if not probe.result():
                    return
            finally:
                probe.cancel()

    async def _answers(self, puppet: Any) -> bool:
        try:
            await puppet.puppet_stub.version()
        except (OSError, self.sdk.stream_terminated):
            return False
        except self.sdk.grpc_error:
            return True  # it answers, if only that it does not know
        return True

    def _why(self, error: Exception) -> str:
        if isinstance(error, TimeoutError):
            return "网关没有答复"
        if isinstance(error, self.sdk.grpc_error):
            status = getattr(error, "status", None)
            if status is self.sdk.status.ALREADY_EXISTS:
                return OCCUPIED
            if status in (self.sdk.status.UNAUTHENTICATED, self.sdk.status.PERMISSION_DENIED):
                return "网关令牌不对，请检查 wechaty_gateways 的 token"
            return f"网关报告错误：{str(getattr(error, 'message', ''))[:80]}"
        if not isinstance(error, OSError | self.sdk.stream_terminated):
            log.exception("listening to the gateway failed", extra={"account": self.gateway.name})
        return "与网关的连接断开"

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than a port stays closed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        was_open = await self._port_open()
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, KNOCK_SECONDS))
            is_open = await self._port_open() if not was_open else False
            if is_open:
                return

    async def _port_open(self) -> bool:
        try:
            async with asyncio.timeout(1.0):
                _, writer = await asyncio.open_connection(self.gateway.host, self.gateway.port)
        except (OSError, TimeoutError):
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True


async def _done_within(task: asyncio.Task[bool], seconds: float) -> bool:
    """When we were busy ourselves, the answer may be there unread: one more look before it counts as missing."""
    await asyncio.wait([task], timeout=seconds)
    if not task.done():
        await asyncio.wait([task], timeout=0.05)
    return task.done()


def _payload(text: str) -> dict[str, Any]:
    """An event's payload; gateways send JSON objects, and one that does not is only not understood."""
    try:
        payload = json.loads(text)
    except ValueError:
        return {}
    return payload if isinstance(payload, dict) else {}
