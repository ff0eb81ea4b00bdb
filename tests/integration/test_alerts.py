"""The life of an alert: every step from every state, audiences, corrections and cancellations."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.alerts import STEPS, AlertContent
from bot.errors import Invalid, UserError, WrongState
from db.alerts import count_deliveries
from db.audience import Audience, preview
from db.models import Alert, AuditEntry, Delivery, Group, Reach
from db.session import Database
from db.states import AlertState, ContentKind, DeliveryState, GroupMode, GroupState, Relation, Severity, UnitKind, Way
from tests.factories import make_account, make_alert, make_group, make_unit
from tests.fakes import START
from tests.world import World, build_world, content, quick_settings, release

SETTINGS = quick_settings()
NOW = START
Step = Callable[[AsyncSession, World, int], Awaitable[Alert]]


@pytest.fixture
async def world(database: Database) -> World:
    async with database.write() as session:
        return await build_world(session)


BY_HAND: dict[str, Step] = {
    "submit": lambda s, w, a: alerts.submit(s, w.publisher, a, now=NOW),
    "send_back": lambda s, w, a: alerts.send_back(s, w.reviewer, a, "错别字", now=NOW),
    "start": lambda s, w, a: alerts.release(s, w.reviewer, a, settings=SETTINGS, now=NOW),
    "pause": lambda s, w, a: alerts.pause(s, w.publisher, a, now=NOW),
    "resume": lambda s, w, a: alerts.resume(s, w.publisher, a, now=NOW),
    "cancel": lambda s, w, a: alerts.cancel(s, w.publisher, a, "有误", now=NOW),
    "expire": lambda s, w, a: alerts.expire(s, a, now=NOW),
    "finish": lambda s, w, a: alerts.finish(s, a, now=NOW),
    "reopen": lambda s, w, a: alerts.reopen(s, w.publisher, a, now=NOW),
}


async def test_with_something_left_it_is_not_finished(database: Database, world: World) -> None:
    """Whoever looked for alerts that are through may come after somebody who has something sent again."""
    async with database.write() as session:
        alert = await make_alert(session, state=AlertState.RUNNING, expires_at=NOW + timedelta(hours=1))
        ids = {"alert_id": alert.id, "group_id": world.groups[0].id, "account_id": world.accounts[0].id}
        session.add(Delivery(**ids, rank=0, level=1))
    with pytest.raises(WrongState):
        async with database.write() as session:
            await alerts.finish(session, alert.id, now=NOW)


@pytest.mark.parametrize(("step", "state"), list(itertools.product(BY_HAND, AlertState)), ids=str)
async def test_every_step_from_every_state(sqlite_database: Database, step: str, state: AlertState) -> None:
    """Allowed steps lead where the table says, leave an audit entry, and lose no delivery; others change nothing."""
    database = sqlite_database
    async with database.write() as session:
        world = await build_world(session, villages=1)
        alert = await make_alert(session, state=state, expires_at=NOW + timedelta(hours=1))
        released = state not in (AlertState.DRAFT, AlertState.IN_REVIEW, AlertState.SCHEDULED)
        if released:
            delivered = DeliveryState.SENT if step == "finish" else DeliveryState.WAITING
            ids = {
                "alert_id": alert.id,
                "group_id": world.groups[0].id,
                "account_id": world.accounts[0].id,
            }
            session.add(Delivery(**ids, rank=0, level=1, state=delivered))
            alert.deliveries = 1
    allowed, to = STEPS[step]
    untouched = step == "reopen" and state in (AlertState.RUNNING, AlertState.PAUSED)
    if state in allowed or untouched:
        async with database.write() as session:
            await BY_HAND[step](session, world, alert.id)
    else:
        with pytest.raises(WrongState):
            async with database.write() as session:
                await BY_HAND[step](session, world, alert.id)
    async with database.read() as session:
        after = await alerts.get_alert(session, alert.id)
        entries = await session.scalar(sa.select(sa.func.count()).select_from(AuditEntry))
        counts = (await count_deliveries(session, [alert.id]))[alert.id]
    assert after.state is (to if state in allowed else state)
    assert bool(entries) is (state in allowed)
    assert counts.total == counts.audience


async def test_numbers_count_by_day_of_the_office(database: Database, world: World) -> None:
    late = NOW.replace(hour=15, minute=59)  # 23:59 in Shanghai
    numbers = []
    for now in (late, late, late + timedelta(minutes=2)):
        async with database.write() as session:
            alert = await alerts.create(session, world.publisher, content(), settings=SETTINGS, now=now)
            numbers.append(alert.number)
    assert numbers == ["20261121-01", "20261121-02", "20261122-01"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "长" * 41}, "title"),
        ({"body": ""}, "body"),
        ({"body": "长" * 600}, "body"),
        ({"kind": ContentKind.PICTURE}, "picture_id"),
        ({"kind": ContentKind.LINK, "link_url": "javascript:alert(1)", "link_title": "x"}, "link_url"),
        ({"kind": ContentKind.LINK, "link_url": "https://example.cn"}, "link_title"),
        ({"scheduled_at": NOW - timedelta(seconds=1)}, "scheduled_at"),
        ({"expires_at": NOW}, "expires_at"),
        ({"relation": Relation.CANCEL}, "related_id"),
        ({"relation": Relation.UPDATE, "related_id": 999}, "related_id"),
    ],
)
async def test_bad_content_names_its_field(sqlite_database: Database, changes: dict[str, object], field: str) -> None:
    async with sqlite_database.write() as session:
        world = await build_world(session)
        with pytest.raises(Invalid) as caught:
            await alerts.create(session, world.publisher, content(**changes), settings=SETTINGS, now=NOW)
    assert list(caught.value.faults) == [field]


async def test_longest_body_fits_one_message(sqlite_database: Database) -> None:
    from content.messages import MAX_TEXT, room_for_body

    room = room_for_body(severity="红色", title="题", office=SETTINGS.office)
    async with sqlite_database.write() as session:
        world = await build_world(session)
        longest = content(title="题", body="字" * room)
        alert = await alerts.create(session, world.publisher, longest, settings=SETTINGS, now=NOW)
        assert len(alerts.rendered_text(alert, SETTINGS)) == MAX_TEXT
        longer = content(title="题", body="字" * (room + 1))
        with pytest.raises(Invalid):
            await alerts.create(session, world.publisher, longer, settings=SETTINGS, now=NOW)


async def test_reviewer_releases_what_they_read(database: Database, world: World) -> None:
    async with database.write() as session:
        alert = await alerts.create(session, world.publisher, content(), settings=SETTINGS, now=NOW)
        await alerts.submit(session, world.publisher, alert.id, now=NOW)
    read = alert.version
    async with database.write() as session:
        await alerts.send_back(session, world.publisher, alert.id, "改一个字", now=NOW)
        await alerts.edit(
            session, world.publisher, alert.id, content(body="改过了的正文"), settings=SETTINGS, now=NOW
        )
        await alerts.submit(session, world.publisher, alert.id, now=NOW)
    with pytest.raises(WrongState, match="有改动"):
        async with database.write() as session:
            await alerts.release(session, world.reviewer, alert.id, settings=SETTINGS, now=NOW, version=read)


async def test_releasing_twice_at_once_freezes_once(database: Database, world: World) -> None:
    import asyncio

    async with database.write() as session:
        alert = await alerts.create(session, world.publisher, content(), settings=SETTINGS, now=NOW)
        await alerts.submit(session, world.publisher, alert.id, now=NOW)

    async def once() -> bool:
        try:
            async with database.write() as session:
                await alerts.release(session, world.reviewer, alert.id, settings=SETTINGS, now=NOW)
        except UserError:
            return False
        return True

    assert sorted(await asyncio.gather(once(), once(), once())) == [False, False, True]
    async with database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == len(world.groups)


async def test_empty_audience_is_not_released(database: Database, world: World) -> None:
    nobody = content(audience=Audience(tags=("没有这个标签",)))
    with pytest.raises(WrongState, match="没有任何群"):
        await release(database, world, SETTINGS, NOW, nobody)
    async with database.read() as session:
        assert await session.scalar(sa.select(Alert.state)) is AlertState.IN_REVIEW  # nothing half done


async def test_audience_rules(database: Database) -> None:
    async with database.write() as session:
        account = await make_account(session)
        county = await make_unit(session, name="县")
        east = await make_unit(session, parent=county, name="东镇", kind=UnitKind.TOWN, tags="|渔业|")
        west = await make_unit(session, parent=county, name="西镇", kind=UnitKind.TOWN)
        school = await make_unit(session, parent=east, name="小学", kind=UnitKind.SCHOOL)
        village = await make_unit(session, parent=west, name="西村", kind=UnitKind.VILLAGE, tags="|渔业|重点|")
        groups = {
            unit.name: await make_group(session, unit=unit, account=account)
            for unit in (county, east, west, school, village)
        }
        retired = await make_group(session, unit=east, account=account, state=GroupState.RETIRED)
        relay = await make_group(session, unit=east, mode=GroupMode.RELAY)
        lost = await make_group(session, unit=west, account=account, state=GroupState.LOST)
        empty = await make_unit(session, parent=west, name="空村", kind=UnitKind.VILLAGE)

    async def names(audience: Audience) -> set[str]:
        from db.audience import conditions
        from db.models import Unit

        async with database.read() as session:
            query = sa.select(Group.name).join(Unit, Unit.id == Group.unit_id)
            return set(await session.scalars(query.where(*await conditions(session, audience))))

    def of(*units: str) -> set[str]:
        return {groups[unit].name for unit in units}

    assert await names(Audience()) == of(*groups) | {relay.name, lost.name}
    assert await names(Audience(units=(east.id,))) == of("东镇", "小学") | {relay.name}
    assert await names(Audience(levels=(1, 3))) == of("县", "小学", "西村")
    assert await names(Audience(kinds=(UnitKind.SCHOOL,))) == of("小学")
    assert await names(Audience(tags=("渔业",))) == of("东镇", "西村") | {relay.name}
    assert await names(Audience(units=(county.id,), exclude_units=(west.id,))) == of("县", "东镇", "小学") | {
        relay.name
    }
    assert await names(Audience(exclude_groups=(relay.id, lost.id))) == of(*groups)
    assert await names(Audience(units=(999,))) == set()
    async with database.read() as session:
        shown = await preview(session, Audience())
    assert (shown.groups, shown.members, shown.pushed, shown.relayed) == (7, 700, 5, 2)
    assert {(left.name, left.reason) for left in shown.left_out} == {
        (relay.name, "由联络员转发"),
        (lost.name, "群已失联，账号不在群内"),
        (empty.name, "没有群"),
    }
    assert [(load.name, load.groups) for load in shown.loads] == [(account.name, 5)]
    assert retired.name not in await names(Audience())


async def test_audience_survives_storage() -> None:
    rule = Audience(
        units=(1,), levels=(2,), kinds=(UnitKind.SCHOOL,), tags=("渔业",), exclude_groups=(5,), heard_alert=3
    )
    assert Audience.from_json(rule.to_json()) == rule


async def _reach(database: Database, alert: Alert, group: Group, way: Way) -> None:
    async with database.write() as session:
        row = await session.get_one(Reach, (alert.id, group.id))
        row.way, row.reached_at = way, NOW


async def test_a_cancellation_goes_to_whoever_had_it_and_stops_the_rest(database: Database, world: World) -> None:
    first = await release(database, world, SETTINGS, NOW)
    pushed, forwarded, doubtful, *rest = world.groups
    await _reach(database, first, pushed, Way.PUSH)
    await _reach(database, first, forwarded, Way.FORWARD)
    async with database.write() as session:
        update = sa.update(Delivery).where(Delivery.alert_id == first.id, Delivery.group_id == doubtful.id)
        await session.execute(update.values(state=DeliveryState.UNKNOWN))
    wanted = content(title="撤销", body="此前预警有误", relation=Relation.CANCEL, related_id=first.id)
    second = await release(database, world, SETTINGS, NOW, wanted)
    async with database.read() as session:
        audience = set(await session.scalars(sa.select(Delivery.group_id).where(Delivery.alert_id == second.id)))
        old = await alerts.get_alert(session, first.id)
        left = await session.execute(
            sa.select(Delivery.group_id, Delivery.reason).where(Delivery.state == DeliveryState.CANCELLED)
        )
    assert audience == {pushed.id, forwarded.id, doubtful.id}
    assert old.state is AlertState.CANCELLED
    assert {group_id for group_id, _ in left} == {pushed.id, forwarded.id} | {group.id for group in rest}
    async with database.read() as session:
        text = alerts.rendered_text(second, SETTINGS, await alerts.related_number(session, second))
    assert text.startswith(f"【撤销】撤销\n（撤销预警 {first.number}，请以本条为准）")


async def test_a_correction_also_goes_to_whoever_was_still_to_get_it(database: Database, world: World) -> None:
    first = await release(database, world, SETTINGS, NOW)
    failed = world.groups[-1]
    async with database.write() as session:
        update = sa.update(Delivery).where(Delivery.alert_id == first.id, Delivery.group_id == failed.id)
        await session.execute(update.values(state=DeliveryState.FAILED))
    second = await release(
        database, world, SETTINGS, NOW, content(title="更正", relation=Relation.UPDATE, related_id=first.id)
    )
    async with database.read() as session:
        audience = set(await session.scalars(sa.select(Delivery.group_id).where(Delivery.alert_id == second.id)))
    assert audience == {group.id for group in world.groups} - {failed.id}


def test_content_defaults_are_plain_text() -> None:
    assert AlertContent("t", "b", Severity.RED).kind is ContentKind.TEXT
