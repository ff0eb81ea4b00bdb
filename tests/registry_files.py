"""Registry files for tests: rows written by hand, or drawn by hypothesis."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from bot.registry_rows import GROUP_COLUMNS, GROUP_SHEET, UNIT_COLUMNS, UNIT_SHEET
from bot.sheets import SheetRow, Table
from db.states import GroupMode, GroupState, UnitKind

COUNTY = ["33", "嵊泗县", "县", "", "", "王海波"]
TOWN = ["3301", "菜园镇", "乡镇", "33", "重点、渔业", ""]
SCHOOL = ["S1", "嵊泗中学", "学校", "3301", "", ""]
GROUP = ["G1", "菜园镇反诈群", "3301", "local", "room-1", "心防一号", "推送", "186", "在用"]
RELAY = ["G2", "中学家长群", "S1", "local", "", "", "转发", "95", "在用"]


def unit_table(*rows: Sequence[object], columns: Sequence[str] = UNIT_COLUMNS) -> Table:
    return _table(UNIT_SHEET, columns, rows)


def group_table(*rows: Sequence[object], columns: Sequence[str] = GROUP_COLUMNS[:9]) -> Table:
    return _table(GROUP_SHEET, columns, rows)


def county(*units: Sequence[object], groups: Sequence[Sequence[object]] = ()) -> list[Table]:
    """A file with a county, a town and a school, two groups, and what the test adds."""
    return [unit_table(COUNTY, TOWN, SCHOOL, *units), group_table(GROUP, RELAY, *groups)]


def _table(sheet: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(sheet, tuple(columns))
    for number, row in enumerate(rows, start=2):
        table.rows.append(SheetRow(number, dict(zip(columns, map(str, row), strict=True))))
    return table


_TEXT = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp"), include_characters="=+-@'\"|,;嵊泗😀"),
    min_size=1,
    max_size=12,
).filter(lambda text: text == text.strip() and not text.lstrip("'").startswith(("\t", "\r")))
_CODE = st.text("ABCxyz0123456789-_", min_size=1, max_size=8)
_TAG = st.sampled_from(["渔业", "重点", "港口", "旅游"])


@st.composite
def registries(draw: st.DrawFn) -> list[Table]:
    """A sound file: a random tree under one root, with random groups in it."""
    codes = draw(st.lists(_CODE, min_size=1, max_size=12, unique=True))
    kinds = [UnitKind.COUNTY]
    rows: list[list[str]] = [[codes[0], draw(_TEXT), UnitKind.COUNTY.label, "", "", ""]]
    for code in codes[1:]:
        above = draw(st.sampled_from([i for i, kind in enumerate(kinds) if kind.level < 5]))
        kind = draw(st.sampled_from([kind for kind in UnitKind if kind.level > kinds[above].level]))
        tags = "、".join(draw(st.lists(_TAG, max_size=2, unique=True)))
        rows.append([code, draw(_TEXT), kind.label, rows[above][0], tags, draw(st.just("") | _TEXT)])
        kinds.append(kind)
    group_codes = draw(st.lists(_CODE, max_size=8, unique=True))
    groups = [_group(draw, code, f"room-{i}", codes) for i, code in enumerate(group_codes)]
    order = draw(st.permutations(rows))  # a child may stand above its parent in the file
    return [unit_table(*order), group_table(*groups)]


def _group(draw: st.DrawFn, code: str, room: str, units: list[str]) -> list[str]:
    return [
        code,
        draw(_TEXT),
        draw(st.sampled_from(units)),
        draw(st.sampled_from(["", "local", "wecom"])),
        draw(st.sampled_from(["", room])),
        draw(st.sampled_from(["", "心防一号", "=1+1"])),
        draw(st.sampled_from(["", *(mode.label for mode in GroupMode)])),
        draw(st.sampled_from(["", "0", "30", "500", "2000"])),
        draw(st.sampled_from(["", GroupState.ACTIVE.label, GroupState.LOST.label])),
    ]
