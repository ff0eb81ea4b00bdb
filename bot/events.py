"""A nudge inside this process: "something about this topic changed, look at the rows". Never carries state."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


class Events:
    """Topics are short words: "alerts" (a life changed), "deliveries", "replies", "reach", "leads", "library"."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[asyncio.Event]] = {}

    def publish(self, *topics: str) -> None:
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
