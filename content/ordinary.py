"""Everyday talk by kind, and the voice of scammers by type: what the matcher learns beside the library's examples."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from content.normalising import normalise, remember
from content.wordings import read_wordings

_ORDINARY: Final = Path(__file__).parent / "ordinary.txt"
_LURES: Final = Path(__file__).parent / "lures.txt"


@cache
def ordinary_texts() -> dict[str, tuple[str, ...]]:
    """Normalised messages of ``ordinary.txt`` under their kind (chat, service, news, warning, smalltalk, thread …)."""
    return _read(_ORDINARY)


@cache
def lures() -> dict[str, tuple[str, ...]]:
    """Normalised messages of ``lures.txt`` under the id of their type."""
    return _read(_LURES)


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    wordings = list(read_wordings(path))
    remember(message for _, messages in wordings for message in messages)
    for heading, messages in wordings:
        found.setdefault(heading, []).extend(map(normalise, messages))
    return {heading: tuple(texts) for heading, texts in found.items()}
