"""Decide which alert a message copies, once the likely ones have been laid along it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from content.alignment import Passage, exchanged, passages, with_neighbours
from content.ngrams import GRAM, figures, origins

UNIT: Final = 1000
"""Weight of a gram that only one alert has. Weights are whole numbers, so that sums do not depend on order."""
THRESHOLD: Final = 0.4
"""Scores from here on are credited. On the texts of ``tests/unit/content`` whole and cut copies score from 0.53 (0.41
with a slip in every twelfth character or two foreign notices around half an alert), other people's texts on the topic
up to 0.03, other cases filled into the form of a live alert up to 0.39."""
_PASSAGE_COST: Final = 4 * UNIT
"""Taken off every passage: a shared term of six characters is no copy."""
_FULL_STRENGTH: Final = 16 * UNIT
"""Evidence that needs no discount: some twenty-two characters in one piece; ten when the alert's number stands
beside them."""
_TOLERATED: Final = 2
"""Characters of the alert that other words may stand for."""
_SLIPS_TOGETHER: Final = 8
"""Slips come in twos and threes at about the square of their rate; such a group looks like an exchanged name."""
_DOUBT: Final = 2.5
"""Exchanged characters beyond the tolerated that halve a score."""
_FIGURES: Final = 0.25
"""By how much each figure that differs adds to the doubt that exchanged words raise."""
_CLEAR_LEAD: Final = 3 * UNIT
"""Evidence that only the better of two alerts explains; one character of difference makes three grams."""


@dataclass(frozen=True, slots=True)
class ForwardMatch:
    """What :meth:`content.fingerprints.AlertIndex.match` found.

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


@dataclass(slots=True, eq=False)
class LiveAlert:
    """A live alert as the index keeps it."""

    alert_id: str
    folded: str
    figures: frozenset[str]
    number: str = ""
    mass: int = 0
    mass_as_of: int = -1  # version of the index that ``mass`` was summed at


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """A message in the forms that comparing needs."""

    text: str
    kept: str
    folded: str
    sequence: list[str]
    weights: list[int]  # of each gram of ``sequence``; zero for stock and for repeats
    mass: int
    numbers: Collection[str] = ()  # of alerts, as they stand in the text


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """One alert laid along the message."""

    alert: LiveAlert
    score: float
    evidence: int
    passages: list[Passage]
    missing: int  # weight of the alert that the message leaves out
    named: bool = False  # the message holds the alert's number
    credibility: float = 1.0  # that it is a copy, and not another case told in the same form; `score` holds it

    def covered(self) -> set[int]:
        """Return the places in ``Message.sequence`` that the passages hold."""
        return {place for passage in self.passages for place in range(passage.start, passage.end - GRAM + 1)}

    @property
    def rank(self) -> tuple[float, int, str]:
        """Sort key, best first; the id makes it independent of the order of adding."""
        return (-self.score, -self.evidence, self.alert.alert_id)


def read(message: Message, alert: LiveAlert, mass: int) -> Reading:
    """Lay ``alert``, whose grams weigh ``mass``, along the message and weigh what they share."""
    found: list[Passage] = []
    matched = evidence = 0
    every = passages(message.folded, message.sequence, alert.folded)
    for passage in every:
        weight = sum(message.weights[passage.start : passage.end - GRAM + 1])
        if weight > _PASSAGE_COST:
            matched += weight
            evidence += weight - _PASSAGE_COST
            found.append(passage)
    smaller = min(message.mass, mass)
    named = alert.number in message.numbers
    strength = _FULL_STRENGTH / 4 if named else _FULL_STRENGTH
    score = min(1.0, evidence / smaller) * min(1.0, evidence / strength) if smaller else 0.0
    credibility = 1.0
    if score >= THRESHOLD:
        credibility = _credibility(message, alert, with_neighbours(every, found))
        score *= credibility
    return Reading(alert, score, evidence, found, max(0, mass - matched), named, credibility)


def _credibility(message: Message, alert: LiveAlert, found: Sequence[Passage]) -> float:
    """Return 1 for a copy, tending to 0 the more looks like another case told in the same form."""
    length = sum(passage.end - passage.start for passage in found)
    slips = sum(passage.slips for passage in found)
    # Slips fall next to each other now and then, and two of them look like an exchanged name.
    tolerated = _TOLERATED + _SLIPS_TOGETHER * slips * slips / length
    doubt = max(0.0, exchanged(message.folded, alert.folded, found) - tolerated)
    if not doubt:
        return 1.0
    # Figures alone are changed by people; figures and names together, by another case.
    there = figures(message.kept)
    doubt *= 1 + _FIGURES * min(len(there - alert.figures), len(alert.figures - there))
    return 1 / (1 + (doubt / _DOUBT) ** 2)


def judge(message: Message, readings: Sequence[Reading]) -> ForwardMatch:
    """Return the verdict on readings that are sorted by rank."""
    best = readings[0]
    rivals = [other for other in readings if other is best or _same_place(best, other)]
    winner = best
    for other in rivals:
        if other is not winner and _lead(message, other, winner) > 0:
            winner = other
    runner_up = next((r.alert.alert_id for r in readings if r is not winner and r.evidence), None)
    if winner.score < THRESHOLD:
        return ForwardMatch(None, round(winner.score, 4), runner_up=runner_up)
    tied = [other for other in rivals if other is winner or _lead(message, winner, other) == 0]
    also = [r.alert.alert_id for r in readings if r.score >= THRESHOLD and r not in rivals]
    return ForwardMatch(
        alert_id=winner.alert.alert_id if len(tied) == 1 else None,
        score=round(winner.score, 4),
        passages=as_written(message, winner.passages),
        runner_up=runner_up,
        tied=tuple(sorted(r.alert.alert_id for r in tied)) if len(tied) > 1 else (),
        also=tuple(also),
    )


def _same_place(one: Reading, other: Reading) -> bool:
    here, there = one.covered(), other.covered()
    return bool(here & there) and 2 * len(here & there) >= min(len(here), len(there))


def _lead(message: Message, one: Reading, other: Reading) -> int:
    """Return 1 if the first reading explains the message clearly better, -1 if the other does, 0 if neither."""
    here, there, weights = one.covered(), other.covered(), message.weights
    lead = sum(weights[place] for place in here - there) - sum(weights[place] for place in there - here)
    if abs(lead) < _CLEAR_LEAD and one.named != other.named:
        return 1 if one.named else -1
    if abs(lead) < _CLEAR_LEAD:
        lead = _lead_by_figures(message, one.alert, other.alert)
    if lead == 0 and min(one.missing, other.missing) < _CLEAR_LEAD:
        # Both hold all of the message, but one of them was passed on whole.
        lead = other.missing - one.missing
        lead = lead if abs(lead) >= _CLEAR_LEAD else 0
    return (lead > 0) - (lead < 0)


def _lead_by_figures(message: Message, one: LiveAlert, other: LiveAlert) -> int:
    there = figures(message.kept)
    return len(there & (one.figures - other.figures)) - len(there & (other.figures - one.figures))


def as_written(message: Message, found: Sequence[Passage]) -> tuple[str, ...]:
    places = origins(message.kept)
    return tuple(message.text[places[p.start] : places[p.end - 1] + 1] for p in found)
