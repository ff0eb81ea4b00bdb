"""The steps of reminding as a machine: whatever happens in whatever order, nobody is asked twice, early or for nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import hypothesis.strategies as st
from hypothesis import given, settings

from bot.reminder_plan import Charges, Due, Liaison, Waits, charge_of, make_plan
from db.reminders import Missing, Past
from db.states import DeliveryState, ReminderStep

START = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
DEADLINE = START + timedelta(minutes=60)
WAITS = Waits(parent=timedelta(minutes=30), push=timedelta(minutes=90))
PATHS = ("a/", "a/b/", "a/b/c/", "a/b/c/d/", "a/e/", "a/e/f/")
LIAISONS = tuple(
    Liaison(number, f"人{number}", path, path) for number, path in enumerate(("a/", "a/b/", "a/b/", "a/b/c/", "a/e/"))
)
GROUPS = tuple(
    Missing(number, f"g{number}", f"群{number}", number, path, path, coming=False, takeable=number % 2 == 0)
    for number, path in enumerate(PATHS * 2)
)


class Office:
    """The rows that the database would hold, and the events that may come."""

    def __init__(self, liaisons: tuple[Liaison, ...]) -> None:
        self.charges = Charges(liaisons)
        self.now = START
        self.reached: set[int] = set()
        self.able: set[int] = {liaison.person_id for liaison in liaisons}
        self.past: dict[tuple[ReminderStep, int], Past] = {}
        self.pushed: set[int] = set()

    def missing(self) -> list[Missing]:
        return [
            replace(group, takeable=group.takeable and group.group_id not in self.pushed)
            for group in GROUPS
            if group.group_id not in self.reached
        ]

    def look(self) -> None:
        plan = make_plan(
            self.missing(),
            self.charges,
            self.past.values(),
            now=self.now,
            deadline=DEADLINE,
            waits=WAITS,
            able=self.able,
        )
        for due in plan.due:
            self.check(due)
            sent = due.person.person_id in self.able
            self.past[due.step, due.person.person_id] = Past(
                len(self.past), due.person.person_id, due.step, 1, self.now, len(due.groups), 1 if sent else None,
                DeliveryState.SENT if sent else None, "" if sent else "账号离线",
            )  # fmt: skip
        for group_id in plan.push:
            assert group_id not in self.pushed | self.reached
            assert self.now >= DEADLINE + (WAITS.push or timedelta())
            self.pushed.add(group_id)

    def check(self, due: Due) -> None:
        before = self.past.get((due.step, due.person.person_id))
        assert before is None or not before.sent, "asked twice"
        assert self.now >= DEADLINE, "asked too early"
        assert due.groups
        for group in due.groups:
            assert group.group_id not in self.reached, "asked for nothing"
            first, above = self.charges.of(group.unit_path)
            assert due.person in (first if due.step is ReminderStep.LIAISON else above), "somebody else's group"
            assert group.unit_path.startswith(due.person.unit_path), "outside the own subtree"
            if due.step is ReminderStep.PARENT:
                for liaison in first:
                    told = self.past.get((ReminderStep.LIAISON, liaison.person_id))
                    reminded = told is not None and told.sent
                    assert reminded or liaison.person_id not in self.able, "the one above before the one below"
                    if told is not None and reminded:
                        assert self.now - told.at >= (WAITS.parent or timedelta()), "no time to react"


EVENTS = st.one_of(
    st.tuples(st.just("wait"), st.integers(1, 100)),
    st.tuples(st.just("reach"), st.integers(0, len(GROUPS) - 1)),
    st.tuples(st.just("able"), st.integers(0, len(LIAISONS) - 1)),
    st.tuples(st.just("unable"), st.integers(0, len(LIAISONS) - 1)),
)


@settings(deadline=None, max_examples=150)
@given(st.lists(EVENTS, max_size=40), st.sets(st.sampled_from(LIAISONS)))
def test_whatever_happens_each_step_is_taken_once_in_order_and_only_for_what_is_missing(
    events: list[tuple[str, int]], liaisons: set[Liaison]
) -> None:
    office = Office(tuple(sorted(liaisons, key=lambda one: one.person_id)))
    for what, number in events:
        if what == "wait":
            office.now += timedelta(minutes=number)
        elif what == "reach":
            office.reached.add(number)
        elif what == "able":
            office.able.add(number)
        else:
            office.able.discard(number)
        office.look()
    # In the end, whoever can be asked and still misses something has been asked.
    office.able = {liaison.person_id for liaison in liaisons}
    office.look()
    office.now += timedelta(days=1)
    office.look()
    office.now += timedelta(days=1)
    office.look()
    for group in office.missing():
        first, above = office.charges.of(group.unit_path)
        assert all((ReminderStep.LIAISON, one.person_id) in office.past for one in first)
        assert all((ReminderStep.PARENT, one.person_id) in office.past for one in above)
        assert not group.takeable


def test_liaisons_of_a_group_are_those_of_the_nearest_unit_that_has_any() -> None:
    charges = Charges(LIAISONS)
    assert [one.person_id for one in charges.of("a/b/c/d/")[0]] == [3]
    assert [one.person_id for one in charges.of("a/b/c/d/")[1]] == [1, 2]
    assert [one.person_id for one in charges.of("a/e/f/")[0]] == [4]
    assert charges.of("a/")[1] == ()
    assert Charges(()).of("a/b/") == ((), ())


def test_a_unit_whose_code_begins_alike_is_another_unit() -> None:
    charges = Charges((Liaison(1, "甲", "x", "a/b/"),))
    assert charges.of("a/bb/") == ((), ())


def test_a_reminder_is_about_what_is_missing_now() -> None:
    missing = [GROUPS[2], replace(GROUPS[8], coming=True)]
    assert charge_of(3, ReminderStep.LIAISON, missing, Charges(LIAISONS)) == [GROUPS[2]]
    assert charge_of(3, ReminderStep.PARENT, missing, Charges(LIAISONS)) == []
