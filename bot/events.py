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
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    event.clear()
    return True
