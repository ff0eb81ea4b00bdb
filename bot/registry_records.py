"""Units and groups as an import compares them: codes instead of ids, the same before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace

from db.registry import StoredRegistry
from db.states import GroupMode, GroupState, UnitKind, UnitState
from db.units import split_tags


@dataclass(frozen=True, slots=True)
class UnitRecord:
    code: str
    name: str
    kind: UnitKind
    parent: str  # a code, "" for the root
    tags: str
    liaison: str
    state: UnitState

    @property
    def retired(self) -> bool:
        return self.state == UnitState.RETIRED

    def as_retired(self) -> UnitRecord:
        return replace(self, state=UnitState.RETIRED)

    def texts(self) -> dict[str, str]:
        """Column → what a person reads there."""
        return {
            "名称": self.name,
            "类型": self.kind.label,
            "上级编码": self.parent,
            "标签": "、".join(split_tags(self.tags)),
            "联络员": self.liaison,
            "状态": self.state.label,
        }


@dataclass(frozen=True, slots=True)
class GroupRecord:
    code: str
    name: str
    unit: str  # a code
    channel: str
    room_id: str  # "" while unknown
    account: str  # a name, "" when no account is in it
    mode: GroupMode
    members: int
    state: GroupState
    warns: bool = False  # may the bot say there that a scam was posted

    @property
    def retired(self) -> bool:
        return self.state == GroupState.RETIRED

    def as_retired(self) -> GroupRecord:
        return replace(self, state=GroupState.RETIRED)

    def texts(self) -> dict[str, str]:
        """Column → what a person reads there."""
        return {
            "群名": self.name,
            "单位编码": self.unit,
            "通道": self.channel,
            "群号": self.room_id,
            "账号": self.account,
            "方式": self.mode.label,
            "人数": str(self.members),
            "状态": self.state.label,
            "群内提醒": "开" if self.warns else "关",
        }


def stored_units(stored: StoredRegistry) -> dict[str, UnitRecord]:
    codes = {unit.id: unit.code for unit in stored.units}
    return {
        unit.code: UnitRecord(
            code=unit.code,
            name=unit.name,
            kind=unit.kind,
            parent=codes[unit.parent_id] if unit.parent_id is not None else "",
            tags=unit.tags,
            liaison=unit.liaison,
            state=unit.state,
        )
        for unit in stored.units
    }


def stored_groups(stored: StoredRegistry) -> dict[str, GroupRecord]:
    units = {unit.id: unit.code for unit in stored.units}
    accounts = {account.id: account.name for account in stored.accounts}
    return {
        group.code: GroupRecord(
            code=group.code,
            name=group.name,
            unit=units[group.unit_id],
            channel=group.channel,
            room_id=group.room_id or "",
            account=accounts[group.account_id] if group.account_id is not None else "",
            mode=group.mode,
            members=group.members,
            state=group.state,
            warns=group.warns,
        )
        for group in stored.groups
    }
