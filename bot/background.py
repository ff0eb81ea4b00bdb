"""Reckoning beside the event loop that the end of the program does not wait for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_NAME = "background"


async def in_background(work: Callable[[], T]) -> T:
    """As `asyncio.to_thread`, for work that loses nothing when it is broken off: the program may end meanwhile."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # of `work` itself

    def run() -> None:
        result, problem = None, None
        try:
            result = work()
        except Exception as error:
            problem = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, problem)

    threading.Thread(target=run, name=_NAME, daemon=True).start()
    return await future


def leave() -> None:
    """End the program now, if such work still runs: an interpreter that ends under a thread may crash in its
    extensions. Everything that must be kept is durable by then."""
    if any(thread.name == _NAME for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
