"""The roll-up equals a naive recount, whatever was folded in which batches, on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.events import Events
from bot.folding import Folding
from db import rollup
from db.figures import get_figures
from db.models import Alert, Group, Reach, Rollup, Unit
from db.reach import record_reach
from db.session import Database
from db.states import UnitKind, Way
from tests.factories import NOW, make_alert, make_group, make_unit

DEADLINE = NOW + timedelta(hours=2)


@dataclass
class World:
    """A tree with groups and one released alert."""

    units: list[Unit] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    alert: Alert | None = None

    @property
    def alert_id(self) -> int:
        assert self.alert is not None
        return self.alert.id


async def make_world(database: Database, parents: list[int], groups: list[tuple[int, int, bool]]) -> World:
    """`parents[i]` is the parent of unit i + 1; a group is (unit, members, expected)."""
    world = World()
    async with database.write() as session:
        world.units.append(await make_unit(session))
        for parent in parents:
            world.units.append(await make_unit(session, parent=world.units[parent], kind=UnitKind.GRID))
        world.alert = await make_alert(session, state="running", released_at=NOW, deadline_at=DEADLINE)
        for unit, members, expected in groups:
            group = await make_group(session, unit=world.units[unit], members=members)
            world.groups.append(group)
            if expected:
                session.add(Reach(alert_id=world.alert_id, group_id=group.id, unit_id=group.unit_id, members=members))
    return world


async def reach(database: Database, world: World, group: int, way: Way, seconds: float) -> bool:
    async with database.write() as session:
        at = NOW + timedelta(seconds=seconds)
        return await record_reach(session, alert_id=world.alert_id, group=world.groups[group], way=way, at=at)


async def fold_one(database: Database, limit: int) -> int:
    async with database.write() as session:
        assert await rollup.lead(session)
        return await rollup.fold_step(session, limit=limit)


async def differences(database: Database) -> list[rollup.Difference]:
    async with database.snapshot() as session:
        return await rollup.verify_rollup(session)


groups_of_a_world = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 500), st.booleans()), min_size=1, max_size=8)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("fold"), st.integers(1, 4)),
        st.tuples(st.integers(0, 7), st.sampled_from(list(Way)), st.floats(-5, 1_000_000)),
    ),
    max_size=25,
)


@given(st.tuples(*(st.integers(0, i) for i in range(5))), groups_of_a_world, steps)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_folding_in_any_batches_and_order_equals_the_recount(
    database: Database, parents: tuple[int, ...], groups: list[tuple[int, int, bool]], plan: list[tuple[Any, ...]]
) -> None:
    world = await make_world(database, list(parents), groups)
    for step in plan:
        if step[0] == "fold":
            await fold_one(database, step[1])
            assert await differences(database) == []
        elif step[0] < len(groups):
            await reach(database, world, *step)
    while await fold_one(database, 3):
        pass
    async with database.read() as session:
        assert await rollup.count_unfolded(session) == 0
        counted = await rollup.recount(session, world.alert_id)
        stored = await session.execute(rollup._rows_of(Rollup, "alert_id", world.alert_id))
        assert {row.unit_id: rollup._as_tally(row) for row in stored} == counted
        await _check_by_hand(session, world, counted)


async def _check_by_hand(session: Any, world: World, counted: rollup.Tallies) -> None:
    """The recount itself, against the plainest reading of the rows: a path that begins with the unit's path."""
    rows = (await session.scalars(sa.select(Reach).where(Reach.alert_id == world.alert_id, Reach.expected))).all()
    paths = {unit.id: unit.path for unit in world.units}
    for unit in world.units:
        below = [row for row in rows if paths[row.unit_id].startswith(unit.path)]
        reached = [row for row in below if row.reached_at is not None]
        figures = await get_figures(session, world.alert_id, unit.id)
        assert figures.expected_groups == len(below)
        assert figures.expected_members == sum(row.members for row in below)
        assert figures.reached_groups == len(reached)
        assert figures.reached_members == sum(row.members for row in reached)
        assert figures.pushed_groups == sum(row.way is Way.PUSH for row in reached)
        assert figures.ontime_groups == sum(row.reached_at <= DEADLINE for row in reached)
        assert (unit.id in counted) == bool(below)


async def test_the_first_way_wins_and_later_ones_change_nothing(database: Database) -> None:
    world = await make_world(database, [], [(0, 80, True)])
    assert await reach(database, world, 0, Way.FORWARD, 60)
    assert not await reach(database, world, 0, Way.PUSH, 90)
    assert not await reach(database, world, 0, Way.REPORT, 10)
    while await fold_one(database, 10):
        pass
    async with database.read() as session:
        figures = await get_figures(session, world.alert_id, world.units[0].id)
    assert (figures.forwarded_groups, figures.pushed_groups, figures.reported_groups) == (1, 0, 0)
    assert figures.first_s == 60
    assert figures.median_s == 60


async def test_groups_outside_the_audience_never_lift_coverage_above_everything(database: Database) -> None:
    world = await make_world(database, [], [(0, 80, True), (0, 400, False)])
    assert await reach(database, world, 1, Way.FORWARD, 5)
    assert not await reach(database, world, 1, Way.FORWARD, 6)
    assert await reach(database, world, 0, Way.PUSH, 7)
    while await fold_one(database, 10):
        pass
    async with database.read() as session:
        figures = await get_figures(session, world.alert_id, world.units[0].id)
        assert await rollup.count_unfolded(session) == 0
    assert figures.coverage_groups == figures.coverage_members == 1.0
    assert figures.first_s == 7


async def test_a_group_that_moved_counts_for_the_unit_frozen_at_release(database: Database) -> None:
    world = await make_world(database, [0, 0], [(1, 80, True)])
    async with database.write() as session:
        moved = sa.update(Group).where(Group.id == world.groups[0].id).values(unit_id=world.units[2].id)
        await session.execute(moved)
    await reach(database, world, 0, Way.FORWARD, 30)
    while await fold_one(database, 10):
        pass
    async with database.read() as session:
        assert (await get_figures(session, world.alert_id, world.units[1].id)).reached_groups == 1
        assert (await get_figures(session, world.alert_id, world.units[2].id)).reached_groups == 0


async def test_forgetting_an_alert_folds_it_anew_under_the_present_tree(database: Database) -> None:
    world = await make_world(database, [0, 0], [(1, 80, True)])
    await reach(database, world, 0, Way.PUSH, 30)
    while await fold_one(database, 10):
        pass
    async with database.write() as session:
        await session.execute(sa.update(Rollup).values(pushed_groups=9))
    found = await differences(database)
    assert {(each.unit_id, each.name, each.stored, each.counted) for each in found} == {
        (unit.id, *figure)
        for unit in world.units[:2]
        for figure in (("pushed_groups", 9, 1), ("groups_share", 9.0, 1.0))
    }
    async with database.write() as session:
        await rollup.forget_rollup(session, world.alert_id)
    while await fold_one(database, 10):
        pass
    assert await differences(database) == []


async def test_after_a_unit_has_moved_everything_is_folded_anew(database: Database) -> None:
    world = await make_world(database, [0, 0, 1], [(3, 80, True)])
    await reach(database, world, 0, Way.PUSH, 30)
    while await fold_one(database, 10):
        pass
    before, after, leaf = world.units[1], world.units[2], world.units[3]
    async with database.write() as session:
        values = {"parent_id": after.id, "path": f"{after.path}{leaf.code}/"}
        await session.execute(sa.update(Unit).where(Unit.id == leaf.id).values(values))
        await rollup.forget_rollup(session)
    while await fold_one(database, 10):
        pass
    assert await differences(database) == []
    async with database.read() as session:
        assert (await get_figures(session, world.alert_id, before.id)).reached_groups == 0
        assert (await get_figures(session, world.alert_id, after.id)).reached_groups == 1


async def test_two_folders_at_once_count_everything_once(database: Database) -> None:
    world = await make_world(database, [0], [(1, 10, True)] * 40)
    for group in range(40):
        await reach(database, world, group, Way.FORWARD, group + 1)
    foldings = [Folding(database, Events()) for _ in range(3)]
    while sum(await asyncio.gather(*(folding.fold_now() for folding in foldings))):
        pass
    async with database.read() as session:
        figures = await get_figures(session, world.alert_id, world.units[0].id)
    assert figures.forwarded_groups == 40
    assert await differences(database) == []


async def test_the_background_task_folds_what_an_event_announces_and_says_so(database: Database) -> None:
    world = await make_world(database, [], [(0, 80, True)])
    events = Events()
    folding = Folding(database, events)
    with events.listen("figures") as folded:
        await folding.start()
        async with asyncio.timeout(10):
            await folded.wait()  # the expectations of the release
        folded.clear()
        await reach(database, world, 0, Way.FORWARD, 5)
        events.publish("reach")
        async with asyncio.timeout(10):
            await folded.wait()
        await folding.stop()
    async with database.read() as session:
        assert (await get_figures(session, world.alert_id, world.units[0].id)).reached_groups == 1
