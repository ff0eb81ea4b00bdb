"""Is a message in a group itself a scam: an advertisement or a lure in the scammer's voice?

A warning about a scam, a resident's question or story, ordinary chat, genuine notices and news must pass. A false
alarm accuses a neighbour, so the bar is higher than for answering: the voice must be a scammer's and no resident's,
and the whole must be likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp
from typing import Final

from content.cues import REPORT, WARNING
from content.library import Library
from content.matching import Match, Matcher, Outlook
from content.resemblance import LONGEST
from content.voice_model import Leaning

ALARM_FROM: Final = 0.4
"""Probability from which a message alarms."""

# Fitted on the project's own measuring sets (``benchmarks/eval``) and the library, then rounded; each part is
# limited, so that length alone never convinces. What convinces is the lead over a resident's way of telling the same.
_UNLESS_TOLD: Final = -1.8
_LEAD_TELLS: Final = 2.0
_LEANING_TELLS: Final = -0.65
_SCAMMER_TELLS: Final = 0.5
_VOICE_LEAD_TELLS: Final = 0.2
_WARNING_TELLS: Final = -0.5
_REPORT_TELLS: Final = -1.0
_LIMIT: Final = 6.0
_LEAST_FRAUD: Final = 0.3
_SHORTEST: Final = 8
"""Characters below which a text without any phrase of the library is too little to accuse anybody."""


@dataclass(frozen=True, slots=True)
class Screening:
    """``alarm``: the message is itself a scam; ``types``: ids, best first, empty without alarm; ``score``: 0..1."""

    alarm: bool
    types: tuple[str, ...]
    score: float


class Screener:
    """Screens group messages with one library; free of state."""

    def __init__(self, library: Library, matcher: Matcher | None = None) -> None:
        self.matcher = matcher or Matcher(library)

    def screen(self, text: str) -> Screening:
        """Judge one message. Total: any text."""
        return judge(self.matcher.match(text))

    def alarms(self, text: str) -> bool:
        """Whether ``screen`` alarms: most messages are let pass before they are compared with any example."""
        return _may_alarm(self.matcher.outlook(text)) and self.screen(text).alarm


def judge(match: Match) -> Screening:
    """The screening of a message that is already matched."""
    score = round(_scam_probability(match), 4)
    enough = len(match.text) >= _SHORTEST or match.evidence >= 1
    alarm = enough and score >= ALARM_FROM and match.fraud >= _LEAST_FRAUD
    return Screening(alarm, _likely_types(match) if alarm else (), score)


def _likely_types(match: Match) -> tuple[str, ...]:
    return tuple(
        type_id for place, (type_id, _) in enumerate(match.ranked[:3]) if place == 0 or match.share(place) >= 0.1
    )


def _may_alarm(outlook: Outlook) -> bool:
    """False when no voice could make it an alarm."""
    return (
        outlook.fraud >= _LEAST_FRAUD
        and round(_probability(outlook.text, outlook.leaning, _LIMIT, _LIMIT), 4) >= ALARM_FROM
    )


def _scam_probability(match: Match) -> float:
    voices = match.voices
    lead = voices.scammer - max(voices.asking, voices.telling)
    return _probability(match.text, match.leaning, voices.scammer, lead)


def _probability(text: str, leaning: Leaning, voice: float, voice_lead: float) -> float:
    """Grows with the scammer's voice and with its lead over a resident's."""
    logit = _UNLESS_TOLD + _LEAD_TELLS * _limited(leaning.scammer - max(0.0, leaning.resident))
    logit += _LEANING_TELLS * _limited(leaning.scammer) + _SCAMMER_TELLS * _limited(voice)
    logit += _VOICE_LEAD_TELLS * _limited(voice_lead)
    text = text[:LONGEST]
    if WARNING.search(text):
        logit += _WARNING_TELLS
    if REPORT.search(text):
        logit += _REPORT_TELLS
    return 1 / (1 + exp(-max(-40.0, min(40.0, logit))))


def _limited(value: float) -> float:
    return max(-_LIMIT, min(_LIMIT, value))
