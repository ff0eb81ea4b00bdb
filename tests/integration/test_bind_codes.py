"""One-time codes: shown once, used once, gone after three days."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.errors import Forbidden, Invalid, NotFound, UserError
from bot.identity import SYSTEM, Actor
from bot.people import BIND_ALPHABET, create_bind_code, find_person, use_bind_code
from db.audit import list_audit
from db.models import BindCode, Person, Unit
from db.session import Database
from db.states import Role, UnitState
from tests.factories import NOW, make_unit


async def unit_and_code(database: Database, *, role: Role = Role.LIAISON, hours: int = 72) -> tuple[Unit, str]:
    async with database.write() as session:
        unit = await make_unit(session)
        code = await create_bind_code(
            session, SYSTEM, name="李静", role=role, unit_id=unit.id, now=NOW, valid_hours=hours
        )
    return unit, code


async def bind(database: Database, code: str, member: str = "m1", *, hours: float = 1) -> Person:
    async with database.write() as session:
        return await use_bind_code(
            session, code=code, channel="local", member_hash=member, now=NOW + timedelta(hours=hours)
        )


async def test_whoever_says_the_code_is_bound(database: Database) -> None:
    unit, code = await unit_and_code(database)
    assert len(code) == 8
    assert set(code) <= set(BIND_ALPHABET)
    await bind(database, f" {code[:4].lower()}-{code[4:]} ")
    async with database.read() as session:
        person = await find_person(session, "local", "m1")
        assert person is not None
        assert (person.name, person.role, person.unit_id) == ("李静", Role.LIAISON, unit.id)
        assert await find_person(session, "wecom", "m1") is None
        assert code not in str([list(row) for row in await session.execute(sa.select(BindCode.__table__))])
        assert [entry.action for entry in await list_audit(session)] == ["people.bind", "people.code"]
        assert code not in str([entry.detail for entry in await list_audit(session)])


async def test_a_code_works_once_even_for_two_at_the_same_time(database: Database) -> None:
    _, code = await unit_and_code(database)
    results = await asyncio.gather(*(bind(database, code, f"m{i}") for i in range(5)), return_exceptions=True)
    assert sum(isinstance(result, Person) for result in results) == 1
    assert all(isinstance(result, Person | UserError) for result in results)
    with pytest.raises(UserError, match="已被使用"):
        await bind(database, code)


async def test_an_old_or_wrong_code_says_what_to_do(database: Database) -> None:
    _, code = await unit_and_code(database)
    with pytest.raises(UserError, match="已过期，请向反诈中心重新领取"):
        await bind(database, code, hours=72)
    with pytest.raises(UserError, match="不正确，请核对 8 位"):
        await bind(database, "22222222")
    with pytest.raises(UserError, match="不正确"):
        await bind(database, "")
    async with database.read() as session:
        assert await find_person(session, "local", "m1") is None


async def test_binding_again_replaces_the_task(database: Database) -> None:
    _, first = await unit_and_code(database)
    unit, second = await unit_and_code(database, role=Role.REVIEWER)
    before, after = await bind(database, first), await bind(database, second)
    assert before.id == after.id
    assert (after.role, after.unit_id) == (Role.REVIEWER, unit.id)


async def test_who_may_give_which_code(sqlite_database: Database) -> None:
    publisher = Actor("王民警", Role.PUBLISHER)
    async with sqlite_database.write() as session:
        county = await make_unit(session, code="33")
        town = await make_unit(session, parent=county, code="3301")
        gone = await make_unit(session, parent=county, state=UnitState.RETIRED)

        async def code_by(actor: Actor, role: Role, unit: Unit, name: str = "李静") -> str:
            return await create_bind_code(session, actor, name=name, role=role, unit_id=unit.id, now=NOW)

        assert await code_by(publisher, Role.LIAISON, town)
        with pytest.raises(Forbidden, match="只有管理员"):
            await code_by(publisher, Role.REVIEWER, town)
        with pytest.raises(Forbidden):
            await code_by(Actor("赵", Role.LIAISON), Role.LIAISON, town)
        with pytest.raises(NotFound):
            await code_by(Actor("王民警", Role.PUBLISHER, scope=town.path), Role.LIAISON, county)
        with pytest.raises(NotFound):
            await code_by(SYSTEM, Role.LIAISON, gone)
        with pytest.raises(Invalid):
            await code_by(SYSTEM, Role.LIAISON, town, name="  ")
