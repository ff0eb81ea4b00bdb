"""Figures of one subtree while they are being added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from db.histogram import Histogram, add, bucket_of, to_stored
from db.states import Way

_WAYS = {Way.PUSH: "pushed", Way.FORWARD: "forwarded", Way.REPORT: "reported"}


@dataclass
class Tally:
    """The figures of one subtree, being added up. Fields are the columns of `rollup`."""

    expected_groups: int = 0
    expected_members: int = 0
    pushed_groups: int = 0
    pushed_members: int = 0
    forwarded_groups: int = 0
    forwarded_members: int = 0
    reported_groups: int = 0
    reported_members: int = 0
    first_ms: int | None = None
    histogram: Histogram = field(default_factory=dict)

    def reach(self, way: Way, members: int, latency_ms: int) -> None:
        """Count one group that was reached."""
        name = _WAYS[way]
        setattr(self, f"{name}_groups", getattr(self, f"{name}_groups") + 1)
        setattr(self, f"{name}_members", getattr(self, f"{name}_members") + members)
        self.first_ms = latency_ms if self.first_ms is None else min(self.first_ms, latency_ms)
        add(self.histogram, {bucket_of(latency_ms): 1})

    def merge(self, other: Tally) -> None:
        for name in COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        if other.first_ms is not None:
            self.first_ms = other.first_ms if self.first_ms is None else min(self.first_ms, other.first_ms)
        add(self.histogram, other.histogram)

    def columns(self) -> dict[str, Any]:
        counts = {name: getattr(self, name) for name in COUNTS}
        return counts | {"first_ms": self.first_ms, "histogram": to_stored(self.histogram)}


COUNTS = (
    "expected_groups",
    "expected_members",
    *(f"{name}_{what}" for name in _WAYS.values() for what in ("groups", "members")),
)
Tallies = dict[int, Tally]
"""unit id → figures"""


def latency_ms(released_at: datetime, reached_at: datetime) -> int:
    return max(0, round((reached_at - released_at).total_seconds() * 1000))
