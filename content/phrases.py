"""Finding the library's weighted phrases in normalised text: one automaton for all types."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ahocorasick_rs import AhoCorasick

from content.fraud_type import FraudType, Phrase
from content.normalising import normalise

WEIGHTS: Final = (0.0, 0.5, 1.2, 2.2, 3.4, 4.6)
"""Evidence of a phrase by its weight, in nats (4.6 = odds of 100 to 1), before its reliability."""

_NAME_BREAKS: Final = re.compile(r"[/(),、]")
_AKA_WEIGHT: Final = 3
_PART_WEIGHT: Final = 2
_PRIOR: Final = 3.0
_ORDINARY_COST: Final = 3
"""Discounting: unseen phrases start with the trust of three good hits; one hit in ordinary talk counts as three bad."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase of a type that was found. ``evidence`` in nats."""

    type_id: str
    phrase: Phrase
    evidence: float


class PhraseFinder:
    """All phrases of all types, found in one pass over a text.

    A phrase is worth what its editor says, less what experience says: one that also occurs in the examples of other
    types or in ordinary talk loses evidence accordingly.
    """

    def __init__(
        self,
        types: Sequence[FraudType],
        ordinary: Iterable[str] = (),
        read: Callable[[str], str] = normalise,
    ) -> None:
        """``read``: normalises the examples; a caller that reads them too passes a memory of it."""
        self._parts: dict[str, int] = {}
        self._by_first: list[list[tuple[tuple[int, ...], Hit]]] = []
        for fraud_type in types:
            for phrase in own_phrases(fraud_type, read):
                self._add(fraud_type.id, phrase)
        self._automaton = AhoCorasick(list(self._parts))
        self._discount(types, ordinary, read)

    def _discount(self, types: Sequence[FraudType], ordinary: Iterable[str], read: Callable[[str], str]) -> None:
        own: Counter[int] = Counter()  # by the identity of the hit, which hashes faster than its value
        foreign: Counter[int] = Counter()
        for fraud_type in types:
            for _, text in fraud_type.examples():
                for hit in self.find(read(text)):
                    (own if hit.type_id == fraud_type.id else foreign)[id(hit)] += 1
        for text in ordinary:
            for hit in self.find(text):
                foreign[id(hit)] += _ORDINARY_COST
        for entries in self._by_first:
            for place, (others, hit) in enumerate(entries):
                if id(hit) in foreign:
                    trusted = own[id(hit)] + _PRIOR
                    share = trusted / (trusted + foreign[id(hit)])
                    entries[place] = (others, replace(hit, evidence=hit.evidence * share))

    def _add(self, type_id: str, phrase: Phrase) -> None:
        numbers = []
        # The longest part is the rarest, so a template is looked at least often under it.
        for part in sorted(phrase.parts, key=len, reverse=True):
            number = self._parts.setdefault(part, len(self._parts))
            if number == len(self._by_first):
                self._by_first.append([])
            numbers.append(number)
        hit = Hit(type_id, phrase, WEIGHTS[phrase.weight])
        self._by_first[numbers[0]].append((tuple(numbers[1:]), hit))

    def find(self, text: str) -> list[Hit]:
        """Every phrase whose parts all occur in ``text`` (normalised), in no particular order."""
        present = {found[0] for found in self._automaton.find_matches_as_indexes(text, overlapping=True)}
        hits = []
        for number in present:
            for others, hit in self._by_first[number]:
                if not others or present.issuperset(others):
                    hits.append(hit)
        return hits


def own_phrases(fraud_type: FraudType, read: Callable[[str], str]) -> list[Phrase]:
    """The phrases of a type, with its name and what people call it where no phrase says the same."""
    phrases = {phrase.parts: phrase for phrase in fraud_type.phrases}
    names = [(5, fraud_type.name), *((_PART_WEIGHT, part) for part in _NAME_BREAKS.split(fraud_type.name))]
    names += [(_AKA_WEIGHT, alias) for alias in fraud_type.aka]
    for weight, written in names:
        parts = (read(written),)
        if len(parts[0]) >= 2 and parts not in phrases:
            phrases[parts] = Phrase(weight, parts)
    return list(phrases.values())
