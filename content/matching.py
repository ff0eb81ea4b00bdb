"""Which fraud type a text is about, and how sure that is: phrases and resemblance to the library's examples together.

The weights below were fitted on examples held out of the library in five parts, on ``ordinary.txt`` held out in the
same way and on the hand-written questions of the tests (``benchmarks/eval_answers.py`` repeats the
measurement). They are few and round on purpose: the library changes daily, and the score must keep its meaning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import exp, sqrt
from operator import itemgetter
from typing import Final

from content.cues import DEMAND, QUESTION, REPORT
from content.fraud_type import VOICES, FraudType
from content.library import Library
from content.normalising import normalise
from content.ordinary import lures, ordinary_texts
from content.phrases import Hit, PhraseFinder
from content.resemblance import LONGEST, Resemblance
from content.voice_model import Leaning, VoiceModel, load_voice_model

# Logit of a type among the types: phrases and resemblance, both in nats.
_PHRASE_GAIN: Final = 1.0
_RESEMBLANCE_GAIN: Final = 1.2
# Logit of "about fraud at all": how the text sounds against everyday talk at large (``voice_model``), phrases of the
# best type (square root: the first ones count most), and the closest voice of this library against the everyday
# talk of the package, limited so that length alone never convinces.
_UNLESS_TOLD: Final = -2.4
_LEANING_TELLS: Final = 0.8
_PHRASES_TELL: Final = 0.8
_VOICE_TELLS: Final = 0.7
_VOICE_LIMIT: Final = 7.0
_DEMAND_TELLS: Final = 0.2
_REPORT_TELLS: Final = -2.5
_RANKED: Final = 8
_second: Final = itemgetter(1)
_FADE: Final = 0.5
"""A further phrase of the same type adds half of what the one before did: they mostly say the same again."""


@dataclass(frozen=True, slots=True)
class Voices:
    """Resemblance to how each kind of speaker writes, in nats against ordinary talk (0)."""

    asking: float
    telling: float
    scammer: float
    warning: float


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of a text before it is compared with the library's examples, which costs as much again.

    ``text`` is normalised; ``hits``: phrases found, of all types; ``phrases``: what they add up to by type, in nats;
    ``leaning``: how it sounds against everyday talk at large; ``fraud``: the most that ``Match.fraud`` can be.
    """

    text: str
    hits: tuple[Hit, ...]
    phrases: Mapping[str, float]
    leaning: Leaning
    fraud: float


@dataclass(frozen=True)
class Match:
    """What a text is about.

    ``text`` is normalised. ``fraud``: probability that it is about fraud at all; ``hits``: phrases found, of all types;
    ``evidence``: those of the best type added up, in nats; ``leaning``: how it sounds against everyday talk at large.
    ``ids`` and ``odds``: all types and their odds against the best one, which stands at ``first``.
    """

    text: str
    fraud: float
    hits: tuple[Hit, ...]
    evidence: float
    voices: Voices
    leaning: Leaning
    ids: tuple[str, ...]
    odds: Sequence[float]
    first: int

    @cached_property
    def ranked(self) -> tuple[tuple[str, float], ...]:
        """(type id, probability) of the likeliest types, best first."""
        ranked = sorted(zip(self.ids, self.odds, strict=True), key=_second, reverse=True)[:_RANKED]
        return tuple((each, self._of_one * odd) for each, odd in ranked)

    @cached_property
    def _of_one(self) -> float:
        """Probability of a type at odds of one."""
        return self.fraud / sum(self.odds)

    @property
    def best(self) -> tuple[str, float]:
        """The best type and its probability, 0 to 1."""
        return self.ids[self.first], self._of_one * self.odds[self.first]

    def share(self, place: int) -> float:
        """Probability of the type at ``place`` of the ranking, given that it is fraud at all."""
        return self.ranked[place][1] / self.fraud if place < len(self.ranked) and self.fraud else 0.0


class Matcher:
    """Matches texts against one library; built once (0.2 s), then read-only. It remembers the last text: whoever answers
    and whoever screens ask about the same one. ``outlook`` is for whoever can often do without ``match``."""

    def __init__(
        self,
        library: Library,
        kinds: Mapping[str, Sequence[str]] | None = None,
        voice_model: VoiceModel | None = None,
    ) -> None:
        """``kinds``: normalised everyday texts by kind; those of the package unless a measurement holds some out."""
        self._voice_model = voice_model or load_voice_model()
        types = list(library.types.values())
        kinds = ordinary_texts() if kinds is None else kinds
        ordinary = [line for kind, lines in kinds.items() if kind != "warning" for line in lines]
        self._ids = tuple(library.types)
        self._places = {type_id: place for place, type_id in enumerate(self._ids)}
        read = cache(normalise)
        self._finder = PhraseFinder(types, ordinary, read)
        self._resemblance = Resemblance(
            [
                [(line, 1.0) for line in ordinary],
                *(_texts_in_voice(types, voice, read) for voice in VOICES),
                [(line, 1.0) for line in kinds.get("warning", ())],
                *([*_texts_of(fraud_type, read)] for fraud_type in types),
            ]
        )
        self._last: tuple[str, Match] | None = None
        self._last_outlook: tuple[str, Outlook] | None = None

    def match(self, text: str) -> Match:
        """Normalise ``text`` and rank every type. Total: any text, empty ones included, gets a ``Match``."""
        last = self._last  # one look: other threads may replace it meanwhile
        if last is None or last[0] != text:
            self._last = last = (text, self._match(text))
        return last[1]

    def outlook(self, text: str) -> Outlook:
        """The quick part of ``match``. Total: any text."""
        last = self._last_outlook
        if last is None or last[0] != text:
            self._last_outlook = last = (text, self._outlook(text))
        return last[1]

    def _outlook(self, text: str) -> Outlook:
        plain = normalise(text)
        hits = self._finder.find(plain)
        phrases = _evidence(hits)
        leaning = self._voice_model.leaning(plain)
        most = _fraud_probability(plain, max(phrases.values(), default=0.0), _VOICE_LIMIT, leaning)
        return Outlook(plain, tuple(hits), phrases, leaning, most)

    def _match(self, text: str) -> Match:
        outlook = self.outlook(text)
        ordinary, asking, telling, scammer, warning, *scores = self._resemblance.scores(outlook.text)
        logits = [_RESEMBLANCE_GAIN * score for score in scores]
        for type_id, value in outlook.phrases.items():
            logits[self._places[type_id]] += _PHRASE_GAIN * value
        top = max(logits)
        first = logits.index(top)
        odds = [exp(logit - top) for logit in logits]
        voices = Voices(asking - ordinary, telling - ordinary, scammer - ordinary, warning - ordinary)
        evidence = outlook.phrases.get(self._ids[first], 0.0)
        voice = max(voices.asking, voices.telling, voices.scammer)
        fraud = _fraud_probability(outlook.text, evidence, voice, outlook.leaning)
        return Match(outlook.text, fraud, outlook.hits, evidence, voices, outlook.leaning, self._ids, odds, first)


def _fraud_probability(text: str, evidence: float, voice: float, leaning: Leaning) -> float:
    """Grows with the evidence and the voice."""
    if not text:
        return 0.0
    text = text[:LONGEST]
    logit = _UNLESS_TOLD + _LEANING_TELLS * max(leaning) + _PHRASES_TELL * sqrt(evidence)
    logit += _VOICE_TELLS * max(-_VOICE_LIMIT, min(_VOICE_LIMIT, voice))
    if DEMAND.search(text):
        logit += _DEMAND_TELLS
    if REPORT.search(text) and not QUESTION.search(text):
        logit += _REPORT_TELLS
    return 1 / (1 + exp(-max(-40.0, min(40.0, logit))))


def _evidence(hits: list[Hit]) -> dict[str, float]:
    """Evidence of the phrases found, by type, in nats."""
    found: dict[str, list[float]] = {}
    for hit in hits:
        found.setdefault(hit.type_id, []).append(hit.evidence)
    totals: dict[str, float] = {}
    for type_id, values in found.items():
        values.sort()
        total = 0.0
        for value in values:
            total = value + _FADE * total
        totals[type_id] = total
    return totals


def _texts_of(fraud_type: FraudType, read: Callable[[str], str]) -> list[tuple[str, float]]:
    """What a type's resemblance is learnt from: (normalised text, weight)."""
    texts = [(fraud_type.name, 2.0), (fraud_type.summary, 1.0), (fraud_type.victims, 0.3)]
    texts += [(alias, 1.5) for alias in fraud_type.aka]
    texts += [(line, 0.5) for line in (*fraud_type.steps, *fraud_type.signs)]
    texts += [(faq.question, 1.0) for faq in fraud_type.faq]
    texts += [(text, 1.0) for _, text in fraud_type.examples()]
    texts += [(text, 0.5) for text in lures().get(fraud_type.id, ())]
    phrases = ((part, phrase.weight / 5) for phrase in fraud_type.phrases for part in phrase.parts)
    return [*((read(text), weight) for text, weight in texts), *phrases]


def _texts_in_voice(types: list[FraudType], voice: str, read: Callable[[str], str]) -> list[tuple[str, float]]:
    texts = [(read(text), 1.0) for each in types for spoken, text in each.examples() if spoken == voice]
    if voice == "scammer":
        texts += [(text, 0.7) for each in types for text in lures().get(each.id, ())]
    return texts
