"""What many pages show at the same time and seldom changes, read once for all who look within half a minute."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from bot.clock import Clock
from bot.events import Events

T = TypeVar("T")
KEPT = timedelta(seconds=30)
"""An import by the command line is no event in this program: so late it is seen at most."""


class Recent:
    """Memory of the registry's figures; a change of the registry that is an event ends it at once."""

    def __init__(self, clock: Clock, events: Events) -> None:
        self._clock = clock
        self._listening = contextlib.ExitStack()
        self._changed = self._listening.enter_context(events.listen("accounts"))  # what the registry tells senders
        self._changes = 0
        self._known: dict[Hashable, tuple[Any, datetime]] = {}

    async def look(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """What `read` gives, or gave for the same `key` within `KEPT`. Whoever gets it must not alter it."""
        self._notice()
        now, changes = self._clock.now(), self._changes
        self._known = {each: one for each, one in self._known.items() if now - one[1] < KEPT}
        if key in self._known:
            known: T = self._known[key][0]
            return known
        found = await read()
        self._notice()
        if changes == self._changes:  # else nobody knows whether it was read before the change or after it
            self._known[key] = found, now
        return found

    def _notice(self) -> None:
        if self._changed.is_set():
            self._changed.clear()
            self._changes += 1
            self._known.clear()

    def close(self) -> None:
        self._listening.close()
