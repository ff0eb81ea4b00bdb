"""What the bot says: a fraud type as one chat message, short lists and the fixed sentences.

Plain text with line breaks, for a phone; at most ``LONGEST`` characters (``FACTS``: keep ≤ 600 per WeChat message).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from content.fraud_type import FraudType
from content.library import Library

LONGEST: Final = 600

NO_MATCH: Final = (
    "这条我没看出属于哪一类诈骗，不敢乱说。\n"
    "· 拿不准：先别转钱、别给验证码，打96110问一问\n"
    "· 已经转了钱：马上打110\n"
    "您的话我已记下，会有反诈民警来看。也可以再多说两句：对方自称是谁、让您做什么。\n"
    "回复“菜单”看各类骗局。"
)
_CLOSING: Final = "拿不准打96110；已经转了钱，马上打110。"


def render_answer(fraud_type: FraudType) -> str:
    """The whole explanation: what it is, how it goes, signs, what to do, what never to do, hotlines."""
    signs, steps = list(fraud_type.signs), list(fraud_type.steps)
    while True:
        text = _compose(fraud_type, steps, signs)
        if len(text) <= LONGEST:
            return text
        # What to do is never shortened; of the rest the last sign, then the last step is missed least.
        (signs if len(signs) > 2 else steps).pop()


def _compose(fraud_type: FraudType, steps: list[str], signs: list[str]) -> str:
    parts = [
        f"【{fraud_type.name}】{fraud_type.summary}",
        _block("▍怎么骗的", (f"{place}. {step}" for place, step in enumerate(steps, 1))),
        _block("▍怎么认出来", (f"· {sign}" for sign in signs)),
        _block("▍现在怎么办", (f"· {deed}" for deed in fraud_type.do)),
        _block("▍请记牢", (f"· {deed}" for deed in fraud_type.never)),
        _CLOSING,
    ]
    return "\n".join(parts)


def _block(title: str, lines: Iterable[str]) -> str:
    return "\n".join([title, *lines])


def render_line(fraud_type: FraudType) -> str:
    """One line: the name and what it is."""
    return f"{fraud_type.name}：{fraud_type.summary}"


def render_choices(types: list[FraudType]) -> str:
    """A numbered choice between a few close types."""
    numbers = "/".join(str(place) for place in range(1, len(types) + 1))
    lines = [f"{place}. {render_line(each)}" for place, each in enumerate(types, 1)]
    return "\n".join(
        [
            f"您说的像下面几种，请回复数字 {numbers}：",
            *lines,
            "都不是？再多说两句，或打96110问一问。已经转了钱，马上打110。",
        ]
    )


def short_name(fraud_type: FraudType) -> str:
    """The name without what its brackets add, for lists."""
    return re.split(r"[(（]", fraud_type.name)[0]


def render_menu(library: Library) -> str:
    """The official classes with the names of their types."""
    lines = ["把您遇到的事直接告诉我就行，例如“客服说要给我退款”。也可以回复下面的名称："]
    for fraud_class, types in library.by_class().items():
        names = " | ".join(short_name(each) for each in types)
        lines.append(f"{fraud_class.split(' ', 1)[1]}：{names}")
    lines.append(_CLOSING)
    return "\n".join(lines)
