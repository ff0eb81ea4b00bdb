"""What the office does with people who have a task after they were bound: another role, the end of the binding, and
taking back a code that nobody has used yet."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import Forbidden, Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.permissions import Permission, require
from db import people
from db.models import BindCode, Person, Unit
from db.states import Role
from db.units import within


async def change_role(session: AsyncSession, actor: Actor, person_id: int, role: Role, *, now: datetime) -> Person:
    """Give the person another role in the same unit. Links to the phone page end: they were made for the role before.

    Only administrators: every change makes or unmakes staff. Raises `NotFound`, `Forbidden`.
    """
    person, unit = await _person(session, actor, person_id)
    if actor.role is not Role.ADMIN:
        raise Forbidden("只有管理员可以调整角色")
    if person.role is role:
        return person
    before, person.role = person.role, role
    person.link_version = await people.end_links(session, person.id)
    detail = {"before": before.value, "after": role.value, "unit": unit.code}
    await audit(session, actor, now, "people.role", person.name, detail)
    return person


async def unbind(session: AsyncSession, actor: Actor, person_id: int, *, confirmed: str, now: datetime) -> str:
    """End the binding: the person is nobody to the bot until they use a new code. Returns their name.

    `confirmed` is the name as the officer typed it. Forwards that they passed on stay counted, without saying who.
    Raises `NotFound`, `Forbidden`, and `Invalid` when the name is another one.
    """
    person, unit = await _person(session, actor, person_id)
    _require_role(actor, person.role, "解除绑定")
    name = person.name
    if confirmed.strip() != name:
        raise Invalid({"confirm": f"请输入“{name}”确认解除"})
    detail = {"role": person.role.value, "unit": unit.code, "channel": person.channel}
    await people.remove_person(session, person_id)
    await audit(session, actor, now, "people.unbind", name, detail)
    return name


async def revoke_code(session: AsyncSession, actor: Actor, bind_code_id: int, *, now: datetime) -> None:
    """Nobody can use the code any more. Raises `NotFound`, `Forbidden`, and `WrongState` when somebody already has."""
    require(actor, Permission.PEOPLE)
    code = await session.get(BindCode, bind_code_id)
    unit = await session.get(Unit, code.unit_id) if code is not None else None
    if code is None or unit is None or not within(unit.path, actor.scope):
        raise NotFound("没有这个绑定码")
    _require_role(actor, code.role, "作废绑定码")
    if not await people.claim_bind_code(session, code.id, at=now):
        raise WrongState("这个绑定码已被使用或作废；已绑定的人员可以在名单里解除")
    await audit(session, actor, now, "people.revoke", code.name, {"role": code.role.value, "unit": unit.code})


async def _person(session: AsyncSession, actor: Actor, person_id: int) -> tuple[Person, Unit]:
    require(actor, Permission.PEOPLE)
    person = await session.get(Person, person_id)
    unit = await session.get(Unit, person.unit_id) if person is not None else None
    if person is None or unit is None or not within(unit.path, actor.scope):
        raise NotFound("没有这位人员，可能已被同事解除绑定")
    return person, unit


def _require_role(actor: Actor, role: Role, what: str) -> None:
    """Whoever may bind somebody may also end that; see `bot.people.create_bind_code`."""
    if role is not Role.LIAISON and actor.role is not Role.ADMIN:
        raise Forbidden(f"只有管理员可以为{role.label}{what}")
