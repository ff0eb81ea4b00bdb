"""JSON lines in, JSON lines out: the stable interface for scripts and measurement; and the same for one message.

One line out per line in, in the same order, written as soon as it is known. A line that cannot be read gives
``{"error": …}`` in its place and the next one goes on. Nothing here touches the database.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from bot.knowledge import packaged
from content.asking import Asker
from content.fingerprints import AlertIndex
from content.screening import judge

SHOWN_TYPES = 5

Answerer = Callable[[str], dict[str, Any]]


class AlertFileError(Exception):
    """预警文件读不出来。"""


def run_ask_jsonl(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """``{"text":…}`` → what :func:`answer_row` returns."""
    asker = packaged().asker
    _run(stdin, stdout, lambda text: answer_row(asker, text))


def answer_row(asker: Asker, text: str) -> dict[str, Any]:
    """Everything that is known about one message.

    ``kind``, ``types``, ``score`` and ``text`` are the reply; ``ranked`` holds the likeliest types whatever the
    threshold (id, name, class, score); ``fraud`` is the probability that the message is about fraud at all;
    ``emergency`` and ``scam`` (the message is itself a scam) are yes or no.
    """
    match = asker.matcher.match(text)
    reply = asker.reply(text, match)
    screening = judge(match)
    return {
        "kind": reply.kind,
        "types": reply.types,
        "score": reply.score,
        "text": reply.text,
        "ranked": [
            {"id": each.type_id, "name": each.name, "class": each.fraud_class, "score": round(each.score, 4)}
            for each in asker.ranked(match, SHOWN_TYPES)
        ],
        "fraud": round(match.fraud, 4),
        "emergency": reply.kind == "emergency",
        "scam": screening.alarm,
        "scam_score": screening.score,
    }


def run_screen_jsonl(stdin: BinaryIO, stdout: BinaryIO) -> None:
    """``{"text":…}`` → ``{"alarm":…,"types":[…],"score":…}``."""
    screener = packaged().screener

    def answer(text: str) -> dict[str, Any]:
        screening = screener.screen(text)
        return {"alarm": screening.alarm, "types": screening.types, "score": screening.score}

    _run(stdin, stdout, answer)


def run_match_jsonl(alerts_path: Path, stdin: BinaryIO, stdout: BinaryIO) -> None:
    """``{"text":…}`` → ``{"alert_id":…,"score":…}`` against the alerts of a JSON lines file.

    Raises ``AlertFileError`` naming the line when that file is not readable.
    """
    index = read_alerts(alerts_path)

    def answer(text: str) -> dict[str, Any]:
        found = index.match(text)
        return {"alert_id": found.alert_id, "score": found.score}

    _run(stdin, stdout, answer)


def ask_once(text: str, explain: bool = False, as_json: bool = False) -> None:
    """Print the reply to one message; with ``explain`` also the phrases and examples that led to it."""
    asker = packaged().asker
    if as_json:
        print(orjson.dumps(answer_row(asker, text)).decode())
        return
    explanation = asker.explain(text)
    reply = explanation.reply
    print(reply.text)
    if not explain:
        return
    print(
        f"\n{reply.kind}  {'、'.join(reply.types) or '—'}  {reply.score:.2f}  （涉诈概率 {explanation.match.fraud:.2f}）"
    )
    print("命中的词句：")
    for hit in explanation.hits:
        print(f"  {hit.evidence:4.1f}  {hit.type_id}  {hit.phrase.text}")
    print("最接近的例句：")
    for near in explanation.neighbours:
        print(f"  {near.similarity:4.2f}  {near.type_id}  {near.text}")


def screen_once(text: str) -> None:
    """Print whether one message is itself a scam."""
    screening = packaged().screener.screen(text)
    verdict = f"报警：{'、'.join(screening.types)}" if screening.alarm else "不报警"
    print(f"{verdict}  {screening.score:.2f}")


def match_once(alerts_path: Path, text: str) -> None:
    """Print which alert of the file one message forwards. Raises ``AlertFileError``."""
    found = read_alerts(alerts_path).match(text)
    print(f"{found.alert_id or '不是任何一条预警的转发'}  {found.score:.2f}")


def read_alerts(path: Path) -> AlertIndex:
    """The alerts of a JSON lines file. Raises ``AlertFileError`` naming the line."""
    index = AlertIndex()
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise AlertFileError(f"打不开预警文件 {path}：{error.strerror}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _parsed(line)
        if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in ("alert_id", "text")):
            raise AlertFileError(f'{path}:{number} 应为 {{"alert_id": "…", "text": "…"}}')
        index.add(row["alert_id"], row["text"])
    return index


def print_line(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_APPEND_NEWLINE).decode())


def _run(stdin: BinaryIO, stdout: BinaryIO, answer: Answerer) -> None:
    for line in stdin:
        stdout.write(orjson.dumps(_answered(line, answer), option=orjson.OPT_APPEND_NEWLINE))
        stdout.flush()


def _answered(line: bytes, answer: Answerer) -> dict[str, Any]:
    row = _parsed(line)
    if row is _BROKEN:
        return {"error": "这一行不是有效的 JSON"}
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return {"error": '这一行应为 {"text": "…"}，text 是一段文字'}
    return answer(row["text"])


_BROKEN = object()


def _parsed(line: bytes) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return _BROKEN
