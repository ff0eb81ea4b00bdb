"""What the bot knows about fraud, built once and shared by everything that reads text."""

from __future__ import annotations

from content.asking import Asker
from content.library import Library, load_library
from content.matching import Matcher
from content.screening import Screener


class Knowledge:
    """The library, and what answers and screens by it. Free of state: the same text always gets the same result.

    Building takes some tenths of a second. Raises `content.library.LibraryError` with every fault of the files.
    """

    def __init__(self, library: Library | None = None) -> None:
        self.library = library or load_library()
        matcher = Matcher(self.library)
        self.asker = Asker(self.library, matcher)
        self.screener = Screener(self.library, matcher)
