"""People with a task: who is bound, and the one-time codes that bind them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import NotFound
from bot.liaison_links import revoke_links
from bot.people import create_bind_code
from bot.people_desk import change_role, revoke_code, unbind
from db.listing import page_people
from db.models import Person, Unit
from db.people import list_open_codes
from db.units import within
from handlers.web.api.definitions import Call
from handlers.web.api.models import registry as shapes
from handlers.web.api.models.common import Found, Id, Page, page_of


async def list_all(call: Call, session: AsyncSession, query: shapes.PersonListing) -> Page[shapes.Person]:
    rows, total = await page_people(
        session,
        scope=call.actor.scope,
        search=query.search,
        role=query.role,
        limit=query.limit,
        offset=query.cursor,
    )
    return page_of([_person(person, unit) for person, unit in rows], total=total, query=query)


async def set_role(call: Call, session: AsyncSession, id: Id, body: shapes.RoleChange) -> shapes.Person:
    await change_role(session, call.actor, id, body.role, now=call.now)
    return await _read(call, session, id)


async def end_links(call: Call, session: AsyncSession, id: Id) -> shapes.Person:
    """Links to the phone page that were given out end; the person asks the bot for another."""
    await revoke_links(session, call.actor, id, now=call.now)
    return await _read(call, session, id)


async def end_binding(call: Call, session: AsyncSession, id: Id, body: shapes.Confirmed) -> None:
    await unbind(session, call.actor, id, confirmed=body.confirm, now=call.now)


async def _read(call: Call, session: AsyncSession, person_id: int) -> shapes.Person:
    person = await session.get(Person, person_id)
    unit = await session.get(Unit, person.unit_id) if person is not None else None
    if person is None or unit is None or not within(unit.path, call.actor.scope):
        raise NotFound("没有这个人，或不在您的管辖范围内")
    return _person(person, unit)


def _person(person: Person, unit: Unit) -> shapes.Person:
    names = ("id", "name", "role", "unit_id", "channel", "bound_at")
    return shapes.Person(**{each: getattr(person, each) for each in names}, unit=unit.name)


# ── codes ───────────────────────────────────────────────────────────────────


async def list_codes(call: Call, session: AsyncSession) -> Found[shapes.OpenCode]:
    names = ("id", "name", "role", "unit_id", "expires_at")
    found = await list_open_codes(session, scope=call.actor.scope, now=call.now)
    return Found(
        items=[
            shapes.OpenCode(**{each: getattr(code, each) for each in names}, unit=unit.name) for code, unit in found
        ]
    )


async def make_code(call: Call, session: AsyncSession, body: shapes.BindCodeAsk) -> shapes.BindCode:
    code = await create_bind_code(
        session,
        call.actor,
        name=body.name,
        role=body.role,
        unit_id=body.unit_id,
        now=call.now,
        valid_hours=body.valid_hours,
    )
    return shapes.BindCode(code=code, valid_hours=body.valid_hours)


async def end_code(call: Call, session: AsyncSession, id: Id) -> None:
    await revoke_code(session, call.actor, id, now=call.now)
