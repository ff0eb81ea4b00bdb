"""The lease of one account as its sender sees it: by whose right it writes, and for how long it may still send."""

from __future__ import annotations

import time


def boot_time() -> float:
    """Seconds that go on while the machine sleeps: a lease runs out meanwhile as well."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class Lease:
    """`until` is on `boot_time`, reckoned from before the statement that wrote it: it ends before the database's."""

    def __init__(self, account_id: int, *, owner: str, fence: int, until: float) -> None:
        self.account_id = account_id
        self.owner = owner
        self.fence = fence
        self._until = until

    def prolong(self, until: float) -> None:
        self._until = max(self._until, until)

    def lose(self) -> None:
        """Somebody else holds the account."""
        self._until = float("-inf")

    def lasts(self, seconds: float) -> bool:
        """Does it go on for so long without another heartbeat?"""
        return self._until - boot_time() > seconds
