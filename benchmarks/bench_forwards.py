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

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image
from rapidfuzz import fuzz, process

from benchmarks import posters
from content.fingerprints import AlertIndex
from content.ngrams import fold
from content.picture_hash import grey_copy, known_picture, nearest
from tests.unit.content import close_cases as close
from tests.unit.content import forward_cases as cases

SIZES = (100, 1_000, 10_000)
ROUNDS = 3
BAR_KINDS = {case.kind for case in cases.near_misses()} - {"stock"}
"""Near misses that set the peer's threshold; a stock sentence is contained in every alert and would score 100."""
POSTERS = 24
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


def measure_close() -> str:
    """Forty close alerts, every edit of title and body and of what was pushed, and the near misses."""
    index = AlertIndex()
    for number, (alert_id, text) in enumerate(close.close_alerts().items(), 1):
        index.add(alert_id, text, f"20261115-{number:02d}")
    forwards = [case for dressed in (False, True) for case in close.close_forwards(dressed=dressed)]
    credited = [index.match(case.text).alert_id for case in forwards]
    single = [found for case, found in zip(forwards, credited, strict=True) if "+" not in case.kind]
    right = sum(found is not None for found in credited) / len(forwards)
    wrong = sum(found not in (None, case.alert_id) for case, found in zip(forwards, credited, strict=True))
    near = close.all_near_misses()
    false = sum(bool((found := index.match(case.text)).alert_id or found.tied) for case in near)
    return (
        f"close  {len(forwards):,} edits recall {right:.4f} (one edit at a time {sum(map(bool, single)) / len(single):.4f}) "
        f"wrong {wrong} false {false}/{len(near)}"
    )


def measure_pictures() -> str:
    """Edits that are no variants, other posters, and others of the same template; processor time of one comparison."""
    known = {seed: known_picture(grey_copy(posters.poster(seed))) for seed in range(POSTERS)}
    rng = random.Random(12)
    edits = [
        (seed, grey_copy(posters.edited(posters.poster(seed), kind, rng))) for kind in posters.KINDS for seed in known
    ]
    other = [grey_copy(posters.poster(1000 + seed)) for seed in range(3 * POSTERS)]
    sibling = [grey_copy(posters.poster(seed, words=1 + seed)) for seed in known]
    found: dict[str, list[int | None]] = {}

    def compare(name: str, pictures: list[Image.Image]) -> None:
        best = [next(iter(nearest(picture, known)), None) for picture in pictures]
        found[name] = [one.key if one is not None and one.is_copy else None for one in best]

    seconds = timed(lambda: compare("edits", [picture for _, picture in edits]))
    compare("other", other)
    compare("sibling", sibling)
    right = sum(key == seed for key, (seed, _) in zip(found["edits"], edits, strict=True))
    wrong = sum(key not in (None, seed) for key, (seed, _) in zip(found["edits"], edits, strict=True))
    false = {name: sum(key is not None for key in found[name]) for name in ("other", "sibling")}
    return (
        f"pictures  {len(edits)} edits found {right / len(edits):.4f} wrong {wrong} false {false['other']}/{len(other)} "
        f"others, {false['sibling']}/{len(sibling)} of the same template  {1000 * seconds / len(edits):.0f} ms each"
    )


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
    print(measure_close())
    print(measure_pictures())


if __name__ == "__main__":
    main()
