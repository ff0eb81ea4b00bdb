"""The registry as files: what comes out goes in again and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from sqlalchemy.ext.asyncio import AsyncSession

from bot.registry_records import GroupRecord, UnitRecord, stored_groups, stored_units
from bot.registry_rows import CHANNELS, GROUP_COLUMNS, GROUP_SHEET, HELP_SHEET, MAX_MEMBERS, UNIT_COLUMNS, UNIT_SHEET
from bot.sheets import write_csv, write_xlsx
from db.registry import load_registry
from db.states import GroupMode, GroupState, Labelled, UnitKind

Cells = list[object]


async def export_registry(session: AsyncSession) -> bytes:
    """An xlsx of all units and groups that are not retired."""
    units, groups = await _records(session)
    return await asyncio.to_thread(registry_xlsx, units, groups)  # seconds for a province; nobody waits meanwhile


async def export_units_csv(session: AsyncSession) -> bytes:
    units, _ = await _records(session)
    return write_csv(UNIT_COLUMNS, map(_unit_cells, units))


async def export_groups_csv(session: AsyncSession) -> bytes:
    _, groups = await _records(session)
    return write_csv(GROUP_COLUMNS, map(_group_cells, groups))


def registry_xlsx(units: Iterable[UnitRecord], groups: Iterable[GroupRecord]) -> bytes:
    return write_xlsx(
        [
            (UNIT_SHEET, UNIT_COLUMNS, map(_unit_cells, units)),
            (GROUP_SHEET, GROUP_COLUMNS, map(_group_cells, groups)),
        ]
    )


def registry_template() -> bytes:
    """An xlsx to fill in: how each column is meant, and an example of every level to write over."""
    return write_xlsx(
        [
            (UNIT_SHEET, UNIT_COLUMNS, _EXAMPLE_UNITS),
            (GROUP_SHEET, GROUP_COLUMNS, _EXAMPLE_GROUPS),
            (HELP_SHEET, ("表", "列名", "必填", "填写说明"), _HELP),
        ]
    )


async def _records(session: AsyncSession) -> tuple[list[UnitRecord], list[GroupRecord]]:
    stored = await load_registry(session)
    units = [unit for unit in stored_units(stored).values() if not unit.retired]
    groups = [group for group in stored_groups(stored).values() if not group.retired]
    return units, groups


def _unit_cells(unit: UnitRecord) -> Cells:
    texts = unit.texts()
    return [unit.code, *(texts[column] for column in UNIT_COLUMNS[1:])]


def _group_cells(group: GroupRecord) -> Cells:
    texts: dict[str, object] = {**group.texts(), "人数": group.members}
    return [group.code, *(texts[column] for column in GROUP_COLUMNS[1:])]


def _labels(kind: type[Labelled]) -> str:
    return "、".join(member.label for member in kind)


_EXAMPLE_UNITS = (
    ("330922", "嵊泗县", "县", "", "", "王海波"),
    ("330922100", "菜园镇", "乡镇", "330922", "", "李静"),
    ("330922-D01", "县教育局", "县属部门", "330922", "学校", "陈晓东"),
    ("330922100001", "东海社区居委会", "社区", "330922100", "重点", "周敏"),
    ("330922-S01", "菜园镇中心小学", "学校", "330922-D01", "学校", "吴珊"),
    ("330922100001-1", "东海社区第一网格", "网格", "330922100001", "", "郑军"),
    ("330922100001-1-1", "东海社区第一网格1号楼组", "楼组", "330922100001-1", "", ""),
)
_EXAMPLE_GROUPS = (
    ("G001", "菜园镇反诈预警群", "330922100", "local", "room-0001", "心防一号", "推送", 326, "在用", "关"),
    ("G002", "菜园镇中心小学家长反诈群", "330922-S01", "local", "room-0002", "心防一号", "转发", 188, "在用", "关"),
    ("G003", "东海社区第一网格群", "330922100001-1", "local", "", "", "转发", 95, "在用", "关"),
)
_HELP = (
    (
        "单位",
        "编码",
        "是",
        "本系统内不重复；字母、数字、“-”和“_”，最多 40 个；确定后不要更改。建议把整列设为“文本”格式",
    ),
    ("单位", "名称", "是", "最多 80 个字"),
    ("单位", "类型", "是", f"填写其中之一：{_labels(UnitKind)}"),
    (
        "单位",
        "上级编码",
        "除最上级外",
        "上一级单位的编码；上级必须高于本级。全系统只有一个最上级单位（如本县），它的上级编码留空",
    ),
    ("单位", "标签", "否", "用“、”分开，如：渔业、重点。预警可以按标签选择范围"),
    ("单位", "联络员", "否", "联络员姓名，最多 40 个字；不要填写手机号"),
    ("群", "编码", "是", "本系统内不重复，如 G001"),
    ("群", "群名", "是", "最多 80 个字"),
    ("群", "单位编码", "是", "群所属单位的编码"),
    ("群", "通道", "否", f"填写其中之一：{'、'.join(CHANNELS)}；留空为 local"),
    ("群", "群号", "否", "平台上的群标识；暂不知道可以留空，不会清除已有的群号"),
    ("群", "账号", "否", "群内的机器人账号名称；没有机器人的群留空"),
    ("群", "方式", "否", f"填写其中之一：{_labels(GroupMode)}。“推送”由机器人发送，“转发”由联络员转入"),
    ("群", "人数", "否", f"0 到 {MAX_MEMBERS} 的整数"),
    ("群", "状态", "否", f"填写其中之一：{_labels(GroupState)}；留空表示在用"),
    ("群", "群内提醒", "否", "开或关：群里有人发诈骗信息时，机器人是否在群里温和提醒一句；留空不改动，新群为关"),
    ("说明", "", "", "第一行表头不要改动；示例行请改成本地的内容或删去。导入前会先显示预览，有任何错误都不会导入"),
    ("说明", "", "", "文件里没有的单位和群默认保持不变；选择“停用文件中没有的”才会停用。再次写入文件即可恢复"),
)
