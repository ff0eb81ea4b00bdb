"""The page of people: who is bound, one-time codes, and ending a binding."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.errors import Forbidden, NotFound
from bot.identity import Actor
from bot.people import create_bind_code, use_bind_code
from bot.people_desk import change_role, revoke_code, unbind
from db.audit import list_audit
from db.models import BindCode, Forward, Person, Unit
from db.states import Role, Way
from tests.console import Browser, Console, County
from tests.factories import NOW, make_alert, make_person


@pytest.fixture
async def admin(console: Console) -> Browser:
    return await console.signed_in(Role.ADMIN, name="王建国")


async def bound(console: Console, unit: Unit, name: str, role: Role = Role.LIAISON) -> Person:
    async with console.database.write() as session:
        return await make_person(session, unit=unit, name=name, role=role)


async def actions(console: Console) -> list[str]:
    async with console.database.read() as session:
        return [entry.action for entry in await list_audit(session)]


async def test_a_code_is_shown_once_and_binds_whoever_says_it(
    console: Console, county: County, writer: Browser
) -> None:
    page = await writer.post("/people/codes", name="周敏", unit="菜园镇", role="liaison", hours="24")
    assert page.status == 201
    found = re.search(r'<p class="password">([^<]+)</p>', page.text)
    assert found is not None
    listed = await writer.get("/people")
    assert found[1] not in listed.text
    assert listed.shows("周敏", "菜园镇 · 联络员", "前有效")
    async with console.database.write() as session:
        late = {"channel": "local", "member_hash": "m1", "now": NOW + timedelta(hours=23)}
        person = await use_bind_code(session, code=found[1], **late)  # type: ignore[arg-type]
    assert (person.name, person.unit_id) == ("周敏", county.east.id)
    page = await writer.get("/people")
    assert page.shows("已绑定 1", "没有待使用的绑定码")


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"name": ""}, 422, "请填写姓名"),
        ({"unit": ""}, 422, "请填写单位的名称或编码"),
        ({"unit": "没有的镇"}, 422, "没有名为“没有的镇”的单位"),
        ({"unit": "镇"}, 422, "有 2 个单位符合，请填编码"),
        ({"role": "nobody"}, 422, "请选择角色"),
        ({"role": "reviewer"}, 403, "只有管理员可以发放审核员的绑定码"),
    ],
)
async def test_a_code_that_cannot_be_given_says_why(
    console: Console, county: County, writer: Browser, fields: dict[str, str], status: int, words: str
) -> None:
    sound = {"name": "周敏", "unit": "菜园镇", "role": "liaison", "hours": "72"}
    page = await writer.post("/people/codes", **(sound | fields))
    assert page.status == status
    assert words in page.text.replace("&#34;", '"')
    async with console.database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(BindCode)) == 0


async def test_a_code_is_taken_back_before_anybody_uses_it(console: Console, county: County, writer: Browser) -> None:
    await writer.post("/people/codes", name="周敏", unit="菜园镇", role="liaison", hours="72")
    async with console.database.read() as session:
        code = (await session.scalars(sa.select(BindCode))).one()
    answer = await writer.post(f"/people/codes/{code.id}/revoke")
    assert answer.location == "/people?done=revoke"
    assert (await writer.get(answer.location)).shows("绑定码已作废", "没有待使用的绑定码")
    again = await writer.post(f"/people/codes/{code.id}/revoke")
    assert again.status == 409
    assert again.shows("已被使用或作废")
    assert (await actions(console))[0] == "people.revoke"


async def test_people_are_found_by_name_unit_and_role(console: Console, county: County, writer: Browser) -> None:
    await bound(console, county.east, "周敏")
    await bound(console, county.west, "沈刚")
    await bound(console, county.county, "赵明", Role.REVIEWER)
    everybody = await writer.get("/people")
    assert everybody.shows("已绑定 3", "周敏", "沈刚", "赵明")
    for query in ({"q": "周"}, {"q": "菜园"}, {"unit": county.east.id}):
        page = await writer.get("/people", **query)
        assert page.shows("已绑定 1", "周敏")
        assert not page.shows("赵明")
    assert (await writer.get("/people", role="reviewer")).shows("已绑定 1", "赵明")
    assert (await writer.get("/people", q="没有的人")).shows("没有符合条件的人员")
    assert (await writer.get("/people", unit=4711)).status == 404


async def test_units_without_a_liaison_are_listed_until_somebody_is_bound(
    console: Console, county: County, writer: Browser
) -> None:
    page = await writer.get("/people", view="unbound")
    assert page.shows("还没有联络员的单位 4", "基湖村", "嵊泗县 › 菜园镇")
    await bound(console, county.village, "何叶")
    assert (await writer.get("/people", view="unbound")).shows("还没有联络员的单位 3")
    await bound(console, county.west, "赵明", Role.REVIEWER)  # staff of a unit are no liaisons
    assert (await writer.get("/people", view="unbound")).shows("还没有联络员的单位 3", "沈刚")


async def test_long_lists_are_paged(console: Console, county: County, writer: Browser) -> None:
    for number in range(31):
        await bound(console, county.east, f"人{number:02}")
    page = await writer.get("/people", page=2)
    assert page.shows("人30", "第 2 / 2 页，共 31 条")
    assert not page.shows("人29")


async def test_unbinding_asks_for_the_name_and_keeps_what_they_passed_on(
    console: Console, county: County, writer: Browser
) -> None:
    person = await bound(console, county.east, "周敏")
    async with console.database.write() as session:
        alert = await make_alert(session)
        forward: dict[str, Any] = {"alert_id": alert.id, "group_id": county.groups[1].id, "way": Way.REPORT}
        session.add(Forward(**forward, person_id=person.id, at=NOW))
    refused = await writer.post(f"/people/{person.id}/unbind", confirm="周某")
    assert refused.status == 422
    assert refused.shows("请输入“周敏”确认解除")
    answer = await writer.post(f"/people/{person.id}/unbind?q=周", confirm="周敏")
    assert answer.location.endswith("done=unbind")
    assert "q=" in answer.location
    assert (await writer.get("/people")).shows("还没有人绑定")
    async with console.database.read() as session:
        assert await session.get(Person, person.id) is None
        assert (await session.scalars(sa.select(Forward.person_id))).all() == [None]
    assert (await actions(console))[0] == "people.unbind"
    assert (await writer.post(f"/people/{person.id}/unbind", confirm="周敏")).status == 404


async def test_only_administrators_make_and_unmake_staff(
    console: Console, county: County, writer: Browser, admin: Browser
) -> None:
    liaison = await bound(console, county.east, "周敏")
    reviewer = await bound(console, county.county, "赵明", Role.REVIEWER)
    assert (await writer.post(f"/people/{liaison.id}/role", role="publisher")).status == 403
    assert (await writer.post(f"/people/{reviewer.id}/unbind", confirm="赵明")).status == 403
    async with console.database.write() as session:
        actor = Actor(name="王建国", role=Role.ADMIN)
        await create_bind_code(
            session, actor, name="钱工", role=Role.REVIEWER, unit_id=county.county.id, now=console.clock.now()
        )
        code = (await session.scalars(sa.select(BindCode))).one()
    assert (await writer.post(f"/people/codes/{code.id}/revoke")).status == 403
    assert (await admin.post(f"/people/{liaison.id}/role", role="publisher")).location == "/people?done=role"
    after = await console.row(Person, liaison.id)
    assert (after.role, after.link_version) == (Role.PUBLISHER, 2)
    assert (await admin.post(f"/people/{liaison.id}/role", role="nothing")).status == 422
    assert (await admin.post(f"/people/{reviewer.id}/unbind", confirm="赵明")).status == 303
    assert (await admin.post(f"/people/codes/{code.id}/revoke")).status == 303


async def test_nobody_outside_the_own_subtree_can_be_touched(console: Console, county: County) -> None:
    """Staff of the console see everything today; the engine does not rely on it."""
    person = await bound(console, county.west, "沈刚")
    east = Actor(name="李静", role=Role.ADMIN, scope=county.east.path)
    async with console.database.write() as session:
        await create_bind_code(
            session,
            Actor(name="王建国", role=Role.ADMIN),
            name="钱工",
            role=Role.LIAISON,
            unit_id=county.west.id,
            now=NOW,
        )
        code = (await session.scalars(sa.select(BindCode))).one()
        with pytest.raises(NotFound):
            await unbind(session, east, person.id, confirmed="沈刚", now=NOW)
        with pytest.raises(NotFound):
            await change_role(session, east, person.id, Role.PUBLISHER, now=NOW)
        with pytest.raises(NotFound):
            await revoke_code(session, east, code.id, now=NOW)
        liaison = Actor(name="沈刚", role=Role.LIAISON, scope=county.west.path)
        with pytest.raises(Forbidden):
            await unbind(session, liaison, person.id, confirmed="沈刚", now=NOW)


async def test_the_phone_pages_of_one_person_are_ended_here(
    console: Console, county: County, writer: Browser
) -> None:
    person = await bound(console, county.east, "周敏")
    assert (await writer.post(f"/people/{person.id}/links")).location == "/people?done=links"
    assert (await console.row(Person, person.id)).link_version == 2
