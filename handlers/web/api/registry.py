"""The registry: units and groups, their gaps, importing and exporting them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.channels.local_people import sync_rooms
from bot.errors import Invalid, NotFound, WrongState
from bot.group_warnings import set_warns
from bot.registry import apply_import, plan_import
from bot.registry_export import export_groups_csv, export_registry, export_units_csv, registry_template
from bot.registry_gaps import find_gaps
from bot.registry_plan import Change
from bot.registry_rows import GROUP_COLUMNS, GROUP_SHEET, UNIT_COLUMNS, UNIT_SHEET
from bot.rooms import hand_over
from bot.sheets import XLSX_TYPE, SheetRow, Table
from db.console import count_subtree
from db.listing import find_group_row, page_groups, page_units
from db.models import Group, Unit
from db.units import get_unit, list_ancestors, split_tags, within
from handlers.web.api.definitions import Call, File
from handlers.web.api.models import registry as shapes
from handlers.web.api.models.common import Id, Named, Page, page_of

SHOWN = 200  # changes of a preview


async def list_units(call: Call, session: AsyncSession, query: shapes.UnitListing) -> Page[shapes.Unit]:
    units, total = await page_units(
        session,
        scope=call.actor.scope,
        parent_id=query.parent,
        search=query.search,
        limit=query.limit,
        offset=query.cursor,
    )
    return page_of([shapes.Unit(**_unit(unit)) for unit in units], total=total, query=query)


async def read_unit(call: Call, session: AsyncSession, id: Id) -> shapes.UnitFull:
    unit = await visible_unit(call, session, id)
    groups, members = await count_subtree(session, unit.path)
    above = [one for one in await list_ancestors(session, unit) if within(one.path, call.actor.scope)]
    trail = [Named(id=one.id, name=one.name) for one in above if one.id != unit.id]
    return shapes.UnitFull(**_unit(unit), groups=groups, members=members, trail=trail)


async def visible_unit(call: Call, session: AsyncSession, unit_id: int) -> Unit:
    """The unit if it is in the caller's subtree. Raises `NotFound`, or `db.units.NoSuchUnit`."""
    unit = await get_unit(session, unit_id)
    if not within(unit.path, call.actor.scope):
        raise NotFound("没有找到，或不在您的管辖范围内")
    return unit


def _unit(unit: Unit) -> dict[str, Any]:
    names = ("id", "code", "name", "kind", "level", "parent_id", "path", "liaison", "state")
    return {name: getattr(unit, name) for name in names} | {"tags": split_tags(unit.tags)}


# ── groups ──────────────────────────────────────────────────────────────────


async def list_groups(call: Call, session: AsyncSession, query: shapes.GroupListing) -> Page[shapes.Group]:
    scope = (await visible_unit(call, session, query.unit)).path if query.unit else call.actor.scope
    rows, total = await page_groups(
        session,
        scope=scope,
        state=query.state,
        account_id=query.account,
        search=query.search,
        limit=query.limit,
        offset=query.cursor,
    )
    return page_of([_group(*row) for row in rows], total=total, query=query)


async def read_group(call: Call, session: AsyncSession, id: Id) -> shapes.Group:
    row = await find_group_row(session, id, scope=call.actor.scope)
    if row is None:
        raise NotFound("没有找到，或不在您的管辖范围内")
    return _group(*row)


async def change_warning(call: Call, session: AsyncSession, id: Id, body: shapes.Warns) -> shapes.Group:
    await set_warns(session, call.actor, id, body.warns, now=call.now)
    return await read_group(call, session, id)


async def change_account(call: Call, session: AsyncSession, id: Id, body: shapes.HandOver) -> shapes.Group:
    await read_group(call, session, id)  # in the caller's subtree
    await hand_over(session, call.actor, group_id=id, account_id=body.account_id, now=call.now)
    call.tell("alerts")
    return await read_group(call, session, id)


def _group(group: Group, unit: Unit, account: str) -> shapes.Group:
    names = ("id", "code", "name", "unit_id", "channel", "account_id", "mode", "members", "state", "warns")
    return shapes.Group(**{name: getattr(group, name) for name in names}, unit=unit.name, account=account)


async def gaps(call: Call, session: AsyncSession) -> shapes.Gaps:
    return shapes.Gaps.model_validate(await find_gaps(session, scope=call.actor.scope))


# ── import ──────────────────────────────────────────────────────────────────


async def preview(call: Call, body: shapes.Import) -> shapes.Plan:
    """Opens its own session: reading a province takes a second, and nobody must wait for it."""
    async with call.engine.database.read() as session:
        plan = await plan_import(session, _tables(body), retire_missing=body.retire_missing)
    counts = plan.counts()
    return shapes.Plan(
        basis=plan.basis,
        units=shapes.Counts.model_validate(counts["units"]),
        groups=shapes.Counts.model_validate(counts["groups"]),
        accounts=shapes.Counts.model_validate(counts["accounts"]),
        changed_units=_changes(plan.units.changed),
        changed_groups=_changes(plan.groups.changed),
        notes=plan.notes,
    )


async def confirm(call: Call, session: AsyncSession, body: shapes.ConfirmedImport) -> shapes.Imported:
    """Planned anew in the transaction that writes it, all of it or nothing."""
    plan = await plan_import(session, _tables(body), retire_missing=body.retire_missing)
    if plan.basis != body.basis:
        raise WrongState("登记表在预览之后有变动，未导入任何内容，请重新预览")
    result = await apply_import(session, plan, call.actor, call.now)
    if "local" in call.engine.settings.channels:
        await sync_rooms(session)
    call.tell("accounts")
    return shapes.Imported(
        units=shapes.Counts.model_validate(result.units),
        groups=shapes.Counts.model_validate(result.groups),
        accounts=shapes.Counts.model_validate(result.accounts),
    )


def _tables(body: shapes.Import) -> list[Table]:
    """As a file would have them: importing has one way in. A column that no row gives is not there."""
    if body.units is None and body.groups is None:
        raise Invalid({"units": "请给出单位表或群表"})
    tables = []
    if body.units is not None:
        tables.append(_table(UNIT_SHEET, UNIT_COLUMNS, map(_unit_cells, body.units)))
    if body.groups is not None:
        tables.append(_table(GROUP_SHEET, GROUP_COLUMNS, map(_group_cells, body.groups)))
    return tables


def _table(sheet: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Table:
    cells = [dict(zip(columns, row, strict=True)) for row in rows]
    given = [name for name in columns if not cells or any(row[name] is not None for row in cells)]
    table = Table(sheet, tuple(given))
    for number, row in enumerate(cells, start=2):
        table.rows.append(SheetRow(number, {name: (row[name] or "").strip() for name in given}))
    return table


def _unit_cells(row: shapes.UnitRow) -> tuple[str | None, ...]:
    tags = None if row.tags is None else "、".join(row.tags)
    return row.code, row.name, row.kind.label, row.parent, tags, row.liaison


def _group_cells(row: shapes.GroupRow) -> tuple[str | None, ...]:
    mode, state = (None if one is None else one.label for one in (row.mode, row.state))
    members = None if row.members is None else str(row.members)
    warns = None if row.warns is None else "开" if row.warns else "关"
    return row.code, row.name, row.unit, row.channel, row.room_id, row.account, mode, members, state, warns


def _changes(changes: Sequence[Change[Any]]) -> list[shapes.Change]:
    return [shapes.Change(code=one.after.code, name=one.after.name, fields=one.fields) for one in changes[:SHOWN]]


# ── files ───────────────────────────────────────────────────────────────────


async def template(call: Call) -> File:
    return File(await asyncio.to_thread(registry_template), XLSX_TYPE, "单位与群-模板.xlsx")


async def export_xlsx(call: Call, session: AsyncSession) -> File:
    return File(await export_registry(session), XLSX_TYPE, "单位与群.xlsx")


async def export_units(call: Call, session: AsyncSession) -> File:
    return File(await export_units_csv(session), "text/csv", "单位.csv")


async def export_groups(call: Call, session: AsyncSession) -> File:
    return File(await export_groups_csv(session), "text/csv", "群.csv")
