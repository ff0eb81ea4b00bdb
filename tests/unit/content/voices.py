"""One loaded library for all tests of this folder, and texts of any kind for properties."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import strategies as st

from bot.knowledge import packaged
from content.asking import Asker
from content.library import Library
from content.screening import Screener

HERE = Path(__file__).parent

ANY_TEXT = st.text(alphabet=st.characters(), max_size=300)
"""Any Unicode, lone surrogates and unassigned code points included."""

CHAT_LIKE = st.text(
    alphabet="我你他妈刚转了钱没给骗的吗刷单客服验证码屏幕共享贷款群里老师,。?!0123456789 \n·🔥", max_size=200
)


def library() -> Library:
    return packaged().library


def asker() -> Asker:
    return packaged().asker


def screener() -> Screener:
    return packaged().screener


def questions() -> list[tuple[str, str]]:
    """Hand-written questions of residents: (text, type id)."""
    lines = (HERE / "questions.jsonl").read_text(encoding="utf-8").splitlines()
    return [(row["text"], row["type"]) for row in map(json.loads, lines)]


def emergencies(sign: str) -> list[str]:
    """Hand-written messages: ``+`` must bring the minute's instructions, ``-`` must not."""
    lines = (HERE / "emergencies.txt").read_text(encoding="utf-8").splitlines()
    return [line[2:] for line in lines if line.startswith(f"{sign} ")]
