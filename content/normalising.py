"""Bring chat text into the one form that phrases and the statistical model are written in.

Scammers hide words (``刷·单``, ``薇信``, ``１００元``) and residents dictate or write traditional characters; every
reader of text in this package compares normalised text only. Callers keep the original for display.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

import opencc
from ahocorasick_rs import AhoCorasick, MatchKind

from content.homophones import restore_words, spelt_in_letters

MAX_LENGTH: Final = 20_000
"""Characters that are read of one message; the rest is ignored, so that no message can hold the bot for long."""

_TO_SIMPLIFIED: Final = opencc.OpenCC("t2s")
_HAN: Final = "\u3400-\u4dbf\u4e00-\u9fff"

# Spaces, symbols and emoji (which the table below turns into spaces) written between two Chinese characters are
# there to break words; beside a Chinese character plain spaces mean nothing. Commas and full stops stay: they
# divide clauses, and the reading of emergencies needs clauses.
_GAPS: Final = re.compile(rf"(?<=[{_HAN}])[ .\-_*+/\\|~^=#&`'\"<>…]+(?=[{_HAN}])| +(?=[{_HAN}])|(?<=[{_HAN}]) +")
# Between longer pieces a space is the comma of people who write none.
_PAUSES: Final = re.compile(rf"(?<=[{_HAN}]{{4}}) +(?=[{_HAN}]{{4}})")
_LINE_BREAKS: Final = re.compile("[\n\r\v\f\x85\u2028\u2029]")
_RUNS: Final = re.compile(r"[ \n]{2,}")

# Spellings that evade keyword filters, and the commonest slips of voice typing. Only words that nobody writes
# literally belong here: a rule that rewrites ordinary words would break matching elsewhere.
_VARIANTS: Final[dict[str, str]] = {
    wrong: right
    for right, wrongs in {
        "微信": "薇信 威信 徽信 溦信 微x v信 v芯 v心 薇芯 薇心 威芯 微芯 维信 葳信 wei信 微xin weixin wechat 微亻言",
        "加微信": "加薇 +v信 加vx 加wx +vx 佳薇信 家薇信",
        "qq": "扣扣 抠抠 企鹅号 🐧",
        "刷单": "刷丹 刷担 刷胆 唰单 涮单 刷dan s单",
        "兼职": "兼织 煎职 jian职 歉职 兼直 兼只",
        "点赞": "点攒 点咱 点暂",
        "佣金": "拥金 庸金 佣京",
        "返利": "反利 返力",
        "返现": "反现",
        "返佣": "反佣",
        "垫付": "垫富 垫负",
        "转账": "转帐 专账 转掌 zhuan账",
        "转了": "zhuan了",
        "给他": "gei他",
        "账户": "帐户",
        "账号": "帐号",
        "贷款": "代款 岱款 贷kuan",
        "网贷": "网代",
        "无抵押": "无低押 无底押",
        "征信": "怔信 证信",
        "理财": "里财 理才",
        "荐股": "见股",
        "股票": "古票 gu票",
        "提现": "题现",
        "银行卡": "银行咔 银行ka",
        "验证码": "验正码 验证马 严证码 验证玛",
        "客服": "可服 刻服",
        "裸聊": "罗聊 裸撩 果聊 luo聊",
        "诈骗": "炸骗 诈片 榨骗 zha骗",
        "跑分": "跑份",
        "博彩": "博采 搏彩",
        "赌博": "堵博 du博",
        "公安局": "工安局",
        "屏幕共享": "屏目共享 屏幕分享",
        "共享屏幕": "共享屏目 分享屏幕",
        "虚拟币": "虚似币 需拟币",
        "中奖": "中桨",
        "鸡蛋": "鸡🥚 机蛋",
        "充值": "冲值",
        "杀猪盘": "沙猪盘",
        "加": "➕",
        "免费": "🆓",
    }.items()
    for wrong in wrongs.split()
}
# Characters taken apart: radicals that stand alone in no ordinary text, and pairs that never meet in one.
_PARTS: Final = (
    "信=亻言 你=亻尔 佣=亻用 债=亻责 做=亻故 代=亻弋 们=亻门 钱=钅戋 银=钅艮 骗=马扁 诈=讠乍 证=讠正 "
    "贷=代贝 赚=贝兼 账=贝长 赌=贝者 购=贝勾 货=化贝 资=次贝 裸=衤果 聊=耳卯 股=月殳 投=扌殳 群=君羊 "
    "红=纟工 约=纟勺 聘=耳甹 验=马佥 贼=贝戎 炮=火包 提=扌是 招=扌召 扫=扌彐 流=氵㐬 洗=氵先 海=氵每 "
    "到=至刂 加我=力口我 加v=力口v 加微=力口微 加q=力口q 加群=力口群 加威=力口威 加薇=力口薇 "
)
_TAKEN_APART: Final = {parts: whole for whole, _, parts in (pair.partition("=") for pair in _PARTS.split())}
_VARIANTS.update(spelt_in_letters())
_APART: Final = re.compile("|".join(sorted(map(re.escape, _TAKEN_APART), key=len, reverse=True)))
_VARIANT_AUTOMATON: Final = AhoCorasick(list(_VARIANTS), matchkind=MatchKind.LeftmostLongest)
_VARIANT_RESULTS: Final = list(_VARIANTS.values())
_EMOJI_THAT_SPEAK: Final = frozenset(
    char for wrong in _VARIANTS for char in wrong if ord(char) > 0x2700 and not "\u3400" <= char <= "\u9fff"
)

_INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me", "Mc"})
_QUOTES: Final = frozenset("()[]{}【】「」『』《》〈〉“”‘’")


class _CharacterTable(dict[int, str]):
    """Maps a code point to its normalised text, filled as characters are met (Unicode has 1.1 million).

    Working character by character, with marks removed first, also avoids NFKC's reordering of combining marks,
    which is quadratic in their number: one hostile message could hold the bot for seconds.
    """

    def __missing__(self, code: int) -> str:
        result = _normalise_character(chr(code))
        if len(self) < 50_000:
            self[code] = result
        return result


def _normalise_character(char: str) -> str:
    if char in _EMOJI_THAT_SPEAK:
        return char
    if char in "\n\r\v\f\x85\u2028\u2029":
        return "\n"
    if char in _QUOTES:
        return ""
    if char.isspace():
        return " "
    if unicodedata.category(char) in _INVISIBLE_CATEGORIES:
        return ""
    if 0x2776 <= ord(char) <= 0x277F:  # ❶ … ❿, which NFKC leaves alone
        return str(ord(char) - 0x2775)
    plain = unicodedata.normalize("NFKC", char).lower()
    kept = [part for part in plain if unicodedata.category(part) not in _INVISIBLE_CATEGORIES and part not in _QUOTES]
    if char in "·•●○◆◇■□★☆♥∙‧・" or (len(kept) == 1 and unicodedata.category(kept[0]) in {"So", "Sk"}):
        return " "
    return "".join(" " if part.isspace() else part for part in kept)


_CHARACTERS: Final = _CharacterTable()


_REMEMBERED: Final[dict[str, str]] = {}
_REMEMBER_LIMIT: Final = 60_000
_TOGETHER: Final = 400


def remember(texts: Iterable[str]) -> None:
    """Normalise the lines of a library together, many times faster than one by one, for ``normalise`` to look up."""
    if len(_REMEMBERED) > _REMEMBER_LIMIT:
        _REMEMBERED.clear()
    wanted = [text for text in dict.fromkeys(texts) if text not in _REMEMBERED and not _LINE_BREAKS.search(text)]
    for start in range(0, len(wanted), _TOGETHER):
        lines = wanted[start : start + _TOGETHER]
        plain = _normalise("\n".join(lines)[:MAX_LENGTH]).split("\n")
        if len(plain) == len(lines):  # else one of them came to nothing, or all are too long together
            _REMEMBERED.update(zip(lines, (line.strip() for line in plain), strict=True))


def normalise(text: str) -> str:
    """The form of ``text`` that matching reads: compatible, simplified, lower-case, without hiding places.

    Total: any Unicode is accepted, lone surrogates included, and nothing is raised. Only the first
    ``MAX_LENGTH`` characters are read. The result is stable: normalising it again changes nothing that matters
    to matching (phrases of the library are passed through the same function).
    """
    return _REMEMBERED.get(text) or _normalise(text)


def _normalise(text: str) -> str:
    plain = text[:MAX_LENGTH].translate(_CHARACTERS)
    if not plain.isascii():
        plain = _TO_SIMPLIFIED.convert(plain)
        if " " in plain:
            plain = _PAUSES.sub(",", plain)
        plain = _GAPS.sub("", plain)
        plain = _APART.sub(lambda parts: _TAKEN_APART[parts[0]], plain)
    replaced = _replace_variants(plain)
    if replaced is not plain:
        plain = _GAPS.sub("", replaced)  # a replaced word may be Chinese where the variant was not (1 v信)
    return restore_words(_RUNS.sub(_one_break, plain).strip())


def _one_break(run: re.Match[str]) -> str:
    return "\n" if "\n" in run[0] else " "


def _replace_variants(text: str) -> str:
    found = _VARIANT_AUTOMATON.find_matches_as_indexes(text)
    if not found:
        return text
    pieces: list[str] = []
    end = 0
    for index, start, stop in found:
        pieces.append(text[end:start])
        pieces.append(_VARIANT_RESULTS[index])
        end = stop
    pieces.append(text[end:])
    return "".join(pieces)
