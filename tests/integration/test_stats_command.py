"""`stats` and `stats verify`, as people and scripts call them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner, Result

from bot.settings import load_settings
from db.models import Rollup
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
    assert ["嵊泗县", "2/6", "33%", "160/480", "33%", "2", "0", "0", "8", "秒", "8", "秒"] in rows
    assert ["洋山镇", "0/1", "0%", "0/80", "0%", "0", "0", "0", "—", "—"] in rows
    assert rows.index(["嵊山镇", "没有群", "—", "—", "—", "—", "—", "—"]) > rows.index(
        ["洋山镇", "0/1", "0%", "0/80", "0%", "0", "0", "0", "—", "—"]
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


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [(["--alert", "1"], "没有编号为 1 的预警"), (["--unit", "x"], "没有编码为 x 的单位")],
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
    assert {(each["name"], each["stored"]) for each in line["differences"]} == {("forwarded_groups", 3)}
    assert "不一致" in call("verify").stdout
    assert "完全一致" in call("verify", "--repair").stdout
    assert json.loads(call("--json").stdout)["pushed_groups"] == 2


async def _spoil(url: str) -> None:
    database = Database(url)
    async with database.write() as session:
        await session.execute(sa.update(Rollup).values(forwarded_groups=3))
    await database.close()
