"""Why a message is, or is not, taken for a forward: for people who look into a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from content.readings import THRESHOLD, UNIT, ForwardMatch, Message, Reading, as_written


class Verdict(StrEnum):
    """What was decided about one alert; the value is what people read."""

    CREDITED = "认定为这条预警的转发"
    ALSO = "同一条消息里也转发了这条预警"
    TIED = "与另一条预警一样吻合，按最近发布的一条认定"
    BETTER = "另一条预警吻合得更好"
    OTHER_CASE = "句式相同，但人名、地点或手法被换成了别的：是同一模板的另一起案件"
    TOO_LITTLE = "相同的文字太少，只是话题相同"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One alert that was laid along the message."""

    alert_id: str
    verdict: Verdict
    score: float
    shared: int  # rare 3-grams in common
    copied: int  # characters of the message in copied passages
    weight: float  # of those passages: one for each 3-gram that no other alert has
    credibility: float  # 1: nothing was exchanged for other words
    numbered: bool  # the message holds the alert's number
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The decision and what it rests on. `letters` is the length of what is left of the message after folding."""

    match: ForwardMatch
    threshold: float
    letters: int
    candidates: tuple[Candidate, ...]


def explanation(
    message: Message, match: ForwardMatch, readings: Sequence[Reading], shared: Mapping[str, int]
) -> Explanation:
    """Candidates come best first; none at all when the message shares hardly a rare 3-gram with any alert."""
    ordered = sorted(readings, key=lambda reading: reading.rank)
    found = tuple(_candidate(message, match, reading, shared[reading.alert.alert_id]) for reading in ordered)
    return Explanation(match, THRESHOLD, len(message.folded), found)


def _candidate(message: Message, match: ForwardMatch, reading: Reading, shared: int) -> Candidate:
    return Candidate(
        alert_id=reading.alert.alert_id,
        verdict=_verdict(match, reading),
        score=round(reading.score, 4),
        shared=shared,
        copied=sum(passage.end - passage.start for passage in reading.passages),
        weight=round(reading.evidence / UNIT, 1),
        credibility=round(reading.credibility, 3),
        numbered=reading.named,
        passages=as_written(message, reading.passages),
    )


def _verdict(match: ForwardMatch, reading: Reading) -> Verdict:
    alert_id = reading.alert.alert_id
    for chosen, verdict in (
        (match.alert_id == alert_id, Verdict.CREDITED),
        (alert_id in match.also, Verdict.ALSO),
        (alert_id in match.tied, Verdict.TIED),
        (reading.score >= THRESHOLD, Verdict.BETTER),
        (reading.credibility < 1.0, Verdict.OTHER_CASE),
    ):
        if chosen:
            return verdict
    return Verdict.TOO_LITTLE
