"""The registry of units, groups and accounts: imports that are previewed first and then happen whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import WrongState
from bot.identity import Actor
from bot.permissions import Permission, require
from bot.registry_plan import ImportPlan, make_plan
from bot.registry_records import GroupRecord, UnitRecord
from bot.registry_rows import read_rows
from bot.sheets import Table
from db import registry
from db.accounts import list_accounts
from db.registry import StoredRegistry, load_registry
from db.rollup import forget_rollup


@dataclass(frozen=True)
class ImportResult:
    """How many rows of each table were added, changed, retired and left as they were."""

    units: dict[str, int]
    groups: dict[str, int]
    accounts: dict[str, int]


async def plan_import(session: AsyncSession, tables: Sequence[Table], *, retire_missing: bool = False) -> ImportPlan:
    """What importing `tables` would do; writes nothing.

    With `retire_missing`, units (if the file has a unit table) and groups (if it has a group table) that the file
    does not name are retired; a retired one that the file names is restored either way.
    Raises `ImportRefused` with every fault of the file.
    """
    stored = await load_registry(session)
    # In a thread: a province takes a second of pure reckoning, and senders must not wait for it.
    return await asyncio.to_thread(lambda: make_plan(read_rows(tables), stored, retire_missing=retire_missing))


async def apply_import(session: AsyncSession, plan: ImportPlan, actor: Actor, now: datetime) -> ImportResult:
    """Do what the plan says, in the session's transaction, with an audit entry.

    Raises `WrongState` when the registry has changed since the plan was made: the preview that a person
    confirmed would then not be what happens; `Forbidden` when the actor may not import.
    """
    require(actor, Permission.REGISTRY)
    stored = await load_registry(session)
    if await asyncio.to_thread(stored.digest) != plan.basis:
        raise WrongState("登记表在预览之后有变动，未导入任何内容，请重新预览后再确认")
    await registry.add_accounts(session, plan.accounts, at=now)
    unit_ids = await _write_units(session, plan, {unit.code: unit.id for unit in stored.units})
    await _write_groups(session, plan, unit_ids, stored, now)
    result = ImportResult(**plan.counts())
    await audit(
        session,
        actor,
        now,
        "registry.import",
        "登记表",
        plan.counts() | {"codes": {"units": plan.units.examples(), "groups": plan.groups.examples()}},
    )
    return result


async def _write_units(session: AsyncSession, plan: ImportPlan, ids: dict[str, int]) -> dict[str, int]:
    """Level by level, so that the database gives the ids and children find their parents' there."""
    parents = {unit.parent for unit in plan.units.added} | {group.unit for group in plan.groups.added}
    parents |= {change.after.unit for change in plan.groups.changed}
    parents |= {change.after.parent for change in plan.units.changed}
    by_depth: dict[int, list[UnitRecord]] = {}
    for unit in plan.units.added:
        by_depth.setdefault(plan.paths[unit.code].count("/"), []).append(unit)
    for _, units in sorted(by_depth.items()):
        rows = [_unit_columns(unit, ids) | {"path": plan.paths[unit.code]} for unit in units]
        ids |= await registry.add_parent_units(session, [row for row in rows if row["code"] in parents])
        await registry.add_units(session, [row for row in rows if row["code"] not in parents])
    changed = [change.after for change in plan.units.changed] + plan.units.retired
    await registry.change_units(session, [{"id": ids[u.code]} | _unit_columns(u, ids) for u in changed])
    added = {unit.code for unit in plan.units.added}
    moved = [{"id": ids[code], "path": path} for code, path in plan.paths.items() if code not in added]
    await registry.change_units(session, moved)
    relevelled = any(change.before.kind.level != change.after.kind.level for change in plan.units.changed)
    if moved or relevelled:
        await forget_rollup(session)  # figures are summed up along the paths, by level: they are folded again
    return ids


def _unit_columns(unit: UnitRecord, ids: dict[str, int]) -> dict[str, Any]:
    return {
        "code": unit.code,
        "name": unit.name,
        "kind": unit.kind,
        "level": unit.kind.level,
        "parent_id": ids[unit.parent] if unit.parent else None,
        "tags": unit.tags,
        "liaison": unit.liaison,
        "state": unit.state,
    }


async def _write_groups(
    session: AsyncSession, plan: ImportPlan, unit_ids: dict[str, int], stored: StoredRegistry, now: datetime
) -> None:
    account_ids = {(account.channel, account.name): account.id for account in await list_accounts(session)}
    ids = {group.code: group.id for group in stored.groups}

    def columns(group: GroupRecord) -> dict[str, Any]:
        return {
            "code": group.code,
            "name": group.name,
            "unit_id": unit_ids[group.unit],
            "channel": group.channel,
            "room_id": group.room_id or None,
            "account_id": account_ids[group.channel, group.account] if group.account else None,
            "mode": group.mode,
            "members": group.members,
            "state": group.state,
            "warns": group.warns,
        }

    # Rooms that change hands are let go first: two groups that swap would meet the unique index half way.
    moving = [change.after for change in plan.groups.changed if change.after.room_id != change.before.room_id]
    await registry.change_groups(session, [{"id": ids[group.code], "room_id": None} for group in moving])
    changed = [change.after for change in plan.groups.changed] + plan.groups.retired
    await registry.change_groups(session, [{"id": ids[group.code]} | columns(group) for group in changed])
    await registry.add_groups(session, [columns(group) | {"created_at": now} for group in plan.groups.added])
