"""Is a message in a group itself a scam: an advertisement or a lure in the scammer's voice?

A warning about a scam, a resident's question or story, ordinary chat, genuine notices and news must pass. A false
alarm accuses a neighbour, so the bar is higher than for answering: a phrase of the library must be there, the voice
must be a scammer's, and the whole must be likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from typing import Final

from content.cues import ADDRESS, OFFER, QUESTION, STORY, WARNING
from content.library import Library
from content.matching import Match, Matcher

ALARM_FROM: Final = 0.65
"""Probability from which a message alarms."""

# Fitted on held-out parts of the library and of ``ordinary.txt`` (scammer's examples against everything else), then
# rounded, with residents' questions and stories denied a little more. Voices are limited, so that length alone never
# convinces.
_PHRASES_TELL: Final = 1.5
_SCAMMER_TELLS: Final = 0.62
_LEAD_TELLS: Final = 0.32
_CUES_TELL: Final = ((OFFER, 0.3), (ADDRESS, 1.8), (QUESTION, -2.0), (STORY, -0.9), (WARNING, -3.3))
_UNLESS_TOLD: Final = -5.3
_LIMIT: Final = 8.0
_LEAST_EVIDENCE: Final = 0.5
_LEAST_FRAUD: Final = 0.5


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


def judge(match: Match) -> Screening:
    """The screening of a message that is already matched."""
    score = round(_scam_probability(match), 4)
    alarm = score >= ALARM_FROM and match.fraud >= _LEAST_FRAUD and match.evidence >= _LEAST_EVIDENCE
    likely = (
        type_id for place, (type_id, _) in enumerate(match.ranked[:3]) if place == 0 or match.share(place) >= 0.1
    )
    return Screening(alarm, tuple(likely) if alarm else (), score)


def _scam_probability(match: Match) -> float:
    voices = match.voices
    lead = voices.scammer - max(voices.asking, voices.telling)
    logit = _UNLESS_TOLD + _PHRASES_TELL * sqrt(match.evidence)
    logit += _SCAMMER_TELLS * _limited(voices.scammer) + _LEAD_TELLS * _limited(lead)
    logit += sum(weight for cue, weight in _CUES_TELL if cue.search(match.text))
    return 1 / (1 + exp(-max(-40.0, min(40.0, logit))))


def _limited(value: float) -> float:
    return max(-_LIMIT, min(_LIMIT, value))
