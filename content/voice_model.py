"""Does a text sound like a resident who asks about fraud, like a scammer, or like everyday talk and news?

A logistic model over characters and character pairs. Everyday talk is too wide for what a library can hold, so its
weights are fitted in advance, on the library and on a large amount of ordinary text, by ``benchmarks/fit_voices.py``;
they are kept in ``voice_model.txt``. Which type a text is about is learnt at load time from the library itself, so
that edits of the library count at once; how fraud is talked about in general changes slowly.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import repeat
from math import sqrt
from operator import add, lshift
from pathlib import Path
from typing import Final, NamedTuple

WEIGHTS_FILE: Final = Path(__file__).parent / "voice_model.txt"
LONGEST: Final = 400
"""Characters that are read: whoever writes more has said what it is about."""

# Both weights of a gram share one integer, so that one sum over a text adds up both.
_SHIFT: Final = 40
_OFFSET: Final = 1 << 15
"""Added to each weight, so that no lane turns negative."""
SCALE: Final = 100
"""Weights in the file are whole hundredths of a nat."""
_DIGITS: Final = str.maketrans(dict.fromkeys("123456789", "0"))


class Leaning(NamedTuple):
    """Log-odds against everyday talk, in nats: of a resident's talk about fraud, and of a scammer's own words."""

    resident: float
    scammer: float


def voice_grams(text: str) -> set[str]:
    """The grams of ``text`` (normalised) that the model reads: digits are alike, repeats count once."""
    plain = text[:LONGEST].translate(_DIGITS)
    return {*plain, *map(add, plain, plain[1:])}


class VoiceModel:
    """Fitted weights; free of state."""

    def __init__(
        self, bias: tuple[int, int], grams: Iterable[str], weights: tuple[Iterable[int], Iterable[int]]
    ) -> None:
        """``bias`` and ``weights`` of ``grams``: (resident, scammer), in hundredths of a nat."""
        self._bias = bias
        self._unknown = (_OFFSET << _SHIFT) + _OFFSET
        residents = map(lshift, weights[0], repeat(_SHIFT))
        packed = map(add, map(add, residents, weights[1]), repeat(self._unknown))
        self._packed = dict(zip(grams, packed, strict=True))

    def leaning(self, text: str) -> Leaning:
        """How ``text`` (normalised) sounds. Total: any text."""
        grams = voice_grams(text)
        if not grams:
            return Leaning(-10.0, -10.0)
        total = sum(map(self._packed.get, grams, repeat(self._unknown))) - len(grams) * self._unknown
        scammer = ((total + (1 << _SHIFT - 1)) & ((1 << _SHIFT) - 1)) - (1 << _SHIFT - 1)
        resident = (total - scammer) >> _SHIFT
        root = SCALE * sqrt(len(grams))
        return Leaning(resident / root + self._bias[0] / SCALE, scammer / root + self._bias[1] / SCALE)


@cache
def load_voice_model(path: Path = WEIGHTS_FILE) -> VoiceModel:
    """The model of the package: a first line with both biases, then "gram<TAB>resident<TAB>scammer"."""
    fields = path.read_text(encoding="utf-8").replace("\n", "\t").rstrip("\t").split("\t")
    grams = [gram.replace("⏎", "\n") for gram in fields[2::3]]
    return VoiceModel((int(fields[0]), int(fields[1])), grams, (map(int, fields[3::3]), map(int, fields[4::3])))
