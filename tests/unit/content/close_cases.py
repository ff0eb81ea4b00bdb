"""Forty close alerts, every edit of them that still says which one it was, and what must not be taken for them.

Harsher than `forward_cases`: alerts filled into one form, two-sentence warnings, work notices of successive weeks;
cuts as short as a paragraph; Taiwan's wording; numbers told in words; several edits on top of each other.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import opencc
import yaml

from content.messages import render_alert
from content.ngrams import fold
from tests.unit.content.forward_cases import EDITS, Case, Edit, texts

FILE: Final = Path(__file__).with_name("close_alerts.yaml")
OFFICE: Final = "嵊泗县反诈中心"
_SEVERITIES: Final = ("红色", "橙色", "黄色", "蓝色")
_NEAR: Final = ("siblings", "elsewhere", "newspaper", "own_words", "summary", "near")
_LEAST_OWN: Final = 16
"""Characters of a cut that no other live alert has: with fewer, nobody could say whose cut it is."""
_TAIWAN: Final = opencc.OpenCC("s2twp")


@cache
def _series() -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["series"]
    return loaded


def _written(series: dict[str, Any], entry: Any) -> str:
    return str(series["frame"].format(**entry) if "frame" in series else entry)


@cache
def close_alerts() -> dict[str, str]:
    """By id, title and paragraphs of forty alerts, as the index is given them."""
    return {
        f"{series['topic']}-{number}": _written(series, entry).strip()
        for series in _series()
        for number, entry in enumerate(series["live"])
    }


def rendered(alert_id: str, text: str) -> str:
    """What the bot pushed: the alert in its frame."""
    number = list(close_alerts()).index(alert_id)
    title, body = text.split("\n", 1)
    severity = _SEVERITIES[number % 4]
    return render_alert(severity=severity, title=title, body=body, office=OFFICE, number=f"20261115-{number + 1:02d}")


@cache
def close_near_misses() -> list[Case]:
    """Texts of others, alone; siblings also dressed as the bot dressed them when they were new."""
    found = []
    for series in _series():
        for kind in _NEAR:
            for entry in series.get(kind, ()):
                text = (series["frame"].format(**entry) if isinstance(entry, dict) else str(entry)).strip()
                found.append(Case(kind, text, None))
                if kind == "siblings":
                    title, body = text.split("\n", 1)
                    dressed = render_alert(
                        severity="橙色", title=title, body=body, office=OFFICE, number="20261003-02"
                    )
                    found.append(Case("sibling_dressed", dressed, None))
    return found


# --- edits -----------------------------------------------------------------------------------------------------

_CHINESE: Final = re.compile("[一二两三四五六七八九十百千万]{2,}(?=元|人|条|户|张|名)")
_HOMOPHONES: Final = dict(zip("账的在做已象和元是事实到须须期", "帐地再作以像合园事是时道需需其", strict=True))


def _swapped(text: str, rng: random.Random) -> str:
    """Neighbours exchanged, as fast typing does."""
    chars = list(text)
    for at in range(0, len(chars) - 1):
        if rng.random() < 0.03 and chars[at] != "\n" and chars[at + 1] != "\n":
            chars[at], chars[at + 1] = chars[at + 1], chars[at]
    return "".join(chars)


def _homophones(text: str, rng: random.Random) -> str:
    return "".join(_HOMOPHONES.get(c, c) if rng.random() < 0.6 else c for c in text)


def _taiwan(text: str, rng: random.Random) -> str:
    converted: str = _TAIWAN.convert(text)
    return converted


def _told_numbers(text: str, rng: random.Random) -> str:
    """Amounts changed, those in words too."""
    changed = EDITS["changed_numbers"](text, rng)
    return _CHINESE.sub(lambda m: rng.choice(("一万二千", "三十五", "两百", "八千六百", "十九")), changed)


def _bulleted(text: str, rng: random.Random) -> str:
    return "\n".join(f"{n}、{s}" for n, s in enumerate(re.split("(?<=[。！])", text.replace("\n", "")), 1) if s)


def _chat_history(text: str, rng: random.Random) -> str:
    parts = re.split("(?<=[。！])", text.replace("\n", ""))
    return "[聊天记录]\n" + "\n".join(f"{rng.choice('张王李')}{rng.choice('三四五')}: {p}" for p in parts if p)


def _between(text: str, rng: random.Random) -> str:
    """Two residents talk around a forwarded text."""
    return f"李姐：大家看看这个\n张三：{text}\n李姐：收到，已转楼栋群\n王五：我妈差点中招，谢谢提醒，今天就跟她说"


def _merged_twice(text: str, rng: random.Random) -> str:
    return EDITS["merged"](EDITS["merged"](text, rng), rng)


def _first_two_sentences(text: str, rng: random.Random) -> str:
    return "".join(re.split("(?<=[。！？])", text)[:2])


def _paragraph(text: str, rng: random.Random) -> str:
    """One paragraph out of the middle, never the first line."""
    paragraphs = [p for p in text.split("\n")[1:] if len(p) >= 30]
    return rng.choice(paragraphs) if paragraphs else text


def _first_half(text: str, rng: random.Random) -> str:
    return text[: (len(text) + 1) // 2]


def _second_half(text: str, rng: random.Random) -> str:
    return text[len(text) // 2 :]


_OWN_EDITS: Final[dict[str, Edit]] = {
    "swapped": _swapped,
    "homophones": _homophones,
    "taiwan": _taiwan,
    "told_numbers": _told_numbers,
    "bulleted": _bulleted,
    "chat_history": _chat_history,
    "between": _between,
    "merged_twice": _merged_twice,
    "first_two": _first_two_sentences,
    "paragraph": _paragraph,
    "half": _first_half,
    "other_half": _second_half,
    "whole": lambda text, rng: text,
}
ALL_EDITS: Final[dict[str, Edit]] = {**EDITS, **_OWN_EDITS}
CUTS: Final = ("half", "other_half", "first_two", "paragraph")
WHOLE: Final = (
    *("whole", "greeting", "signature", "at_all", "emoji", "line_breaks", "typing_errors", "traditional"),
    *("changed_numbers", "merged", "quoted", "spaced", "swapped", "homophones", "taiwan", "told_numbers"),
    *("bulleted", "chat_history", "between", "merged_twice"),
)
TWICE: Final = (
    *("greeting+signature+emoji", "typing_errors+traditional", "taiwan+merged", "changed_numbers+quoted"),
    *("at_all+line_breaks+typing_errors", "told_numbers+typing_errors", "chat_history+traditional"),
)
AFTER_CUT: Final = ("greeting", "signature", "merged", "typing_errors", "traditional", "quoted", "emoji", "taiwan")
KINDS: Final = (*WHOLE, *TWICE, *CUTS, *(f"{cut}+{after}" for cut in CUTS for after in AFTER_CUT))


def _own_characters(cut: str, alert_id: str) -> int:
    """Characters of the cut's 4-grams that no other live alert holds."""
    folded = fold(cut)
    own = fold(close_alerts()[alert_id])
    others = [fold(text) for other, text in close_alerts().items() if other != alert_id]
    grams = (folded[at : at + 4] for at in range(len(folded) - 3))
    return sum(gram in own and not any(gram in other for other in others) for gram in grams)


def close_forwards(seed: int = 11, dressed: bool = False) -> Iterator[Case]:
    """Every kind of edit of every alert; `dressed` edits what the bot pushed instead of title and body."""
    rng = random.Random(seed)
    for alert_id, text in close_alerts().items():
        source = rendered(alert_id, text) if dressed else text
        for kind in KINDS:
            first, *rest = kind.split("+")
            edited = ALL_EDITS[first](source, rng)
            if first in CUTS and _own_characters(edited, alert_id) < _LEAST_OWN:
                continue
            for step in rest:
                edited = ALL_EDITS[step](edited, rng)
            yield Case(kind, edited, alert_id)


def all_near_misses() -> list[Case]:
    """With the near misses of `forward_cases`, whose topics are the same."""
    families = [
        Case(kind, text, None)
        for family in texts()["families"]
        for kind in ("older", "elsewhere", "newspaper", "own_words")
        for text in family[kind]
    ]
    return close_near_misses() + families
