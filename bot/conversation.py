"""What a short message means after an answer: 那怎么办, 换一个, a number, 有用, 没用, 转人工. Pure rules.

Only a message that is nothing else than such words is one of these turns; whatever says more is a question of its own,
so that "那我已经转了五千怎么办" is never taken for "那怎么办".
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import pairwise
from typing import Final

from bot import conversation_texts as texts
from bot.conversation_texts import Topic
from content.answers import LONGEST, render_answer
from content.library import Library
from content.ngrams import fold
from db.states import AnswerKind, Feedback, LeadReason

MOST_CHOICES: Final = 3
ALIKE: Final = 0.5  # share of common character pairs (Dice) with a question of the library
ALIKE_UNKNOWN: Final = 0.35
LONGEST_TURN: Final = 20  # characters; nobody needs more for any of these


class Act(Enum):
    NUMBER = auto()
    OTHER = auto()  # not this one, the next
    MORE = auto()  # what now, what never, how does it go
    USEFUL = auto()
    USELESS = auto()
    PERSON = auto()
    GREETING = auto()
    THANKS = auto()


@dataclass(frozen=True)
class Turn:
    act: Act
    number: int = 0  # of a choice, from 1
    topic: Topic | None = None  # of `Act.MORE`
    vague: bool = False  # words that people also say to each other: 不是, 继续


@dataclass(frozen=True)
class Past:
    """What this person was answered last in this room. `waiting`: a person has been asked to look already; `seen`: types
    shown since the question was asked."""

    kind: AnswerKind
    types: tuple[str, ...]
    waiting: bool = False
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Said:
    """The reply to a turn. `feedback` belongs to the answer before; `lead` says why a person must look."""

    kind: AnswerKind
    text: str
    types: tuple[str, ...] = ()
    feedback: Feedback | None = None
    lead: LeadReason | None = None
    score: float = 1.0  # probability of the first type, 0 … 1


_ACTS: Final[tuple[tuple[Act, str], ...]] = (
    (Act.OTHER, r"换一?(?:个|种|条)|下一(?:个|种|条)|(?:还有)?(?:别的|其他的?)|(?:都)?不(?:是|对)(?:这个|这种|这些|的)?|不是这(?:么|样)?回事"),
    (Act.USEFUL, r"(?:很|挺|太|非常)?有(?:用|帮助)|(?:有|很)帮助|管用|解决(?:了)|👍"),
    (Act.USELESS, r"(?:没|没有|无|不管|不顶)(?:什么|啥)?用|没(?:有)?帮助|答非所问|没(?:有)?解决|👎"),
    (Act.PERSON, r"(?:我)?(?:要|想)?(?:转|找|接|叫)?(?:一下|个)?人工(?:客服|服务)?|(?:我)?(?:要|想)?(?:找|转|问|联系)(?:一下|个)?(?:民警|警察|警官|真人|反诈民警)"),
    (Act.GREETING, r"(?:你|您)(?:们)?好|在吗|在不在|有人吗|hi|hello|哈喽|嗨|早上好|上午好|下午好|晚上好|你是谁|你是机器人"),
    (Act.THANKS, r"(?:谢+|多谢|感谢|非常感谢|太感谢|谢谢)(?:你|您|了|你们|警察|民警)*|辛苦了|好(?:的|滴|吧|嘞)?|知道了|明白了?|了解了?|懂了|收到|记住了|ok|嗯+|再见|拜拜"),
)  # fmt: skip
_TOPICS: Final[tuple[tuple[Topic, str], ...]] = (
    (Topic.NEVER, r"(?:有)?什么(?:事|是)?(?:绝对|千万|一定)?不(?:能|要|该|可以)(?:做|干)的?|(?:绝对|千万|一定)?不(?:能|要|该)(?:做|干)(?:什么|啥)|(?:要|该)?注意(?:些)?(?:什么|啥)|(?:有)?(?:什么|啥)要注意的?"),
    (Topic.STEPS, r"(?:他们|骗子|这个|这种|对方)?(?:都|一般)?(?:是)?(?:怎么|咋|如何)(?:样)?(?:骗|套路|操作|行骗|作案|骗人|骗钱)(?:的|人的?)?|(?:有)?(?:什么|啥)(?:套路|步骤|手法)|套路是(?:什么|啥)|(?:详细|具体)(?:说说|讲讲|点)?"),
    (Topic.SIGNS, r"(?:我)?(?:该)?(?:怎么|咋|如何)(?:样)?(?:才能)?(?:识别|辨别|分辨|判断|看出来?|认出来?|防范?|预防)(?:它|呢)?|(?:有)?(?:什么|啥)(?:特征|特点|迹象)"),
    (Topic.MONEY, r"(?:我的?|那)?钱?(?:还|能不能|可不可以|可以)?(?:能|可以|会)?(?:不能)?(?:要|追|找|拿|讨)(?:得)?回来?(?:不|来)?|(?:我的?|那)?钱(?:还)?(?:能|可以)?(?:退|追回|要回|找回)(?:来)?|(?:还)?能(?:退|追回|要回|找回)(?:钱|来)?"),
    (Topic.POLICE, r"(?:我)?(?:要|该|需|用|可以|能|应该)?(?:不要|不用|要)?报(?:警|案)(?:有用|有没有用|管用|吗)?|(?:怎么|去哪|到哪|在哪|如何)(?:里|儿)?报(?:警|案)|(?:打|拨)(?:什么|哪个|啥)电话|(?:要|该)?找谁"),
    (Topic.DO, r"(?:我|现在|这时候?|到底|具体)*(?:应?该|要|得|能|可以)?(?:怎么|咋|如何|怎样)(?:办|做|处理|搞|弄|整)(?:好|才好|才对)?|(?:然|接下来|之)后(?:怎么办)?|接下来|下一步(?:怎么办|做什么)?|(?:我|现在)*(?:应?该|要|得|能|可以)(?:做|干)(?:点)?(?:什么|啥)|继续|还有吗"),
)  # fmt: skip
_SOFT_START = r"(?:那么?|这个?|请问|哦+|噢+|啊+|嗯+|好的?|可是|但是|所以|如果是这样|要是这样)*?"
_SOFT_END = r"(?:呢|啊|呀|吧|吗|嘛|么|哦|噢|哈|了)*"
_PATTERNS: Final = [
    (Turn(act), re.compile(rf"(?:{pattern}){_SOFT_END}")) for act, pattern in _ACTS
] + [
    (Turn(Act.MORE, topic=topic), re.compile(rf"{_SOFT_START}(?:{pattern}){_SOFT_END}")) for topic, pattern in _TOPICS
]  # fmt: skip
_ANY: Final = re.compile("|".join(f"(?:{pattern.pattern})" for _, pattern in _PATTERNS))
_VAGUE: Final = frozenset(
    [
        "不是",
        "不对",
        "不是的",
        "不对的",
        "是不是",
        "别的",
        "其他",
        "其他的",
        "还有别的",
        "还有其他",
        "继续",
        "还有吗",
        "后",
        "之后",
        "之后呢",
        "找谁",
        "要注意啥",
    ]
)
_NUMBER: Final = re.compile(r"(?:选|第)?([1-9一二三四五六七八九])(?:个|号|种)?")
_NUMERALS: Final = {numeral: place for place, numeral in enumerate("一二三四五六七八九", 1)}
_IGNORED: Final = re.compile(r"[\s.。,，、!！?？~～…:：;；\"“”'‘’()（）\[\]【】\-\u200b-\u200f\ufe0f]+")


def read_turn(text: str) -> Turn | None:
    """What the message does in a conversation; None for a question, or anything that says more. Total: any text."""
    if len(text) > 2 * LONGEST_TURN:
        return None
    bare = _IGNORED.sub("", unicodedata.normalize("NFKC", text)).casefold()
    if not bare or len(bare) > LONGEST_TURN:
        return None
    number = _NUMBER.fullmatch(bare)
    if number is not None:
        figure = number[1]
        return Turn(Act.NUMBER, number=_NUMERALS.get(figure) or int(figure))
    if not _ANY.fullmatch(bare):  # nearly everything: one look instead of one for each pattern
        return None
    turn = next(turn for turn, pattern in _PATTERNS if pattern.fullmatch(bare))
    return replace(turn, vague=True) if bare in _VAGUE else turn


def said_uncalled(turn: Turn, past: Past | None) -> bool:
    """Whether the turn is for the bot in a group in which nobody called it: it must continue what the bot said, in
    words that people do not say to each other all the time."""
    if past is None or turn.vague or turn.act in (Act.GREETING, Act.THANKS):
        return False
    if turn.act is Act.NUMBER:
        return past.kind is AnswerKind.CHOICES and turn.number <= len(past.types)
    return past.kind in _ANSWERED or turn.act is Act.PERSON


_ANSWERED: Final = frozenset({AnswerKind.ANSWER, AnswerKind.CONTINUED, AnswerKind.CHOICES, AnswerKind.EMERGENCY})


def respond(library: Library, turn: Turn, past: Past | None) -> Said | None:
    """The reply to a turn; None when it must be read as a question after all (or as a wish for the menu)."""
    if past is not None:  # a type may have left the library since
        past = replace(past, types=tuple(each for each in past.types if each in library.types))
    if turn.act is Act.NUMBER:
        return _choose(library, turn.number, past)
    if turn.act is Act.MORE:
        return _more(library, turn.topic or Topic.DO, past)
    if turn.act is Act.OTHER:
        return _other(library, past)
    if turn.act is Act.USELESS:
        return _useless(library, past)
    if turn.act is Act.PERSON:
        return Said(AnswerKind.TALK, texts.PERSON, lead=LeadReason.PERSON)
    if turn.act is Act.USEFUL:
        return Said(AnswerKind.TALK, texts.USEFUL, feedback=Feedback.USEFUL if past else None)
    return Said(AnswerKind.TALK, texts.THANKS) if turn.act is Act.THANKS else None


def asked_before(library: Library, text: str, past: Past | None, reply: AnswerKind) -> Said | None:
    """A question about the type of the answer before that people often ask, with its short answer.

    It takes less resemblance when the words by themselves say nothing. Danger is never answered so.
    """
    known = library.types.get(past.types[0]) if past is not None and past.types and past.kind in _ANSWERED else None
    if past is None or known is None or reply in (AnswerKind.EMERGENCY, AnswerKind.MENU):
        return None
    enough = ALIKE_UNKNOWN if reply is AnswerKind.NONE else ALIKE
    own = _pairs(text)
    scored = [(_dice(own, _pairs(each.question)), each) for each in known.faq]
    score, best = max(scored, key=lambda one: one[0], default=(0.0, None))
    if best is None or score < enough:
        return None
    return Said(AnswerKind.CONTINUED, f"{best.question}\n{best.answer}"[:LONGEST], past.types)


def _pairs(text: str) -> frozenset[str]:
    return frozenset(map("".join, pairwise(fold(text))))


def _dice(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _choose(library: Library, number: int, past: Past | None) -> Said:
    if past is None or past.kind is not AnswerKind.CHOICES or not past.types:
        return Said(AnswerKind.TALK, texts.NOTHING_TO_CHOOSE)
    if number > len(past.types):
        return Said(AnswerKind.CHOICES, texts.choices(library, past.types), past.types)
    chosen = past.types[number - 1]
    others = tuple(each for each in past.types if each != chosen)
    return Said(AnswerKind.ANSWER, render_answer(library.types[chosen]), (chosen, *others))


def _more(library: Library, topic: Topic, past: Past | None) -> Said | None:
    if past is not None and past.kind is AnswerKind.CHOICES and past.types:
        return Said(AnswerKind.CHOICES, texts.choices(library, past.types), past.types)
    if past is not None and past.kind in _ANSWERED and (past.types or topic in texts.GENERAL):
        return Said(AnswerKind.CONTINUED, texts.more(library, topic, past.types), past.types)
    if past is not None and past.kind is AnswerKind.EMERGENCY:
        return Said(AnswerKind.CONTINUED, texts.GENERAL[Topic.MONEY])
    return None if topic in texts.GENERAL else Said(AnswerKind.TALK, texts.TELL_FIRST)


def _other(library: Library, past: Past | None) -> Said:
    if past is None or past.kind not in _ANSWERED:
        return Said(AnswerKind.TALK, texts.TELL_FIRST)
    if past.kind is AnswerKind.CHOICES:  # offering again what was offered would go round in circles
        return Said(AnswerKind.TALK, texts.NO_MORE)
    if len(past.types) > 1:
        rest = past.types[1:]
        return Said(AnswerKind.ANSWER, render_answer(library.types[rest[0]]), rest)
    return _offer(library, past, texts.OFFER) or Said(AnswerKind.TALK, texts.NO_MORE)


def _useless(library: Library, past: Past | None) -> Said:
    """The next choice first, then a person. The lead is made at once, so that nobody who gives up is lost."""
    if past is None:
        return Said(AnswerKind.TALK, texts.TELL_FIRST)
    offer = None if past.waiting else _offer(library, past, texts.SORRY)
    if offer is not None:
        return Said(offer.kind, offer.text, offer.types, Feedback.USELESS, LeadReason.USELESS)
    reason = LeadReason.PERSON if past.waiting else LeadReason.USELESS
    return Said(AnswerKind.TALK, texts.PERSON, (), Feedback.USELESS, reason)


def _offer(library: Library, past: Past, heading: str) -> Said | None:
    """Types that have not been offered yet: the less likely ones, then those related to the first."""
    seen = past.seen | set(past.types if past.kind is AnswerKind.CHOICES else past.types[:1])
    near = [*past.types, *(each for known in past.types for each in library.types[known].related)]
    offered = [each for each in dict.fromkeys(near) if each not in seen and each in library.types][:MOST_CHOICES]
    if not offered or past.kind not in _ANSWERED:
        return None
    return Said(AnswerKind.CHOICES, texts.choices(library, offered, heading), tuple(offered))
