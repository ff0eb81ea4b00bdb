"""Files in and out as text."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook

from bot.errors import ImportRefused
from bot.sheets import neutralised, read_tables, write_csv, write_xlsx

HEADER = ["编码", "名称"]
ROWS = [["330922", "嵊泗县"], ["330922100", "菜园镇"]]
CELLS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=20).map(str.strip)


def cells(data: bytes) -> list[list[str]]:
    return [list(row.cells.values()) for row in read_tables(data)[0].rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_csv_is_read_whatever_excel_saved(encoding: str, delimiter: str) -> None:
    text = "\r\n".join(delimiter.join(row) for row in [HEADER, *ROWS])
    assert cells(text.encode(encoding)) == ROWS


def test_row_numbers_are_those_of_excel() -> None:
    (table,) = read_tables('编码,名称\n\n1,"两\n行"\n,\n2,乙\n'.encode())
    assert [row.number for row in table.rows] == [3, 5]
    book = Workbook()
    book.active.append(HEADER)
    book.active["A4"] = 330922.0
    book.active["B4"] = "  嵊泗县 "
    target = io.BytesIO()
    book.save(target)
    (table,) = read_tables(target.getvalue())
    assert [(row.number, row.cells) for row in table.rows] == [(4, {"编码": "330922", "名称": "嵊泗县"})]


@given(st.lists(st.tuples(CELLS, CELLS).filter(any), max_size=5))
def test_what_is_written_is_read_again(rows: list[tuple[str, str]]) -> None:
    expected = [list(row) for row in rows]
    assert cells(write_csv(HEADER, rows)) == expected
    assert cells(write_xlsx([("表", HEADER, rows)])) == expected


@pytest.mark.parametrize("formula", ["=1+1", "+86", "-2", "@SUM(A1)", "\t=1", "'=1", '=HYPERLINK("http://x")'])
def test_no_text_leaves_as_a_formula(formula: str) -> None:
    assert neutralised(formula).startswith("'")
    written = write_csv(HEADER, [[formula, "x"]]).decode("utf-8-sig")
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in written.replace('"', "").split("\r\n")[1:])


@pytest.mark.parametrize(
    ("data", "advice"),
    [
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "另存为"),
        (b"PK\x03\x04 not really", "已损坏"),
        (b"\x81\x20\xff\xff", "文件编码"),
        (b'a,b\n"' + b"x" * 200_000, "引号"),
    ],
)
def test_files_that_cannot_be_read_say_what_to_do(data: bytes, advice: str) -> None:
    with pytest.raises(ImportRefused) as caught:
        read_tables(data)
    assert advice in caught.value.faults[0].message


def test_reading_csv_does_not_load_the_excel_library() -> None:
    """It costs 20 MiB that a server which never imports should not pay."""
    code = "import sys, bot.sheets as s; s.read_tables(b'a,b'); sys.exit('openpyxl' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
