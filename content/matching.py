"""Which fraud type a text is about: weighted phrases and resemblance to the library's examples, together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import exp
from typing import Final

from content.fraud_type import FraudType, VOICES
from content.library import Library
from content.normalising import normalise
from content.ordinary import ordinary_texts
from content.phrases import Hit, PhraseFinder
from content.resemblance import Resemblance

SMOOTHING = 2000.0
PHRASE_GAIN = 1.0
RESEMBLANCE_GAIN = 1.0
LENGTH_POWER = 0.5
FADE = 0.5


@dataclass(frozen=True, slots=True)
class Match:
    ranked: tuple[tuple[str, float], ...]
    ordinary: float
    hits: tuple[Hit, ...]


def training_texts(fraud_type: FraudType) -> list[tuple[str, float]]:
    """What a type's resemblance is learnt from: (normalised text, weight)."""
    texts = [(fraud_type.name, 2.0), (fraud_type.summary, 1.0), (fraud_type.victims, 0.3)]
    texts += [(alias, 1.5) for alias in fraud_type.aka]
    texts += [(part, phrase.weight / 5) for phrase in fraud_type.phrases for part in phrase.parts]
    texts += [(line, 0.5) for line in (*fraud_type.steps, *fraud_type.signs)]
    texts += [(faq.question, 1.0) for faq in fraud_type.faq]
    texts += [(text, 1.0) for _, text in fraud_type.examples()]
    return [(normalise(text), weight) for text, weight in texts]


class Matcher:
    def __init__(self, library: Library, ordinary=None) -> None:
        ordinary = (
            ordinary
            if ordinary is not None
            else [l for k, ls in ordinary_texts().items() if k != "warning" for l in ls]
        )
        types = list(library.types.values())
        self._ids = tuple(library.types)
        self._finder = PhraseFinder(types, ordinary)
        groups = [training_texts(t) for t in types]
        groups.append([(t, 1.0) for t in ordinary])
        self._resemblance = Resemblance(groups, SMOOTHING)

    def features(self, text: str):
        hits = self._finder.find(text)
        per: dict[str, list[float]] = {}
        for hit in hits:
            per.setdefault(hit.type_id, []).append(hit.evidence)
        phr = {}
        for t, ev in per.items():
            ev.sort(reverse=True)
            s, f = 0.0, 1.0
            for e in ev:
                s += e * f
                f *= FADE
            phr[t] = s
        return phr, self._resemblance.scores(text), self._resemblance.masses
