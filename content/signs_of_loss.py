"""Signs that somebody tells of their own loss, weighed together: for the many ways of telling that no pattern foresees.

Each sign is a list of words and has a weight, so that a decision can be explained: which signs were there and what
each was worth. The weights are those of a logistic model fitted on the project's own emergencies, near-emergencies and
everyday lines (``benchmarks/fit_signs.py``), rounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import exp
from typing import Final

from content.acts import FAMILY, GIVING, SECRETS

_VERBS: Final = r"转|汇|付|打|交|充|投|垫|缴|存|给|刷|寄|借|取|买|押|凑|砸|贴|拿"
_SIGNS: Final[dict[str, str]] = {
    "act done": rf"(?:{_VERBS}|收)(?:走|到|给).{{1,12}}(?:了|群里)|(?:{_VERBS})(?:账|款|钱|值|资)?(?:给.{{1,6}}|过去|出去|进去|到.{{1,8}}|掉|走|完|好|光)?(?:了|啦)|(?:{_VERBS})(?:过去|出去|进去|完|走)",
    "act lately": rf"(?:刚|已经?|才|昨[天晚夜]|今[天早晚朝]|上午|下午|中午|夜里|前天|脑子一热|手一?抖).{{0,14}}(?:{_VERBS}|说|报|念|点|填|输|下|装|扫|刷|发|告诉)",
    "secret given": rf"(?:{GIVING})完.{{0,4}}(?:{SECRETS})|(?:念|报|说|告诉|给)了?.{{0,3}}[四六]位数?|(?:身份证|照片?|卡|u盾|密码).{{0,10}}(?:发|拍|寄|交|告诉)(?:给|到).{{1,8}}了|(?:{SECRETS}|密码|代码|数字|手持照|识别码|截图).{{0,16}}(?:{GIVING}|出去|出来).{{0,10}}(?:了|以后|完)|(?:{GIVING})了.{{0,8}}(?:{SECRETS})|(?:填|报|念|输|说)了.{{0,6}}(?:码|密码|卡号)",
    "money gone": r"余额.{0,3}(?:只剩|没)|刷掉|出款|已汇出|弹出.{0,4}扣款|多出.{0,4}网贷|被登录|异地登录|跳出来扣|扣(?:款|了)?\d{3,}|结果.{0,6}(?:没了|少了)|(?:钱|款|卡|余额|存款|金|块|元|千|万|钞票|账户|支付宝|花呗|微信|养老|房租|定金|押金|\d{3}).{0,8}(?:没了|没有了|不见|少了|飞了|飞走|清零|变成?零|被[划扣刷转提盗]|[划扣刷转骗弄]走|弄脱|没得|空了|刚没|冻了|被冻)",
    "gone out": r"收走了?|(?:现钞|钞票|现金|黄金|金条|首饰).{0,8}(?:递|交|送|给|买好)|(?:钱|款|定金|存单|金条|现金|黄金|卡).{0,4}(?:出去|取出来|寄|走|转过去|交到|收走|拿走)",
    "they vanish": r"门.{0,2}关了|店铺?.{0,2}没了|下架|注销了|不理我|不认(?!识)|没发过|要不回|(?:收|付|转|给)(?:了|完)?(?:款|钱)?(?:后|就|完).{0,3}(?:删|没)|登不上去|里面还有|拉黑|秒?删(?:了|我|除)|失联|失踪|消失|联系不上|没影|不见了|跑了|跑路|搬空|登不上|登录不上|打不开|打不通|客服也?没|不回|关机|退群|解散|没人了|查不到|不认账|没有这",
    "they ask for more": r"给过.{1,3}次|不罢休|又要|[出取提拿]不(?:出)?来.{0,4}[要让叫]我|追加|又付了|已经发了.{0,6}红包|威胁.{0,12}(?:已经|刚|先).{0,6}(?:发|给|转)|(?:又|还|再)(?:要|让|叫|得|付|交|补|打|转|催)|再来一[遍次]|又付|还不行|还是不行|还差|补\d|现在要\d|继续转",
    "they are at it": r"(?:正在|还在|正|一直|现在).{0,8}(?:教我|看着|催|视频|共享|远程|控制|操作|电话|打|聊|柜台|银行|等|凑|往里|往|按|照|转)|看着呢|宾馆|困在|连线|不准我|提着|拎着|坐上|拦着|劝着|骑手|跑腿.{0,6}到|来取.{0,6}到|语音了|联系|看着呢|还看着|在里面说|别告诉|不让我|叫我别|让我别|不准我|不许我|共享着|连着我|看到我|没退|没挂|不肯挂|没断|全程通话|门.{0,2}锁|鼠标|自己在?(?:走|动)|拿着现金|等(?:一个|人|着)|车.{0,4}开走|人(?:已经)?在",
    "device taken": r"黑着|卸不掉|删不掉|不停震|远程|共享|同意了|安装包|黑屏|发烫|动不了|控制|弄了半天|操作|代码|nfc|碰一?了?(?:一)?下?卡|刷脸|扫脸|人脸",
    "app or link": r"(?:下载?|装|点|扫|打开|注册)(?:了|好|完|进去?|开).{0,12}|(?:安装包|链接|软件|app|二维码|码).{0,8}(?:了|完|点开)",
    "plea": r"老板不认|卸不掉|关不掉|怎么关|怎么办|咋|救|急|来得及|追[得还回]|撤回|拦|止付|报警|哪能|求|帮帮|zenme|反应过来|突然觉得|越想|不对劲?|有点怪|绕进去|发现|才知道|后悔|完了|糟|不听|硬要|劝",
    "cheated": r"骗子|被骗|骗了|骗去|骗走|骗子骗|上当|假的|假(?:客服|警察|班主任|老板)|不是他|冒充|中招|被坑|诈骗",
    "something done": rf"(?:我|{FAMILY})[^,]{{0,14}}[^收接看听遇碰问挂删黑骂拒到好完没,](?:了(?!没)|掉)|把.{{1,10}}(?:给|交|搭|说|讲|开|挪).{{0,6}}",
    "told": r"了|过(?!户|年)|已|刚|正|着|一直|还在|没挂|不停",
    "own": rf"我|阿拉|俺|咱|{FAMILY}",
    "them": r"他|她|对方|那个?人|人家|客服|骗子|警|公安|检察|老师|导师|专案|网上|平台|主播|学姐|军官|中介|陌生|自称|所谓",
    "amount": r"\d{3,}|[一二两三四五六七八九十几][千万百]|\d[万千w]",
    "question": r"吗|是不是|能不能|会不会|要不要|该不该|可以吗|可信|靠谱|真的|真假|正规|怎么(?!办|撤|追|弄)|如何|多久|是否|能信|好不好|安不安全|什么|伐$",
    "asked to, not done": r"(?:让|叫|要|请|说|喊)(?:我|他|她|先|你)(?:(?!了|完|好).)*$",
    "denied": r"没(?:有)?(?:敢|给|转|付|点|理|接|说|填|下|装|去|信|听|同意|答应|上当|弄)|不会弄|拒绝|还没|不敢|没事|挂了|不理|删了他|拉黑了?他|把.{0,8}拉黑",
    "supposed": r"如果|要是|假如|假设|万一|一旦|要真|打算|准备|想(?:去|要|问)|犹豫|考虑|怎么(?:防|识别|判断|看)|一般|通常",
    "past": r"去年|前年|年前|前几年|早[几两]年|以前|20[012]\d|上次|曾经|那年|小时候|上个月|当年",
    "hearsay": r"听[说讲]|新闻|有人|村里|同村|别人|网上说|视频里|节目|公众号|推文|报道|群里|转发|大家|提醒|注意|作文|故事|案例|单位|同学想",
    "settled": r"(?<!不)(?<!不给)(?<!不能)退了|还我了|还给我了|到账了|已经退|追回来了|还清|办好|没事了|好了$|成功",
    "everyday": r"电费|水费|话费|房贷|餐费|学费|红包|工资|快递|取件|外卖|早饭|超市|会议|上课|网课|作业|医院|装修|物业|房东|健身卡|股票|基金|定期|侄|同学|老公|老婆|儿子学校|移动|联通|电信|退货|身份证办|老板拖欠|朋友欠",
}
SIGNS: Final = {name: re.compile(pattern) for name, pattern in _SIGNS.items()}
ACTS: Final = frozenset(
    (
        "act done",
        "act lately",
        "secret given",
        "money gone",
        "gone out",
        "they are at it",
        "app or link",
        "something done",
    )
)
_TOGETHER: Final = ("them", "they vanish", "they ask for more")
"""Signs that weigh more beside an act."""
_OPEN: Final = frozenset(("question", "supposed", "denied", "hearsay", "settled", "asked to, not done"))
_SURE: Final = 0.85
SOUNDS: Final = ("resident", "telling", "scammer", "length")
# FITTED
WEIGHTS: Final[Mapping[str, float]] = {
    "a pattern fits": 1.12,
    "act and them": 0.44,
    "act and they ask for more": 0.62,
    "act and they vanish": 0.36,
    "act done": 0.56,
    "act lately": 0.41,
    "always": -0.52,
    "amount": 0.46,
    "another told": -0.38,
    "app or link": 0.63,
    "asked to, not done": -0.42,
    "averted": -1.6,
    "cheated": -0.12,
    "claimed": -0.34,
    "cry for help": 0.08,
    "denied": -0.58,
    "device taken": 0.58,
    "everyday": -0.35,
    "gone out": 0.11,
    "headline": -1.37,
    "hearsay": -0.13,
    "in the family": -1.14,
    "jest": -0.2,
    "lately": 0.47,
    "length": 0.1,
    "money comes in": -0.86,
    "money gone": 0.92,
    "news": -0.38,
    "now": 0.73,
    "of every day": -0.31,
    "old": -1.56,
    "only asked to": -0.7,
    "only supposed": -0.61,
    "own": 0.12,
    "own deed": 0.43,
    "past": -0.87,
    "pasted": -1.2,
    "pattern of app": 0.73,
    "pattern of call": 0.73,
    "pattern of code": 1.5,
    "pattern of paid": 0.89,
    "pattern of sharing": 1.35,
    "plea": 0.45,
    "quarrel": -0.21,
    "question": -0.47,
    "resident": 0.6,
    "scammer": 0.02,
    "secret given": 0.78,
    "settled": -1.1,
    "something done": 0.04,
    "supposed": -0.74,
    "surely fraud and own": 0.0,
    "surely fraud and plainly told": 0.34,
    "surely fraud and something done": 0.39,
    "surely fraud and told": 0.46,
    "telling": 0.56,
    "them": 0.26,
    "they are at it": 0.99,
    "they ask for more": 0.74,
    "they vanish": 0.5,
    "told": 0.16,
    "undone": -0.32,
    "words of fraud": 0.07,
}
# END
_THIRD: Final = 3.0
_LIMIT: Final = 2.0


def signs_of(text: str, resident: float, telling: float, scammer: float, fraud: float) -> dict[str, float]:
    """The signs found in ``text`` (normalised), with their strengths.

    ``resident``: how it sounds against everyday talk; ``telling``: lead of telling over asking; ``scammer``: lead of the
    scammer's voice over a resident's; all in nats. ``fraud``: probability that it is about fraud.
    """
    found = {name: 1.0 for name, pattern in SIGNS.items() if pattern.search(text)}
    if not found.keys().isdisjoint(ACTS):
        found |= {f"act and {name}": 1.0 for name in _TOGETHER if name in found}
    if fraud >= _SURE:
        found |= {f"surely fraud and {name}": 1.0 for name in ("told", "something done", "own") if name in found}
        if "told" in found and found.keys().isdisjoint(_OPEN):
            found["surely fraud and plainly told"] = 1.0
    sounds = (resident, telling, scammer)
    found |= {name: max(-_LIMIT, min(_LIMIT, value / _THIRD)) for name, value in zip(SOUNDS, sounds, strict=False)}
    return found | {"length": min(_LIMIT, len(text) / 30), "always": 1.0}


def probability(signs: Mapping[str, float], wording: float) -> float:
    """How likely a loss is told that happens now or has just happened, 0 to 1; ``wording``: its leaning in nats."""
    logit = wording + sum(WEIGHTS.get(name, 0.0) * strength for name, strength in signs.items())
    return 1 / (1 + exp(-max(-30.0, min(30.0, logit))))
