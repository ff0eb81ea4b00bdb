"""Who is to be reminded next: a pure function of what is missing, who is responsible, and what was said before.

A group's liaisons are those of the nearest unit, from the group's own upwards, that has any; the step after them is
the next unit above that has some. Everybody gets one message per alert and step with all their missing groups.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.reminders import Missing, Past
from db.states import ReminderStep
from db.units import ancestor_paths


@dataclass(frozen=True)
class Liaison:
    person_id: int
    name: str
    unit_name: str
    unit_path: str


@dataclass(frozen=True)
class Waits:
    """How long each step waits for the one before it; None: the step is not taken."""

    parent: timedelta | None
    push: timedelta | None


@dataclass(frozen=True)
class Due:
    """One person's reminder. `before`: it was tried and could not be sent."""

    step: ReminderStep
    person: Liaison
    groups: tuple[Missing, ...]
    before: Past | None = None


@dataclass(frozen=True)
class Plan:
    due: tuple[Due, ...] = ()
    push: tuple[int, ...] = ()  # ids of groups into which the bot is to push itself


class Charges:
    """Whose groups are whose."""

    def __init__(self, liaisons: Iterable[Liaison]) -> None:
        self._by_path: dict[str, list[Liaison]] = {}
        for liaison in liaisons:
            self._by_path.setdefault(liaison.unit_path, []).append(liaison)
        self._known: dict[str, tuple[Sequence[Liaison], Sequence[Liaison]]] = {}

    def of(self, unit_path: str) -> tuple[Sequence[Liaison], Sequence[Liaison]]:
        """The liaisons of a unit's groups, and those of the next step; either may be empty."""
        if unit_path not in self._known:
            upwards = reversed(ancestor_paths(unit_path))
            ladder = [self._by_path[path] for path in upwards if path in self._by_path]
            self._known[unit_path] = (ladder[0] if ladder else (), ladder[1] if len(ladder) > 1 else ())
        return self._known[unit_path]


def make_plan(
    missing: Iterable[Missing],
    charges: Charges,
    past: Iterable[Past],
    *,
    now: datetime,
    deadline: datetime,
    waits: Waits,
    able: Collection[int],
) -> Plan:
    """What is due at `now`. `able` are the ids of those who can be reminded now: there is a way to write to them, and
    they have not been reminded too often today.

    The step above comes `waits.parent` after those below were really reminded, however late that was. Whoever cannot
    be reminded holds nothing up. Nothing is said about groups that the bot is about to push into.
    """
    if now < deadline:
        return Plan()
    tried: dict[tuple[ReminderStep, int], Past] = {
        (row.step, row.person_id): row for row in past if row.step is not ReminderStep.HAND
    }
    bundles: dict[tuple[ReminderStep, Liaison], list[Missing]] = {}
    push: list[int] = []
    for group in missing:
        if group.coming:
            continue
        first, above = charges.of(group.unit_path)
        told = _told_at(first, tried, deadline, able)
        for liaison in first:
            bundles.setdefault((ReminderStep.LIAISON, liaison), []).append(group)
        if told is None:
            continue
        if waits.parent is not None and now >= told + waits.parent:
            for liaison in above:
                bundles.setdefault((ReminderStep.PARENT, liaison), []).append(group)
        if waits.push is not None and group.takeable and now >= told + waits.push:
            push.append(group.group_id)
    return Plan(tuple(_due(bundles, tried)), tuple(push))


def _told_at(
    first: Sequence[Liaison],
    tried: Mapping[tuple[ReminderStep, int], Past],
    deadline: datetime,
    able: Collection[int],
) -> datetime | None:
    """When the last of a group's own liaisons was reminded, or the deadline when none can be; None while one of them
    is still to be reminded."""
    rows = [(liaison, tried.get((ReminderStep.LIAISON, liaison.person_id))) for liaison in first]
    if any((row is None or not row.sent) and liaison.person_id in able for liaison, row in rows):
        return None
    return max([deadline, *(row.at for _, row in rows if row is not None and row.sent)])


def _due(
    bundles: Mapping[tuple[ReminderStep, Liaison], Sequence[Missing]],
    tried: Mapping[tuple[ReminderStep, int], Past],
) -> Iterable[Due]:
    for (step, liaison), groups in bundles.items():
        before = tried.get((step, liaison.person_id))
        if before is None or not before.sent:
            yield Due(step, liaison, tuple(groups), before)


def charge_of(person_id: int, step: ReminderStep, missing: Iterable[Missing], charges: Charges) -> list[Missing]:
    """The missing groups that a reminder of this step to this person is about."""
    place = 0 if step is ReminderStep.LIAISON else 1
    return [
        group
        for group in missing
        if not group.coming and any(one.person_id == person_id for one in charges.of(group.unit_path)[place])
    ]
