"""The registry's two tables as people write them: columns, their values, and what is wrong with a row."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field

from bot.errors import SheetFault
from bot.sheets import SheetRow, Table
from db.states import GroupMode, GroupState, Labelled, UnitKind
from db.units import join_tags

UNIT_SHEET = "单位"
GROUP_SHEET = "群"
HELP_SHEET = "说明"
UNIT_COLUMNS = ("编码", "名称", "类型", "上级编码", "标签", "联络员")
GROUP_COLUMNS = ("编码", "群名", "单位编码", "通道", "群号", "账号", "方式", "人数", "状态", "群内提醒")
REQUIRED = {UNIT_SHEET: UNIT_COLUMNS[:4], GROUP_SHEET: GROUP_COLUMNS[:3]}
CHANNELS = ("local", "wechaty", "wecom")
MAX_MEMBERS = 2000  # an internal group of WeCom; one of WeChat holds 500 (domain facts)

# Headers of the official divisions file (National Bureau of Statistics), which is accepted as it is.
_OFFICIAL = {"code": "编码", "name": "名称", "kind": "类型", "parent_code": "上级编码"}
_KIND_WORDS = {
    "区": UnitKind.COUNTY,
    "镇": UnitKind.TOWN,
    "乡": UnitKind.TOWN,
    "街道": UnitKind.TOWN,
    "部门": UnitKind.DEPARTMENT,
    "居委会": UnitKind.COMMUNITY,
    "村委会": UnitKind.VILLAGE,
}
_CODE = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)
_TAG_SEPARATORS = re.compile(r"[|、，,;；\s]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands in the file."""

    sheet: str
    row: int

    def fault(self, column: str, message: str) -> SheetFault:
        return SheetFault(self.sheet, self.row, column, message)


@dataclass(frozen=True, slots=True)
class UnitRow:
    """A unit as a file gives it; None means that the file does not say, so what is known stays."""

    place: Place
    code: str
    name: str
    kind: UnitKind
    parent: str  # "" for the root
    tags: str | None  # as stored
    liaison: str | None


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group as a file gives it; None means that the file does not say."""

    place: Place
    code: str
    name: str
    unit: str
    channel: str | None
    room_id: str | None
    account: str | None  # "" takes the account away
    mode: GroupMode | None
    members: int | None
    state: GroupState | None
    warns: bool | None


@dataclass
class RegistryRows:
    """Everything a file says, and everything that is wrong with single rows of it."""

    units: list[UnitRow] = field(default_factory=list)
    groups: list[GroupRow] = field(default_factory=list)
    has_units: bool = False
    has_groups: bool = False
    unsound_units: set[str] = field(default_factory=set)  # codes of units whose row is faulty
    faults: list[SheetFault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # what was left out of account


def read_rows(tables: Iterable[Table]) -> RegistryRows:
    """Rows of every table that is one of ours. Sheets with other names and headers are left out with a note."""
    found = RegistryRows()
    for table in tables:
        kind = _table_kind(table)
        if kind is None:
            if table.sheet != HELP_SHEET:
                found.notes.append(f"工作表“{table.sheet}”不是单位表或群表，未读取")
            continue
        columns = [_OFFICIAL.get(name, name) for name in table.columns]
        known = UNIT_COLUMNS if kind == UNIT_SHEET else GROUP_COLUMNS
        found.notes += [f"“{name}”列不属于{kind}表，未读取" for name in columns if name not in known]
        twice = sorted({name for name in columns if columns.count(name) > 1})
        found.faults += [Place(table.sheet, 1).fault(name, "表头中这一列出现了两次，请删去一列") for name in twice]
        missing = [name for name in REQUIRED[kind] if name not in columns]
        found.faults += [Place(table.sheet, 1).fault(name, _missing_column(kind, name)) for name in missing]
        found.has_units |= kind == UNIT_SHEET
        found.has_groups |= kind == GROUP_SHEET
        if not missing and not twice:
            _read_table(found, kind, table)
    if not found.has_units and not found.has_groups:
        found.faults.append(SheetFault("", 1, "", "没有找到单位表或群表，请按模板填写（导入页可下载模板）"))
    found.faults += _repeated_codes(found.units) + _repeated_codes(found.groups)
    return found


def _table_kind(table: Table) -> str | None:
    """By the sheet's name, else by its header: a csv file has no name."""
    if table.sheet in (UNIT_SHEET, GROUP_SHEET):
        return table.sheet
    columns = {_OFFICIAL.get(name, name) for name in table.columns}
    if {"群名", "单位编码"} & columns:
        return GROUP_SHEET
    return UNIT_SHEET if {"类型", "上级编码"} & columns else None


def _missing_column(kind: str, name: str) -> str:
    return f"{kind}表缺少这一列，请在表头补上“{name}”，或使用模板"


def _read_table(found: RegistryRows, kind: str, table: Table) -> None:
    for row in table.rows:
        reader = _RowReader(table.sheet, row)
        if kind == UNIT_SHEET:
            unit = _read_unit(reader)
            if unit is not None:
                found.units.append(unit)
            else:
                found.unsound_units.add(reader.cells.get("编码", ""))
        else:
            group = _read_group(reader)
            if group is not None:
                found.groups.append(group)
        found.faults += reader.faults


class _RowReader:
    """Reads the cells of one row and collects what is wrong with them."""

    def __init__(self, sheet: str, row: SheetRow) -> None:
        self.place = Place(sheet, row.number)
        self.faults: list[SheetFault] = []
        self.cells = {_OFFICIAL.get(name, name): text for name, text in row.cells.items()}

    def fault(self, column: str, message: str) -> None:
        self.faults.append(self.place.fault(column, message))

    def text(self, column: str, limit: int, *, required: bool = False) -> str:
        """The cell's text; "" when it is empty, or the column is missing."""
        text = self.cells.get(column, "")
        if not text and required:
            self.fault(column, f"不能为空，请填写{column}")
        elif len(text) > limit:
            self.fault(column, f"最多 {limit} 个字，现有 {len(text)} 个，请缩短")
        elif not text.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in text):
            self.fault(column, "含有换行或不可见字符，请删去")
        return text

    def optional(self, column: str, limit: int) -> str | None:
        """As `text`, but None when the file has no such column."""
        return self.text(column, limit) if column in self.cells else None

    def code(self, column: str, *, required: bool = True) -> str:
        text = self.cells.get(column, "")
        if not text:
            if required:
                self.fault(column, f"不能为空，请填写{column}")
        elif _CODE.fullmatch(text) is None:
            self.fault(column, _code_advice(text))
        return text

    def choice(self, column: str, words: dict[str, Labelled], labels: str) -> Labelled | None:
        """The value that the cell's word stands for; None when it is empty."""
        text = self.cells.get(column, "")
        if text and text not in words:
            self.fault(column, f"“{_short(text)}”无法识别，请填写：{labels}")
        return words.get(text)

    def yes_or_no(self, column: str) -> bool | None:
        text = self.cells.get(column, "")
        if text and text not in _YES_OR_NO:
            self.fault(column, f"“{_short(text)}”无法识别，请填写：开、关，或留空")
        return _YES_OR_NO.get(text)

    def members(self) -> int | None:
        text = self.cells.get("人数", "")
        if not text:
            return None
        if _WHOLE.fullmatch(text) is None or int(text) > MAX_MEMBERS:
            self.fault("人数", f"“{_short(text)}”应为 0 到 {MAX_MEMBERS} 的整数，如 186")
            return None
        return int(text)


def _code_advice(text: str) -> str:
    if re.fullmatch(r"[0-9.]+[eE]\+?[0-9]+", text):
        return f"“{text}”是 Excel 的科学计数，请把整列设为“文本”格式后重新填写完整编码"
    if len(text) > 40:
        return f"编码最多 40 个字符，现有 {len(text)} 个，请缩短"
    return f"“{_short(text)}”含有不能使用的字符，编码只用字母、数字、“-”和“_”，如 330922100"


def _short(text: str) -> str:
    return text if len(text) <= 20 else text[:20] + "…"


def _words(kind: type[Labelled]) -> dict[str, Labelled]:
    """A value may be written as its label or as it is stored."""
    return {word: member for member in kind for word in (member.label, member.value)}


_KINDS: dict[str, Labelled] = {**_KIND_WORDS, **_words(UnitKind)}
_KIND_LABELS = "、".join(kind.label for kind in UnitKind)
_MODES, _MODE_LABELS = _words(GroupMode), "推送、转发"
_YES_OR_NO = {"开": True, "是": True, "关": False, "否": False}
_STATES, _STATE_LABELS = _words(GroupState), "在用、失联、停用"


def _read_unit(read: _RowReader) -> UnitRow | None:
    """The row, or None when something in it is wrong: rules between rows look at sound rows only."""
    code = read.code("编码")
    name = read.text("名称", 80, required=True)
    kind = read.choice("类型", _KINDS, _KIND_LABELS)
    if kind is None and not any(fault.column == "类型" for fault in read.faults):
        read.fault("类型", f"不能为空，请填写：{_KIND_LABELS}")
    parent = read.code("上级编码", required=False)
    if parent and parent == code:
        read.fault("上级编码", "上级不能是自己，请填写上一级单位的编码")
    tags = read.optional("标签", 200)
    stored = None if tags is None else join_tags(_TAG_SEPARATORS.split(tags))
    if (
        tags is not None and stored is not None and len(tags) <= 200 < len(stored)
    ):  # the form has separators of its own
        read.fault("标签", "标签太多，请减少到 200 个字以内")
    liaison = read.optional("联络员", 40)
    if read.faults or not isinstance(kind, UnitKind):
        return None
    return UnitRow(read.place, code, name, kind, parent, stored, liaison)


def _read_group(read: _RowReader) -> GroupRow | None:
    code = read.code("编码")
    name = read.text("群名", 80, required=True)
    unit = read.code("单位编码")
    channel = read.text("通道", 20) or None
    if channel is not None and channel not in CHANNELS:
        read.fault("通道", f"“{_short(channel)}”无法识别，请填写：{'、'.join(CHANNELS)}，或留空")
    room_id = read.text("群号", 120) or None
    account = read.optional("账号", 60)
    mode = read.choice("方式", _MODES, _MODE_LABELS)
    members = read.members()
    state = read.choice("状态", _STATES, _STATE_LABELS)
    warns = read.yes_or_no("群内提醒")
    if read.faults:
        return None
    mode = mode if isinstance(mode, GroupMode) else None
    state = state if isinstance(state, GroupState) else None
    return GroupRow(read.place, code, name, unit, channel, room_id, account, mode, members, state, warns)


def _repeated_codes(rows: Iterable[UnitRow] | Iterable[GroupRow]) -> list[SheetFault]:
    """Every row whose code an earlier row has; the rows stay, since the whole file is refused anyway."""
    first: dict[str, Place] = {}
    faults = []
    for row in rows:
        earlier = first.setdefault(row.code, row.place)
        if earlier is not row.place:
            where = (
                f"第 {earlier.row} 行" if earlier.sheet == row.place.sheet else f"{earlier.sheet} 第 {earlier.row} 行"
            )
            faults.append(row.place.fault("编码", f"编码 {row.code} 与{where}重复，请改为不同的编码或删去一行"))
    return faults
