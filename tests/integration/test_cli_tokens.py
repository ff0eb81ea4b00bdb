"""`user token`: made, listed and revoked from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from handlers.cli.init import init
from handlers.cli.user import user_app
from tests.offices import call, line, refused, set_up, shown


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(tmp_path, monkeypatch)
    call(init)


def test_a_token_is_shown_once_listed_without_its_text_and_revoked() -> None:
    facts = line(
        call(user_app, "token", "add", "admin", "--name", "日报", "--scope", "read", "--scope", "write", "--json")
    )
    assert facts["token"].startswith("xf_")
    assert facts["scopes"] == ["read", "write"]
    listed = call(user_app, "token", "list", "admin", "--json")
    assert facts["token"] not in listed.stdout
    assert [(one["name"], one["hint"]) for one in line(listed)] == [("日报", facts["token"][-4:])]
    assert line(call(user_app, "token", "revoke", "admin", str(facts["id"]), "--json"))["revoked"] is True
    assert line(call(user_app, "token", "list", "admin", "--json"))[0]["revoked"] is True
    refused(call(user_app, "token", "revoke", "admin", str(facts["id"])), "已吊销")


def test_people_read_what_they_need() -> None:
    shown(call(user_app, "token", "add", "admin", "--name", "日报", "--days", "7"), "只显示这一次，7 天内有效", "xf_")
    shown(call(user_app, "token", "list", "admin"), "日报", "查看", "有效")


def test_faults_are_said() -> None:
    refused(call(user_app, "token", "add", "nobody", "--name", "x"), "没有用户 nobody")
    refused(call(user_app, "token", "add", "admin", "--name", " "), "请写明用途")
