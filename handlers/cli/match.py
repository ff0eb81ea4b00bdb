"""`match`: which alert does a message pass on, and why.

With `--alerts FILE` no database is touched, and with `--jsonl` it is the stable interface for scripts; without, the
alerts of the database are compared, as the running bot does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from content.fingerprints import Explanation
from content.match_explaining import Candidate
from handlers.cli import jsonl as lines

Name = Callable[[str], str]
"""How an alert of the explanation is called by people: its number and title, or the id that the file gives."""

NOTHING = "没有一条预警与它有足够多的相同文字"


def match(
    text: Annotated[str, typer.Argument(help="群里的一条消息；不写或写 - 则从标准输入读")] = "-",
    alerts: Annotated[
        Path | None,
        typer.Option(
            "--alerts", help='预警文件，每行一个 {"alert_id":…,"text":…}；不写则用数据库里的预警', exists=True
        ),
    ] = None,
    file: Annotated[Path | None, typer.Option("--file", help="从文件读这条消息", exists=True)] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help='标准输入每行一个 {"text":…}；需要 --alerts')] = False,
    explain: Annotated[bool, typer.Option("--explain", help="列出比较过的预警、得分、相同的文字和理由")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="输出一行 JSON")] = False,
) -> None:
    """判断一条消息是不是某条预警的转发，并说明理由。"""
    if jsonl and alerts is None:
        _refuse("--jsonl 需要用 --alerts 指定预警文件")
    try:
        if jsonl and alerts is not None:
            lines.run_match_jsonl(alerts, sys.stdin.buffer, sys.stdout.buffer)
            return
        message = _message(text, file)
        found, named, standing = (
            _from_file(alerts, message) if alerts is not None else _from_database(message, as_json)
        )
    except lines.AlertFileError as error:
        _refuse(str(error))
    if as_json:
        lines.print_line(explanation_json(found, standing))
    else:
        typer.echo("\n".join(_rows(found, named, explain)))


def _refuse(why: str) -> None:
    typer.echo(why, err=True)
    raise typer.Exit(2)


def _message(text: str, file: Path | None) -> str:
    if file is not None:
        return file.read_text(encoding="utf-8", errors="replace")
    return sys.stdin.buffer.read().decode("utf-8", errors="replace") if text in ("", "-") else text


def _from_file(alerts: Path, message: str) -> tuple[Explanation, Name, dict[str, str]]:
    return lines.read_alerts(alerts).explain(message), str, {}


def _from_database(message: str, as_json: bool) -> tuple[Explanation, Name, dict[str, str]]:
    from handlers.cli.common import run_command  # the database's modules cost half a second
    from handlers.cli.match_live import explain_live

    found, names, standing = run_command(lambda settings: explain_live(settings, message), as_json=as_json)
    return found, lambda alert_id: names.get(alert_id, alert_id), standing


def explanation_json(found: Explanation, standing: dict[str, str]) -> dict[str, Any]:
    """The stable shape of `match --json`; `standing` is live, outdated or old for alerts of the database."""
    match = asdict(found.match)
    candidates = [
        {**asdict(candidate), "verdict": candidate.verdict.name.lower(), "why": candidate.verdict.value}
        | ({"standing": standing[candidate.alert_id]} if candidate.alert_id in standing else {})
        for candidate in found.candidates
    ]
    return match | {"threshold": found.threshold, "letters": found.letters, "candidates": candidates}


def _rows(found: Explanation, named: Name, explain: bool) -> list[str]:
    match = found.match
    credited = match.alert_id or (max(match.tied) if match.tied else None)
    rows = [f"{named(credited) if credited else '不是任何一条预警的转发'}  {match.score:.2f}"]
    rows += [f"同时转发了：{named(alert_id)}" for alert_id in match.also]
    if not explain:
        return rows
    rows += ["", f"消息去掉标点、空格和表情后 {found.letters} 个字；得分达到 {found.threshold} 才认定。"]
    rows += [] if found.candidates else [NOTHING + "。"]
    for candidate in found.candidates:
        rows += _candidate_rows(candidate, named)
    return rows


def _candidate_rows(candidate: Candidate, named: Name) -> list[str]:
    rows = [
        "",
        f"{named(candidate.alert_id)}",
        f"  得分 {candidate.score:.2f}：{candidate.verdict.value}",
        f"  照抄 {candidate.copied} 个字，独有程度 {candidate.weight}，可信 {candidate.credibility:.0%}"
        + ("，消息里有它的编号" if candidate.numbered else ""),
    ]
    return rows + [f"  ｜{' '.join(passage.split())}" for passage in candidate.passages]
