"""What the bot knows about fraud, built once and shared by everything that reads text."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cache

from content.asking import Asker
from content.library import Library, load_library
from content.matching import Matcher
from content.screening import Screener


@dataclass(frozen=True)
class Loaded:
    """One library and what answers and screens by it: they always belong together."""

    library: Library
    asker: Asker
    screener: Screener


def build(library: Library) -> Loaded:
    """Takes some tenths of a second, in whatever thread."""
    matcher = Matcher(library)
    return Loaded(library, Asker(library, matcher), Screener(library, matcher))


_building = threading.Lock()


@cache
def seed_library() -> Library:
    """What the files of the package say; reading them takes half a second. Raises `content.library.LibraryError` with
    every fault of theirs."""
    return load_library()


@cache
def packaged() -> Loaded:
    """What answers and screens by the files of the package."""
    return build(seed_library())


class Knowledge:
    """The library, and what answers and screens by it: the same text gets the same result until it is replaced.

    Building takes some tenths of a second, at the first use or in advance by `load`, from whatever thread. Raises
    `content.library.LibraryError` with every fault of the files.
    """

    def __init__(self) -> None:
        self._loaded: Loaded | None = None

    def load(self) -> Loaded:
        """What is known now; the files of the package if nothing has been said else."""
        if self._loaded is None:
            with _building:
                seed = packaged()
                self._loaded = self._loaded or seed
        return self._loaded

    def replace(self, library: Library) -> None:
        """Know this library from now on. Whoever asks meanwhile is answered by the one before."""
        self._loaded = build(library)

    @property
    def library(self) -> Library:
        return self.load().library

    @property
    def asker(self) -> Asker:
        return self.load().asker

    @property
    def screener(self) -> Screener:
        return self.load().screener
