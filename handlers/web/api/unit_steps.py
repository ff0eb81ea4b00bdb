"""Steps in the tree: move, merge, retire and restore a unit, take a step back; retire and restore a group."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot import registry_moves as moves
from bot.channels.local_people import sync_rooms
from bot.errors import Invalid, NotFound
from db.models import Unit
from db.registry_moves import list_steps
from db.units import within
from handlers.web.api.definitions import Call
from handlers.web.api.models import registry as shapes
from handlers.web.api.models.common import Found, Id, Named
from handlers.web.api.registry import read_group, read_unit, visible_unit

_UNDOABLE = {f"registry.{step}" for step in moves.UNDOABLE}


async def list_taken(call: Call, session: AsyncSession, id: Id) -> Found[shapes.StepTaken]:
    """The newest ten, newest first."""
    unit = await visible_unit(call, session, id)
    return Found(
        items=[
            shapes.StepTaken(
                entry=one.id,
                at=one.at,
                actor=one.actor,
                action=one.action,
                undoable=one.action in _UNDOABLE,
            )
            for one in await list_steps(session, moves.called(unit))
        ]
    )


async def preview(call: Call, session: AsyncSession, id: Id, body: shapes.StepAsk) -> shapes.StepPlan:
    plan = await moves.preview(session, call.actor, body.step, id, await _target(call, session, body))
    touched = plan.touched
    return shapes.StepPlan(
        step=plan.step,
        unit=Named.model_validate(plan.unit),
        target=None if plan.target is None else Named.model_validate(plan.target),
        units=plan.units,
        groups=len(touched.groups),
        people=len(touched.people),
        users=len(touched.users),
        bind_codes=len(touched.codes),
        basis=plan.basis,
    )


async def take(call: Call, session: AsyncSession, id: Id, body: shapes.StepConfirmed) -> shapes.StepDone:
    target = await _target(call, session, body)
    entry = await moves.carry_out(
        session, call.actor, body.step, id, target, basis=body.basis, confirmed=body.confirm, now=call.now
    )
    await _follow(call, session)
    return shapes.StepDone(entry=entry, unit=await read_unit(call, session, id))


async def undo(call: Call, session: AsyncSession, id: Id, entry: Id) -> shapes.UnitFull:
    await visible_unit(call, session, id)
    unit = await moves.undo(session, call.actor, entry, now=call.now)
    if unit.id != id:  # nothing of it stays: the transaction ends here
        raise NotFound("没有这一步，或这一步不能撤销")
    await _follow(call, session)
    return await read_unit(call, session, id)


async def retire_group(call: Call, session: AsyncSession, id: Id) -> shapes.Group:
    return await _set_group(call, session, id, retired=True)


async def restore_group(call: Call, session: AsyncSession, id: Id) -> shapes.Group:
    return await _set_group(call, session, id, retired=False)


async def _set_group(call: Call, session: AsyncSession, group_id: int, *, retired: bool) -> shapes.Group:
    await read_group(call, session, group_id)  # in the caller's subtree
    await moves.set_group_retired(session, call.actor, group_id, retired, now=call.now)
    await _follow(call, session)
    return await read_group(call, session, group_id)


async def _target(call: Call, session: AsyncSession, body: shapes.StepAsk) -> Unit | None:
    """Raises `Invalid` for a unit that there is not, or that is not in the caller's subtree."""
    if body.target is None:
        return None
    if body.step not in (moves.Step.MOVE, moves.Step.MERGE):
        raise Invalid({"target": f"{body.step.label}不需要填写另一个单位"})
    found = await session.get(Unit, body.target)
    if found is None or not within(found.path, call.actor.scope):
        raise Invalid({"target": "没有这个单位，请重新选择"})
    return found


async def _follow(call: Call, session: AsyncSession) -> None:
    """The built-in channel's rooms are those of the registry; senders look again at which groups they serve."""
    if "local" in call.engine.settings.channels:
        await sync_rooms(session)
    call.tell("accounts")
