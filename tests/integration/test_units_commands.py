"""The commands as people and scripts call them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner, Result

from bot.clock import SystemClock
from bot.database import open_ready
from bot.people import use_bind_code
from bot.sample_county import SAMPLE
from bot.settings import load_settings
from db.models import Person
from handlers.cli.people import people_app
from handlers.cli.units import units_app

runner = CliRunner()


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An office that has nothing yet: the first command makes the database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XINFANG_DATA_DIR", str(tmp_path))


def units(*arguments: str, answer: str = "") -> Result:
    return runner.invoke(units_app, list(arguments), input=answer)


def line(result: Result) -> dict[str, Any]:
    assert result.stdout.count("\n") == 1
    return dict(json.loads(result.stdout))


def test_import_previews_asks_and_imports() -> None:
    refused = units("import", str(SAMPLE), answer="n\n")
    assert "213" in refused.stdout
    assert "已取消" in refused.stdout
    assert "已导入" in units("import", str(SAMPLE), answer="y\n").stdout
    again = units("import", str(SAMPLE))
    assert "没有需要导入的内容" in again.stdout
    assert again.exit_code == 0


def test_scripts_get_one_line() -> None:
    preview = line(units("import", str(SAMPLE), "--dry-run", "--json"))
    assert (preview["applied"], preview["groups"]["added"]) == (False, 213)
    assert line(units("import", str(SAMPLE), "--yes", "--json"))["applied"] is True
    assert line(units("import", str(SAMPLE), "--yes", "--json"))["groups"]["unchanged"] == 213
    asked = units("import", str(SAMPLE), "--json")
    assert asked.exit_code == 2
    assert "--yes" in line(asked)["error"]


def test_faults_are_listed_on_stderr_and_for_scripts(tmp_path: Path) -> None:
    file = tmp_path / "坏.csv"
    file.write_text("编码,名称,类型,上级编码\n33,[b]县,大县,\n", encoding="utf-8")
    shown = units("import", str(file))
    assert shown.exit_code == 2
    assert "1 处需要修改" in shown.stderr
    assert "大县" in shown.stderr
    scripted = units("import", str(file), "--dry-run", "--json")
    assert scripted.exit_code == 2
    (fault,) = line(scripted)["faults"]
    assert (fault["row"], fault["column"]) == (2, "类型")


def test_a_missing_file_and_a_wrong_setting_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = units("import", "nowhere.xlsx")
    assert (missing.exit_code, "无法读取文件" in missing.stderr) == (2, True)
    monkeypatch.setenv("XINFANG_PORT", "x")
    wrong = units("gaps")
    assert (wrong.exit_code, "XINFANG_PORT" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [["out.xlsx"], ["out.csv"], ["out.csv", "--table", "groups"]])
def test_what_is_exported_can_be_imported(tmp_path: Path, arguments: list[str]) -> None:
    units("import", str(SAMPLE), "--yes")
    assert units("export", *arguments).exit_code == 0
    assert "没有需要导入的内容" in units("import", arguments[0]).stdout
    assert units("export", "out.txt").exit_code == 2


def test_template_and_gaps() -> None:
    assert units("template", "模板.xlsx").exit_code == 0
    assert units("template", "模板.csv").exit_code == 2
    units("import", str(SAMPLE), "--yes")
    shown = units("gaps").stdout
    assert "团县委" in shown
    assert "486 人" in shown
    assert line(units("gaps", "--json"))["counts"]["nearly_full"] == 2


def test_bind_code_is_shown_once(tmp_path: Path) -> None:
    units("import", str(SAMPLE), "--yes")
    bound = runner.invoke(people_app, ["bind", "--name", "李静", "--unit", "330922100", "--json"])
    assert len(line(bound)["code"]) == 8
    spoken = runner.invoke(people_app, ["bind", "--name", "李静", "--unit", "330922100", "--role", "reviewer"])
    assert "只显示这一次" in spoken.stdout
    wrong = runner.invoke(people_app, ["bind", "--name", "李静", "--unit", "nowhere"])
    assert (wrong.exit_code, "nowhere" in wrong.stderr) == (2, True)


def test_links_to_the_phone_page_are_ended_by_name_and_unit(tmp_path: Path) -> None:
    units("import", str(SAMPLE), "--yes")
    wrong = runner.invoke(people_app, ["end-links", "--name", "李静", "--unit", "330922100"])
    assert (wrong.exit_code, "没有叫李静的联络员" in wrong.stderr) == (2, True)
    code = line(runner.invoke(people_app, ["bind", "--name", "李静", "--unit", "330922100", "--json"]))["code"]
    asyncio.run(_bind(code))
    ended = runner.invoke(people_app, ["end-links", "--name", "李静", "--unit", "330922100"])
    assert "已全部作废" in ended.stdout
    assert asyncio.run(_link_version()) == 2


async def _bind(code: str) -> None:
    now = SystemClock().now()
    database = await open_ready(load_settings(), now=now)
    async with database.write() as session:
        await use_bind_code(session, code=code, channel="local", member_hash="x", now=now)
    await database.close()


async def _link_version() -> int:
    database = await open_ready(load_settings(), now=SystemClock().now())
    async with database.read() as session:
        version = await session.scalar(sa.select(Person.link_version))
    await database.close()
    return version or 0
