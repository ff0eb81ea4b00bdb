"""Does a text tell of a loss that is happening now? Fitted weights of characters and pairs, beside the signs and patterns.

The weights come from ``benchmarks/fit_signs.py`` and lie in ``loss_model.txt``; like the voice model they hold how people
talk in general, so they need no new fit when the library is edited.
"""

from __future__ import annotations

from functools import cache
from itertools import repeat
from math import sqrt
from pathlib import Path
from typing import Final

from content.voice_model import voice_grams

WEIGHTS_FILE: Final = Path(__file__).parent / "loss_model.txt"
SCALE: Final = 100
"""Weights in the file are whole hundredths of a nat."""
LOUDNESS: Final = 4.0
"""A text's grams together count as this many; fitted with, so it only sets how strongly fitting shrinks them."""


def loss_grams(text: str) -> set[str]:
    """The grams of ``text`` (normalised): characters and pairs, with its beginning and end."""
    return voice_grams(f"^{text}$")


def loss_leaning(text: str) -> float:
    """How the wording of ``text`` (normalised) leans towards a loss of this hour, in nats. Total: any text."""
    grams = loss_grams(text)
    return LOUDNESS * sum(map(load_loss_model().get, grams, repeat(0))) / (SCALE * sqrt(len(grams)))


@cache
def load_loss_model(path: Path = WEIGHTS_FILE) -> dict[str, int]:
    """Weight by gram, in hundredths of a nat: lines of "gram<TAB>weight"."""
    fields = path.read_text(encoding="utf-8").replace("\n", "\t").rstrip("\t").split("\t")
    return dict(zip((gram.replace("⏎", "\n") for gram in fields[::2]), map(int, fields[1::2]), strict=True))
