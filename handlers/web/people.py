"""People with a task: who is bound, which units have nobody, and the one-time codes that bind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, NotFound, UserError
from bot.identity import Actor
from bot.liaison_links import revoke_links
from bot.people import create_bind_code
from bot.people_desk import change_role, revoke_code, unbind
from db.console import list_unit_trails
from db.listing import page_people
from db.models import Unit
from db.people import list_open_codes, page_unbound_units
from db.states import Role
from db.units import within
from handlers.web.forms import Paging, choice_of, int_of, page_number, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of
from handlers.web.unit_field import unit_of_text
from handlers.web.views import page

PAGE_SIZE = 30
HOURS = {24: "1 天", 72: "3 天", 168: "7 天"}
_DONE = {
    "role": "角色已调整，对方之前的手机页链接已失效",
    "unbind": "已解除绑定；以后要用时请重新发放绑定码",
    "revoke": "绑定码已作废",
    "links": "手机页链接已全部作废；本人私聊机器人发“链接”可得到新的",
}


@dataclass
class CodeForm:
    name: str = ""
    unit: str = ""  # a name or a code, as typed
    role: Role | None = Role.LIAISON
    hours: int = 72
    faults: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NewCode:
    """Shown on one page, once."""

    name: str
    unit: Unit
    role: Role
    code: str
    hours: int


async def people_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    form = CodeForm(name=text_of(request.query, "name")[:40], unit=text_of(request.query, "code")[:40])
    return await _show(request, actor, form, done=_DONE.get(request.query.get("done", ""), ""))


async def add_code(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    post = await request.post()
    hours = int_of(post, "hours")
    form = CodeForm(text_of(post, "name"), text_of(post, "unit"), choice_of(Role, post, "role"))
    form.hours = hours if hours in HOURS else 72
    try:
        if form.role is None:
            raise Invalid({"role": "请选择角色"})
        async with engine.database.write() as session:
            unit = await unit_of_text(session, form.unit, field="unit", scope=actor.scope)
            code = await create_bind_code(
                session,
                actor,
                name=form.name,
                role=form.role,
                unit_id=unit.id,
                now=engine.clock.now(),
                valid_hours=form.hours,
            )
    except Invalid as error:
        form.faults = error.faults
        return await _show(request, actor, form, status=422)
    except UserError as error:
        return await _show(request, actor, form, message=str(error), status=status_of(error))
    new = NewCode(form.name, unit, form.role, code, form.hours)
    return await _show(request, actor, CodeForm(), new=new, status=201)


async def revoke(request: web.Request, actor: Actor) -> web.StreamResponse:
    code_id, now = path_id(request), request.app[ENGINE].clock.now()
    return await _change(request, actor, "revoke", lambda session: revoke_code(session, actor, code_id, now=now))


async def end_links(request: web.Request, actor: Actor) -> web.StreamResponse:
    person_id, now = path_id(request), request.app[ENGINE].clock.now()
    return await _change(request, actor, "links", lambda session: revoke_links(session, actor, person_id, now=now))


async def set_role(request: web.Request, actor: Actor) -> web.StreamResponse:
    person_id, now = path_id(request), request.app[ENGINE].clock.now()
    role = choice_of(Role, await request.post(), "role")
    if role is None:
        return await _show(request, actor, CodeForm(), message="请选择角色", status=422)
    return await _change(
        request, actor, "role", lambda session: change_role(session, actor, person_id, role, now=now)
    )


async def end_binding(request: web.Request, actor: Actor) -> web.StreamResponse:
    person_id, now = path_id(request), request.app[ENGINE].clock.now()
    name = text_of(await request.post(), "confirm")
    return await _change(
        request, actor, "unbind", lambda session: unbind(session, actor, person_id, confirmed=name, now=now)
    )


async def _change(
    request: web.Request, actor: Actor, name: str, change: Callable[[AsyncSession], Awaitable[object]]
) -> web.StreamResponse:
    """Do it and come back to the list as it was looked at, or show there why not."""
    try:
        async with request.app[ENGINE].database.write() as session:
            await change(session)
    except UserError as error:
        return await _show(request, actor, CodeForm(), message=str(error), status=status_of(error))
    raise web.HTTPSeeOther(f"/people?{urlencode(_kept(request) | {'done': name})}")


def _kept(request: web.Request) -> dict[str, str]:
    """What the list is narrowed to, so that a step does not lose it."""
    kept = {name: text_of(request.query, name)[:60] for name in ("q", "role", "unit", "view")}
    return {name: value for name, value in kept.items() if value}


async def _show(
    request: web.Request,
    actor: Actor,
    form: CodeForm,
    *,
    done: str = "",
    message: str = "",
    new: NewCode | None = None,
    status: int = 200,
) -> web.StreamResponse:
    engine = request.app[ENGINE]
    unbound = text_of(request.query, "view") == "unbound"
    search = text_of(request.query, "q")[:60]
    role = choice_of(Role, request.query, "role")
    async with engine.database.read() as session:
        unit = await _unit(session, actor, int_of(request.query, "unit"))
        scope = unit.path if unit is not None else actor.scope
        codes = await list_open_codes(session, scope=actor.scope, now=engine.clock.now())
        context = await _rows(session, request, scope, search, role, unbound=unbound)
        paths = [one.path for _, one in codes] + [one.path for one in context["units"]]
        trails = await list_unit_trails(session, paths)
    return await page(
        request,
        "people.html",
        status=status,
        form=form,
        done=done,
        message=message,
        new=new,
        codes=codes,
        trails=trails,
        unit=unit,
        unbound=unbound,
        search=search,
        role=role,
        hours=HOURS,
        query=urlencode(_kept(request)),
        is_admin=actor.role is Role.ADMIN,
        **context,
    )


async def _unit(session: AsyncSession, actor: Actor, unit_id: int | None) -> Unit | None:
    """The unit whose subtree is looked at. Raises `NotFound` for one that is not the actor's."""
    if unit_id is None:
        return None
    unit = await session.get(Unit, unit_id)
    if unit is None or not within(unit.path, actor.scope):
        raise NotFound("没有找到，或不在您的管辖范围内")
    return unit


async def _rows(
    session: AsyncSession, request: web.Request, scope: str, search: str, role: Role | None, *, unbound: bool
) -> dict[str, Any]:
    """One page of either list, and how long both are."""
    offset = (page_number(request) - 1) * PAGE_SIZE
    people, bound_total = await page_people(
        session, scope=scope, search=search, role=role, limit=0 if unbound else PAGE_SIZE, offset=offset
    )
    units, unbound_total = await page_unbound_units(
        session, scope=scope, search=search, limit=PAGE_SIZE if unbound else 0, offset=offset
    )
    return {
        "people": people,
        "units": units if unbound else [unit for _, unit in people],
        "bound_total": bound_total,
        "unbound_total": unbound_total,
        "paging": Paging(page_number(request), PAGE_SIZE, unbound_total if unbound else bound_total),
    }
