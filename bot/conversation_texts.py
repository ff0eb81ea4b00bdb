"""What the bot says in the course of a conversation, beside the answers themselves. At most 600 characters each.

Numbers and their order (110, bank, 96110; police stop payment has a time limit) are those of the domain facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
from typing import Final

from content.answers import LONGEST, render_line, short_name
from content.fraud_type import FraudType
from content.library import Library


class Topic(Enum):
    """What somebody wants to know about a type after its answer."""

    DO = auto()
    NEVER = auto()
    STEPS = auto()
    SIGNS = auto()
    MONEY = auto()
    POLICE = auto()


HINT: Final = "回复“有用”“没用”“换一个”或“转人工”，我接着帮您。"
PERSON: Final = (
    "好的，已转给反诈民警，会有人看您的问题，并在这里回复您。\n"
    "等不及就打96110；已经转了钱、给了验证码，别等，马上打110。"
)
USEFUL: Final = "太好了。请把这些也告诉家里老人和孩子。以后拿不准，先来问我，或打96110。"
THANKS: Final = "不客气。遇到拿不准的事，先别转钱，再来问我，或打96110。"
TELL_FIRST: Final = (
    "您先说说遇到了什么事：对方自称是谁、让您做什么、有没有转钱或给验证码。\n"
    "回复“菜单”看各类骗局，“转人工”找反诈民警。已经转了钱，马上打110。"
)
NOTHING_TO_CHOOSE: Final = "现在没有可选的编号。请把遇到的事说给我听，或回复“菜单”看各类骗局。"
NO_MORE: Final = (
    "我想不到更像的了。您再多说两句：对方自称是谁、让您做什么；或回复“转人工”，请反诈民警来看。\n"
    "拿不准打96110；已经转了钱，马上打110。"
)
OFFER: Final = "也可能是下面几种，请回复数字："
SORRY: Final = "抱歉，没说到点上，您的话已经记下，会有反诈民警来看。也可能是下面几种，请回复数字："
_CHOOSE: Final = "请回复数字选一个："
_NOT_THESE: Final = "都不是就回复“转人工”。已经转了钱，马上打110。"

GENERAL: Final = {
    Topic.MONEY: (
        "钱能不能追回，看的是快。请现在就做：\n"
        "1. 打110，说“我被骗了，请求止付”，报对方户名、账号、转出金额和时间。\n"
        "2. 再打自己银行的官方客服电话，冻结自己的卡、改密码。\n"
        "3. 聊天、转账、通话记录都留着，带去就近的派出所。\n"
        "警方止付有时限，越早越有机会；过了几天也要报，案子破了还可能返还。\n"
        "凡是说“能帮您追回、先交手续费”的，不管自称网警、律师还是黑客，都是第二次骗您。"
    ),
    Topic.POLICE: (
        "要报，越早越好，被骗多少都可以报，不丢人。\n"
        "· 已经转了钱、给了验证码：马上打110，请求止付\n"
        "· 还没损失、拿不准：打96110问一问\n"
        "· 带上身份证，聊天、转账、通话记录的截图，去就近的派出所\n"
        "记下对方的户名、账号、转出金额和时间，民警会用到。"
    ),
}
"""Topics whose answer is the same for every type."""


def more(library: Library, topic: Topic, types: Sequence[str]) -> str:
    """More about the first of `types`, or what holds for all of them."""
    if topic in GENERAL:
        return GENERAL[topic]
    fraud_type = library.types[types[0]]
    title, lines = _part(fraud_type, topic)
    closing = "拿不准打96110；已经转了钱，马上打110。"
    while True:
        text = "\n".join([f"【{short_name(fraud_type)}】{title}", *lines, closing])
        if len(text) <= LONGEST or len(lines) <= 1:
            return text[:LONGEST]
        lines = lines[:-1]


def _part(fraud_type: FraudType, topic: Topic) -> tuple[str, list[str]]:
    if topic is Topic.STEPS:
        return "一般是这样骗的：", [f"{place}. {step}" for place, step in enumerate(fraud_type.steps, 1)]
    if topic is Topic.SIGNS:
        return "出现这些，就是骗局：", [f"· {sign}" for sign in fraud_type.signs]
    if topic is Topic.NEVER:
        return "千万不要：", [f"· {deed}" for deed in fraud_type.never]
    deeds = [f"{place}. {deed}" for place, deed in enumerate(fraud_type.do, 1)]
    return "现在这样做：", [*deeds, "▍请记牢", *(f"· {deed}" for deed in fraud_type.never)]


def choices(library: Library, types: Sequence[str], heading: str = _CHOOSE) -> str:
    """A numbered choice in the course of a conversation."""
    lines = [f"{place}. {render_line(library.types[each])}" for place, each in enumerate(types, 1)]
    return "\n".join([heading, *lines, _NOT_THESE])[:LONGEST]


def with_hint(text: str) -> str:
    """An answer with what can be replied to it, unless that would make it too long to be read."""
    longer = f"{text}\n{HINT}"
    return longer if len(longer) <= LONGEST else text


def officer_text(answer: str, *, asked: str, office: str) -> str:
    """An officer's answer as the asker gets it in chat."""
    asked = " ".join(asked.split())
    quoted = f"您问的“{asked[:24]}{'…' if len(asked) > 24 else ''}”，" if asked else ""
    return f"【{office}民警回复】{quoted}答复如下：\n{answer}"


def warning_text(name: str) -> str:
    """A gentle word to a group in which a scam was posted; quotes nobody and names nobody. `name` is the type's."""
    about = f"“{name}”" if name else "诈骗"
    return (
        f"【温馨提醒】群里刚才有一条消息，很像{about}的常见说法。请大家别加里面的联系方式、别点链接、别先垫钱。"
        "也许是账号被盗用，发的人请检查一下自己的账号。\n拿不准打96110；已经转了钱，马上打110。"
    )
