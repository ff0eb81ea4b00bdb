"""Settings: each is documented, each wrong value is named with what is allowed instead."""

from __future__ import annotations

import os
import re
from datetime import time
from enum import Enum
from pathlib import Path
from typing import Any

import annotated_types
import pytest

from bot.errors import SettingsError
from bot.settings import Settings, load_settings
from db.states import Severity

DOCUMENT = Path(__file__).parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `(\w+)` \| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("XINFANG_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(value: Any) -> str:
    """A default as the document and the environment write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(written(item) for item in value)
    if isinstance(value, time):
        return f"{value:%H:%M}"
    return str(value.value if isinstance(value, Enum) else value)


def bounds(name: str) -> list[tuple[str, float]]:
    kinds = {
        annotated_types.Ge: "ge",
        annotated_types.Gt: "gt",
        annotated_types.Le: "le",
        annotated_types.MinLen: "min_length",
        annotated_types.MaxLen: "max_length",
    }
    found = [(kinds[type(rule)], rule) for rule in Settings.model_fields[name].metadata if type(rule) in kinds]
    return [(kind, getattr(rule, kind)) for kind, rule in found]


def plain(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def test_every_setting_is_documented_and_nothing_else() -> None:
    rows = {row[0]: row[1:] for row in ROW.findall(DOCUMENT.read_text(encoding="utf-8"))}
    assert list(rows) == list(Settings.model_fields), "docs/settings.md and bot.settings.Settings differ"
    for name, (variable, default, allowed, meaning) in rows.items():
        assert variable == f"XINFANG_{name.upper()}"
        shown = written(Settings.model_fields[name].default)
        assert default == (f"`{shown}`" if shown else "（空）"), name
        for kind, bound in bounds(name):
            assert re.search(rf"(?<![\d.]){plain(bound)}(?![\d.])", allowed), (name, kind)
        assert re.search(r"[一-鿿].*。.*[A-Za-z]+.*\.$", meaning), f"{name}: Chinese, then English"
    assert set(re.findall(r"`(\w+)`", rows["quiet_exempt"][2])) == {severity.value for severity in Severity}


def test_the_documented_defaults_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, field in Settings.model_fields.items():
        monkeypatch.setenv(f"XINFANG_{name.upper()}", written(field.default))
    assert load_settings() == Settings()


@pytest.mark.parametrize("name", [name for name in Settings.model_fields if bounds(name)])
def test_every_bound_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "ge": "不能小于 {}",
        "gt": "必须大于 {}",
        "le": "不能大于 {}",
        "min_length": "不能为空",
        "max_length": "最多 {} 个字",
    }
    for kind, bound in bounds(name):
        beyond = {
            "ge": bound - 1,
            "gt": bound,
            "le": bound + 1,
            "min_length": "",
            "max_length": "长" * int(bound + 1),
        }
        monkeypatch.setenv(f"XINFANG_{name.upper()}", str(beyond[kind]))
        message = refusal()
        assert f"{name}（环境变量 XINFANG_{name.upper()}）" in message
        assert said[kind].format(plain(bound)) in message


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("port", "八千", "应为整数"),
        ("port", "80.5", "应为整数"),
        ("port", "", "应为整数"),
        ("gap_seconds", "快", "应为数字"),
        ("gap_seconds", "nan", "不能大于 600"),
        ("log_level", "loud", "只能是 debug、info、warning、error"),
        ("log_format", "xml", "只能是 json、text"),
        ("channels", "local,telegram", "只能是 local"),
        ("channels", '["local"', '应为列表，如 a,b 或 ["a","b"]'),
        ("quiet_exempt", "red,pink", "只能是 red、orange、yellow、blue"),
        ("quiet_start", "25:00", "应为时间，如 22:00"),
        ("quiet_end", "七点", "应为时间，如 22:00"),
        ("quiet_start", "22:00+08:00", "不带时区"),
        ("second_person", "也许", "只能是 true 或 false"),
        ("timezone", "Asia/Zhoushan", "应为时区名称，如 Asia/Shanghai"),
        ("database_url", "mysql://db", "应以 sqlite:/// 或 postgresql:// 开头，或留空"),
        ("database_url", "sqlite:///", "后面应写文件路径"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"XINFANG_{name.upper()}", value)
    message = refusal()
    assert f"{name}（环境变量 XINFANG_{name.upper()}）" in message
    assert allowed in message


@pytest.mark.parametrize(
    ("line", "name", "allowed"),
    [
        ("host = 5", "host", "应为文字，写在引号里"),
        ("data_dir = 5", "data_dir", "应为路径，写在引号里"),
        ("port = 80.5", "port", "应为整数"),
        ("port = [1]", "port", "应为整数"),
        ("gap_seconds = [1]", "gap_seconds", "应为数字"),
        ("second_person = [1]", "second_person", "只能是 true 或 false"),
        ("quiet_start = true", "quiet_start", "应为时间，如 22:00"),
        ("channels = 1", "channels", "应为列表"),
        ("colour = 1", "colour", "没有这个设置项"),
        ("port 8080", "xinfang.toml", "TOML"),
    ],
)
def test_a_wrong_line_of_the_file_is_named(line: str, name: str, allowed: str) -> None:
    Path("xinfang.toml").write_text(line, encoding="utf-8")
    message = refusal()
    assert name in message
    assert allowed in message


def test_every_fault_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFANG_PORT", "x")
    monkeypatch.setenv("XINFANG_PER_DAY", "0")
    assert {"port", "per_day"} <= set(re.findall(r"^  (\w+)（", refusal(), re.MULTILINE))


def test_a_misspelt_variable_and_a_missing_or_foreign_file_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFANG_GAP_SECOND", "1")
    assert "XINFANG_GAP_SECOND" in refusal()
    monkeypatch.delenv("XINFANG_GAP_SECOND")
    monkeypatch.setenv("XINFANG_CONFIG", "nowhere.toml")
    assert "找不到设置文件 nowhere.toml" in refusal()
    Path("gbk.toml").write_bytes('office = "县"'.encode("gbk"))
    monkeypatch.setenv("XINFANG_CONFIG", "gbk.toml")
    assert "UTF-8" in refusal()


def test_arguments_beat_the_environment_and_that_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("xinfang.toml").write_text('port = 1\noffice = "甲县"\nquiet_exempt = ["red", "blue"]\n', encoding="utf-8")
    monkeypatch.setenv("XINFANG_PORT", "2")
    monkeypatch.setenv("XINFANG_CHANNELS", '["local"]')
    settings = load_settings()
    assert (settings.port, settings.office, load_settings(port=3).port) == (2, "甲县", 3)
    assert settings.quiet_exempt == [Severity.RED, Severity.BLUE]
    assert settings.channels == ["local"]


def test_the_database_is_in_the_data_folder_unless_it_is_named(tmp_path: Path) -> None:
    assert load_settings(data_dir=tmp_path / "x").database == f"sqlite:///{tmp_path / 'x' / 'xinfang.db'}"
    assert load_settings(database_url="postgresql://u@h/d").database == "postgresql://u@h/d"


def refusal() -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings()
    return str(caught.value)
