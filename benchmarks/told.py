"""Reads ``benchmarks/training/told.txt``: lines with alternatives, each spoken several times by chance, some misspelt."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from pathlib import Path

TOLD = Path(__file__).parent / "training" / "told.txt"
SPOKEN = 14
"""How often a line is spoken."""
MISSPELT = 0.12
_NAME = re.compile(r"\$(\w+)\$")
_CHOICE = re.compile(r"\{([^{}]*)\}")
# What quick fingers and voice typing make of words of loss; the homophones of the library are put right elsewhere.
_SLIPS = (
    *(
        ("验证码", "验证吗"),
        ("转账", "转帐"),
        ("被骗", "被片"),
        ("怎么办", "怎么般"),
        ("骗子", "片子"),
        ("钱没了", "钱没拉"),
    ),
    *(
        ("刚", "岗"),
        ("客服", "克服"),
        ("密码", "蜜码"),
        ("了", "啦"),
        ("了", "咧"),
        ("转", "赚"),
        ("已经", "以经"),
        ("下载", "下再"),
    ),
    *(
        ("共享", "共想"),
        ("银行", "银航"),
        ("现在", "线在"),
        ("我", "偶"),
        ("什么", "神马"),
        ("退款", "推款"),
        ("给", "给给"),
    ),
)


def told(spoken: int = SPOKEN, seed: int = 7) -> Iterator[tuple[int, str, bool]]:
    """(line, text, whether it is an emergency), the same for the same ``seed``."""
    names: dict[str, str] = {}
    emergency = True
    chance = random.Random(seed)
    for number, line in enumerate(TOLD.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("="):
            name, _, words = line[1:].partition(" ")
            names[name] = words
        elif line in {"## +", "## -"}:
            emergency = line == "## +"
        elif line and not line.startswith("#"):
            said = {_speak(line, names, chance) for _ in range(spoken)}
            yield from ((number, text, emergency) for text in sorted(said))


def _speak(line: str, names: dict[str, str], chance: random.Random) -> str:
    text = _NAME.sub(lambda found: f"{{{names[found[1]]}}}", line)
    while _CHOICE.search(text):
        text = _CHOICE.sub(lambda found: chance.choice(found[1].split("|")), text)
    comma = chance.choice([" ", " ", "，", "，", ""])
    text = comma.join(text.replace("?", "").split())
    if chance.random() < MISSPELT:
        word, slip = chance.choice(_SLIPS)
        text = text.replace(word, slip, 1)
    if len(text) > 10 and chance.random() < MISSPELT / 3:
        place = chance.randrange(len(text))
        text = text[:place] + text[place + 1 :]
    return text
