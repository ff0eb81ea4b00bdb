"""What the bot knows about fraud, built once and shared by everything that reads text."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from content.asking import Asker
from content.library import Library, load_library
from content.matching import Matcher
from content.screening import Screener


@dataclass(frozen=True)
class _Loaded:
    library: Library
    asker: Asker
    screener: Screener


class Knowledge:
    """The library, and what answers and screens by it. Free of state: the same text always gets the same result.

    Building takes some tenths of a second, at the first use or in advance by `load`, from whatever thread. Raises
    `content.library.LibraryError` with every fault of the files.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def load(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                library = load_library()
                matcher = Matcher(library)
                self._loaded = _Loaded(library, Asker(library, matcher), Screener(library, matcher))
            return self._loaded

    @property
    def library(self) -> Library:
        return self.load().library

    @property
    def asker(self) -> Asker:
        return self.load().asker

    @property
    def screener(self) -> Screener:
        return self.load().screener
