"""Recognise a message as a forwarded copy of a live alert, whatever was cut, added or mistyped on the way.

Every alert is kept as its 3-grams in an inverted index. A message's rarest grams name the few alerts that it may
copy; each of those is laid along the message, and what counts is the *weight* of the passages that run on: a gram
weighs one when a single live alert has it, less the more alerts share it, and nothing when it is stock. Words on
the same topic agree in short terms only and so come to nothing, however many they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from math import log
from typing import Final

from content.alignment import Passage, passages, replaced
from content.ngrams import GRAM, figures, fold, grams, origins
from content.stock_phrases import stock_phrases

UNIT: Final = 1000
"""Weight of a gram that only one alert has. Weights are whole numbers, so that sums do not depend on order."""
THRESHOLD: Final = 0.42
"""Scores from here on are credited."""
_PASSAGE_COST: Final = 4 * UNIT
"""Taken off every passage: a shared term of six characters is no copy."""
_FULL_STRENGTH: Final = 20 * UNIT
"""Evidence that needs no discount: some twenty-five characters in one piece."""
_REPLACED_COST: Final = UNIT
"""Taken off for every character that stands in the place of another one."""
_CLEAR_LEAD: Final = 3 * UNIT
"""Evidence that only the better of two alerts explains; one character of difference makes three grams."""
_POSTINGS: Final = 1500
"""Index entries that are read for one message, rarest grams first."""
_MIN_SHARED: Final = 8
"""Rare grams that a message must share with an alert to be looked at more closely."""
_CANDIDATES: Final = 6

_STOCK: Final = frozenset(gram for phrase in stock_phrases() for gram in grams(fold(phrase)))


@dataclass(frozen=True, slots=True)
class ForwardMatch:
    """What :meth:`AlertIndex.match` found.

    ``score`` is the share of the message, or of the alert if that is smaller, that was demonstrably copied, lowered
    when it is little in absolute terms. ``alert_id`` is None below :data:`THRESHOLD` and when several alerts
    explain the message equally well; those are then named in ``tied``. ``passages`` are the copied pieces as they
    stand in the message. ``runner_up`` is the next best alert, and ``also`` names alerts that other parts of the
    same message copy.
    """

    alert_id: str | None
    score: float
    passages: tuple[str, ...] = ()
    runner_up: str | None = None
    tied: tuple[str, ...] = ()
    also: tuple[str, ...] = ()


NO_MATCH: Final = ForwardMatch(None, 0.0)


@dataclass(slots=True)
class _Alert:
    alert_id: str
    folded: str
    figures: frozenset[str]
    mass: int = 0
    mass_as_of: int = -1  # index version that ``mass`` was summed at


@dataclass(frozen=True, slots=True)
class _Message:
    folded: str
    weights: list[int]  # per gram position; zero for stock and for repeats
    mass: int
    figures: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """One alert laid along the message."""

    alert: _Alert
    score: float
    evidence: int
    passages: list[Passage]
    covered: frozenset[int]  # gram positions of the message that the passages hold
    missing: int  # weight of the alert that the message leaves out

    @property
    def rank(self) -> tuple[float, int, str]:
        return (-self.score, -self.evidence, self.alert.alert_id)


class AlertIndex:
    """The live alerts, ready to be compared with every message. Alerts come and go at any time.

    ``add`` and ``remove`` touch the grams of that alert only.
    """

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._alerts: dict[int, _Alert] = {}
        # Slots grow and never return, so every posting list stays sorted by appending.
        self._postings: dict[str, list[int]] = {}
        self._next_slot = 0
        self._version = 0
        self._weights: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, alert_id: object) -> bool:
        return alert_id in self._slots

    def add(self, alert_id: str, text: str) -> None:
        """Make an alert live; one with the same id is replaced."""
        self.remove(alert_id)
        slot, self._next_slot = self._next_slot, self._next_slot + 1
        alert = _Alert(alert_id, fold(text), figures(text))
        self._slots[alert_id] = slot
        self._alerts[slot] = alert
        for gram in set(grams(alert.folded)) - _STOCK:
            self._postings.setdefault(gram, []).append(slot)
        self._changed()

    def remove(self, alert_id: str) -> None:
        """Forget an alert; an unknown id is ignored, so that expiring twice does no harm."""
        slot = self._slots.pop(alert_id, None)
        if slot is None:
            return
        alert = self._alerts.pop(slot)
        for gram in set(grams(alert.folded)) - _STOCK:
            posting = self._postings[gram]
            if len(posting) == 1:
                del self._postings[gram]
            else:
                del posting[bisect_left(posting, slot)]
        self._changed()

    def match(self, text: str) -> ForwardMatch:
        """Return the live alert that ``text`` is a copy of, if it is one."""
        folded = fold(text)
        sequence = grams(folded)
        candidates = self._candidates(sequence)
        if not candidates:
            return NO_MATCH
        message = self._weigh(folded, sequence, text)
        readings = sorted((self._read(message, alert) for alert in candidates), key=lambda r: r.rank)
        return _judge(text, message, readings)

    def _changed(self) -> None:
        self._version += 1
        self._weights.clear()

    def _weight(self, frequency: int) -> int:
        """Return the weight of a gram that ``frequency`` alerts have: an idf scaled to 0..UNIT.

        With one live alert all its grams weigh full; with two, what both say keeps a third, so that two versions of
        one alert are still recognised; boilerplate of all alerts tends to nothing as they become more.
        """
        weight = self._weights.get(frequency)
        if weight is None:
            total = len(self._slots) + 1
            weight = round(UNIT * log(total / max(1, frequency)) / log(total)) if total > 1 else UNIT
            self._weights[frequency] = weight
        return weight

    def _gram_weights(self, sequence: Iterable[str]) -> list[int]:
        """Return the weight of each gram where it occurs first; stock and repeats weigh nothing."""
        seen: set[str] = set()
        weights: list[int] = []
        postings, weight_of = self._postings, self._weight
        for gram in sequence:
            if gram in seen or gram in _STOCK:
                weights.append(0)
            else:
                seen.add(gram)
                posting = postings.get(gram)
                weights.append(weight_of(len(posting)) if posting else UNIT)
        return weights

    def _weigh(self, folded: str, sequence: list[str], text: str) -> _Message:
        weights = self._gram_weights(sequence)
        return _Message(folded, weights, sum(weights), figures(text))

    def _alert_mass(self, alert: _Alert) -> int:
        if alert.mass_as_of != self._version:
            alert.mass = sum(self._gram_weights(grams(alert.folded)))
            alert.mass_as_of = self._version
        return alert.mass

    def _candidates(self, sequence: list[str]) -> list[_Alert]:
        """Return the few alerts that share most of the message's rarest grams."""
        lists = [p for p in map(self._postings.get, dict.fromkeys(sequence)) if p is not None]
        if len(lists) < _MIN_SHARED:
            return []
        if sum(map(len, lists)) > _POSTINGS:
            lists = _rarest(lists)
        shared = Counter(chain.from_iterable(lists))
        least = max(_MIN_SHARED, max(shared.values()) * 0.3)
        likely = [(-count, self._alerts[slot].alert_id, slot) for slot, count in shared.items() if count >= least]
        return [self._alerts[slot] for _, _, slot in sorted(likely)[:_CANDIDATES]]

    def _read(self, message: _Message, alert: _Alert) -> _Reading:
        found: list[Passage] = []
        covered: list[int] = []
        evidence = matched = 0
        laid = passages(message.folded, alert.folded)
        for passage in laid:
            places = range(passage.start, passage.end - GRAM + 1)
            weight = sum(message.weights[passage.start : passage.end - GRAM + 1])
            if weight > _PASSAGE_COST:
                evidence += weight - _PASSAGE_COST
                matched += weight
                found.append(passage)
                covered.extend(places)
        evidence -= _REPLACED_COST * replaced(found)
        mass = self._alert_mass(alert)
        smaller = min(message.mass, mass)
        share = min(1.0, max(0, evidence) / smaller) if smaller else 0.0
        score = share * min(1.0, max(0, evidence) / _FULL_STRENGTH)
        return _Reading(alert, score, evidence, found, frozenset(covered), max(0, mass - matched))


def _rarest(lists: list[list[int]]) -> list[list[int]]:
    lists.sort(key=len)
    room = _POSTINGS
    for number, posting in enumerate(lists):
        room -= len(posting)
        if room < 0 and number >= _MIN_SHARED:
            return lists[:number]
    return lists


def _judge(text: str, message: _Message, readings: Sequence[_Reading]) -> ForwardMatch:
    best = readings[0]
    tied = [best]
    also: list[str] = []
    for other in readings[1:]:
        if not other.covered:
            continue
        if other.score >= THRESHOLD and not _same_place(best, other):
            also.append(other.alert.alert_id)
            continue
        lead = _lead(message, tied[0], other)
        if lead < 0:
            tied = [other]
        elif lead == 0:
            tied.append(other)
    winner = tied[0]
    runner_up = next((r.alert.alert_id for r in readings if r is not winner and r.evidence > 0), None)
    if winner.score < THRESHOLD:
        return ForwardMatch(None, round(winner.score, 4), (), winner.alert.alert_id if winner.evidence > 0 else None)
    names = tuple(sorted(r.alert.alert_id for r in tied))
    return ForwardMatch(
        alert_id=names[0] if len(names) == 1 else None,
        score=round(winner.score, 4),
        passages=_as_written(text, winner.passages),
        runner_up=runner_up,
        tied=names if len(names) > 1 else (),
        also=tuple(also),
    )


def _same_place(one: _Reading, other: _Reading) -> bool:
    return len(one.covered & other.covered) * 2 > min(len(one.covered), len(other.covered))


def _lead(message: _Message, one: _Reading, other: _Reading) -> int:
    """Return 1 if the first reading explains the message clearly better, -1 if the other does, 0 if neither."""
    weights = message.weights
    lead = sum(weights[p] for p in one.covered - other.covered) - sum(weights[p] for p in other.covered - one.covered)
    if abs(lead) < _CLEAR_LEAD:
        lead = _lead_by_figures(message, one.alert, other.alert)
    if lead == 0 and min(one.missing, other.missing) < _CLEAR_LEAD:
        # Both hold all of the message, but one of them was passed on whole.
        lead = other.missing - one.missing
        lead = lead if abs(lead) >= _CLEAR_LEAD else 0
    return (lead > 0) - (lead < 0)


def _lead_by_figures(message: _Message, one: _Alert, other: _Alert) -> int:
    return len(message.figures & (one.figures - other.figures)) - len(message.figures & (other.figures - one.figures))


def _as_written(text: str, found: Sequence[Passage]) -> tuple[str, ...]:
    places = origins(text)
    return tuple(text[places[p.start] : places[p.end - 1] + 1] for p in found)
