"""People with a task: a one-time code given by the office binds whoever says it to a role and a unit."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import Forbidden, Invalid, NotFound, UserError
from bot.identity import Actor
from bot.permissions import Permission, require
from db import people
from db.audit import record_audit
from db.models import BindCode, Person, Unit
from db.people import end_links, find_person
from db.states import Role, UnitState
from db.units import within

__all__ = ["BIND_ALPHABET", "BIND_LENGTH", "create_bind_code", "find_person", "use_bind_code"]

BIND_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # no 0/O, 1/I/L: codes are read out over the telephone
BIND_LENGTH = 8  # 31^8 ≈ 8.5 × 10^11: cannot be guessed within the 72 hours that a code lives


async def create_bind_code(
    session: AsyncSession,
    actor: Actor,
    *,
    name: str,
    role: Role,
    unit_id: int,
    now: datetime,
    valid_hours: int = 72,
) -> str:
    """A new code, to be shown once: only its hash is kept.

    Only administrators bind staff: a publisher who could bind a reviewer could review what they wrote.
    Raises `Invalid`, `NotFound`, `Forbidden`.
    """
    require(actor, Permission.PEOPLE)
    name = name.strip()
    if not 0 < len(name) <= 40:
        raise Invalid({"name": "请填写姓名，最多 40 个字"})
    if role != Role.LIAISON and actor.role != Role.ADMIN:
        raise Forbidden(f"只有管理员可以发放{role.label}的绑定码，您可以发放联络员的绑定码")
    unit = await session.get(Unit, unit_id)
    if unit is None or unit.state != UnitState.ACTIVE or not within(unit.path, actor.scope):
        raise NotFound("没有这个单位，请从单位列表中选择")
    code = "".join(secrets.choice(BIND_ALPHABET) for _ in range(BIND_LENGTH))
    expires_at = now + timedelta(hours=valid_hours)
    session.add(BindCode(code_hash=_hash(code), name=name, role=role, unit_id=unit_id, expires_at=expires_at))
    await session.flush()
    await audit(
        session,
        actor,
        now,
        "people.code",
        name,
        {"role": role.value, "unit": unit.code, "expires_at": expires_at.isoformat()},
    )
    return code


async def use_bind_code(session: AsyncSession, *, code: str, channel: str, member_hash: str, now: datetime) -> Person:
    """Bind the member to what the code says; whoever was bound before gets the new name, role and unit.

    Raises `UserError` when there is no such code, or it is used up or too old.
    """
    found = await people.find_bind_code(session, _hash(normalised_code(code)))
    if found is None:
        raise UserError("绑定码不正确，请核对 8 位字母和数字后重新发送")
    if found.expires_at <= now:
        raise UserError("绑定码已过期，请向反诈中心重新领取")
    if not await people.claim_bind_code(session, found.id, at=now):
        raise UserError("绑定码已被使用，每个绑定码只能用一次，请向反诈中心重新领取")
    person = await find_person(session, channel, member_hash)
    if person is None:
        person = Person(channel=channel, member_hash=member_hash)
        session.add(person)
    else:
        await end_links(session, person.id)  # what was linked to is another unit's now
    person.name, person.role, person.unit_id, person.bound_at = found.name, found.role, found.unit_id, now
    await session.flush()
    await record_audit(
        session,
        at=now,
        actor=found.name,
        origin=channel,
        action="people.bind",
        subject=found.name,
        detail={"role": found.role.value, "unit_id": found.unit_id},
    )
    return person


async def void_bind_code(session: AsyncSession, code: str, *, now: datetime) -> bool:
    """Use the code up without binding anybody, because others have seen it; False when there is no such code."""
    found = await people.find_bind_code(session, _hash(normalised_code(code)))
    if found is None or not await people.claim_bind_code(session, found.id, at=now):
        return False
    await record_audit(
        session,
        at=now,
        actor=found.name,
        origin="群聊",
        action="people.void",
        subject=found.name,
        detail={"unit_id": found.unit_id},
    )
    return True


def normalised_code(text: str) -> str:
    """The code as it was made, however people write it: small letters, spaces, a dash in the middle."""
    return "".join(character for character in text.upper() if character in BIND_ALPHABET)


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
