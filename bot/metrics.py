"""What the running program counts and times, in the text form that Prometheus reads.

Source of the form: "Exposition formats", Prometheus documentation, text format 0.0.4. Written here because it is a page
of code: a name, labels, a number. What the database knows better is read when somebody asks (`db.metrics`).
"""

from __future__ import annotations

import math
import threading
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from db.metrics import watch_statements
from db.session import Database

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
QUICK: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # seconds
SLOW: Final = (0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Gauge:
    """A number that was read just now, by labels."""

    name: str
    help: str
    values: Mapping[Labels, float]
    kind: str = "gauge"

    def lines(self) -> Iterator[str]:
        for labels, value in self.values.items():
            yield f"{self.name}{_shown(labels)} {_number(value)}"


@dataclass
class Counter:
    """Only grows while the process lives."""

    name: str
    help: str
    kind: str = "counter"
    _values: dict[Labels, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, amount: float = 1.0, **labels: str) -> None:
        key = tuple(labels.items())
        with self._lock:
            self._values[key] = self._values.get(key, 0.0) + amount

    def value(self, **labels: str) -> float:
        return self._values.get(tuple(labels.items()), 0.0)

    def lines(self) -> Iterator[str]:
        with self._lock:
            values = dict(self._values)
        for labels, value in values.items():
            yield f"{self.name}{_shown(labels)} {_number(value)}"


@dataclass
class Histogram:
    """How often something took up to so many seconds. `bounds` are the upper ends of the buckets."""

    name: str
    help: str
    bounds: Sequence[float]
    kind: str = "histogram"
    _counts: list[int] = field(default_factory=list)
    _sum: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._counts = [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        place = bisect_left(self.bounds, seconds)
        with self._lock:
            self._counts[place] += 1
            self._sum += seconds

    @contextmanager
    def timed(self) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        finally:
            self.observe(time.perf_counter() - began)

    @property
    def count(self) -> int:
        return sum(self._counts)

    @property
    def total(self) -> float:
        """Seconds, added up."""
        return self._sum

    def lines(self) -> Iterator[str]:
        with self._lock:
            counts, total = list(self._counts), self._sum
        so_far = 0
        for bound, count in zip((*self.bounds, math.inf), counts, strict=True):
            so_far += count
            yield f'{self.name}_bucket{{le="{_number(bound)}"}} {so_far}'
        yield f"{self.name}_sum {_number(total)}"
        yield f"{self.name}_count {so_far}"


Metric = Gauge | Counter | Histogram

QUESTIONS = Counter("xinfang_questions_total", "Questions answered, by what the asker got.")
MATCH_TIME = Histogram("xinfang_match_seconds", "Time to find the fraud type of a question.", QUICK)
PACING_WAIT = Histogram(
    "xinfang_pacing_wait_seconds", "Time that a message which was sent had to wait for its account's pacing.", SLOW
)
DATABASE_TIME = Histogram("xinfang_database_seconds", "Time of one database statement, as its caller sees it.", QUICK)
SENDS = Counter("xinfang_sends_total", "Messages given to channels, by how that ended.")
FENCED = Counter("xinfang_fenced_total", "Senders that found another holder of their account, by account.")
TAKEN = Counter("xinfang_accounts_taken_total", "Accounts taken by this process, by account.")
COUNTED: tuple[Metric, ...] = (QUESTIONS, MATCH_TIME, PACING_WAIT, DATABASE_TIME, SENDS, FENCED, TAKEN)
STARTED: Final = time.time()


def watch_database(database: Database) -> None:
    """Time every statement from now on."""
    watch_statements(database, DATABASE_TIME.observe)


def rendered(metrics: Iterable[Metric]) -> str:
    """Everything as Prometheus reads it."""
    lines = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}", *metric.lines()]
    return "\n".join(lines) + "\n"


def _shown(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
