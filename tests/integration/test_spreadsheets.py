"""No export runs in a spreadsheet: whatever people named their units and groups, it is text there."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from openpyxl import load_workbook

from db.models import Reach
from db.session import Database
from db.states import AlertState, Role
from handlers.web.audit_files import FILES
from handlers.web.routes import ROUTES
from tests.console import Browser, Console, open_console
from tests.factories import make_account, make_alert, make_group, make_unit

ROOT = Path(__file__).parents[2]
HOSTILE = ('=HYPERLINK("http://evil")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1+1")
TABLES = ("table.xlsx", "table.csv")


def addresses(alert_id: int, unit_id: int) -> list[str]:
    """Every address of the console that gives a table, so that a new one is tested when it is made."""
    found = []
    for route in ROUTES:
        path = route.path.replace("/units/{id}", f"/units/{unit_id}").replace("{id}", str(alert_id))
        if route.method == "GET" and path.endswith((".csv", ".xlsx")):
            found.append(path)
        if route.method == "GET" and path.endswith("/files/{name}"):
            found += [path.replace("{name}", name) for name in (FILES if path.startswith("/audit") else TABLES)]
    return found


async def _office(console: Console) -> tuple[int, int]:
    """A county in which everything is called like a formula, and a released alert."""
    async with console.database.write() as session:
        county = await make_unit(session, name=HOSTILE[0], liaison=HOSTILE[1])
        account = await make_account(session, name="心防一号")
        now = console.clock.now()
        alert = await make_alert(session, title="=1+1", state=AlertState.RUNNING, released_at=now, month=202611)
        for name in HOSTILE[1:]:
            unit = await make_unit(session, parent=county, name=name, liaison=name, tags=f"|{name.strip()}|")
            group = await make_group(session, unit=unit, account=account, name=name, members=10)
            session.add(Reach(alert_id=alert.id, group_id=group.id, unit_id=unit.id, members=10, expected=True))
    await console.engine.folding.fold_now()
    return alert.id, county.id


def cells(content: bytes, path: str) -> list[str]:
    if path.endswith(".csv"):
        return [cell for row in csv.reader(io.StringIO(content.decode("utf-8-sig"))) for cell in row]
    book = load_workbook(io.BytesIO(content))
    found = [cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row]
    assert not [cell.coordinate for cell in found if cell.data_type == "f"], path
    return [str(cell.value) for cell in found if cell.value is not None]


async def _fetch(browser: Browser, path: str) -> bytes:
    response = await browser.request("GET", path)
    assert response.status == 200, path
    return await response.read()


async def test_every_table_that_leaves_the_console_is_harmless(sqlite_database: Database) -> None:
    async with open_console(sqlite_database) as console:
        alert_id, unit_id = await _office(console)
        browser = await console.signed_in(Role.ADMIN)
        paths = addresses(alert_id, unit_id)
        assert len(paths) >= 9
        named = 0
        for path in paths:
            texts = cells(await _fetch(browser, path), path)
            assert [text for text in texts if re.match(r"[=+@\t\r]|-[^0-9]|-\d+\+", text)] == [], path
            named += any("HYPERLINK" in text or "cmd|" in text for text in texts)
        assert named >= 6  # the names really were in them


def test_one_function_writes_all_tables() -> None:
    writers = re.compile(r"csv\.writer|csv\.DictWriter|Workbook\(")
    found = [
        str(path.relative_to(ROOT))
        for folder in ("bot", "handlers", "db", "content")
        for path in (ROOT / folder).rglob("*.py")
        if writers.search(path.read_text(encoding="utf-8"))
    ]
    assert found == ["bot/sheets.py"]


async def test_a_download_is_a_download(sqlite_database: Database) -> None:
    """The browser is told not to guess, and to save: a table never becomes a page of ours."""
    async with open_console(sqlite_database) as console:
        browser = await console.signed_in(Role.ADMIN)
        headers = (await browser.get("/registry/units.csv")).headers
    assert headers["Content-Disposition"].startswith("attachment")
    assert headers["X-Content-Type-Options"] == "nosniff"
