"""The commands as people and scripts call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bot.sample_county import SAMPLE
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
