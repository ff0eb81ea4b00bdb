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
from content.ngrams import GRAM, figures, fold, grams, joined, kept, origins
from content.stock_phrases import stock_phrases

UNIT: Final = 1000
"""Weight of a gram that only one alert has. Weights are whole numbers, so that sums do not depend on order."""
THRESHOLD: Final = 0.45
"""Scores from here on are credited."""
_PASSAGE_COST: Final = 4 * UNIT
"""Taken off every passage: a shared term of six characters is no copy."""
_FULL_STRENGTH: Final = 18 * UNIT
"""Evidence that needs no discount: some twenty-five characters in one piece."""
_REPLACED_COST: Final = UNIT
"""Taken off for every character that stands in the place of another one."""
_CLEAR_LEAD: Final = 3 * UNIT
"""Evidence that only the better of two alerts explains; one character of difference makes three grams."""
_POSTINGS: Final = 600
"""Index entries that are read for one message, rarest grams first …"""
_GRAMS_READ: Final = 20
"""… unless that leaves fewer grams than this."""
_MIN_SHARED: Final = 8
"""Rare grams that a message must share with an alert to be looked at more closely."""
_CANDIDATES: Final = 6
"""Alerts that are laid along a message at most."""
_BEHIND: Final = 0.7
"""Once a copy is found, alerts with fewer shared grams than this part of the leader's cannot tie with it."""
_FAR_BEHIND: Final = 0.3
"""Alerts with fewer shared grams than this part of the leader's are not looked at."""

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
    text: str
    kept: str
    folded: str
    sequence: list[str]
    weights: list[int]  # per gram position; zero for stock and for repeats
    mass: int


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


class _Weights(dict[int, int]):
    """Weight of a gram by the number of live alerts that have it: an idf scaled to 0..UNIT.

    With one live alert all its grams weigh full; with two, what both say keeps a third, so that two versions of one
    alert are still recognised; boilerplate of all alerts tends to nothing as they become more.
    """

    def __init__(self, live: int) -> None:
        self._scale = log(live + 1)
        self[0] = 0  # stock

    def __missing__(self, frequency: int) -> int:
        weight = self[frequency] = round(UNIT * (1 - log(frequency) / self._scale))
        return weight


class AlertIndex:
    """The live alerts, ready to be compared with every message. Alerts come and go at any time.

    ``add`` and ``remove`` touch the grams of that alert only.
    """

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._alerts: dict[int, _Alert] = {}
        # Slots grow and never return, so every posting list stays sorted by appending.
        # Stock grams are known from the start and belong to nobody.
        self._postings: dict[str, list[int]] = {gram: [] for gram in _STOCK}
        self._next_slot = 0
        self._version = 0
        self._weights = _Weights(0)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, alert_id: object) -> bool:
        return alert_id in self._slots

    def add(self, alert_id: str, text: str) -> None:
        """Make an alert live; one with the same id is replaced."""
        self.remove(alert_id)
        slot, self._next_slot = self._next_slot, self._next_slot + 1
        kept_text = kept(text)
        alert = _Alert(alert_id, joined(kept_text), figures(kept_text))
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

    def _changed(self) -> None:
        self._version += 1
        self._weights = _Weights(len(self))

    def match(self, text: str) -> ForwardMatch:
        """Return the live alert that ``text`` is a copy of, if it is one."""
        kept_text = kept(text)
        folded = joined(kept_text)
        sequence = grams(folded)
        candidates = self._candidates(sequence)
        if not candidates:
            return NO_MATCH
        weights = self._gram_weights(sequence)
        message = _Message(text, kept_text, folded, sequence, weights, sum(weights))
        readings = self._readings(message, candidates)
        if readings[0].score >= THRESHOLD:
            readings += self._elsewhere(message, readings)
        return _judge(message, readings)

    def _gram_weights(self, sequence: Sequence[str]) -> list[int]:
        """Return the weight of each gram where it occurs first; stock and repeats weigh nothing."""
        distinct = dict.fromkeys(sequence)
        weight_of = self._weights
        weights = [
            UNIT if posting is None else weight_of[len(posting)] for posting in map(self._postings.get, distinct)
        ]
        if len(distinct) == len(sequence):
            return weights
        once = dict(zip(distinct, weights, strict=True))
        return [once.pop(gram, 0) for gram in sequence]

    def _alert_mass(self, alert: _Alert) -> int:
        if alert.mass_as_of != self._version:
            alert.mass = sum(self._gram_weights(grams(alert.folded)))
            alert.mass_as_of = self._version
        return alert.mass

    def _candidates(self, sequence: Iterable[str]) -> list[tuple[int, _Alert]]:
        """Return the few alerts that share most of the message's rarest grams, with their number."""
        lists = [posting for posting in map(self._postings.get, dict.fromkeys(sequence)) if posting]
        if len(lists) < _MIN_SHARED:
            return []
        if sum(map(len, lists)) > _POSTINGS:
            lists = _rarest(lists)
        shared = Counter(chain.from_iterable(lists))
        least = max(_MIN_SHARED, max(shared.values()) * _FAR_BEHIND)
        likely = [(-count, self._alerts[slot].alert_id, slot) for slot, count in shared.items() if count >= least]
        return [(-count, self._alerts[slot]) for count, _, slot in sorted(likely)[:_CANDIDATES]]

    def _readings(self, message: _Message, candidates: list[tuple[int, _Alert]]) -> list[_Reading]:
        """Lay the likely alerts along the message, best first; stop when the rest can neither win nor tie."""
        readings: list[_Reading] = []
        best = 0.0
        for shared, alert in candidates:
            if best >= THRESHOLD and shared < candidates[0][0] * _BEHIND:
                break
            readings.append(self._read(message, alert))
            best = max(best, readings[-1].score)
        return sorted(readings, key=lambda reading: reading.rank)

    def _elsewhere(self, message: _Message, readings: list[_Reading]) -> list[_Reading]:
        """Read the alerts that only the rest of the message points to: people paste two alerts into one message."""
        covered = readings[0].covered
        rest = [gram for place, gram in enumerate(message.sequence) if place not in covered]
        known = {reading.alert.alert_id for reading in readings}
        more = [c for c in self._candidates(rest) if c[1].alert_id not in known]
        return self._readings(message, more)

    def _read(self, message: _Message, alert: _Alert) -> _Reading:
        found: list[Passage] = []
        covered: list[int] = []
        evidence = matched = 0
        laid = passages(message.folded, message.sequence, alert.folded)
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
        if room < 0 and number >= _GRAMS_READ:
            return lists[:number]
    return lists


def _judge(message: _Message, readings: Sequence[_Reading]) -> ForwardMatch:
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
        passages=_as_written(message, winner.passages),
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
    there = figures(message.kept)
    return len(there & (one.figures - other.figures)) - len(there & (other.figures - one.figures))


def _as_written(message: _Message, found: Sequence[Passage]) -> tuple[str, ...]:
    places = origins(message.kept)
    return tuple(message.text[places[p.start] : places[p.end - 1] + 1] for p in found)
