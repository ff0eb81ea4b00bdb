"""Texts of the package that are written as patterns: one line stands for several messages, under headings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_SLOT: Final = re.compile(r"\{([^{}]*)\}")


def spell_out(line: str) -> list[str]:
    """The messages that a line stands for: as many as its longest "{a|b|c}" has alternatives.

    All slots advance together and the shorter ones start again, so that every alternative occurs without writing out
    all combinations. A line without slots stands for itself.
    """
    pieces = _SLOT.split(line)
    if len(pieces) == 1:
        return [line]
    slots = [piece.split("|") for piece in pieces[1::2]]
    messages = []
    for turn in range(max(map(len, slots))):
        # A slot of the same length as its neighbour is shifted by its place, or the two would always pair up alike.
        chosen = [slot[(turn + place) % len(slot)] for place, slot in enumerate(slots)]
        pieces[1::2] = chosen
        messages.append("".join(pieces))
    return messages


def read_wordings(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The lines of a file as (heading, messages); "## " starts a heading, "#" a comment."""
    heading = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            heading = line[3:].strip()
        elif line.strip() and not line.startswith("#"):
            yield heading, spell_out(line)
