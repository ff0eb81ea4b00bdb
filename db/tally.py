"""Figures of one subtree while they are being added up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from typing import Any

from db.histogram import Histogram, add, bucket_of, to_stored
from db.states import Way

_WAYS = {Way.PUSH: "pushed", Way.FORWARD: "forwarded", Way.REPORT: "reported"}


@dataclass
class Tally:
    """The figures of one subtree, being added up. Fields are columns of `rollup` and `rollup_months`."""

    expected_groups: int = 0
    expected_members: int = 0
    pushed_groups: int = 0
    pushed_members: int = 0
    forwarded_groups: int = 0
    forwarded_members: int = 0
    reported_groups: int = 0
    reported_members: int = 0
    ontime_groups: int = 0
    alerts: int = 0
    level: int = 0  # of the unit, so that a table of a level is read without looking at other units
    first_ms: int | None = None
    histogram: Histogram = field(default_factory=dict)

    @property
    def groups_share(self) -> float:
        """What the ranking compares (`db.ranking`), 0 … 1; 0 where nothing is expected."""
        return _share(self.pushed_groups + self.forwarded_groups + self.reported_groups, self.expected_groups)

    @property
    def members_share(self) -> float:
        return _share(self.pushed_members + self.forwarded_members + self.reported_members, self.expected_members)

    @property
    def ontime_share(self) -> float:
        return _share(self.ontime_groups, self.expected_groups)

    def reach(self, way: Way, members: int, latency_ms: int, *, late: bool = False) -> None:
        """Count one group that was reached."""
        name = _WAYS[way]
        setattr(self, f"{name}_groups", getattr(self, f"{name}_groups") + 1)
        setattr(self, f"{name}_members", getattr(self, f"{name}_members") + members)
        self.ontime_groups += not late
        self.first_ms = latency_ms if self.first_ms is None else min(self.first_ms, latency_ms)
        add(self.histogram, {bucket_of(latency_ms): 1})

    def merge(self, other: Tally) -> None:
        # Written out: folding spends its time here, and a loop over names takes three times as long.
        self.expected_groups += other.expected_groups
        self.expected_members += other.expected_members
        self.pushed_groups += other.pushed_groups
        self.pushed_members += other.pushed_members
        self.forwarded_groups += other.forwarded_groups
        self.forwarded_members += other.forwarded_members
        self.reported_groups += other.reported_groups
        self.reported_members += other.reported_members
        self.ontime_groups += other.ontime_groups
        self.alerts += other.alerts
        self.level = self.level or other.level
        if other.first_ms is not None:
            self.first_ms = other.first_ms if self.first_ms is None else min(self.first_ms, other.first_ms)
        if other.histogram:
            add(self.histogram, other.histogram)

    def columns(self, names: Sequence[str] = ()) -> dict[str, Any]:
        """As the row of a table that has these columns; those of `rollup` without any."""
        values = {name: getattr(self, name) for name in names or ROLLUP_COLUMNS}
        values["histogram"] = to_stored(self.histogram)
        return values


COUNTS = (
    "expected_groups",
    "expected_members",
    *(f"{name}_{what}" for name in _WAYS.values() for what in ("groups", "members")),
    "ontime_groups",
)
STANDING = ("level", "groups_share", "members_share", "ontime_share")
ROLLUP_COLUMNS = (*COUNTS, *STANDING, "first_ms", "histogram")
MONTH_COLUMNS = (*COUNTS, *STANDING, "alerts", "histogram")
Tallies = dict[int, Tally]
"""unit id → figures"""


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def latency_ms(released_at: datetime, reached_at: datetime) -> int:
    return max(0, round((reached_at - released_at).total_seconds() * 1000))


def is_late(reached_at: datetime, deadline_at: datetime | None) -> bool:
    """Whether the deadline, frozen at release, had passed. Without one nothing is late."""
    return deadline_at is not None and reached_at > deadline_at


def month_of(at: datetime, zone: tzinfo) -> int:
    """The month of the office's calendar as a number: 202611."""
    local = at.astimezone(zone)
    return local.year * 100 + local.month
