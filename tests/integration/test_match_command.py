"""`match`: over a file of alerts and over the alerts of the database, with the reasons."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from bot.clock import SystemClock
from bot.settings import load_settings
from db.states import Relation
from handlers.cli.common import open_database
from handlers.cli.match import match
from tests.chatting import ALERT_TEXT, BODY, Chat

app = typer.Typer()
app.command("match")(match)
runner = CliRunner()


@pytest.fixture
def alerts(tmp_path: Path) -> str:
    path = tmp_path / "alerts.jsonl"
    rows = [
        {"alert_id": "A1", "text": ALERT_TEXT},
        {"alert_id": "A2", "text": "周末大风停航通知：三江码头周六全天停航。"},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def call(*arguments: str, given: str | None = None) -> Result:
    return runner.invoke(app, list(arguments), input=given)


def test_the_decision_is_explained_with_the_shared_passages(alerts: str) -> None:
    said = call("--alerts", alerts, "--explain", f"转发！大家看看\n{ALERT_TEXT}").output
    assert said.startswith("A1  ")
    assert "认定为这条预警的转发" in said
    assert "诱导她下载会议软件并打开屏幕共享" in said


def test_another_case_in_the_same_form_is_named_as_that(alerts: str) -> None:
    sibling = (
        ALERT_TEXT.replace("菜园镇居民王女士", "洋山镇居民徐先生")
        .replace("快递公司", "航空公司")
        .replace("包裹丢失", "航班取消")
    )
    said = call("--alerts", alerts, "--explain", sibling).output
    assert said.startswith("不是任何一条预警的转发")
    assert "同一模板的另一起案件" in said


def test_json_has_everything_and_nothing_else_is_printed(alerts: str) -> None:
    result = json.loads(call("--alerts", alerts, "--json", given=ALERT_TEXT).stdout)
    assert (result["alert_id"], result["threshold"]) == ("A1", 0.4)
    (candidate,) = result["candidates"]
    assert (candidate["alert_id"], candidate["verdict"]) == ("A1", "credited")
    assert candidate["passages"]
    nothing = json.loads(call("--alerts", alerts, "--json", "今晚吃什么").stdout)
    assert (nothing["alert_id"], nothing["candidates"]) == (None, [])


def test_a_file_is_read_and_faults_are_told(alerts: str, tmp_path: Path) -> None:
    message = tmp_path / "message.txt"
    message.write_text(BODY, encoding="utf-8")
    assert call("--alerts", alerts, "--file", str(message)).output.startswith("A1")
    assert call("--alerts", alerts, "--jsonl", given='{"text": "好"}').stdout == '{"alert_id":null,"score":0.0}\n'
    assert call("--jsonl").exit_code == 2
    message.write_text("{}", encoding="utf-8")
    broken = call("--alerts", str(message), "x")
    assert (broken.exit_code, "message.txt:1" in broken.output) == (2, True)


async def _office() -> tuple[str, str]:
    async with open_database(load_settings()) as database:
        chat = await Chat(database).build()
        now = SystemClock().now()
        old = await chat.release(number="20261121-01", released_at=now)
        body = BODY + "其中一笔已止付。"
        new = await chat.release(
            number="20261121-02", released_at=now, body=body, relation=Relation.UPDATE, related_id=old.id
        )
        return old.number, new.number


def test_the_alerts_of_the_database_are_compared_with_what_they_are_today(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XINFANG_DATA_DIR", str(tmp_path))
    old, new = asyncio.run(_office())
    said = call("--explain", ALERT_TEXT).output
    assert said.startswith(f"{old}《冒充快递理赔的诈骗又来了》（已更正或取消）")
    assert f"{new}《" in said
    standings = {row["standing"] for row in json.loads(call("--json", ALERT_TEXT).stdout)["candidates"]}
    assert standings == {"outdated", "live"}
