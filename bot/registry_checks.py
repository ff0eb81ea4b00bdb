"""Rules between rows, checked on the registry as it would be after the import.

There is one root: whoever imports a level above the present root gives the present root its new parent in the
same file. Levels fall strictly from parent to child, which also rules out circles.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from bot.errors import SheetFault
from bot.registry_records import GroupRecord, UnitRecord
from bot.registry_rows import GROUP_SHEET, UNIT_SHEET, Place, RegistryRows

Units = Mapping[str, UnitRecord]
Groups = Mapping[str, GroupRecord]


def check_units(rows: RegistryRows, before: Units, after: Units) -> list[SheetFault]:
    places = {row.code: row.place for row in rows.units}
    faults = []
    for unit in after.values():
        if not unit.retired and unit.parent:
            fault = _parent_fault(unit, before, after, places, rows.unsound_units)
            if fault is not None:
                faults.append(fault)
    return faults + _root_faults(before, after, places)


def check_groups(rows: RegistryRows, before: Units, units: Units, groups: Groups) -> list[SheetFault]:
    places = {row.code: row.place for row in rows.groups}
    faults = []
    for code, place in places.items():
        group = groups[code]
        unit = units.get(group.unit)
        if unit is None and group.unit not in rows.unsound_units:
            faults.append(
                place.fault("单位编码", f"没有编码为 {group.unit} 的单位，请先写入单位表，或改为已有的编码")
            )
        elif unit is not None and unit.retired and not group.retired:
            faults.append(place.fault("单位编码", _retired_unit(unit)))
    others = (group for code, group in groups.items() if code not in places and not group.retired)
    return faults + _left_behind(others, before, units) + _room_faults(groups, places)


def _parent_fault(
    unit: UnitRecord, before: Units, units: Units, places: Mapping[str, Place], unsound: set[str]
) -> SheetFault | None:
    """What is wrong between a unit and its parent, if anything, at the row that must change."""
    place = places.get(unit.code)
    parent = units.get(unit.parent)
    if parent is None:
        if unit.parent in unsound or place is None:
            return None
        return place.fault("上级编码", f"没有编码为 {unit.parent} 的单位，请先写入单位表，或改为已有的编码")
    if parent.retired:
        if place is None and before[parent.code].retired:
            return None  # it was so before: not this file's doing
        return (place or Place(UNIT_SHEET, 1)).fault("上级编码", _retired_unit(parent))
    if parent.kind.level < unit.kind.level:
        return None
    if place is None:
        where = places.get(parent.code)
        message = f"改为“{parent.kind.label}”后不再高于下级“{unit.name}”（{unit.kind.label}），请先调整下级"
        return where.fault("类型", message) if where else None
    circle = _circle(unit, units)
    if circle:
        return place.fault("上级编码", f"上级关系成了一圈：{' → '.join(circle)}，请改正其中一个上级编码")
    message = f"上级“{parent.name}”是{parent.kind.label}，不高于{unit.kind.label}，请改为更高一级单位的编码"
    return place.fault("上级编码", message)


def _retired_unit(unit: UnitRecord) -> str:
    return f"单位“{unit.name}”（{unit.code}）已停用或将停用，请把它写入单位表以恢复，或改为其他单位"


def _circle(unit: UnitRecord, units: Units) -> list[str]:
    """Codes from the unit up to itself, or nothing when its ancestors end."""
    codes = [unit.code]
    above = unit.parent
    while above in units and above not in codes:
        codes.append(above)
        above = units[above].parent
    return [*codes, above] if above == unit.code else []


def _root_faults(before: Units, after: Units, places: Mapping[str, Place]) -> list[SheetFault]:
    roots = [unit for unit in after.values() if not unit.parent and not unit.retired]
    if len(roots) < 2:
        return []
    present = [unit for unit in roots if unit.code in before and not before[unit.code].parent]
    root = (present or roots)[0]
    message = f"已有最上级单位“{root.name}”（{root.code}），其他单位都要填写上级编码"
    return [places[u.code].fault("上级编码", message) for u in roots if u is not root and u.code in places]


def _left_behind(groups: Iterable[GroupRecord], before: Units, units: Units) -> list[SheetFault]:
    """Units that would be retired while groups that the file does not name still belong to them."""
    left: dict[str, list[str]] = defaultdict(list)
    for group in groups:
        if units[group.unit].retired and not before[group.unit].retired:
            left[group.unit].append(group.name)
    return [
        Place(UNIT_SHEET, 1).fault(
            "编码",
            f"单位“{units[code].name}”（{code}）不在文件中，但仍有 {len(names)} 个群（如“{names[0]}”），"
            f"请在{UNIT_SHEET}表中保留它，或在{GROUP_SHEET}表中把这些群停用",
        )
        for code, names in left.items()
    ]


def _room_faults(groups: Groups, places: Mapping[str, Place]) -> list[SheetFault]:
    """Rooms registered twice; groups that the file does not name hold theirs already."""
    holders: dict[tuple[str, str], GroupRecord] = {}
    faults = []
    for group in sorted(groups.values(), key=lambda g: places[g.code].row if g.code in places else 0):
        if not group.room_id:
            continue
        holder = holders.setdefault((group.channel, group.room_id), group)
        if holder is not group and group.code in places:
            message = (
                f"群号 {group.room_id} 已属于群“{holder.name}”（{holder.code}），请改正群号，或沿用编码 {holder.code}"
            )
            faults.append(places[group.code].fault("群号", message))
    return faults
