"""Fakes that ship beside the ports: a clock that is turned by hand, and a channel that misbehaves on request."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from bot.channels.base import AccountChanged, Capabilities, Deliver
from bot.messages import Incoming, Outgoing
from db.states import AccountState, ContentKind

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)  # 09:00 in Shanghai: no quiet hours


class FakeClock:
    """Time stands still until `advance`; whoever sleeps wakes in the right order."""

    def __init__(self, now: datetime = START) -> None:
        self._start = now
        self._elapsed = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        return self._elapsed

    async def sleep(self, seconds: float) -> None:
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed + seconds, next(self._numbers), future))
        await future

    def advance(self, seconds: float) -> None:
        """Move time without waking anybody: for code that does not sleep."""
        self._elapsed += seconds


class JumpingClock(FakeClock):
    """A sleep moves time at once: pacing of hours is tested in milliseconds, exactly."""

    async def sleep(self, seconds: float) -> None:
        self._elapsed += max(seconds, 0)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Arrived:
    account: str
    room_id: str
    message: Outgoing
    at: float


class FakeChannel:
    """A channel in memory. `faults[room_id]` is a list of what the next sends to that room do: an exception to
    raise, or a coroutine function to await first. `arrived` is the witness of what came through."""

    name = "local"
    capabilities = Capabilities(echoes=True, hears_all=True, pictures=True, links=True, max_text=600)

    def __init__(self, clock: FakeClock | None = None, accounts: tuple[str, ...] = ("心防一号",)) -> None:
        self._clock = clock or FakeClock()
        self._accounts = accounts
        self._numbers = itertools.count(1)
        self.arrived: list[Arrived] = []
        self.faults: dict[str, list[BaseException | Callable[[], object]]] = defaultdict(list)
        self.echo = True
        self.held: set[str] = set()
        self.deliver: Deliver | None = None
        self.account_changed: AccountChanged | None = None

    async def start(self, deliver: Deliver, account_changed: AccountChanged) -> None:
        self.deliver, self.account_changed = deliver, account_changed
        for account in self._accounts:
            await account_changed(account, AccountState.ONLINE, "")

    async def stop(self) -> None:
        self.deliver = None

    async def hold(self, account: str) -> None:
        self.held.add(account)

    async def let_go(self, account: str) -> None:
        self.held.discard(account)

    async def send(self, account: str, room_id: str, message: Outgoing) -> str | None:
        if self.faults[room_id]:
            fault = self.faults[room_id].pop(0)
            if isinstance(fault, BaseException):
                raise fault
            await fault()  # type: ignore[misc]
        self.arrived.append(Arrived(account, room_id, message, self._clock.monotonic()))
        if self.echo and self.deliver is not None:
            await self.hear(room_id, message.text, sender=f"bot:{account}", is_self=True, account=account)
        return None

    async def hear(
        self,
        room_id: str,
        text: str,
        *,
        sender: str = "resident",
        is_self: bool = False,
        private: bool = False,
        account: str = "心防一号",
        mentions_bot: bool = False,
        message_id: str = "",
    ) -> None:
        """Somebody says `text`; the engine has taken it when this returns."""
        assert self.deliver is not None
        await self.deliver(
            Incoming(
                channel=self.name,
                account=account,
                message_id=message_id or f"m{next(self._numbers)}",
                room_id=room_id,
                private=private,
                sender_id=sender,
                sender_name=sender,
                kind=ContentKind.TEXT,
                text=text,
                at=self._clock.now(),
                is_self=is_self,
                mentions_bot=mentions_bot,
            )
        )
