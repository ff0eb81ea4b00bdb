"""Whom a reply is for, by the platform's id of the person, so that the platform points it out to them.

Kept in memory only: raw ids of people are never stored. A reply that another process sends, or this one after a
restart, says the name in words all the same.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

KEPT: Final = 2000  # replies on their way in one process; the oldest is forgotten first


class Mentions:
    def __init__(self) -> None:
        self._people: OrderedDict[int, str] = OrderedDict()

    def remember(self, reply_id: int, contact_id: str) -> None:
        self._people[reply_id] = contact_id
        while len(self._people) > KEPT:
            self._people.popitem(last=False)

    def of(self, reply_id: int) -> tuple[str, ...]:
        """The people whom the reply mentions, as far as they are known here."""
        contact_id = self._people.get(reply_id)
        return () if contact_id is None else (contact_id,)
