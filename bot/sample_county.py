"""The sample county: Shengsi with its real divisions and a made-up but plausible life, for demo and training.

The county, its towns and villages are the official divisions (`samples/shengsi_divisions.csv`, National Bureau of
Statistics, from china-division 2.7.0, MIT). Departments are the usual ones of a county. Schools, enterprises,
grids, groups, member counts and people are invented. 213 groups with 20,000 members is what the county reported in 2021.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from pathlib import Path

from bot.registry_export import registry_xlsx
from bot.registry_records import GroupRecord, UnitRecord
from bot.sheets import Table, read_tables
from db.states import GroupMode, GroupState, UnitKind, UnitState
from db.units import join_tags

SAMPLE = Path(__file__).parent / "samples" / "shengsi.xlsx"
DIVISIONS = Path(__file__).parent / "samples" / "shengsi_divisions.csv"
COUNTY = "330922"
COUNTY_TOWN = "330922100"
GROUPS = 213
PUSHED = 150
ACCOUNTS = ("心防一号", "心防二号", "心防三号")

# Member units of the joint meeting: name, tag. Banks and telecoms are where stopping a payment begins.
_DEPARTMENTS = (
    ("县委政法委", "机关"),
    ("县委宣传部", "机关"),
    ("县纪委监委", "机关"),
    ("县公安局", "机关"),
    ("县人民法院", "机关"),
    ("县人民检察院", "机关"),
    ("县教育局", "教育"),
    ("县卫健局", "卫健"),
    ("县农业农村局", "渔业"),
    ("县住建局", "机关"),
    ("县综合行政执法局", "机关"),
    ("县财政局", "机关"),
    ("县人力社保局", "机关"),
    ("县民政局", "机关"),
    ("县司法局", "机关"),
    ("县文广旅体局", "旅游"),
    ("县市场监管局", "机关"),
    ("县交通运输局", "港口"),
    ("县税务局", "机关"),
    ("团县委", "机关"),
    ("县妇联", "机关"),
    ("县人民医院", "卫健"),
    ("工商银行嵊泗支行", "金融"),
    ("农业银行嵊泗支行", "金融"),
    ("嵊泗农商银行", "金融"),
    ("中国电信嵊泗分公司", "通信"),
    ("中国移动嵊泗分公司", "通信"),
    ("中国联通嵊泗分公司", "通信"),
)
_SCHOOLS = (
    "嵊泗中学",
    "嵊泗初级中学",
    "菜园镇第一小学",
    "菜园镇第二小学",
    "嵊山镇中心学校",
    "洋山镇中心学校",
    "枸杞乡中心小学",
    "县机关幼儿园",
)
_ENTERPRISES = (  # name, parent's name, tag
    ("列岛客运轮船公司", "县交通运输局", "旅游"),
    ("沈家湾码头管理所", "县交通运输局", "港口"),
    ("海岛文旅发展公司", "县文广旅体局", "旅游"),
    ("东海渔民民宿合作社", "五龙乡", "旅游"),
    ("枸杞贻贝养殖合作社", "枸杞乡", "渔业"),
    ("嵊山渔业冷冻厂", "嵊山镇", "渔业"),
    ("洋山港区物流公司", "洋山镇", "港口"),
    ("洋山港船舶服务公司", "洋山镇", "港口"),
    ("黄龙石材厂", "黄龙乡", "企业"),
    ("菜园商贸城", "菜园镇", "企业"),
)
_TOWN_TAGS = {
    "菜园镇": "重点",
    "洋山镇": "港口",
    "枸杞乡": "渔业",
    "嵊山镇": "渔业",
    "五龙乡": "旅游",
    "花鸟乡": "旅游",
}
_SURNAMES = "王李张陈刘杨黄周吴徐孙胡朱高林何郭马罗梁"
_GIVEN = (
    "海波",
    "静",
    "晓东",
    "敏",
    "伟",
    "珊",
    "军",
    "丽娜",
    "建国",
    "芳",
    "志强",
    "燕",
    "国平",
    "雅琴",
    "鹏",
    "秀英",
    "涛",
    "慧",
    "永康",
    "洁",
)

# Left without a group on purpose, so that the gaps list has something to show.
_WITHOUT_GROUP = {"县纪委监委", "团县委", "滩浒村委会", "壁下村委会", "沈家湾码头管理所"}
_NEARLY_FULL = {"菜园镇反诈预警群": 486, "嵊泗中学反诈预警群": 492}
_RELAY_DEPARTMENTS = {
    "县财政局",
    "县民政局",
    "县司法局",
    "县税务局",
    "县市场监管局",
    "县人民检察院",
    "县妇联",
    "县综合行政执法局",
}
_MEMBERS = {1: (300, 450), 2: (110, 260), 3: (70, 180), 4: (40, 95), 5: (30, 60)}  # by level: fewest, most


def build_registry() -> tuple[list[UnitRecord], list[GroupRecord]]:
    """The same units and groups at every call; parents come before children."""
    chance = random.Random(330922)  # nosec B311 # a sample that is always the same
    units = list(_units(chance))
    return units, list(_groups(units, chance))


def build_tables() -> list[Table]:
    """The sample as an import reads it."""
    return read_tables(registry_xlsx(*build_registry()))


def write_sample(path: Path = SAMPLE) -> None:
    path.write_bytes(registry_xlsx(*build_registry()))


# ── units ───────────────────────────────────────────────────────────────────


def _units(chance: random.Random) -> Iterator[UnitRecord]:
    with DIVISIONS.open(encoding="utf-8", newline="") as file:
        divisions = list(csv.DictReader(file))
    codes = {row["name"]: row["code"] for row in divisions}
    towns = [row for row in divisions if row["kind"] == "town"]
    yield _unit(COUNTY, "嵊泗县", UnitKind.COUNTY, "", "", chance)
    for row in towns:
        yield _unit(row["code"], row["name"], UnitKind.TOWN, COUNTY, _TOWN_TAGS.get(row["name"], ""), chance)
    for number, (name, tag) in enumerate(_DEPARTMENTS, start=1):
        codes[name] = f"{COUNTY}-D{number:02}"
        yield _unit(codes[name], name, UnitKind.DEPARTMENT, COUNTY, tag, chance)
    for number, name in enumerate(_SCHOOLS, start=1):
        yield _unit(f"{COUNTY}-S{number:02}", name, UnitKind.SCHOOL, codes["县教育局"], "教育", chance)
    for number, (name, parent, tag) in enumerate(_ENTERPRISES, start=1):
        yield _unit(f"{COUNTY}-E{number:02}", name, UnitKind.ENTERPRISE, codes[parent], tag, chance)
    for row in divisions:
        if row["kind"] == "village":
            yield from _community(row, chance)


def _community(row: dict[str, str], chance: random.Random) -> Iterator[UnitRecord]:
    """A community with three grids and their buildings, or a village with one or two grids."""
    urban = "社区" in row["name"]
    kind = UnitKind.COMMUNITY if urban else UnitKind.VILLAGE
    town_tag = {COUNTY_TOWN: "重点", "330922202": "渔业", "330922101": "渔业"}.get(row["parent_code"], "")
    yield _unit(row["code"], row["name"], kind, row["parent_code"], town_tag, chance)
    buildings = 0 if not urban else 2 if row["parent_code"] == COUNTY_TOWN else 1
    for grid in range(1, 1 + (3 if urban else chance.choice((1, 2)))):
        code = f"{row['code']}-{grid}"
        name = f"{_short(row['name'])}第{'一二三'[grid - 1]}网格"
        yield _unit(code, name, UnitKind.GRID, row["code"], "", chance)
        for building in range(1, 1 + buildings):
            yield _unit(f"{code}-{building}", f"{name}{building}号楼组", UnitKind.BUILDING, code, "", chance)


def _short(name: str) -> str:
    return name.removesuffix("居委会").removesuffix("委会")


def _unit(code: str, name: str, kind: UnitKind, parent: str, tag: str, chance: random.Random) -> UnitRecord:
    liaison = chance.choice(_SURNAMES) + chance.choice(_GIVEN)
    if kind == UnitKind.BUILDING:
        liaison = ""  # a grid's liaison looks after its buildings
    return UnitRecord(code, name, kind, parent, join_tags([tag]), liaison, UnitState.ACTIVE)


# ── groups ──────────────────────────────────────────────────────────────────


def _groups(units: list[UnitRecord], chance: random.Random) -> Iterator[GroupRecord]:
    """One group per unit; county and towns get more until there are 213."""
    owners = [unit for unit in units if unit.name not in _WITHOUT_GROUP]
    upper = [unit for unit in units if unit.kind in (UnitKind.COUNTY, UnitKind.TOWN)]
    names = [(unit, f"{_short(unit.name)}反诈预警群") for unit in owners]
    extra = (
        (unit, f"{unit.name}{kind}反诈群")
        for kind in ("网格员", "商户", "民宿业主", "出海渔民", "志愿者", "退休干部")
        for unit in upper
    )
    names += [next(extra) for _ in range(GROUPS - len(names))]
    relayed = _relay_units(owners, chance)
    for number, (unit, name) in enumerate(names, start=1):
        relay = unit.code in relayed
        heard = not relay or relayed[unit.code]
        yield GroupRecord(
            code=f"G{number:03}",
            name=name,
            unit=unit.code,
            channel="local",
            room_id=f"room-{number:04}",
            account=_account_of(unit) if heard else "",
            mode=GroupMode.RELAY if relay else GroupMode.PUSH,
            members=_NEARLY_FULL.get(name) or chance.randint(*_MEMBERS[unit.kind.level]),
            state=GroupState.ACTIVE,
        )


def _relay_units(owners: list[UnitRecord], chance: random.Random) -> dict[str, bool]:
    """Codes of the 63 units whose group is relay-only; True: an account sits in it and hears, which half have."""
    departments = [unit.code for unit in owners if unit.name in _RELAY_DEPARTMENTS]
    lower = [unit.code for unit in owners if unit.kind.level >= 4]
    chosen = departments + chance.sample(lower, GROUPS - PUSHED - len(departments))
    return {code: number % 2 == 0 for number, code in enumerate(chosen)}


def _account_of(unit: UnitRecord) -> str:
    """The first serves the county's own units, the second the county town, the third the other islands."""
    if unit.code == COUNTY or unit.code.startswith(f"{COUNTY}-"):
        return ACCOUNTS[0]
    return ACCOUNTS[1] if unit.code.startswith(COUNTY_TOWN) else ACCOUNTS[2]
