"""A nudge: "something about this topic changed, look at the rows". Never carries state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator


class Events:
    """Topics are short words: "alerts" (a life changed), "deliveries", "replies", "reach", "leads", "library"."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self.relay: Callable[[tuple[str, ...]], None] | None = None
        """Tells other processes, where there are any (`bot.relay`)."""

    def publish(self, *topics: str) -> None:
        """Something changed that this process has written: its listeners hear of it, and other processes."""
        self.hear(*topics)
        if self.relay is not None:
            self.relay(topics)

    def hear_all(self) -> None:
        """Nobody knows what changed: all listeners of this process look."""
        self.hear(*self._listeners)

    def hear(self, *topics: str) -> None:
        """Another process has changed something."""
        for topic in topics:
            for listener in self._listeners.get(topic, ()):
                listener.set()

    @contextlib.contextmanager
    def listen(self, *topics: str) -> Iterator[asyncio.Event]:
        """An event that is set at every nudge; the listener clears it before it looks at the rows."""
        event = asyncio.Event()
        for topic in topics:
            self._listeners.setdefault(topic, set()).add(event)
        try:
            yield event
        finally:
            for topic in topics:
                self._listeners[topic].discard(event)


async def wait_for(event: asyncio.Event, seconds: float) -> bool:
    """Wait until the event is set or `seconds` have passed, then clear it; True when it was set."""
    came = await set_within(event, seconds)
    if came:
        event.clear()
    return came


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event is set at the latest after `seconds`.

    Not by the library's own `wait_for`: on Python 3.11 that loses a cancellation which comes in the moment when the
    event is set, and whoever cancelled the task waits for it for ever.
    """
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
