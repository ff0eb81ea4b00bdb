"""Getting the Wechaty SDK to import on today's Python, and keeping it from spreading.

The SDK (wechaty 0.10.7 with its puppet packages) is unmaintained since 2022. It needs three lines before it imports
on Python 3.11 and later with current packages; the old packages that it would need otherwise are not an option
(urllib3 1.26 has known holes). On 3.13 the package `standard-telnetlib` gives back the module that Python dropped.

Nothing else of the program imports the SDK, and this only when the channel is used: it costs most of a second.
"""

from __future__ import annotations

import logging
import os
import threading
import warnings
from pathlib import Path
from typing import Any

_lock = threading.Lock()
_sdk: Sdk | None = None


class Sdk:
    """The parts of the SDK that the channel works with: its puppet layer.

    The class `wechaty.Wechaty` above it is not used. It waits 60 seconds before it looks for a lost gateway again
    (sends fail with "not logged in" meanwhile), hears only the first login of its life, ends the event loop on some
    errors, and starts a web server and a second scheduler at login; importing it takes two seconds more.
    """

    def __init__(self) -> None:
        from grpclib.client import Channel
        from grpclib.const import Status
        from grpclib.exceptions import GRPCError, StreamTerminatedError
        from wechaty_grpc.wechaty import PuppetStub
        from wechaty_puppet import PuppetOptions
        from wechaty_puppet_service import PuppetService

        self.channel: Any = Channel
        self.status: Any = Status
        self.grpc_error: type[Exception] = GRPCError
        self.stream_terminated: type[Exception] = StreamTerminatedError
        self.stub: Any = PuppetStub
        self.options: Any = PuppetOptions
        self.puppet_service: Any = PuppetService


def load_sdk(data_dir: Path) -> Sdk:
    """The SDK, imported at the first call. Takes most of a second: call it in a thread. `data_dir` is where whatever
    it wants to keep goes."""
    global _sdk
    with _lock:
        if _sdk is None:
            contain_files(data_dir)
            before = set(logging.Logger.manager.loggerDict)
            with warnings.catch_warnings():
                # telnetlib (gone in 3.13) is asked for by its ping, which we do not use; syntax it writes is old too.
                warnings.simplefilter("ignore", DeprecationWarning)
                make_importable()
                _sdk = Sdk()
            contain_logs(set(logging.Logger.manager.loggerDict) - before)
        return _sdk


def make_importable() -> None:
    """What must be true before `import wechaty`; harmless when it is true already."""
    import pyee
    import pyee.asyncio
    import urllib3
    import urllib3.util

    # pyee 9 moved the class to its own module and 11 dropped the old place.
    pyee.AsyncIOEventEmitter = pyee.asyncio.AsyncIOEventEmitter  # type: ignore[attr-defined]
    # urllib3 2 dropped the function; the SDK calls it to split an endpoint.
    urllib3.get_host = _get_host  # type: ignore[attr-defined]
    # 3.11 refuses a dataclass default that cannot be hashed, and a dataclass that compares cannot.
    from wechaty_puppet.schemas.puppet import PuppetOptions

    PuppetOptions.__hash__ = object.__hash__


def _get_host(url: str) -> tuple[str | None, str | None, int | None]:
    from urllib3.util import parse_url

    parsed = parse_url(url)
    return parsed.scheme, parsed.host, parsed.port


def contain_files(data_dir: Path) -> None:
    """The SDK would write a folder `.wechaty` to wherever the program was started."""
    os.environ.setdefault("CACHE_DIR", str((data_dir / "wechaty").resolve()))


def contain_logs(names: set[str]) -> None:
    """Every module of the SDK prints to the terminal by itself, the gateway's token among it: take its handlers away
    and let only errors through to ours."""
    for name in names:
        logger = logging.getLogger(name)
        if logger.handlers:
            logger.handlers.clear()
            logger.propagate = True
            logger.setLevel(logging.ERROR)
