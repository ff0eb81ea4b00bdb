"""The memory of a program that loads much once and then runs for months: Python's collector of cycles, glibc's malloc."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc

from bot.background import in_background

THRESHOLDS = (10_000, 20, 50)
"""New objects before a look at the youngest, and how many such looks before one at the older and at all. Python's own
(700, 10, 10) took a tenth of a busy console's time."""

M_ARENA_MAX, ARENAS = -8, 2  # malloc.h
GIVE_BACK_SECONDS = 300.0


def share_arenas() -> None:
    """Let all threads take memory from two places. With a place for each, as glibc has it, a program with a thread for
    each of its SQLite connections keeps more and more of what it has freed."""
    _tell_malloc("mallopt", M_ARENA_MAX, ARENAS)


def spare_what_is_loaded() -> None:
    """Call it when everything is loaded: the library, the modules and the routes stay for good, and the collector, for
    which all Python stands still, need not pass through them again (a quarter of a second each time)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)


async def give_back_now_and_then() -> None:
    """Until it is cancelled: glibc keeps pages that were freed between others, some 10 MiB after a few minutes."""
    while True:
        await in_background(lambda: _tell_malloc("malloc_trim", 0))
        await asyncio.sleep(GIVE_BACK_SECONDS)


def _tell_malloc(what: str, *values: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # not on glibc
        ctypes.CDLL(None)[what](*values)
