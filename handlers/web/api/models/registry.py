"""Units, groups, accounts, people, and the registry's import."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from bot.registry_moves import Step
from db.states import AccountState, GroupMode, GroupState, Role, UnitKind, UnitState
from handlers.web.api.models.common import Id, In, Line, Listing, Named, Number, Out, Search

Code = Annotated[str, StringConstraints(max_length=40, pattern=r"^[A-Za-z0-9_-]*$")]
Word = Annotated[str, StringConstraints(max_length=80, pattern=r"^[^\x00]*$")]
Digest = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[0-9a-f]*$")]


class UnitListing(Listing):
    parent: Id | None = Field(None, description="只列这个单位的下一级")
    search: Search = Field("", description="名称中的字，或完整的编码")


class GroupListing(Listing):
    unit: Id | None = Field(None, description="这个单位和它下面所有单位的群")
    state: GroupState | None = None
    account: Id | None = None
    search: Search = Field("", description="群名中的字，或完整的编码")


class Unit(Out):
    id: int
    code: str
    name: str
    kind: UnitKind
    level: int
    parent_id: int | None
    path: str = Field(description="从根到本单位的编码，每个以 / 结束")
    tags: list[str]
    liaison: str
    state: UnitState


class UnitFull(Unit):
    groups: int = Field(description="子树里的群数")
    members: int = Field(description="子树里的群成员数")
    trail: list[Named] = Field(description="上级单位，从可见的最上级起")


class Group(Out):
    id: int
    code: str
    name: str
    unit_id: int
    unit: str
    channel: str
    account_id: int | None
    account: str
    mode: GroupMode
    members: int
    state: GroupState
    warns: bool = Field(description="群内出现骗术时，机器人可否提醒")


class Warns(In):
    warns: bool


class HandOver(In):
    account_id: Id


class StepAsk(In):
    step: Step = Field(description="move 移动，merge 合并，retire 停用，restore 恢复")
    target: Id | None = Field(None, description="移动：新的上级；合并：并入的单位；其他步骤不填")


class StepConfirmed(StepAsk):
    basis: Digest = Field(description="预览答复中的 basis：登记表有变动就不做")
    confirm: Word = Field(description="单位的名称，以确认")


class StepPlan(Out):
    """What the step would change. `units` does not count the unit itself."""

    step: Step
    unit: Named
    target: Named | None
    units: int
    groups: int
    people: int
    users: int
    bind_codes: int
    basis: str


class StepDone(Out):
    entry: int = Field(description="审计日志的编号，撤销时使用")
    unit: UnitFull


class StepTaken(Out):
    entry: int
    at: datetime
    actor: str
    action: str
    undoable: bool


class GapUnit(Out):
    id: int
    code: str
    name: str
    level: int
    units: int


class GapGroup(Out):
    id: int
    code: str
    name: str
    unit_name: str
    members: int


class Gaps(Out):
    """`uncovered` 整片没有群，`without_own` 本级没有群，`unserved` 应推送但没有账号，`lost` 失联，`nearly_full` 将满。"""

    uncovered: list[GapUnit]
    without_own: list[GapUnit]
    unserved: list[GapGroup]
    lost: list[GapGroup]
    nearly_full: list[GapGroup]


# ── import ──────────────────────────────────────────────────────────────────


class UnitRow(In):
    """A unit as a file gives it; what is left out stays as it is."""

    code: Word
    name: Word
    kind: UnitKind
    parent: Word = Field("", description="上级的编码；最上级留空")
    tags: list[Word] | None = Field(None, max_length=20)
    liaison: Word | None = None


class GroupRow(In):
    code: Word
    name: Word
    unit: Word = Field(description="单位的编码")
    channel: Word | None = None
    room_id: Annotated[str, StringConstraints(max_length=120, pattern=r"^[^\x00]*$")] | None = None
    account: Word | None = Field(None, description="账号名；空字符串表示没有账号")
    mode: GroupMode | None = None
    members: Number | None = None
    state: GroupState | None = None
    warns: bool | None = Field(None, description="群里有人发诈骗信息时，机器人是否在群里提醒")


class Import(In):
    """Tables to import; a table that is left out is not touched."""

    units: list[UnitRow] | None = Field(None, max_length=400_000)
    groups: list[GroupRow] | None = Field(None, max_length=400_000)
    retire_missing: bool = Field(False, description="表里没有的单位和群停用")


class ConfirmedImport(Import):
    basis: Digest = Field(description="预览答复中的 basis；登记表此后有变动则不导入")


class Counts(Out):
    added: int
    changed: int = 0
    retired: int = 0
    unchanged: int = 0


class Change(Out):
    code: str
    name: str
    fields: dict[str, tuple[str, str]] = Field(description="列名 → 改前、改后")


class Plan(Out):
    """What an import would do; nothing has been written."""

    basis: str
    units: Counts
    groups: Counts
    accounts: Counts
    changed_units: list[Change] = Field(description="最多 200 条")
    changed_groups: list[Change] = Field(description="最多 200 条")
    notes: list[str]


class Imported(Out):
    units: Counts
    groups: Counts
    accounts: Counts


# ── accounts and rooms ──────────────────────────────────────────────────────


class Account(Out):
    id: int
    channel: str
    name: str
    state: AccountState
    state_since: datetime
    state_reason: str
    blocked_until: datetime | None
    login_code: str = Field(description="待扫码时二维码的内容，否则为空")
    groups: dict[GroupState, int] = Field(description="状态 → 它的群数")


class Room(Out):
    """A room that an account is in and no group is registered for."""

    channel: str
    room_id: str
    topic: str
    members: int
    account: str
    found_at: datetime


class AssignRoom(In):
    channel: Line
    room_id: Line
    unit_id: Id
    mode: GroupMode = GroupMode.PUSH


class Shared(Out):
    """A group whose room another account is in as well: it can be handed over."""

    group_id: int
    group: str
    account: Named
    other: Named


# ── people ──────────────────────────────────────────────────────────────────


class Person(Out):
    id: int
    name: str
    role: Role
    unit_id: int
    unit: str
    channel: str
    bound_at: datetime


class PersonListing(Listing):
    search: Search = Field("", description="姓名或单位名称中的字，或完整的单位编码")
    role: Role | None = None


class RoleChange(In):
    role: Role


class Confirmed(In):
    confirm: Word = Field(description="要解除的人的姓名，以确认")


class OpenCode(Out):
    """A code that nobody has used yet; its text is kept nowhere."""

    id: int
    name: str
    role: Role
    unit_id: int
    unit: str
    expires_at: datetime


class BindCodeAsk(In):
    name: Word
    unit_id: Id
    role: Role = Role.LIAISON
    valid_hours: int = Field(72, ge=1, le=720)


class BindCode(Out):
    code: str = Field(description="只显示这一次；本人私聊机器人发送“绑定 XXXXXXXX”")
    valid_hours: int
