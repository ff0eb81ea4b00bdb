"""Recognising forwards among 100, 1,000 and 10,000 live alerts, against rapidfuzz's partial_ratio over all of them.

Live are the forty hand-written alerts of the tests and templated siblings of one another. Asked are edits of both
and near misses: expired siblings, other offices' and newspapers' texts, people's own words, stock sentences. An
expired sibling may share four of its six phrases with a live one, which makes it a near copy: those are counted apart.
One core; processor time, best of several rounds.

rapidfuzz reads the same folded texts and is asked a sample, as it needs a fifth of a second a message at the largest
size. Its threshold is the one that finds most while crediting none of the hand-written near misses it was asked, stock
sentences left out in its favour.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from content.fingerprints import AlertIndex
from content.ngrams import fold
from tests.unit.content import forward_cases as cases

SIZES = (100, 1_000, 10_000)
ROUNDS = 3
BAR_KINDS = {case.kind for case in cases.near_misses()} - {"stock"}
"""Near misses that set the peer's threshold; a stock sentence is contained in every alert and would score 100."""
PEER_SECONDS = 8.0
"""Time that the peer may take at each size."""


@dataclass(frozen=True)
class Outcome:
    """What one recogniser did with the messages of one size."""

    rate: float  # messages a second
    recall: float
    wrong: int  # forwards credited to another alert
    false: dict[str, int]  # near misses credited, by kind


def material(size: int) -> tuple[dict[str, str], list[cases.Case], list[cases.Case]]:
    """Return the live alerts, the forwards and the near misses of one size."""
    written = cases.live_alerts()
    templated = cases.expanded_alerts(size - len(written) + 200)
    expired = [templated.popitem()[1] for _ in range(200)]
    forwards = list(cases.forwards(written))[::3] + cases.expanded_forwards(templated, 400)
    near = cases.near_misses() + [cases.Case("expired", text, None) for text in expired]
    return written | templated, forwards, near


def measure_index(index: AlertIndex, forwards: list[cases.Case], near: list[cases.Case]) -> Outcome:
    messages = [case.text for case in forwards + near]
    credited = [index.match(text).alert_id for text in messages]
    seconds = min(timed(lambda: [index.match(text) for text in messages]) for _ in range(ROUNDS))
    right = sum(found == case.alert_id for case, found in zip(forwards, credited, strict=False))
    wrong = sum(found not in (None, case.alert_id) for case, found in zip(forwards, credited, strict=False))
    missed = zip(near, credited[len(forwards) :], strict=True)
    false = Counter("sibling" if case.kind == "expired" else "written" for case, found in missed if found)
    return Outcome(len(messages) / seconds, right / len(forwards), wrong, false)


def measure_peer(alerts: dict[str, str], forwards: list[cases.Case], near: list[cases.Case]) -> Outcome:
    """Ask rapidfuzz as many messages, forwards and near misses in turn, as the time allows."""
    folded = {alert_id: fold(text) for alert_id, text in alerts.items()}
    step = max(1, len(forwards) // len(near))
    mixed = [case for n, miss in enumerate(near) for case in (*forwards[n * step : (n + 1) * step], miss)]
    stride = next(n for n in (7, 11, 13, 17, 19) if len(mixed) % n)
    answers: list[tuple[cases.Case, str, float]] = []
    started = time.process_time()
    for number in range(len(mixed)):
        case = mixed[number * stride % len(mixed)]
        best = process.extractOne(fold(case.text), folded, scorer=fuzz.partial_ratio)
        answers.append((case, best[2], best[1]))
        if time.process_time() - started > PEER_SECONDS:
            break
    seconds = time.process_time() - started
    asked = [answer for answer in answers if answer[0].alert_id is not None]
    bar = max((score for case, _, score in answers if case.kind in BAR_KINDS), default=0.0)
    right = sum(found == case.alert_id and score > bar for case, found, score in asked)
    wrong = sum(found != case.alert_id and score > bar for case, found, score in asked)
    return Outcome(len(answers) / seconds, right / max(1, len(asked)), wrong, {})


def timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    print("forwards: live alerts, adds/s, then messages/s, recall, credited to a wrong alert, near misses credited")
    for size in SIZES:
        alerts, forwards, near = material(size)
        index = AlertIndex()

        def fill(index: AlertIndex = index, alerts: dict[str, str] = alerts) -> None:
            for alert_id, text in alerts.items():
                index.add(alert_id, text)

        adds = len(alerts) / timed(fill)
        ours = measure_index(index, forwards, near)
        peer = measure_peer(alerts, forwards, near)
        print(
            f"{len(alerts):>7,}  {adds:,.0f} adds/s  ours {ours.rate:,.0f}/s recall {ours.recall:.4f} "
            f"wrong {ours.wrong} false {ours.false.get('written', 0)}/90 written, {ours.false.get('sibling', 0)}/200 "
            f"expired siblings  rapidfuzz {peer.rate:,.1f}/s "
            f"recall {peer.recall:.3f} wrong {peer.wrong}  ratio {ours.rate / peer.rate:,.0f}"
        )


if __name__ == "__main__":
    main()
