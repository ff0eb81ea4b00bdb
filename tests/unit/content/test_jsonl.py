"""The line interface: one line out per line in, in order, and nothing but content behind it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.cli.jsonl import (
    AlertFileError,
    ask_once,
    match_once,
    run_ask_jsonl,
    run_match_jsonl,
    run_screen_jsonl,
    screen_once,
)

ROOT = Path(__file__).parents[3]


def run(work: Callable[..., None], *lines: object) -> list[dict[str, Any]]:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    stdout = io.BytesIO()
    work(io.BytesIO(b"\n".join(raw)), stdout)
    return [json.loads(line) for line in stdout.getvalue().splitlines()]


def test_ask_has_the_published_shape_and_order() -> None:
    answers = run(
        run_ask_jsonl, {"text": "刷单是骗人的吗"}, {"text": "我刚转了钱"}, {"text": "菜单"}, {"text": "晚饭吃啥"}
    )
    assert [answer["kind"] for answer in answers] == ["answer", "emergency", "menu", "none"]
    for answer in answers:
        assert list(answer)[:4] == ["kind", "types", "score", "text"]
        assert list(answer)[4:] == ["ranked", "fraud", "emergency", "scam", "scam_score"]
        assert answer["emergency"] == (answer["kind"] == "emergency")
        assert [list(each) for each in answer["ranked"]] == [["id", "name", "class", "score"]] * 5
        assert 0 <= answer["score"] <= 1
        assert answer["text"]
    assert answers[0]["types"][0] == "shuadan"


def test_screen_has_the_published_shape() -> None:
    scam, talk = run(run_screen_jsonl, {"text": "诚招点赞员，一单五元日结，加微信"}, {"text": "晚饭吃啥"})
    assert list(scam) == list(talk) == ["alarm", "types", "score"]
    assert (scam["alarm"], scam["types"][0]) == (True, "shuadan")
    assert (talk["alarm"], talk["types"]) == (False, [])


@pytest.mark.parametrize(
    "broken", [b"{", b"", b"[1]", b"\xff\xfe", b'{"text": 5}', b'{"texts": "x"}', b'{"text": "\\ud800"}', b"null"]
)
def test_a_broken_line_gives_an_error_in_its_place(broken: bytes) -> None:
    first, error, last = run(run_ask_jsonl, {"text": "菜单"}, broken, {"text": "菜单"})
    assert first == last
    assert list(error) == ["error"]
    assert "这一行" in error["error"]


def test_match_finds_the_alert_that_was_forwarded(tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    text = "紧急预警：近日我县出现冒充县医院财务的诈骗，骗子以补发奖金为名索要验证码，请大家不要相信，转告家人。"
    other = "周末大风停航通知：三江码头周六全天停航，请已购票旅客办理退票，恢复时间另行通知。"
    rows = [{"alert_id": "A1", "text": text}, {"alert_id": "A2", "text": other}]
    alerts.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    found = run(lambda stdin, stdout: run_match_jsonl(alerts, stdin, stdout), {"text": text}, {"text": "晚饭吃啥"})
    assert [list(row) for row in found] == [["alert_id", "score"]] * 2
    assert [row["alert_id"] for row in found] == ["A1", None]


def test_a_faulty_alert_file_is_named_with_its_line(tmp_path: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_text('{"alert_id": "A1", "text": "x"}\n{"alert_id": 3}\n', encoding="utf-8")
    with pytest.raises(AlertFileError, match=r"alerts\.jsonl:2"):
        run_match_jsonl(alerts, io.BytesIO(), io.BytesIO())
    with pytest.raises(AlertFileError, match="打不开"):
        run_match_jsonl(tmp_path / "none.jsonl", io.BytesIO(), io.BytesIO())


def test_one_message_is_answered_and_explained(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ask_once("群里说点赞一单五块让我先垫付", explain=True)
    said = capsys.readouterr().out
    assert said.startswith("【刷单返利】")
    assert "shuadan  " in said.split("命中的词句")[1].split("最接近的例句")[0]
    screen_once("诚招点赞员，一单五元日结，加微信")
    screen_once("晚饭吃啥")
    alerts = tmp_path / "alerts.jsonl"
    alerts.write_text(
        json.dumps({"alert_id": "A1", "text": "三江码头周六全天停航，请旅客改期出行"}), encoding="utf-8"
    )
    match_once(alerts, "三江码头周六全天停航，请旅客改期出行")
    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("报警：shuadan")
    assert second.startswith("不报警")
    assert third.startswith("A1")


PROGRAM = """
import sys
from handlers.cli.jsonl import run_ask_jsonl
assert not [name for name in sys.modules if name == "db" or name.startswith(("db.", "sqlalchemy", "pypinyin"))]
run_ask_jsonl(sys.stdin.buffer, sys.stdout.buffer)
peak = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak[0].split()[1]) // 1024, file=sys.stderr)
"""


def test_it_streams_without_a_database_in_little_memory() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for _ in range(3):  # each answer arrives before the next question is written
            process.stdin.write('{"text": "刷单是骗人的吗"}\n'.encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["types"][0] == "shuadan"
        process.stdin.close()
        assert process.stdout.read() == b""
        mebibytes = int(process.stderr.read())
    assert process.returncode == 0
    assert mebibytes <= 150
