"""The page of settings: complete, true, and silent about secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import Settings, WechatyGateway, load_settings
from bot.settings_view import HIDDEN, Source, list_settings
from db.session import Database
from db.states import Role
from tests.console import open_console

SECRETS = {
    "metrics_token": "let-me-read",
    "database_url": "postgresql://office:secret-word@db.office/xinfang?password=other-word",
    "wechaty_gateways": [WechatyGateway(name="心防一号", endpoint="127.0.0.1:8788", token="gateway-word")],
}


def test_every_setting_says_what_it_means_and_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("xinfang.toml").write_text('office = "甲县反诈中心"\nport = 9000\n', encoding="utf-8")
    monkeypatch.setenv("XINFANG_PORT", "9001")
    rows = {row.name: row for row in list_settings(load_settings(gap_seconds=1))}
    assert list(rows) == list(Settings.model_fields)
    assert all(row.meaning for row in rows.values())
    told = {name: (row.value, row.default, row.source) for name, row in rows.items() if row.changed}
    assert told == {
        "office": ("甲县反诈中心", "嵊泗县反诈中心", Source.FILE),
        "port": ("9001", "8080", Source.ENVIRONMENT),
        "gap_seconds": ("1.0", "3.0", Source.COMMAND),
    }
    assert (rows["quiet_start"].value, rows["quiet_start"].source) == ("22:00", Source.DEFAULT)
    assert rows["quiet_exempt"].value == "red"
    assert rows["second_person"].default == "true"
    assert (rows["port"].allowed, rows["log_level"].allowed) == ("0–65535", "debug、info、warning、error")
    assert rows["send_timeout"].allowed == "大于 0，至 120"
    assert rows["channels"].allowed == "local、wechaty"


def test_secrets_are_hidden_and_the_rest_of_them_shown() -> None:
    rows = {row.name: row for row in list_settings(Settings(**SECRETS))}
    assert rows["metrics_token"].value == HIDDEN
    assert rows["metrics_token"].default == "（空）"
    assert rows["database_url"].value == "postgresql://office:***@db.office/xinfang"
    assert rows["wechaty_gateways"].value == f"name 心防一号，endpoint 127.0.0.1:8788，token {HIDDEN}"


async def test_the_page_is_for_administrators_and_tells_no_secret(sqlite_database: Database) -> None:
    async with open_console(sqlite_database, **SECRETS) as console:
        admin = await console.signed_in(Role.ADMIN)
        page = await admin.get("/settings")
        assert page.shows("怎样修改", "xinfang.toml", *Settings.model_fields)
        for word in ("let-me-read", "secret-word", "other-word", "gateway-word"):
            assert word not in page.text
        found = await admin.get("/settings", q="免打扰开始")
        assert found.shows("quiet_start")
        assert not found.shows("quiet_end")
        changed = await admin.get("/settings", view="changed")
        assert changed.shows("与默认不同 4", "database_url", "secret_key")
        assert not changed.shows("quiet_start")
        assert (await admin.get("/settings", q="没有的")).shows("没有这样的设置")
