"""What an import would do: the difference between a file and the registry. Pure: no SQL, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from bot.errors import ImportRefused
from bot.registry_checks import check_groups, check_units
from bot.registry_records import GroupRecord, UnitRecord, stored_groups, stored_units
from bot.registry_rows import GroupRow, RegistryRows, UnitRow
from db.registry import StoredRegistry
from db.states import GroupMode, GroupState, UnitState

R = TypeVar("R", UnitRecord, GroupRecord)
MAX_EXAMPLES = 20  # codes of each sort that the audit log names


@dataclass(frozen=True)
class Change(Generic[R]):
    """A row that would be different. `fields` maps a column to its text before and after."""

    before: R
    after: R
    fields: dict[str, tuple[str, str]]


@dataclass(frozen=True)
class Section(Generic[R]):
    """What would become of one table. Restored rows are among the changed ones."""

    added: list[R] = field(default_factory=list)
    changed: list[Change[R]] = field(default_factory=list)
    retired: list[R] = field(default_factory=list)
    unchanged: int = 0

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.changed or self.retired)

    def counts(self) -> dict[str, int]:
        return {
            "added": len(self.added),
            "changed": len(self.changed),
            "retired": len(self.retired),
            "unchanged": self.unchanged,
        }

    def examples(self) -> dict[str, list[str]]:
        return {
            "added": [row.code for row in self.added[:MAX_EXAMPLES]],
            "changed": [change.after.code for change in self.changed[:MAX_EXAMPLES]],
            "retired": [row.code for row in self.retired[:MAX_EXAMPLES]],
        }


@dataclass(frozen=True)
class ImportPlan:
    """The preview that a person confirms, and all that `bot.registry.apply_import` needs.

    `paths` holds the new path of every unit that is new or moves, also of those that only move along with an
    ancestor. `basis` is the digest of the registry that the plan was made from.
    """

    units: Section[UnitRecord]
    groups: Section[GroupRecord]
    accounts: list[tuple[str, str]]  # (channel, name) of accounts that the file names and nobody knows
    paths: dict[str, str]
    notes: list[str]
    basis: str

    @property
    def is_empty(self) -> bool:
        return self.units.is_empty and self.groups.is_empty and not self.accounts

    def counts(self) -> dict[str, dict[str, int]]:
        accounts = {"added": len(self.accounts)}
        return {"units": self.units.counts(), "groups": self.groups.counts(), "accounts": accounts}


def make_plan(rows: RegistryRows, stored: StoredRegistry, *, retire_missing: bool) -> ImportPlan:
    """Raises `ImportRefused` with every fault of the file at once."""
    units_before, groups_before = stored_units(stored), stored_groups(stored)
    units = _merged(units_before, rows.units, _unit_after)
    groups = _merged(groups_before, rows.groups, _group_after)
    if retire_missing and rows.has_units:
        _retire_missing(units, {row.code for row in rows.units} | rows.unsound_units)
    if retire_missing and rows.has_groups:
        _retire_missing(groups, {row.code for row in rows.groups})
    faults = rows.faults + check_units(rows, units_before, units) + check_groups(rows, units_before, units, groups)
    if faults:
        raise ImportRefused(sorted(faults, key=lambda fault: (fault.sheet, fault.row)))
    known = {(account.channel, account.name) for account in stored.accounts}
    named = {(group.channel, group.account) for group in groups.values() if group.account}
    return ImportPlan(
        units=_section(units_before, units),
        groups=_section(groups_before, groups),
        accounts=sorted(named - known),
        paths=_moved_paths(units, {unit.code: unit.path for unit in stored.units}),
        notes=rows.notes,
        basis=stored.digest(),
    )


def _merged(
    before: Mapping[str, R], rows: Iterable[UnitRow] | Iterable[GroupRow], after: Callable[..., R]
) -> dict[str, R]:
    merged = dict(before)
    for row in rows:
        merged[row.code] = after(row, before.get(row.code))
    return merged


def _unit_after(row: UnitRow, before: UnitRecord | None) -> UnitRecord:
    return UnitRecord(
        code=row.code,
        name=row.name,
        kind=row.kind,
        parent=row.parent,
        tags=_given(row.tags, before.tags if before else ""),
        liaison=_given(row.liaison, before.liaison if before else ""),
        state=UnitState.ACTIVE,
    )


def _group_after(row: GroupRow, before: GroupRecord | None) -> GroupRecord:
    account = _given(row.account, before.account if before else "")
    was = before.state if before else GroupState.RETIRED
    return GroupRecord(
        code=row.code,
        name=row.name,
        unit=row.unit,
        channel=_given(row.channel, before.channel if before else "local"),
        room_id=_given(row.room_id, before.room_id if before else ""),
        account=account,
        mode=_given(row.mode, before.mode if before else _usual_mode(account)),
        members=_given(row.members, before.members if before else 0),
        state=_given(row.state, GroupState.ACTIVE if was == GroupState.RETIRED else was),
        warns=_given(row.warns, before.warns if before else False),
    )


def _usual_mode(account: str) -> GroupMode:
    return GroupMode.PUSH if account else GroupMode.RELAY


V = TypeVar("V")


def _given(value: V | None, otherwise: V) -> V:
    return otherwise if value is None else value


def _retire_missing(records: dict[str, R], present: set[str]) -> None:
    for code in records.keys() - present:
        records[code] = records[code].as_retired()


def _section(before: Mapping[str, R], after: Mapping[str, R]) -> Section[R]:
    section: Section[R] = Section()
    unchanged = 0
    for code, record in after.items():
        old = before.get(code)
        if old is None:
            section.added.append(record)
        elif old == record:
            unchanged += not record.retired
        elif record.retired and not old.retired:
            section.retired.append(record)
        else:
            texts = old.texts(), record.texts()
            fields = {
                column: (texts[0][column], text) for column, text in texts[1].items() if texts[0][column] != text
            }
            section.changed.append(Change(old, record, fields))
    return replace(section, unchanged=unchanged)


def _moved_paths(units: Mapping[str, UnitRecord], before: Mapping[str, str]) -> dict[str, str]:
    paths: dict[str, str] = {}
    for code in units:
        chain = []
        above = code
        while above and above not in paths:
            chain.append(above)
            above = units[above].parent
        for below in reversed(chain):
            parent = units[below].parent
            paths[below] = f"{paths[parent] if parent else ''}{below}/"
    return {code: path for code, path in paths.items() if before.get(code) != path}
