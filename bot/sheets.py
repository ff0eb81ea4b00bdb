"""Tables in and out of xlsx and csv, as text: what a cell means is somebody else's business.

openpyxl is imported only when an Excel file is really read or written: it costs 20 MiB of memory.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.errors import ImportRefused, SheetFault

MAX_BYTES = 40 * 1024 * 1024  # of a file; 27,000 units are 1 MiB
MAX_UNPACKED = 400 * 1024 * 1024  # of an xlsx once unpacked: a small file that explodes is an attack
MAX_ROWS = 400_000  # a province with its grids is 200,000
XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")  # openpyxl refuses these, and rightly


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row that is not empty. `number` counts from 1 with the header, as Excel shows it."""

    number: int
    cells: dict[str, str]  # column → text without surrounding space; every column of the table is there


@dataclass(frozen=True)
class Table:
    """One sheet, or one csv file (whose `sheet` is "")."""

    sheet: str
    columns: tuple[str, ...]
    rows: list[SheetRow] = field(default_factory=list)


def read_tables(data: bytes) -> list[Table]:
    """The tables of an xlsx or csv file, told apart by their content. Raises `ImportRefused`."""
    if len(data) > MAX_BYTES:
        raise _refused(f"文件过大（{len(data) // 2**20} MB），最大 {MAX_BYTES // 2**20} MB，请分成几个文件导入")
    if data.startswith(b"PK\x03\x04"):
        return _read_xlsx(data)
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        raise _refused("这是旧版 xls 或加密的文件，请在 Excel 中另存为不加密的 xlsx 后再导入")
    return [_table("", _csv_rows(_decoded(data)))]


def write_xlsx(sheets: Sequence[tuple[str, Sequence[str], Iterable[Sequence[object]]]]) -> bytes:
    """A workbook of (title, header, rows). Texts stay texts, numbers numbers."""
    from openpyxl import Workbook
    from openpyxl.styles import Font, PatternFill
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.remove(book.worksheets[0])
    for title, header, rows in sheets:
        sheet = book.create_sheet(title)
        sheet.append(list(header))
        for cell in sheet[1]:
            cell.font = Font(bold=True)
            cell.fill = PatternFill("solid", fgColor="DCE6F1")
        sheet.freeze_panes = "A2"
        widths = [_width(name) for name in header]
        for row in rows:
            values = [value if isinstance(value, int | float) else neutralised(str(value)) for value in row]
            sheet.append(values)
            widths = [max(old, _width(str(value))) for old, value in zip(widths, values, strict=True)]
        for number, width in enumerate(widths, start=1):
            sheet.column_dimensions[get_column_letter(number)].width = min(width + 2, 60)
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def write_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """UTF-8 with a byte-order mark, without which Excel shows Chinese as rubbish."""
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([neutralised(str(value)) for value in row] for row in rows)
    return codecs.BOM_UTF8 + target.getvalue().encode()


def neutralised(text: str) -> str:
    """`text` so that no spreadsheet runs it as a formula: an apostrophe goes before what could be one.

    Source of the list of characters: OWASP, "CSV Injection". `_plain` undoes it when the file comes back.
    """
    text = _UNPRINTABLE.sub("", text)
    return f"'{text}" if _FORMULA.match(text) else text


def _plain(text: str) -> str:
    text = text.strip()
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _refused(message: str, *, sheet: str = "", row: int = 1, column: str = "") -> ImportRefused:
    return ImportRefused([SheetFault(sheet, row, column, message)])


# ── csv ─────────────────────────────────────────────────────────────────────


def _decoded(data: bytes) -> str:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # Excel's "Unicode text"
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise _refused("无法识别文件编码，请另存为 xlsx，或另存为“CSV UTF-8”")


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    header = text.split("\n", 1)[0]
    delimiter = max(",\t;", key=header.count)
    number = 0
    try:
        for number, values in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), start=1):
            yield number, values
    except csv.Error as error:
        raise _refused("这一行无法读取，请检查引号是否成对，或另存为 xlsx", row=number + 1) from error


# ── xlsx ────────────────────────────────────────────────────────────────────


def _read_xlsx(data: bytes) -> list[Table]:
    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED:
            raise _refused("文件解开后过大，请删去图片和空白行后再导入")
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        tables = [_table(sheet.title, _xlsx_rows(sheet)) for sheet in book.worksheets]
        book.close()
    except ImportRefused:
        raise
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, SyntaxError) as error:
        # openpyxl reports a damaged part by whatever its parser happened to raise (XML errors are SyntaxErrors).
        raise _refused("文件已损坏或不是 Excel 文件，请用 Excel 打开后另存为 xlsx 再导入") from error
    return tables


def _xlsx_rows(sheet: Any) -> Iterator[tuple[int, list[str]]]:
    sheet.reset_dimensions()  # some programs write a wrong size, and rows would be lost
    for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        yield number, [_cell_text(value) for value in values]


def _cell_text(value: object) -> str:
    """Numbers as people see them: a code typed into a number cell comes as 330922.0."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


# ── both ────────────────────────────────────────────────────────────────────


def _table(sheet: str, rows: Iterator[tuple[int, list[str]]]) -> Table:
    """The first row is the header; columns without a name are left out."""
    _, first = next(rows, (1, []))
    names = [_plain(name) for name in first]
    table = Table(sheet, tuple(name for name in names if name))
    empty = dict.fromkeys(table.columns, "")
    for number, values in rows:
        if number > MAX_ROWS:
            raise _refused(f"超过 {MAX_ROWS} 行，请分成几个文件导入", sheet=sheet, row=number)
        cells = {name: _plain(value) for name, value in zip(names, values, strict=False) if name and value}
        if any(cells.values()):
            table.rows.append(SheetRow(number, empty | cells))
    return table


def _width(text: str) -> int:
    """Columns that a text takes: a Chinese character is as wide as two letters."""
    return sum(2 if ord(character) > 0x2E7F else 1 for character in text)
