"""League tables, periods, timelines, who relayed, and gaps, on both databases: against plain counting of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.forwarding import record_forward
from db import rollup, standing
from db.coverage_gaps import find_coverage_gaps
from db.figures import Figures, list_child_figures, read_ranked
from db.leagues import (
    get_span_figures,
    list_alert_figures,
    list_months,
    list_relayers,
    read_league,
)
from db.models import Alert, Group, Reach, Unit
from db.periods import BadPeriod, Period, Span, find_span, parse_period, recent_months
from db.ranking import Among
from db.reach import record_reach
from db.session import Database
from db.states import GroupMode, UnitKind, UnitState, Way
from db.timeline import read_timeline
from tests.chatting import Chat
from tests.factories import NOW, make_alert, make_group, make_unit

ZONE = ZoneInfo("Asia/Shanghai")


# ── periods ──


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-10", date(2026, 10, 1), date(2026, 10, 31)),
        ("2026-10..2026-11", date(2026, 10, 1), date(2026, 11, 30)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-10-05..2026-11-03", date(2026, 10, 5), date(2026, 11, 3)),
        ("2026-10-05", date(2026, 10, 5), date(2026, 10, 5)),
        ("2026-12..2027-01-15", date(2026, 12, 1), date(2027, 1, 15)),
    ],
)
def test_a_period_is_months_or_days(text: str, first: date, last: date) -> None:
    period = parse_period(text)
    assert (period.first, period.last) == (first, last)
    assert parse_period(period.text) == period


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-02-30", "2026-11..2026-10", "..", "2026-1-1-1", "1-1"])
def test_what_is_no_period_is_refused(text: str) -> None:
    with pytest.raises(BadPeriod):
        parse_period(text)


@given(st.dates(date(2001, 1, 1), date(2900, 1, 1)), st.integers(0, 500))
def test_a_period_reads_back_and_lists_its_months(first: date, days: int) -> None:
    period = Period(first, first + timedelta(days=days))
    assert parse_period(period.text) == period
    every = {day.year * 100 + day.month for day in (first + timedelta(days=n) for n in range(days + 1))}
    assert period.months == sorted(every)


def test_recent_months_end_with_this_one() -> None:
    assert recent_months(date(2026, 1, 15), 3).text == "2025-11..2026-01"


# ── leagues against the rows ──


async def fold(database: Database) -> None:
    async with database.write() as session:
        while await rollup.fold_step(session):
            pass


async def plain_league(
    database: Database, alerts: Sequence[Alert], towns: Sequence[Unit]
) -> list[tuple[str, int | None]]:
    """The rule by the plainest reading of the rows: (name, rank), best first."""
    async with database.read() as session:
        rows = list(await session.scalars(sa.select(Reach).where(Reach.alert_id.in_([a.id for a in alerts]))))
        paths = {row.id: row.path for row in await session.execute(sa.select(Unit.id, Unit.path))}
    deadlines = {alert.id: alert.deadline_at for alert in alerts}
    keys: dict[str, tuple[float, ...]] = {}
    for town in towns:
        ours = [row for row in rows if row.expected and paths[row.unit_id].startswith(town.path)]
        reached = [row for row in ours if row.reached_at is not None]
        if ours:
            members = sum(row.members for row in ours)
            ontime = [row for row in reached if row.reached_at <= deadlines[row.alert_id]]  # type: ignore[operator]
            keys[town.name] = (
                len(reached) / len(ours),
                sum(row.members for row in reached) / members if members else 0.0,
                len(ontime) / len(ours),
                members,
            )
    ranked = [
        (town.name, 1 + sum(key > keys[town.name] for key in keys.values())) for town in towns if town.name in keys
    ]
    unranked = [(town.name, None) for town in towns if town.name not in keys]
    order = {town.name: town.path for town in towns}
    return sorted(ranked, key=lambda pair: (pair[1], order[pair[0]])) + sorted(
        unranked, key=lambda pair: order[pair[0]]
    )


def names(rows: Sequence[Figures]) -> list[tuple[str, int | None]]:
    return [(row.unit.name, row.rank) for row in rows]


groups_of_towns = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 2)), max_size=9)
reaches = st.lists(st.tuples(st.integers(0, 8), st.integers(0, 1), st.integers(0, 3)), max_size=14)


@given(groups_of_towns, reaches)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_league_follows_the_rule_over_alerts_and_months(
    database: Database, groups: list[tuple[int, int, int]], plan: list[tuple[int, int, int]]
) -> None:
    """Two alerts, four towns; a group is (town, 50 members each, below a village or not)."""
    async with database.write() as session:
        county = await make_unit(session)
        towns = [await make_unit(session, parent=county, kind=UnitKind.TOWN) for _ in range(4)]
        villages = [await make_unit(session, parent=town, kind=UnitKind.VILLAGE) for town in towns]
        month = 200001 + county.id % 10 + 100 * (county.id // 10)  # of this example alone
        alerts = [
            await make_alert(
                session, state="running", released_at=NOW, deadline_at=NOW + timedelta(hours=1), month=month
            )
            for _ in range(2)
        ]
        made: list[Group] = []
        for town, members, lower in groups:
            made.append(await make_group(session, unit=(villages if lower else towns)[town], members=members * 50))
            for alert in alerts:
                session.add(
                    Reach(alert_id=alert.id, group_id=made[-1].id, unit_id=made[-1].unit_id, members=made[-1].members)
                )
        await session.flush()
        for group, alert, hour in plan:
            if group < len(made):
                at = NOW + timedelta(minutes=30 + hour * 20)
                await record_reach(session, alert_id=alerts[alert].id, group=made[group], way=Way.FORWARD, at=at)
    await fold(database)
    for few in (standing.FEW, -1):  # sorted, and read off the index
        with patch.object(standing, "FEW", few):
            await compare(database, county, towns, alerts, month)


async def compare(
    database: Database, county: Unit, towns: Sequence[Unit], alerts: Sequence[Alert], month: int
) -> None:
    async with database.read() as session:
        first = await read_league(session, Span(alert_ids=(alerts[0].id,)), level=2, scope=county.path)
        both = await read_league(session, Span(alert_ids=tuple(a.id for a in alerts)), level=2, scope=county.path)
        months = await read_league(session, Span(months=(month,)), level=2, scope=county.path)
        assert first.total == both.total == months.total == 4
        assert names(first.rows) == await plain_league(database, alerts[:1], towns)
        assert names(both.rows) == names(months.rows) == await plain_league(database, alerts, towns)
        pages = [
            await read_league(session, Span(months=(month,)), level=2, scope=county.path, limit=1, offset=n)
            for n in range(4)
        ]
        assert [names(page.rows)[0] for page in pages] == names(
            both.rows
        )  # also where a tie runs over the page's end
        assert {page.total for page in pages} == {4}
        for one, other in zip(both.rows, months.rows, strict=True):
            assert (
                one.reached_groups,
                one.expected_members,
                one.ontime_groups,
                one.median_s,
                one.p90_s,
                one.alerts,
            ) == (
                other.reached_groups,
                other.expected_members,
                other.ontime_groups,
                other.median_s,
                other.p90_s,
                other.alerts,
            )
            whole = await get_span_figures(session, Span(months=(month,)), one.unit.id)
            assert whole.reached_groups == one.reached_groups


# ── a small town ──


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat(database).build()


async def reach(chat: Chat, alert: Alert, code: str, way: Way = Way.FORWARD, person: object = None) -> None:
    async with chat.database.write() as session:
        await record_forward(
            session,
            alert_id=alert.id,
            group=chat.town.groups[code],
            person=person,
            at=chat.clock.now(),
            way=way,  # type: ignore[arg-type]
        )


async def test_whole_months_and_single_days_give_the_same_figures(chat: Chat) -> None:
    october = datetime(2026, 10, 31, 15, 59, tzinfo=UTC)  # 23:59 of the last day in the office
    november = datetime(2026, 10, 31, 16, 1, tzinfo=UTC)
    for released in (october, november, NOW):
        alert = await chat.release(released_at=released)
        await reach(chat, alert, "HB01")
    await chat.fold()
    root = chat.town.units["county"]
    async with chat.database.read() as session:
        for text, alerts in (("2026-10", 1), ("2026-11", 2), ("2026-10..2026-11", 3), ("2026-10-31..2026-11-01", 2)):
            span = await find_span(session, parse_period(text), ZONE)
            figures = await get_span_figures(session, span, root.id)
            assert (figures.alerts, figures.expected_groups, figures.reached_groups) == (
                alerts,
                6 * alerts,
                alerts,
            ), text
        assert (await find_span(session, parse_period("2026-10..2026-11"), ZONE)).alert_ids == ()
        mixed = await find_span(session, parse_period("2026-10-31..2026-11-30"), ZONE)
        assert (len(mixed.alert_ids), mixed.months) == (1, (202611,))
        assert (await get_span_figures(session, mixed, root.id)).reached_groups == 3
        record = await list_months(session, root.id, [202609, 202610, 202611])
        assert [(month, figures.alerts) for month, figures in record] == [(202610, 1), (202611, 2)]
        listed = await list_alert_figures(session, root.id, november, NOW + timedelta(days=1))
        assert [(one.released_at, figures.reached_groups) for one, figures in listed] == [(NOW, 1), (november, 1)]


async def test_a_league_is_paged_and_narrowed_and_units_without_groups_have_no_rank(chat: Chat) -> None:
    alert = await chat.release()
    county = chat.town.units["county"]
    async with chat.database.write() as session:
        await make_unit(session, name="县财政局", parent=county, kind=UnitKind.DEPARTMENT)
        gone = await make_unit(session, name="撤销镇", parent=county, kind=UnitKind.TOWN)
        gone.state = UnitState.RETIRED
    await reach(chat, alert, "YS01")
    await chat.fold()
    span = Span(alert_ids=(alert.id,))
    async with chat.database.read() as session:
        towns = await read_league(session, span, level=2)
        assert names(towns.rows) == [("洋山镇", 1), ("菜园镇", 2), ("县财政局", None)]
        assert names((await read_league(session, span, level=2, kinds=[UnitKind.TOWN])).rows)[-1] == ("菜园镇", 2)
        page = await read_league(session, span, level=2, limit=1, offset=1)
        assert (names(page.rows), page.total) == ([("菜园镇", 2)], 3)
        below = await read_league(session, span, level=3, scope=chat.town.units["菜园镇"].path)
        assert {row.unit.name for row in below.rows} == {"海滨社区", "金平社区"}


async def test_children_are_ranked_among_their_like_whatever_the_page(chat: Chat) -> None:
    county = chat.town.units["county"]
    async with chat.database.write() as session:
        for number in (1, 2, 3):
            office = await make_unit(session, name=f"局{number}", parent=county, kind=UnitKind.DEPARTMENT)
            group = await make_group(session, unit=office, code=f"D{number}", members=10 * number)
            chat.town.groups[group.code] = group
        await make_unit(session, name="团县委", parent=county, kind=UnitKind.DEPARTMENT)
    alert = await chat.release()
    for code in ("D1", "D3", "YS01", "HB01"):
        await reach(chat, alert, code)
    await chat.fold()
    wanted = [("洋山镇", 1), ("菜园镇", 2), ("局3", 1), ("局1", 2), ("局2", 3), ("团县委", None)]
    span, among = Span(alert_ids=(alert.id,)), Among(parent_id=county.id)
    async with chat.database.read() as session:
        assert names(await list_child_figures(session, alert.id, county.id)) == wanted
        pages = [await read_ranked(session, span, among, limit=2, offset=offset) for offset in (0, 2, 4)]
    assert [names(rows) for rows, _ in pages] == [wanted[:2], wanted[2:4], wanted[4:]]
    assert [total for _, total in pages] == [6, 6, 6]


async def test_the_timeline_ends_at_the_figures_and_knows_each_child(chat: Chat) -> None:
    alert = await chat.release()
    for seconds, code in ((1.5, "CY01"), (58, "HB01"), (700, "HB02"), (3 * 86_400, "YS01")):
        chat.clock.advance(seconds)
        await reach(chat, alert, code)
    await chat.fold()
    async with chat.database.read() as session:
        county = await read_timeline(session, alert, chat.town.units["county"])
        town = await read_timeline(session, alert, chat.town.units["菜园镇"])
    assert county.seconds == [2, 60, 780, 262_800]
    assert county.total("groups") == [1, 2, 3, 4]
    assert county.total("members") == [80, 160, 240, 320]
    strands = {
        strand.unit.name if strand.unit else "": (strand.expected_groups, strand.groups) for strand in town.strands
    }
    assert strands == {"海滨社区": (3, [0, 1, 2]), "金平社区": (1, [0, 0, 0]), "": (1, [1, 1, 1])}


async def test_liaisons_are_named_and_residents_are_one_line(chat: Chat) -> None:
    alert = await chat.release()
    liaison = await chat.bind("李联络", "海滨社区")
    async with chat.database.write() as session:
        await record_reach(
            session, alert_id=alert.id, group=chat.town.groups["CY01"], way=Way.PUSH, at=chat.clock.now()
        )
    chat.clock.advance(60)
    for code, person in (("HB01", liaison), ("HB02", liaison), ("HB03", None), ("CY01", liaison), ("HB01", None)):
        chat.clock.advance(1)
        await reach(chat, alert, code, person=person)
    async with chat.database.read() as session:
        relayers = await list_relayers(session, [alert.id], "")
        elsewhere = await list_relayers(session, [alert.id], chat.town.units["洋山镇"].path)
    assert [(one.name, one.unit_name, one.forwards, one.first, one.members) for one in relayers] == [
        ("李联络", "海滨社区", 3, 2, 160),
        ("", "", 2, 1, 80),
    ]
    assert elsewhere == []


async def test_gaps_are_counted_within_the_scope(chat: Chat) -> None:
    town = chat.town.units["菜园镇"]
    alert = await chat.release()
    for code in ("HB01", "HB02", "HB03", "YS01"):
        await reach(chat, alert, code)
    async with chat.database.write() as session:
        await make_unit(session, name="没群社区", parent=town, kind=UnitKind.COMMUNITY)
        await make_group(session, unit=town, name="满群", members=500)
        await make_group(session, unit=town, name="转发群", members=500, mode=GroupMode.RELAY)
    async with chat.database.write() as session:
        gaps = await find_coverage_gaps(session, town.path, NOW + timedelta(days=2))
        later = await find_coverage_gaps(session, town.path, NOW + timedelta(days=40))
        west = await find_coverage_gaps(session, chat.town.units["洋山镇"].path, NOW + timedelta(days=2))
        await make_unit(session, name="团县委", parent=chat.town.units["county"], kind=UnitKind.DEPARTMENT)
        county = await find_coverage_gaps(session, chat.town.units["county"].path, NOW)
    assert {unit.name for unit in county.without_group} == {"没群社区", "团县委"}
    assert [unit.name for unit in gaps.without_group] == ["没群社区"]
    assert [group.name for group in gaps.without_bot_groups] == ["满群"]
    assert (gaps.full, gaps.silent) == (2, 2)
    assert {group.code for group in gaps.silent_groups} == {"CY01", "JP01"}
    assert later.silent == 0
    assert (west.units, west.without_bot, west.full, west.silent) == (0, 0, 0, 0)
