"""What pages, commands and bulletins read about coverage, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.forwarding import record_forward
from db.figures import (
    count_missing_groups,
    get_figures,
    latest_released,
    list_child_figures,
    list_forwards,
    list_missing_groups,
    list_tree_figures,
)
from db.models import Alert
from db.session import Database
from db.states import UnitKind, UnitState, Way
from db.units import NoSuchUnit
from tests.chatting import Chat
from tests.factories import NOW, make_alert, make_unit


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat(database).build()


@pytest.fixture
async def alert(chat: Chat) -> Alert:
    """Released; one group pushed after 3 s, one forwarded after 60 s, one reported after 600 s; three are missing."""
    alert = await chat.release()
    liaison = await chat.bind("李联络", "海滨社区")
    for seconds, code, way, person in (
        (3, "HB01", Way.PUSH, None),
        (57, "HB02", Way.FORWARD, None),
        (540, "HB03", Way.REPORT, liaison),
    ):
        chat.clock.advance(seconds)
        async with chat.database.write() as session:
            members = 75 if way is Way.REPORT else None
            await record_forward(
                session,
                alert_id=alert.id,
                group=chat.town.groups[code],
                person=person,
                at=chat.clock.now(),
                way=way,
                members=members,
            )
    await chat.fold()
    return alert


async def test_figures_of_a_unit_are_those_of_its_subtree(chat: Chat, alert: Alert) -> None:
    async with chat.database.read() as session:
        town = await get_figures(session, alert.id, chat.town.units["菜园镇"].id)
        grid = await get_figures(session, alert.id, chat.town.units["海滨一网格"].id)
    assert (town.expected_groups, town.expected_members) == (5, 400)
    assert (town.pushed_groups, town.forwarded_groups, town.reported_groups) == (1, 1, 1)
    assert (town.reached_groups, town.reached_members, town.missing_groups) == (3, 240, 2)
    assert town.coverage_groups == town.coverage_members == 0.6
    assert town.first_s == 3
    assert town.median_s == pytest.approx(60, rel=0.075)
    assert (grid.expected_groups, grid.reached_groups, grid.coverage_groups) == (2, 2, 1.0)
    assert grid.first_s == 60


async def test_a_unit_that_the_alert_does_not_concern_has_no_coverage(chat: Chat, alert: Alert) -> None:
    async with chat.database.write() as session:
        empty = await make_unit(session, name="嵊山镇", parent=chat.town.units["county"], kind=UnitKind.TOWN)
    async with chat.database.read() as session:
        figures = await get_figures(session, alert.id, empty.id)
        with pytest.raises(NoSuchUnit):
            await get_figures(session, alert.id, 10**9)
    assert figures.coverage_groups is None
    assert figures.coverage_members is None
    assert figures.first_s is None
    assert figures.median_s is None
    assert figures.to_json()["unit"]["name"] == "嵊山镇"


async def test_children_are_ranked_best_first_and_units_without_groups_come_last(chat: Chat, alert: Alert) -> None:
    async with chat.database.write() as session:
        town = chat.town.units["菜园镇"]
        await make_unit(session, name="没群社区", code="0", parent=town, kind=UnitKind.COMMUNITY)
        gone = await make_unit(session, name="撤销社区", parent=town, kind=UnitKind.COMMUNITY)
        gone.state = UnitState.RETIRED
    async with chat.database.read() as session:
        children = await list_child_figures(session, alert.id, chat.town.units["菜园镇"].id)
    ranked = [(child.unit.name, child.reached_groups, child.expected_groups) for child in children]
    assert ranked == [("海滨社区", 3, 3), ("金平社区", 0, 1), ("没群社区", 0, 0)]


async def test_equal_coverage_is_ranked_by_who_was_on_time(chat: Chat) -> None:
    alert = await chat.release(deadline_at=chat.clock.now() + timedelta(seconds=40))
    for seconds, code in ((30, "YS01"), (30, "CY01"), (1, "HB01"), (1, "HB02"), (1, "HB03"), (1, "JP01")):
        chat.clock.advance(seconds)
        async with chat.database.write() as session:
            group = chat.town.groups[code]
            await record_forward(session, alert_id=alert.id, group=group, person=None, at=chat.clock.now())
    await chat.fold()
    async with chat.database.read() as session:
        children = await list_child_figures(session, alert.id, chat.town.units["county"].id)
    assert [(child.rank, child.unit.name, child.ontime_share) for child in children] == [
        (1, "洋山镇", 1.0),
        (2, "菜园镇", 0.0),
    ]


async def test_a_retired_unit_is_still_shown_where_it_was_expected(chat: Chat, alert: Alert) -> None:
    async with chat.database.write() as session:
        session.add(chat.town.units["金平社区"])
        chat.town.units["金平社区"].state = UnitState.RETIRED
    async with chat.database.read() as session:
        children = await list_child_figures(session, alert.id, chat.town.units["菜园镇"].id)
    assert "金平社区" in [child.unit.name for child in children]


async def test_the_tree_lists_parents_before_children_within_its_scope(chat: Chat, alert: Alert) -> None:
    async with chat.database.read() as session:
        everything = await list_tree_figures(session, alert.id, "")
        town = await list_tree_figures(session, alert.id, chat.town.units["菜园镇"].path)
    assert len(everything) == 6
    paths = [figures.unit.path for figures in town]
    assert paths == sorted(paths)
    assert {figures.unit.name for figures in town} == {"菜园镇", "海滨社区", "金平社区", "海滨一网格"}


async def test_missing_groups_are_those_of_the_scope_that_nothing_reached(chat: Chat, alert: Alert) -> None:
    scope = chat.town.units["菜园镇"].path
    async with chat.database.read() as session:
        missing = await list_missing_groups(session, alert.id, scope)
        assert [group.code for group in missing] == ["CY01", "JP01"]
        assert (missing[1].unit_name, missing[1].members) == ("金平社区", 80)
        assert await count_missing_groups(session, alert.id, scope) == 2
        assert await count_missing_groups(session, alert.id, "") == 3
        second = await list_missing_groups(session, alert.id, "", limit=1, offset=1)
        assert [group.code for group in second] == ["JP01"]


async def test_the_log_names_liaisons_and_says_which_forward_came_first(chat: Chat, alert: Alert) -> None:
    chat.clock.advance(5)
    async with chat.database.write() as session:
        group = chat.town.groups["HB02"]
        await record_forward(session, alert_id=alert.id, group=group, person=None, at=chat.clock.now(), score=0.7)
    async with chat.database.read() as session:
        log = await list_forwards(session, alert.id, chat.town.units["海滨一网格"].path)
        elsewhere = await list_forwards(session, alert.id, chat.town.units["洋山镇"].path)
    assert elsewhere == []
    lines = [(entry.group_code, entry.way, entry.person, entry.members, entry.first) for entry in log]
    assert lines == [
        ("HB02", Way.FORWARD, "", None, False),
        ("HB03", Way.REPORT, "李联络", 75, True),
        ("HB02", Way.FORWARD, "", None, True),
    ]


async def test_the_latest_released_alerts_of_everybody_and_of_a_unit(chat: Chat, alert: Alert) -> None:
    async with chat.database.write() as session:
        await make_alert(session, released_at=None)
        elsewhere = await make_alert(session, released_at=NOW, rolled_up=True)
    async with chat.database.read() as session:
        assert [each.id for each in await latest_released(session, 5)] == [elsewhere.id, alert.id]
        ours = await latest_released(session, 5, unit_id=chat.town.units["洋山镇"].id)
    assert [each.id for each in ours] == [alert.id]
