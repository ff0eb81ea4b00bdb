"""Realistic alerts, the edits people make when they pass them on, and texts that only look like them.

Everything is generated from a seed, so tests and benchmarks see the same material in every run.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Final

import opencc
import yaml

TEXTS: Final = Path(__file__).with_name("forward_texts.yaml")
HEADERS: Final = ("【红色预警】", "【橙色预警】", "【黄色预警】", "【反诈预警】")
FOOTER: Final = "如遇可疑情况请拨打96110，已被骗请立即拨打110。——嵊泗县反诈中心"
STOCK_ONLY: Final = (
    FOOTER,
    "【红色预警】请各位居民提高警惕，保护好个人信息，不轻信、不透露、不转账，如遇诈骗请立即拨打110报警。",
    "各位邻居，陌生来电不要接，陌生链接不要点，陌生二维码不要扫，有疑问请拨打96110咨询。——嵊泗县反诈中心",
    "请大家下载国家反诈中心APP并开启来电预警功能，收到请回复，并转发到各自的群里。",
    "反诈提醒：天上不会掉馅饼，凡是要求转账汇款的都要多加核实，谨防上当受骗！",
    "警方提示：不要向陌生人透露银行卡号、密码和短信验证码，遇到可疑情况及时报警。",
    "转发！转发！请各网格员立即转发至所在微信群，做到家喻户晓。",
    "【黄色预警】近期电信网络诈骗高发，请广大群众提高防骗意识，守住自己的钱袋子。",
    "96110是反诈劝阻专线，来电请务必接听。如已被骗，请保留转账记录并第一时间拨打110。",
    "全民反诈，人人参与。未知链接不点击，陌生来电不轻信，个人信息不透露，转账汇款多核实。",
)


@dataclass(frozen=True, slots=True)
class Case:
    """One message and the alert that it must be credited to (None: to no alert)."""

    kind: str
    text: str
    alert_id: str | None


@cache
def texts() -> dict[str, Any]:
    """Return ``forward_texts.yaml``: hand-written fraud topics, then slots and templates for large indexes."""
    loaded: dict[str, Any] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return loaded


def as_alert(number: int, case: str, advice: str) -> str:
    """Dress a case as an office does: coloured header, the case, the topic's shared advice, the footer."""
    return f"{HEADERS[number % len(HEADERS)]}各位居民：\n{case}\n{advice}\n{FOOTER}"


def live_alerts() -> dict[str, str]:
    """Return forty close alerts: eight topics with five alerts each that share header, advice and footer."""
    return {
        f"{family['topic']}-{number}": as_alert(number, case, family["advice"])
        for family in texts()["families"]
        for number, case in enumerate(family["alerts"])
    }


def short_alerts() -> dict[str, str]:
    """Return eighteen general warnings of two or three sentences each."""
    return {f"short-{number}": text + FOOTER for number, text in enumerate(texts()["short_alerts"])}


def short_near_misses() -> list[Case]:
    """Return texts that echo the short alerts' wording, alone and dressed as another office's alert."""
    return [Case("short", text + tail, None) for text in texts()["short_near_misses"] for tail in ("", "\n" + FOOTER)]


def near_misses() -> list[Case]:
    """Return ninety texts that must not be credited while ``live_alerts`` are live."""
    found: list[Case] = []
    for family in texts()["families"]:
        # An expired alert wears the same header, advice and footer as the live ones.
        found += [Case("older", as_alert(1, text, family["advice"]), None) for text in family["older"]]
        found += [Case(kind, text, None) for kind in ("elsewhere", "newspaper", "own_words") for text in family[kind]]
    return found + [Case("stock", text, None) for text in STOCK_ONLY]


# --- what people do to an alert when they pass it on ----------------------------------------------------------

GREETINGS: Final = (
    "各位邻居大家好，请看一下下面的预警：\n",
    "转发：",
    "【转发】县里刚发的，大家注意！\n",
    "早上好，各位家长辛苦了。这条请认真看完，并告诉家里老人。\n",
    "转自反诈群，@所有人 收到请回复\n",
    "↓↓↓ 重要提醒 ↓↓↓\n",
)
SIGNATURES: Final = (
    "\n——海滨社区第三网格 李晓芳",
    "\n（金平社区宣）",
    "\n请相互转告，谢谢配合！网格员小陈",
    "\n收到的请回个1",
    "\n物业服务中心 7月15日",
)
NOTICES: Final = (
    "【停水通知】因管道抢修，明日8时至16时海滨路沿线停水，请居民提前储水，给您带来不便敬请谅解。",
    "本周六上午九点社区卫生服务中心开展六十五岁以上老人免费体检，请带好身份证和医保卡，空腹前往。",
    "台风“海燕”将于后天夜间影响我县，请渔船及时回港避风，阳台花盆收好，低洼处车辆尽快转移到高处。",
    "幼儿园秋季报名今天开始，户口本、房产证、预防接种证三样带齐，上午八点半到十一点在多功能厅办理。",
    "关于小区电动车充电桩检修的公告：七月十六日起东区车棚停电三天，请使用西区临时充电点，费用照旧。",
)
EMOJI: Final = ("🚨", "⚠️", "❗", "🙏", "[强]", "[玫瑰]", "📢", "👮‍♀️", "❤️")
TYPO_CHARS: Final = "的地得在再做作账帐以已那哪像象他她它和合元员原园圆是事时实到道倒"
SENTENCE_END: Final = re.compile(r"(?<=[。！？])")
_TRADITIONAL: Final = {name: opencc.OpenCC(name) for name in ("s2t", "s2tw", "s2hk")}

Edit = Callable[[str, random.Random], str]


def greeting(text: str, rng: random.Random) -> str:
    return rng.choice(GREETINGS) + text


def signature(text: str, rng: random.Random) -> str:
    return text + rng.choice(SIGNATURES)


def at_all(text: str, rng: random.Random) -> str:
    return rng.choice(("@所有人 ", "@All\n", "@全体成员 @张三 ")) + text


def emoji(text: str, rng: random.Random) -> str:
    return "".join(c + (rng.choice(EMOJI) if rng.random() < 0.08 else "") for c in text)


def line_breaks(text: str, rng: random.Random) -> str:
    flat = text.replace("\n", "")
    return "".join(c + ("\n\n" if c in "，。；" and rng.random() < 0.5 else "") for c in flat)


def first_half(text: str, rng: random.Random) -> str:
    return text[: len(text) // 2]


def second_half(text: str, rng: random.Random) -> str:
    middle = text.split("\n")[1]
    return text[text.index(middle) + len(middle) // 2 :]


def two_sentences(text: str, rng: random.Random) -> str:
    return "".join(SENTENCE_END.split(text)[:2])


def middle_paragraph(text: str, rng: random.Random) -> str:
    return text.split("\n")[1]


def typing_errors(text: str, rng: random.Random, rate: float = 0.04) -> str:
    out = []
    for char in text:
        roll = rng.random() / rate
        if roll >= 1:
            out.append(char)
        elif roll < 0.5:
            out.append(rng.choice(TYPO_CHARS))
        elif roll < 0.75:
            out.append(char + rng.choice(TYPO_CHARS))
    return "".join(out)


def many_typing_errors(text: str, rng: random.Random) -> str:
    return typing_errors(text, rng, 0.08)


def traditional(text: str, rng: random.Random) -> str:
    converted: str = _TRADITIONAL[rng.choice(sorted(_TRADITIONAL))].convert(text)
    return converted


def changed_numbers(text: str, rng: random.Random) -> str:
    kept = text.replace("96110", "\0").replace("拨打110", "\1")
    changed = re.sub(r"\d+(\.\d+)?", lambda m: str(rng.randint(1, 10 ** min(6, len(m[0])))), kept)
    return changed.replace("\0", "96110").replace("\1", "拨打110")


def merged(text: str, rng: random.Random) -> str:
    notice = rng.choice(NOTICES)
    return rng.choice((f"{notice}\n\n{text}", f"{text}\n\n{notice}", f"{notice}\n{text}\n{rng.choice(NOTICES)}"))


def quoted(text: str, rng: random.Random) -> str:
    speaker = rng.choice(("张三", "网格员李姐", "物业-小陈", "A海滨社区反诈"))
    style = rng.randrange(3)
    if style == 0:
        return f"{speaker}: {text}"
    if style == 1:
        return "\n".join(f"{speaker} 2024/7/15 10:2{n}:11\n{line}" for n, line in enumerate(text.split("\n")))
    return f"「{speaker}：{text}」\n- - - - - - - - - - - - - - -\n大家都看看，别上当"


def spaced(text: str, rng: random.Random) -> str:
    return rng.choice((" ", "  ", "\u200b", "·")).join(text)


def dropped_paragraph(text: str, rng: random.Random) -> str:
    lines = text.split("\n")
    return "\n".join([lines[1], *lines[3:]])


EDITS: Final[dict[str, Edit]] = {
    edit.__name__: edit
    for edit in (
        greeting,
        signature,
        at_all,
        emoji,
        line_breaks,
        first_half,
        second_half,
        two_sentences,
        middle_paragraph,
        typing_errors,
        many_typing_errors,
        traditional,
        changed_numbers,
        merged,
        quoted,
        spaced,
        dropped_paragraph,
    )
}
# Two things at once, as liaisons do: the cut comes first, then what is put around it.
KINDS: Final = (
    *EDITS,
    "two_sentences+greeting",
    "two_sentences+signature",
    "first_half+merged",
    "middle_paragraph+merged",
    "two_sentences+traditional",
    "typing_errors+quoted",
    "changed_numbers+first_half",
    "second_half+typing_errors",
    "traditional+spaced",
    "middle_paragraph+typing_errors",
)
WHOLE_EDITS: Final = (
    "greeting",
    "signature",
    "at_all",
    "emoji",
    "line_breaks",
    "typing_errors",
    "traditional",
    "changed_numbers",
    "merged",
    "quoted",
    "spaced",
)


def forwards(alerts: dict[str, str], seed: int = 1, kinds: Sequence[str] = KINDS) -> Iterator[Case]:
    """Yield every kind of edit of every alert; the alerts of ``live_alerts`` have the four lines that cuts need."""
    rng = random.Random(seed)
    for alert_id, text in alerts.items():
        for kind in kinds:
            edited = text
            for step in kind.split("+"):
                edited = EDITS[step](edited, rng)
            yield Case(kind, edited, alert_id)


# --- templated expansion ---------------------------------------------------------------------------------------


def expanded_alerts(number: int, seed: int = 7) -> dict[str, str]:
    """Return ``number`` different alerts from four templates: siblings share most of their phrases."""
    rng = random.Random(seed)
    slots, templates = texts()["slots"], texts()["templates"]
    found: dict[str, str] = {}
    for serial in count():
        if len(found) == number:
            return found
        values = {slot: rng.choice(options) for slot, options in slots.items()}
        found[f"x{serial}"] = rng.choice(templates).format(
            **values,
            header=rng.choice(HEADERS),
            footer=FOOTER,
            lesson2=rng.choice(slots["lesson"]),
            month=rng.randint(1, 12),
            day=rng.randint(1, 28),
            amount=rng.randint(1000, 900000),
            times=rng.randint(2, 9),
        )
    raise AssertionError("unreachable")


def expanded_forwards(alerts: dict[str, str], number: int, seed: int = 3) -> list[Case]:
    """Return edits of whole templated alerts: a cut one would fit many of its siblings."""
    rng = random.Random(seed)
    ids = rng.sample(sorted(alerts), min(number, len(alerts)))
    kinds = [rng.choice(WHOLE_EDITS) for _ in ids]
    return [Case(k, EDITS[k](alerts[i], rng), i) for k, i in zip(kinds, ids, strict=True)]
