"""Whether a message in a group is meant for the bot. In doubt it is not: a bot that butts in is removed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bot.messages import Incoming
from content.messages import MAX_TEXT
from db.states import AnswerKind

LONGEST_QUESTION: Final = 120
"""Characters of a question that the bot answers unasked; longer ones are notices and stories."""
LONGEST_CRY: Final = 300
"""The same for a cry for help."""
CERTAIN: Final = 0.75
"""Score from which an answer is given unasked; with it none of the 500 lines of `content/ordinary.txt` is answered.
Called by name, the bot answers whatever the score."""

_BREAK = r"[\s\u2005,，:：;；、。!！?？~～…]"
# The bot's own names call it wherever the sentence goes on; 反诈 and 96110 also begin ordinary sentences
# ("反诈中心来电要我…", "96110 是真的吗"), so they call it only when a pause follows.
_CALL = re.compile(
    rf"^{_BREAK}*@?(?:(?:心防|小防)(?:小?助手|机器人|同学)?(?![线范备盗护卫治控])|(?:反诈(?:助手|机器人)?|96110)(?={_BREAK}|$))"
    rf"(?:在吗|在么|你好|您好)?{_BREAK}*"
)
_MENTION = re.compile(r"^\s*@[^\s\u2005,，:：]{1,30}(?:[\s\u2005,，:：]+|$)")
_QUESTION = re.compile(
    r"[?？]|[吗么嘛不][\s。.~～!！…]*$|是不是|是否|怎么办|咋办|怎么回事|真的假的|靠谱不|是真是假|能不能|可不可|要不要|该不该"
    r"|什么是|是什么|是啥|骗人的[。.!！]*$|(?:遇到|算)诈骗了[。.]*$"
)

# Words that make "I have just paid" more than a bill that friends split.
_FRAUD = re.compile(
    r"骗|诈|上当|报警|警察|民警|怎么办|咋办|救|冻结|验证码|屏幕|远程|客服|平台|追回|要回来|取不出|提不"
)

# Headings of notices, which put questions to their readers.
_NOTICE = re.compile(r"\s*(?:【|\[|反诈[^\s,，]{1,8}[:：]|.{0,6}(?:提醒|提示|预警|课堂)[:：])")


@dataclass(frozen=True)
class Call:
    """A message without the words that only call the bot.

    `called`: it is certainly meant for the bot. `to_other`: it begins by naming somebody else.
    """

    text: str
    called: bool
    to_other: bool = False


def read_call(message: Incoming) -> Call:
    """A private chat is always meant for the bot; in a group a mention or one of its names at the start calls it."""
    text = message.text.strip()
    named = _without_name(text, message.account)
    if message.mentions_bot or named is not None:
        text = named if named is not None else _MENTION.sub("", text, count=1)
        return Call(_CALL.sub("", text, count=1).strip(), called=True)
    bare, calls = _CALL.subn("", text, count=1)
    if message.private or calls:
        return Call(bare.strip(), called=True)
    return Call(text, called=False, to_other=_MENTION.match(text) is not None)


def _without_name(text: str, account: str) -> str | None:
    """The text without "@<the account's name>", wherever that stands; None when it does not occur."""
    name = f"@{account}"
    return text.replace(name, " ", 1).strip(" \u2005,，:：") if account and name in text else None


def is_certain(call: Call, kind: AnswerKind, score: float) -> bool:
    """Whether to answer in a group without having been called: somebody is certainly losing money, or certainly asks
    about fraud. `score` is the probability of the type that was recognised, 0 … 1."""
    if kind is AnswerKind.EMERGENCY:
        return _may_cry(call, score)
    return kind is AnswerKind.ANSWER and score >= CERTAIN and _asks(call)


def may_be_certain(call: Call, score: float) -> bool:
    """False when `is_certain` says no whatever the kind of the answer; `score`: of the likeliest type, which is also
    that of an emergency."""
    return _may_cry(call, score) or _asks(call)


def _may_cry(call: Call, score: float) -> bool:
    return len(call.text) <= LONGEST_CRY and (score >= CERTAIN or _FRAUD.search(call.text) is not None)


def _asks(call: Call) -> bool:
    if call.to_other or len(call.text) > LONGEST_QUESTION:
        return False
    return _QUESTION.search(call.text) is not None and _NOTICE.match(call.text) is None


def addressed_to(message: Incoming, text: str) -> str:
    """A reply to the message: in a group it says whom it is for, unless that would make it too long to be read."""
    name = _shown_name(message)
    reply = f"@{name} {text}"
    return text if message.private or not name or len(reply) > MAX_TEXT else reply


def names_sender(message: Incoming, reply: str) -> bool:
    """Whether the reply was `addressed_to` the message's sender by name."""
    name = _shown_name(message)
    return not message.private and bool(name) and reply.startswith(f"@{name} ")


def _shown_name(message: Incoming) -> str:
    return " ".join(message.sender_name.replace("@", "").split())[:20]
