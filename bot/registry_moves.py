"""Single steps in the tree: move a unit with its subtree, merge it into another, retire and restore, and take a step
back. Each is previewed first; what a person confirms is what happens, or nothing does.

The unit that a group belonged to when an alert was released stays on record (`Reach.unit_id`), so merging changes no
figure of an old alert. A unit that moves takes its figures along: sums of upper units follow the present tree.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.permissions import Permission, require
from db import registry_moves as moves
from db.groups import get_group
from db.models import AuditEntry, Group, Unit
from db.registry_moves import Codes
from db.rollup import forget_rollup, lead
from db.states import GroupState, UnitState
from db.units import find_unit, get_unit, within


class Step(StrEnum):
    MOVE = "move"
    MERGE = "merge"
    RETIRE = "retire"
    RESTORE = "restore"

    @property
    def label(self) -> str:
        return {"move": "移动", "merge": "合并", "retire": "停用", "restore": "恢复"}[self]


UNDOABLE = (Step.MOVE, Step.MERGE, Step.RETIRE)


@dataclass(frozen=True)
class Preview:
    """What the step would do. `units` does not count the unit itself. `basis` tells whether anything changed since."""

    step: Step
    unit: Unit
    target: Unit | None
    touched: Codes
    basis: str

    @property
    def units(self) -> int:
        return len(self.touched.units) - (self.step in (Step.RETIRE, Step.RESTORE))


def called(unit: Unit) -> str:
    """How the audit log names a unit."""
    return f"{unit.name[:38]}（{unit.code}）"


async def preview(
    session: AsyncSession, actor: Actor, step: Step, unit_id: int, target: Unit | None = None
) -> Preview:
    """What the step would do; writes nothing. `target` is the new parent, or the unit that takes everything over.

    Raises `NotFound`, `Forbidden`, `Invalid` when the target will not do, `WrongState` when the unit will not.
    """
    require(actor, Permission.REGISTRY)
    unit = await _visible(session, actor, unit_id)
    if step in (Step.MOVE, Step.MERGE):
        if target is None:
            raise Invalid({"target": "请填写单位的名称或编码"})
        await _check_target(session, actor, step, unit, target)
    await _check_unit(session, step, unit)
    touched = await _touched(session, step, unit)
    seen = (step, unit.path, unit.state, target.path if target else "", touched)
    return Preview(step, unit, target, touched, hashlib.blake2b(repr(seen).encode(), digest_size=16).hexdigest())


async def _touched(session: AsyncSession, step: Step, unit: Unit) -> Codes:
    if step is Step.MERGE:
        return await moves.list_owned(session, unit.id)
    if step is Step.RESTORE:
        return await _retired_with(session, unit)
    below = await moves.list_below(session, unit.path)
    if step is Step.MOVE:
        return Codes(units=[code for code in below.units if code != unit.code], groups=below.groups)
    return below


async def _retired_with(session: AsyncSession, unit: Unit) -> Codes:
    """What was retired together with the unit: groups that had been given up before stay so."""
    steps = await moves.list_steps(session, called(unit))
    last = next((one for one in steps if one.action == f"registry.{Step.RETIRE}"), None)
    if last is None:
        return Codes(units=[unit.code])
    return Codes(**{key: last.detail.get(key, []) for key in ("units", "groups", "lost")})


async def _check_target(session: AsyncSession, actor: Actor, step: Step, unit: Unit, target: Unit) -> None:
    fault = ""
    if not within(target.path, actor.scope) or target.state is not UnitState.ACTIVE:
        fault = "没有这个单位，或已停用，请另选一个"
    elif within(target.path, unit.path):
        fault = "不能选它自己或它的下级" if target.id != unit.id else "请选择另一个单位"
    elif step is Step.MOVE and target.id == unit.parent_id:
        fault = f"它现在的上级就是“{target.name}”"
    elif step is Step.MOVE and target.kind.level >= unit.kind.level:
        fault = f"“{target.name}”是{target.kind.label}，不高于{unit.kind.label}，请选更高一级的单位"
    elif step is Step.MERGE and target.kind.level > unit.kind.level:
        fault = f"“{target.name}”是{target.kind.label}，低于{unit.kind.label}，下级单位放不进去，请选同级或更高的单位"
    if fault:
        raise Invalid({"target": fault})


async def _check_unit(session: AsyncSession, step: Step, unit: Unit) -> None:
    if step is Step.RESTORE:
        if unit.state is UnitState.ACTIVE:
            raise WrongState(f"{unit.name}没有停用，不需要恢复")
        parent = await session.get(Unit, unit.parent_id) if unit.parent_id is not None else None
        if parent is not None and parent.state is UnitState.RETIRED:
            raise WrongState(f"上级“{parent.name}”已停用，请先恢复上级")
        return
    if unit.state is UnitState.RETIRED:
        raise WrongState(f"{unit.name}已停用，请先恢复再{step.label}")
    if unit.parent_id is None:
        raise WrongState(f"{unit.name}是最上级单位，不能{step.label}")


async def carry_out(
    session: AsyncSession,
    actor: Actor,
    step: Step,
    unit_id: int,
    target: Unit | None = None,
    *,
    basis: str,
    confirmed: str,
    now: datetime,
) -> int:
    """Do what was previewed. Returns the id of the audit entry, by which it can be undone.

    Raises as `preview` does, `Invalid` when `confirmed` is not the unit's name, and `WrongState` when the registry is
    not any more as it was previewed.
    """
    await lead(session, wait=True)  # one at a time: two moves at once could each miss what the other brings along
    plan = await preview(session, actor, step, unit_id, target)
    unit = plan.unit
    if plan.basis != basis:
        raise WrongState("登记表在预览之后有变动，没有做任何修改，请重新查看后再确认")
    if confirmed.strip() != unit.name:
        raise Invalid({"confirm": f"请输入“{unit.name}”确认"})
    subject, detail = called(unit), await _detail(session, plan)
    if step is Step.MOVE and target is not None:
        await moves.hang_below(session, unit, target)
        await forget_rollup(session)
    elif step is Step.MERGE and target is not None:
        await _merge(session, unit, target, plan.touched)
    else:
        await moves.set_states(session, plan.touched, retired=step is Step.RETIRE)
    entry_id = await audit(session, actor, now, f"registry.{step}", subject, detail)
    session.expire_all()
    return entry_id


async def _detail(session: AsyncSession, plan: Preview) -> dict[str, Any]:
    """What `undo` needs, and what people want to read."""
    detail: dict[str, Any] = {"unit": plan.unit.code}
    if plan.step is Step.MOVE:
        parent = await get_unit(session, plan.unit.parent_id or 0)
        detail["before"] = parent.code
    if plan.target is not None:
        detail["after"] = plan.target.code
    if plan.step is Step.MOVE:
        return detail | {"below": {"units": len(plan.touched.units), "groups": len(plan.touched.groups)}}
    return detail | {key: values for key, values in asdict(plan.touched).items() if values}


async def _merge(session: AsyncSession, unit: Unit, target: Unit, owned: Codes) -> None:
    children = await moves.list_child_units(session, unit.id)
    for child in children:
        await moves.hang_below(session, child, target)
    await moves.hand_to(session, owned, unit.id, target.id)
    await moves.set_states(session, Codes(units=[unit.code]), retired=True)
    if children:
        await forget_rollup(session)


async def undo(session: AsyncSession, actor: Actor, entry_id: int, *, now: datetime) -> Unit:
    """Take a step of the audit log back, as far as it still stands: what somebody has moved on since stays there.

    Raises `NotFound` for an entry that is no such step, `WrongState` when the step does not stand any more.
    """
    require(actor, Permission.REGISTRY)
    await lead(session, wait=True)
    entry = await session.get(AuditEntry, entry_id)
    step = next((one for one in UNDOABLE if entry is not None and entry.action == f"registry.{one}"), None)
    if entry is None or step is None:
        raise NotFound("没有这一步，或这一步不能撤销")
    unit = await find_unit(session, entry.detail["unit"])
    if unit is None or not within(unit.path, actor.scope):
        raise NotFound("没有找到，或不在您的管辖范围内")
    subject, unit_id = called(unit), unit.id
    await {Step.MOVE: _move_back, Step.MERGE: _part, Step.RETIRE: _bring_back}[step](session, unit, entry.detail)
    await audit(session, actor, now, "registry.undo", subject, {"of": entry_id, "step": step.label})
    session.expire_all()
    return await get_unit(session, unit_id)


async def _move_back(session: AsyncSession, unit: Unit, detail: dict[str, Any]) -> None:
    now_below, before = await find_unit(session, detail["after"]), await find_unit(session, detail["before"])
    if now_below is None or before is None or unit.parent_id != now_below.id:
        raise WrongState(f"{unit.name}已经不在那次移动之后的位置，没有可以撤销的")
    if before.state is UnitState.RETIRED:
        raise WrongState(f"原来的上级“{before.name}”已停用，请先恢复它")
    if within(before.path, unit.path) or before.kind.level >= unit.kind.level:
        raise WrongState(f"原来的上级“{before.name}”现在不高于{unit.name}，请另选上级")
    await moves.hang_below(session, unit, before)
    await forget_rollup(session)


async def _part(session: AsyncSession, unit: Unit, detail: dict[str, Any]) -> None:
    """The emptied unit comes back with what it had."""
    target = await find_unit(session, detail["after"])
    if target is None or unit.state is not UnitState.RETIRED:
        raise WrongState(f"{unit.name}已经恢复，没有可以撤销的")
    owned = Codes(**{key: detail.get(key, []) for key in ("units", "groups", "people", "users", "codes")})
    await moves.set_states(session, Codes(units=[unit.code]), retired=False)
    known = set(owned.units)
    for child in [one for one in await moves.list_child_units(session, target.id) if one.code in known]:
        await moves.hang_below(session, child, unit)
    await moves.hand_to(session, owned, target.id, unit.id)
    if owned.units:
        await forget_rollup(session)


async def _bring_back(session: AsyncSession, unit: Unit, detail: dict[str, Any]) -> None:
    await _check_unit(session, Step.RESTORE, unit)
    await moves.set_states(
        session, Codes(**{key: detail.get(key, []) for key in ("units", "groups", "lost")}), retired=False
    )


async def set_group_retired(
    session: AsyncSession, actor: Actor, group_id: int, retired: bool, *, now: datetime
) -> Group:
    """Retire one group, or bring it back. Raises `NotFound`, `Forbidden`, and `WrongState` below a retired unit."""
    require(actor, Permission.REGISTRY)
    group = await get_group(session, group_id)
    unit = await _visible(session, actor, group.unit_id)
    if not retired and unit.state is UnitState.RETIRED:
        raise WrongState(f"所属单位“{unit.name}”已停用，请先恢复单位")
    if (group.state is GroupState.RETIRED) == retired:
        return group
    group.state = GroupState.RETIRED if retired else GroupState.ACTIVE
    action = "registry.group_retire" if retired else "registry.group_restore"
    await audit(session, actor, now, action, f"{group.name[:38]}（{group.code}）", {"unit": unit.code})
    return group


async def _visible(session: AsyncSession, actor: Actor, unit_id: int) -> Unit:
    unit = await get_unit(session, unit_id)
    if not within(unit.path, actor.scope):
        raise NotFound("没有找到，或不在您的管辖范围内")
    return unit
