"""Commands that need the fraud library only: `ask`, `screen`. They never touch a database."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from handlers.cli import jsonl as lines


def ask(
    text: Annotated[str, typer.Argument(help="要问的话")] = "",
    jsonl: Annotated[bool, typer.Option("--jsonl", help='标准输入每行一个 {"text":…}，逐行答复')] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="一行 JSON：答复、类型排名、是否紧急、是否诈骗信息")
    ] = False,
    explain: Annotated[bool, typer.Option("--explain", help="列出命中的词句和最接近的例句")] = False,
) -> None:
    """试问一句话，看机器人怎样答复。"""
    if jsonl:
        lines.run_ask_jsonl(sys.stdin.buffer, sys.stdout.buffer)
    else:
        lines.ask_once(text, explain=explain, as_json=as_json)


def screen(
    text: Annotated[str, typer.Argument(help="群里的一条消息")] = "",
    jsonl: Annotated[bool, typer.Option("--jsonl", help='标准输入每行一个 {"text":…}')] = False,
) -> None:
    """判断群里的一条消息本身是不是诈骗。"""
    if jsonl:
        lines.run_screen_jsonl(sys.stdin.buffer, sys.stdout.buffer)
    else:
        lines.screen_once(text)
