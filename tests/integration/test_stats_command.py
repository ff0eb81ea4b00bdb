"""`stats` and `stats verify`, as people and scripts call them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer
from openpyxl import load_workbook
from typer.testing import CliRunner, Result

from bot.settings import load_settings
from db.models import Rollup, Unit
from db.reach import record_reach
from db.session import Database
from db.states import UnitKind, Way
from handlers.cli.common import open_database
from handlers.cli.stats import stats
from tests.chatting import Chat
from tests.factories import make_unit

app = typer.Typer()
app.command("stats")(stats)
runner = CliRunner()


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XINFANG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def number() -> str:
    """The number of an alert that was pushed to two of six groups."""
    return asyncio.run(_released())


async def _released() -> str:
    async with open_database(load_settings()) as database:
        chat = await Chat(database).build()
        async with database.write() as session:
            await make_unit(session, name="嵊山镇", parent=chat.town.units["county"], kind=UnitKind.TOWN)
        alert = await chat.release(number="20261121-07")
        chat.clock.advance(8)
        async with database.write() as session:
            for code in ("CY01", "HB01"):
                group = chat.town.groups[code]
                await record_reach(session, alert_id=alert.id, group=group, way=Way.PUSH, at=chat.clock.now())
        await chat.fold()
        return alert.number


def call(*arguments: str) -> Result:
    return runner.invoke(app, list(arguments))


def test_the_table_shows_the_unit_and_its_children(number: str) -> None:
    result = call()
    assert result.exit_code == 0
    assert "冒充快递理赔的诈骗又来了" in result.stdout
    rows = [line.replace("│", " ").split() for line in result.stdout.splitlines()]
    assert ["嵊泗县", "2/6", "33%", "160/480", "33%", "2", "0", "0", "2", "8", "秒", "8", "秒"] in rows
    assert ["洋山镇", "0/1", "0%", "0/80", "0%", "0", "0", "0", "0", "—", "—"] in rows
    assert rows.index(["嵊山镇", "没有群", *["—"] * 7]) > rows.index(
        ["洋山镇", "0/1", "0%", "0/80", "0%", "0", "0", "0", "0", "—", "—"]
    )


def test_scripts_get_one_line(number: str) -> None:
    result = call("--alert", number, "--json")
    assert result.stdout.count("\n") == 1
    line = json.loads(result.stdout)
    assert line["alert"]["number"] == number
    assert line["unit"]["name"] == "嵊泗县"
    assert (line["reached_groups"], line["expected_groups"], line["pushed_groups"]) == (2, 6, 2)
    assert line["coverage_groups"] == pytest.approx(1 / 3)
    assert (line["first_s"], line["median_s"]) == (8.0, 8.0)
    assert [child["unit"]["name"] for child in line["children"]] == ["菜园镇", "洋山镇", "嵊山镇"]


def test_one_unit_by_its_code(number: str) -> None:
    code = json.loads(call("--json").stdout)["children"][0]["unit"]["code"]
    line = json.loads(call("--unit", code, "--json").stdout)
    assert (line["unit"]["name"], line["expected_groups"]) == ("菜园镇", 5)


def test_a_period_adds_up_its_alerts(number: str) -> None:
    line = json.loads(call("--period", "2026-10..2026-11", "--json").stdout)
    assert (line["period"]["first"], line["period"]["last"], line["alerts"]) == ("2026-10-01", "2026-11-30", 1)
    assert (line["reached_groups"], line["expected_groups"], line["ontime_groups"]) == (2, 6, 2)
    assert [child["rank"] for child in line["children"]] == [1, 2, None]
    before = json.loads(call("--period", "2026-10", "--json").stdout)
    assert (before["alerts"], before["expected_groups"], before["coverage_groups"]) == (0, 0, None)
    assert "2026年10月至11月" in call("--period", "2026-10..2026-11").stdout


def test_files_hold_figures_definitions_and_no_formula(number: str, tmp_path: Path) -> None:
    asyncio.run(_rename("=cmd|' /C calc'!A0"))
    xlsx, csv = tmp_path / "out.xlsx", tmp_path / "out.csv"
    result = call("--alert", number, "--xlsx", str(xlsx), "--csv", str(csv))
    assert result.exit_code == 0
    assert "out.xlsx" in result.stdout.replace("\n", "")
    book = load_workbook(xlsx)
    assert book.sheetnames == ["触达", "说明"]
    rows = [[cell.value for cell in row] for row in book["触达"].iter_rows()]
    header, whole = rows[0], dict(zip(rows[0], rows[1], strict=True))
    assert (whole["单位"], whole["应触达群"], whole["已触达群"], whole["群覆盖率(%)"]) == ("嵊泗县", 6, 2, 33.3)
    assert [row[header.index("单位")] for row in rows[2:]] == ["'=cmd|' /C calc'!A0", "洋山镇", "嵊山镇"]
    meanings = {row[0].value: row[1].value for row in book["说明"].iter_rows()}
    assert "冻结" in meanings["应触达"]
    assert "20" in meanings["生成时间"]
    text = csv.read_bytes()
    assert text.startswith(b"\xef\xbb\xbf")
    assert ",'=cmd|" in text.decode("utf-8-sig")


async def _rename(name: str) -> None:
    async with open_database(load_settings()) as database, database.write() as session:
        await session.execute(sa.update(Unit).where(Unit.name == "菜园镇").values(name=name))


def test_a_file_that_cannot_be_written_is_said(number: str, tmp_path: Path) -> None:
    result = call("--csv", str(tmp_path / "no" / "out.csv"))
    assert result.exit_code == 2
    assert "无法写入" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["--alert", "1"], "没有编号为 1 的预警"),
        (["--unit", "x"], "没有编码为 x 的单位"),
        (["--period", "2026-13"], "不是月份或日期"),
        (["--period", "2026-11", "--alert", "1"], "只能写一个"),
    ],
)
def test_a_wrong_number_or_code_is_named(number: str, arguments: list[str], fault: str) -> None:
    result = call(*arguments)
    assert result.exit_code == 2
    assert fault in result.stderr


def test_nothing_released_yet_is_said() -> None:
    result = call()
    assert result.exit_code == 2
    assert "还没有发布过预警" in result.stderr


def test_verify_finds_what_does_not_agree(number: str, tmp_path: Path) -> None:
    assert "完全一致" in call("verify").stdout
    assert json.loads(call("verify", "--json").stdout) == {"agree": True, "differences": [], "waiting": 0}
    asyncio.run(_spoil(f"sqlite:///{tmp_path / 'xinfang.db'}"))
    result = call("verify", "--json")
    assert result.exit_code == 1
    line = json.loads(result.stdout)
    assert not line["agree"]
    spoilt = {(each["name"], each["stored"]) for each in line["differences"] if each["name"] != "groups_share"}
    assert spoilt == {("forwarded_groups", 3)}  # and the share that follows from it
    assert "不一致" in call("verify").stdout
    assert "完全一致" in call("verify", "--repair").stdout
    assert json.loads(call("--json").stdout)["pushed_groups"] == 2


async def _spoil(url: str) -> None:
    database = Database(url)
    async with database.write() as session:
        await session.execute(sa.update(Rollup).values(forwarded_groups=3))
    await database.close()
