"""Everyday talk by kind: what the matcher weighs the fraud examples against."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from content.normalising import normalise

_FILE: Final = Path(__file__).parent / "ordinary.txt"


@cache
def ordinary_texts() -> dict[str, tuple[str, ...]]:
    """Normalised lines of ``ordinary.txt`` under their kind (chat, service, news, warning, smalltalk, thread)."""
    kinds: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            lines = kinds.setdefault(line[3:].strip(), [])
        elif line.strip() and not line.startswith("#"):
            lines.append(normalise(line))
    return {kind: tuple(found) for kind, found in kinds.items()}
