"""Recognise a message as a forwarded copy of a live alert, whatever was cut, added or mistyped on the way.

Every alert is kept as its 3-grams in an inverted index. A message's rarest grams name the few alerts that it may
copy; each of those is laid along the message, and what counts is the *weight* of the passages that run on: a gram
weighs one when a single live alert has it, less the more alerts share it, and nothing when it is stock. Words on
the same topic agree in short terms only and so come to nothing, however many they are.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from math import log
from typing import Final

from content.match_explaining import Explanation, explanation
from content.messages import FRAME
from content.ngrams import alert_numbers, figures, fold, grams, joined, kept
from content.readings import NO_MATCH, THRESHOLD, UNIT, ForwardMatch, LiveAlert, Message, Reading, judge, read
from content.stock_phrases import stock_grams

__all__ = ["THRESHOLD", "AlertIndex", "Explanation", "ForwardMatch"]

_POSTINGS: Final = 200
"""Index entries that are read for one message, rarest grams first …"""
_GRAMS_READ: Final = 16
"""… unless that leaves fewer grams than this."""
_MIN_SHARED: Final = 8
"""Rare grams that a message must share with an alert to be looked at more closely."""
_CANDIDATES: Final = 6
"""Alerts that are laid along a message at most."""
_BEHIND: Final = 0.7
"""Once a copy is found, alerts with fewer shared grams than this part of the leader's cannot tie with it."""
_FAR_BEHIND: Final = 0.3
"""Alerts with fewer shared grams than this part of the leader's are not looked at."""

_MAX_LENGTH: Final = 20_000
"""Characters that are read of one message or alert, so that none can hold the bot for long."""

_STOCK: Final = frozenset(stock_grams().union(*(grams(fold(phrase)) for phrase in FRAME)))
_NOBODYS: Final[dict[str, list[int]]] = {gram: [] for gram in _STOCK}

_Candidate = tuple[int, LiveAlert]


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

    ``add`` and ``remove`` touch the grams of that alert only. Results depend on which alerts are live, not on the
    order in which they came. Not safe for several threads at once.
    """

    def __init__(self) -> None:
        self._slots: dict[str, int] = {}
        self._alerts: dict[int, LiveAlert] = {}
        # Slots only grow, so a posting list stays sorted by appending. Stock grams are known from the start and
        # belong to nobody: nothing is ever put into their lists.
        self._postings: dict[str, list[int]] = _NOBODYS.copy()
        self._next_slot = 0
        self._version = 0
        self._weights = _Weights(0)

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, alert_id: object) -> bool:
        return alert_id in self._slots

    def add(self, alert_id: str, text: str, number: str = "") -> None:
        """Make an alert live; one with the same id is replaced. `number` is what its copies are signed with (else the
        last one that its text holds): little of the text is enough beside it."""
        self.remove(alert_id)
        slot, self._next_slot = self._next_slot, self._next_slot + 1
        kept_text = kept(text[:_MAX_LENGTH])
        number = number or (alert_numbers(text) or [""])[-1]
        alert = LiveAlert(alert_id, joined(kept_text), figures(kept_text), number)
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
        message, candidates = self._looked_at(text)
        if not candidates:
            return NO_MATCH
        readings = self._readings(message, candidates)
        if readings[0].score >= THRESHOLD:
            readings += self._elsewhere(message, readings)
        return judge(message, readings)

    def explain(self, text: str) -> Explanation:
        """What :meth:`match` says, and every alert that was looked at with what speaks for and against it."""
        message, candidates = self._looked_at(text)
        shared = {alert.alert_id: count for count, alert in candidates}
        readings = [read(message, alert, self._mass(alert)) for _, alert in candidates]
        return explanation(message, self.match(text), readings, shared)

    def _looked_at(self, text: str) -> tuple[Message, list[_Candidate]]:
        kept_text = kept(text[:_MAX_LENGTH])
        folded = joined(kept_text)
        sequence = grams(folded)
        if len(sequence) < _MIN_SHARED:  # most of what people say
            return Message(text, kept_text, folded, sequence, [], 0), []
        distinct = dict.fromkeys(sequence)
        postings = list(map(self._postings.get, distinct))
        candidates = self._candidates(postings)
        if not candidates:
            return Message(text, kept_text, folded, sequence, [], 0), []
        weights = self._weigh(sequence, distinct, postings)
        message = Message(text, kept_text, folded, sequence, weights, sum(weights), alert_numbers(text))
        return message, candidates

    def _changed(self) -> None:
        self._version += 1
        self._weights = _Weights(len(self))

    def _weigh(self, sequence: list[str], distinct: Iterable[str], postings: Iterable[list[int] | None]) -> list[int]:
        """Return the weight of each gram of the sequence; stock and repeats weigh nothing."""
        weight_of = self._weights
        weights = [UNIT if posting is None else weight_of[len(posting)] for posting in postings]
        if len(weights) == len(sequence):
            return weights
        once = dict(zip(distinct, weights, strict=True))
        return [once.pop(gram, 0) for gram in sequence]

    def _mass(self, alert: LiveAlert) -> int:
        if alert.mass_as_of != self._version:
            sequence = list(dict.fromkeys(grams(alert.folded)))
            alert.mass = sum(self._weigh(sequence, sequence, map(self._postings.get, sequence)))
            alert.mass_as_of = self._version
        return alert.mass

    def _candidates(self, postings: Iterable[list[int] | None]) -> list[_Candidate]:
        """Return the few alerts that share most of the rarest grams, with the number of those."""
        lists = [posting for posting in postings if posting]
        if len(lists) < _MIN_SHARED:
            return []
        shared = Counter(chain.from_iterable(_rarest(lists)))
        least = max(_MIN_SHARED, max(shared.values()) * _FAR_BEHIND)
        likely = [(count, self._alerts[slot]) for slot, count in shared.items() if count >= least]
        likely.sort(key=lambda candidate: (-candidate[0], candidate[1].alert_id))
        return likely[:_CANDIDATES]

    def _readings(self, message: Message, candidates: list[_Candidate]) -> list[Reading]:
        """Lay the likely alerts along the message, best first; stop when the rest can neither win nor tie."""
        readings: list[Reading] = []
        best = 0.0
        for shared, alert in candidates:
            if best >= THRESHOLD and shared < candidates[0][0] * _BEHIND:
                break
            readings.append(read(message, alert, self._mass(alert)))
            best = max(best, readings[-1].score)
        return sorted(readings, key=lambda reading: reading.rank)

    def _elsewhere(self, message: Message, readings: list[Reading]) -> list[Reading]:
        """Read the alerts that only the rest of the message points to: people paste two alerts into one message."""
        rest: list[str] = []
        after = 0
        for passage in readings[0].passages:
            rest += message.sequence[after : passage.start]
            after = passage.end
        rest += message.sequence[after:]
        if len(rest) < _MIN_SHARED:
            return []
        known = [reading.alert for reading in readings]
        found = self._candidates(map(self._postings.get, dict.fromkeys(rest)))
        return self._readings(message, [candidate for candidate in found if candidate[1] not in known])


def _rarest(lists: list[list[int]]) -> list[list[int]]:
    """Return as many of the shortest lists as may be read."""
    if sum(map(len, lists)) <= _POSTINGS:
        return lists
    lists.sort(key=len)
    room = _POSTINGS
    for number, posting in enumerate(lists):
        room -= len(posting)
        if room < 0 and number >= _GRAMS_READ:
            return lists[:number]
    return lists
