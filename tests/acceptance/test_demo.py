"""The demo as a new user runs it, unattended; and the commands that scripts rely on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


def run(*arguments: str, stdin: str = "", folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XINFANG_LOG_LEVEL": "error"}
    if folder is not None:
        environment["XINFANG_DATA_DIR"] = str(folder)
    return subprocess.run(
        [sys.executable, "bot.py", *arguments],
        cwd=ROOT,
        input=stdin,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_demo_plays_the_whole_story() -> None:
    done = run("demo", "--exit")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["ok"] is True
    assert (result["groups"], result["expected_groups"]) == (213, 213)
    assert result["members"] >= 20_000
    assert all(result["invariants"].values())
    assert len(result["invariants"]) == 11
    assert result["sent"] + result["failed"] == result["deliveries"]
    assert result["forwards"] > 0
    assert result["reports"] == 1
    assert "演示加速" in done.stderr


def test_demo_of_reach_reconciles_one_unit_with_the_log() -> None:
    done = run("demo", "--reach", "--exit")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["ok"] is True
    assert (result["alerts"], result["groups"]) == (5, 213)
    assert [rank for rank, _, _ in result["league"]] == list(range(1, 8))
    reconciled = result["reconciled"]
    assert all(counted == kept for counted, kept in reconciled.values())
    assert all(
        reconciled[name][0] for name in ("推送群", "转发群", "报告群", "浏览")
    )  # there was something to compare
    assert "完全一致" in done.stderr


def test_one_line_out_for_each_line_in_same_order() -> None:
    lines = ['{"text":"有人叫我刷单先垫付"}', "不是 JSON", '{"text":""}', '{"text":"我刚把钱转过去了怎么办"}']
    done = run("ask", "--jsonl", stdin="\n".join(lines) + "\n")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("kind") for answer in answers] == ["answer", None, "menu", "emergency"]
    assert answers[0]["types"][0] == "shuadan"
    assert set(answers[0]) >= {"kind", "types", "score", "text", "ranked", "emergency", "scam"}
    assert "JSON" in answers[1]["error"]


def test_screen_and_match(tmp_path: Path) -> None:
    done = run("screen", "--jsonl", stdin='{"text":"招点赞员日结，一单五元，先做后付，加群"}\n{"text":"吃了吗"}\n')
    assert [json.loads(line)["alarm"] for line in done.stdout.splitlines()] == [True, False]
    text = "近日我县发生冒充快递理赔诈骗，骗子谎称包裹丢失可以三倍赔付，诱导下载会议软件共享屏幕。"
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_text(json.dumps({"alert_id": "a1", "text": text}) + "\n", "utf-8")
    lines = [json.dumps({"text": "转发！" + text}), json.dumps({"text": "今晚吃什么"})]
    done = run("match", "--alerts", str(alerts), "--jsonl", stdin="\n".join(lines) + "\n")
    assert [json.loads(line)["alert_id"] for line in done.stdout.splitlines()] == ["a1", None]


@pytest.mark.parametrize("command", ["ask", "screen", "match"])
def test_library_commands_never_load_the_database(command: str) -> None:
    code = (
        "import sys; from handlers.cli.main import build_app; build_app(sys.argv[1]);"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'sqlalchemy', 'aiosqlite', 'asyncpg', 'db'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_help_lists_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    from handlers.cli.main import COMMANDS

    for name in COMMANDS:
        assert name in done.stdout


def test_wrong_setting_is_named(tmp_path: Path) -> None:
    environment = {**os.environ, "XINFANG_PORT": "eighty", "XINFANG_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "bot.py", "run"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert "XINFANG_PORT" in done.stderr
    assert "应为整数" in done.stderr
    assert "Traceback" not in done.stderr
