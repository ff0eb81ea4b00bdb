"""Looking after one unit: move it, merge it, retire and restore it and its groups, and take a step back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.channels.local_people import sync_rooms
from bot.errors import Invalid, NotFound, UserError
from bot.identity import Actor
from bot.registry_moves import UNDOABLE, Preview, Step, called, carry_out, preview, set_group_retired, undo
from db.console import count_subtree, list_unit_trails
from db.groups import get_group, list_groups_of_unit
from db.models import Unit
from db.registry_moves import list_retired, list_steps
from db.states import UnitState
from db.units import count_units, get_unit, list_ancestors, within
from handlers.web.audit_words import action_label
from handlers.web.forms import choice_of, int_of, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of
from handlers.web.unit_field import unit_of_text
from handlers.web.views import page

_DONE = {
    "move": "已移动",
    "merge": "已合并，这个单位现在停用",
    "retire": "已停用",
    "restore": "已恢复",
    "undo": "已撤销，恢复原状",
    "group": "群的状态已修改",
}
_UNDOABLE = {f"registry.{step}" for step in UNDOABLE}


@dataclass
class StepForm:
    """What is being asked for: nothing yet, a step without its target, or all of it."""

    step: Step | None = None
    target: str = ""  # a name or a code, as typed
    faults: dict[str, str] = field(default_factory=dict)


async def manage_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    """With `step` (and `target`) in the query, what that would change."""
    form = StepForm(choice_of(Step, request.query, "step"), text_of(request.query, "target")[:80])
    done = _DONE.get(request.query.get("done", ""), "")
    return await _show(request, actor, path_id(request), form, done=done)


async def take_step(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Do what was previewed and confirmed by name."""
    engine, unit_id, post = request.app[ENGINE], path_id(request), await request.post()
    form = StepForm(choice_of(Step, post, "step"), text_of(post, "target"))
    try:
        if form.step is None:
            raise NotFound("没有这个步骤，请从单位的管理页面重新操作")
        async with engine.database.write() as session:
            target = await _target(session, actor, form)
            entry = await carry_out(
                session,
                actor,
                form.step,
                unit_id,
                target,
                basis=text_of(post, "basis"),
                confirmed=text_of(post, "confirm"),
                now=engine.clock.now(),
            )
            await _follow(request, session)
    except UserError as error:
        return await _refused(request, actor, unit_id, form, error)
    raise _back(request, unit_id, done=form.step.value, entry=entry)


async def undo_step(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, unit_id = request.app[ENGINE], path_id(request)
    try:
        async with engine.database.write() as session:
            unit = await undo(session, actor, path_id(request, "entry"), now=engine.clock.now())
            await _follow(request, session)
            unit_id = unit.id
    except UserError as error:
        return await _refused(request, actor, unit_id, StepForm(), error)
    raise _back(request, unit_id, done="undo")


async def retire_group(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _set_group(request, actor, retired=True)


async def restore_group(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _set_group(request, actor, retired=False)


async def _set_group(request: web.Request, actor: Actor, *, retired: bool) -> web.StreamResponse:
    engine, group_id = request.app[ENGINE], path_id(request)
    async with engine.database.read() as session:
        unit_id = (await get_group(session, group_id)).unit_id
    try:
        async with engine.database.write() as session:
            await set_group_retired(session, actor, group_id, retired, now=engine.clock.now())
            await _follow(request, session)
    except UserError as error:
        return await _refused(request, actor, unit_id, StepForm(), error)
    raise _back(request, unit_id, done="group")


async def _follow(request: web.Request, session: AsyncSession) -> None:
    """The built-in channel's rooms are those of the registry."""
    if "local" in request.app[ENGINE].settings.channels:
        await sync_rooms(session)


def _back(request: web.Request, unit_id: int, **query: Any) -> web.HTTPSeeOther:
    request.app[ENGINE].events.publish("accounts")  # senders look again at which groups they serve
    return web.HTTPSeeOther(f"/units/{unit_id}/manage?{urlencode(query)}")


async def _refused(
    request: web.Request, actor: Actor, unit_id: int, form: StepForm, error: UserError
) -> web.StreamResponse:
    status = status_of(error)
    if isinstance(error, Invalid):
        form.faults = error.faults
        return await _show(request, actor, unit_id, form, status=status)
    return await _show(request, actor, unit_id, form, message=str(error), status=status)


async def _target(session: AsyncSession, actor: Actor, form: StepForm) -> Unit | None:
    if form.step not in (Step.MOVE, Step.MERGE):
        return None
    return await unit_of_text(session, form.target, field="target", scope=actor.scope)


async def _show(
    request: web.Request,
    actor: Actor,
    unit_id: int,
    form: StepForm,
    *,
    done: str = "",
    message: str = "",
    status: int = 200,
) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        unit = await get_unit(session, unit_id)
        if not within(unit.path, actor.scope):
            raise NotFound("没有找到，或不在您的管辖范围内")
        try:
            seen = await _preview(session, actor, unit, form)
        except Invalid as error:
            seen, form.faults = None, error.faults | form.faults
        except UserError as error:
            seen, message = None, message or str(error)
        retired_units, retired_groups = await list_retired(session, unit.id)
        context = {
            "unit": unit,
            "trail": [one for one in await list_ancestors(session, unit) if within(one.path, actor.scope)],
            "size": await count_subtree(session, unit.path),
            "below": await count_units(session, scope=unit.path) - (unit.state is UnitState.ACTIVE),
            "groups": await list_groups_of_unit(session, unit.id),
            "retired_units": retired_units,
            "retired_groups": retired_groups,
            "steps": await list_steps(session, called(unit)),
            "seen": seen,
            "trails": await list_unit_trails(session, [seen.target.path] if seen and seen.target else []),
        }
    return await page(
        request,
        "unit_manage.html",
        status=422 if form.faults and status == 200 and form.target else status,
        form=form,
        done=done,
        message=message,
        entry=int_of(request.query, "entry"),
        Step=Step,
        undoable=_UNDOABLE,
        label=action_label,
        **context,
    )


async def _preview(session: AsyncSession, actor: Actor, unit: Unit, form: StepForm) -> Preview | None:
    """None while the target is still to be typed."""
    if form.step is None or (form.step in (Step.MOVE, Step.MERGE) and not form.target):
        return None
    return await preview(session, actor, form.step, unit.id, await _target(session, actor, form))
