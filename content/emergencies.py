"""Is somebody losing money right now? Already paid, gave a code, is sharing the screen, installed the app.

Three readers, whose findings are weighed together. The patterns of ``acts.py`` find an act that is told as done or
happening (了, 已经, 刚, 正在), unless it is denied, supposed, only asked for, old, heard or an everyday payment; the
signs of ``signs_of_loss.py`` are there or not; ``loss_model.py`` knows how such things are worded. The weights are
fitted (``benchmarks/fit_signs.py``), so that neither a pattern nor a word decides alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from content.acts import FAMILY, GIVING, NUMBER, PAY_VERBS, SECRETS, TABLES
from content.loss_model import loss_leaning
from content.signs_of_loss import SIGNS, probability, signs_of

if TYPE_CHECKING:
    from content.matching import Match

# Denials and questions reach to the next "我", which starts another statement; conditions reach across it.
_DENIED: Final = re.compile(
    r"(?:没有?(?!了|法)|还没|未|并没|别|不要|不能|不会|不敢|不想|不肯|是不是|要不要|该不该|能不能|可不可以|会不会|怎么(?!办)才?能?|怎样|如何"
    r"|打算|准备|想要|正要|快要|才能|要先|先要|得先|必须|需要|拒绝了?|没让|以防|防止|避免)[^我]{0,5}$"
    r"|(?:差点儿?|差一点|险些|幸亏|幸好|好在|要是|如果|假如|假设|万一|一旦|要我|(?:网警|律师|黑客|有人|说能|能帮|帮我|帮忙).{0,8}(?:追回|找回|追)"
    r"|骗子会|会说|怎么知道.{0,4}|判断.{0,4}|识别.{0,4}|看出.{0,4}).{0,5}$"
    r"|(?:说|讲)(?:只要|要|先|得|是)?$|(?:说|称|讲|告知)(?:是)?(?:我|名下|您|你)[^,]{0,10}$"
)
_DENIED_INSIDE: Final = re.compile(
    r"没(?!了|法)|未|别(?!人|关)|不(?!见|受|出|下|掉|知|理|回|上|到|了|听|让|许|准)|要不|才能|再|会(?:没|被|不)|能(?:给|说|告|发|转|付|点|下|装|不能)|可以"
)
_UNDONE: Final = re.compile(
    r"^.{0,4}的话|^.{0,6}(?:就(?:能|可以|给|放款|放|返|会|行)|会不会(?!犯)|会怎|能不能(?!撤|追|退|拦|要回|找回|拿回|止|冻|报警)|可以吗|能吗|行吗|安全吗|才能|才可以|才给|才行|再说|之后才|以后才|是不是就)"
)
_OLD: Final = re.compile(
    rf"去年|前年|上个月|上上个?月|{NUMBER}(?:多)?年前|{NUMBER}个?多?月前|前几年|前些年|前两年|上回|以前|从前|曾经|当年|那年|早年|很久|好久|小时候|20[012]\d年|被骗过|上过当|受过骗|转过一?次"
    rf"|骗.{{0,6}}{NUMBER}个?多?(?:年|月)了|{NUMBER}多?年了|那会儿|老早|当时|年轻的?时候|上(?:学期|半年|次|一次)"
)
_STILL: Final = re.compile(r"刚|今天|现在|马上|正在|今早|今晚|刚才|昨天|昨晚|今年")
_NEWS: Final = re.compile(
    r"[\u4e00-\u9fff]某|受害人|事主|市民|村民|新闻|报道|通报|案例|曝光|警方|民警(?:提醒|通报|接报|上门|成功|介绍|说)|网格员|有一户|打了?[借欠]条|谨防|警惕|据说"
    r"|看到.{0,4}(?:有人|个人|老人|一个)|(?:就|只是|随便|想)(?:是想)?(?:问问|问一下|问下|了解)|有(?:个|位)?(?:人|同学|同事|邻居|老人|学生|村民|家长|业主|居民|顾客|老师|阿姨|大妈|大爷|男的|女的|大学生|会计).{0,3}被"
    r"|有个人|一般|通常|银行负责|多久内|谁赔|防诈骗|防骗|告家长|国家反诈|反诈中心|剧本|很多人|好多人|我县|我市|我镇|近日|日前|不法分子|嫌疑人|判处|团伙|宣传|讲座|案件|电影|小说|剧里"
)
_HEARSAY: Final = re.compile(r"居民|反诈|提醒|听.{0,4}[说讲]|抖音|别人|电视|视频里说")
"""Hearsay too, unless somebody says with it what has just happened to themselves."""
_OWN: Final = re.compile(
    rf"(?:我|{FAMILY}).{{0,6}}(?:刚|已经|现在|正在|都)|(?:刚|已经|正在).{{0,6}}(?:{PAY_VERBS}|被|给|点|下|装|开)"
)
_AVERTED: Final = re.compile(
    r"(?:还好|幸亏|幸好|好在|差点|差一点|险些)(?!.{0,8}只)|(?:劝|拦|阻止)(?:住|下来?|回来?)了|没(?:转成|成功|上当|中招|被骗|信|搭理|理他|理她|损失)|识破|骂了他|直接挂"
    r"|(?:大家|姐妹|各位|朋友们|家人们|兄弟|你们).{0,6}(?:小心|注意|当心|别|不要|千万)|千万(?:别|不要)|长(?:个|点)?记性|引以为戒|教训|避雷|吃一堑|(?:什么|啥)(?:都|也)没|(?:等会儿?|等下|一会儿?)(?:再)?(?:说|回|打)|叫她回|不是我操作|密码改|改了密码|骗子会|会说你|短信.{0,3}删"
)
"""It went well, or others are warned."""
_ASKED_TO: Final = re.compile(rf"(?:让|叫|要|请|催|逼|喊|劝)(?:{FAMILY}|他|她)")
_DONE_AT_ALL: Final = re.compile(r"[了完掉光]|正在|好了|[不没还]|刚|已")
"""What is asked of somebody (让我把卡号发给他) is done only if the verb says so."""
_DONE_SOMEWHERE: Final = re.compile(r"[了完着掉]|假的|不许|刚|已|正|还在|没|一直|不让|现在|不出")
_CLAIMED: Final = re.compile(
    r"说(?:交|付|转|给|先)了?.{0,8}就|是不是(?=[转给付交打])|说我中|(?:说|称)(?:我|名下|您)[^,]{0,8}(?:被|异常|违规|涉|欠|冻)(?!.*我.{0,6}(?:已|刚|就|转|给|填|报).{0,4}了)"
)
"""What somebody says has happened (银行说我卡被冻结) is how a fraud begins."""
_MORE: Final = re.compile(r"还|又|继续|再")
_SUPPOSED: Final = re.compile(
    r"(?:要是|如果|假如|假设|假使|倘若|万一|一旦|若是|若(?=.{0,6}了))(?!.{0,12}(?:我|妈|爸)(?:已|刚|都))"
)
_SECRET_NAMED: Final = re.compile(rf"(?:{SECRETS})")
_GIVEN: Final = re.compile(
    rf"(?:我|妈|爸|爷|奶|公|婆|他|她)(?:已经?|刚刚?|就|都|也|又|全|真的?|傻乎乎)+.{{0,3}}(?:{GIVING})(?:给(?:他|她|了)|过去|出去|完)*了"
)
_STILL_UNDONE: Final = re.compile(
    r"还没(?:有)?(?:敢|来得及)?(?:给|转|付|交|点|下载|装|说|告诉|打钱|打款|汇|输|填|扫|借|投|充)(?!完)"
)
_EVERYDAY: Final = re.compile(
    r"给(?:刚)?(?:老公|老婆|儿子|女儿|孩子|爸|妈|外婆|外公|奶奶|爷爷|爸妈|父母|家里|老丈人|丈母娘|岳父|岳母|公公|婆婆|侄子|侄女|外甥)(?:转|打|汇|充|付)|讲课|看看到|到了没|发我|你报|报一下|给(?:了)?你|你查|你收|你们|转你|打你|发你|给您|给妈|给爸|房租|房贷|车贷|月供|水费|电费|水电|话费|学费|班费|伙食费|生活费|工资发|物业|停车|车险|保险费|红包|份子|礼金|首付|团购|拼单"
    r"|托管|装修|直播间买|投标|招标|打牌|多扣了|充值了|退货|换货|套餐|移动|联通|电信|身份证办|饭钱|吃饭|聚餐|aa|买菜|捐了|肉疼|退款(?!.{0,6}(?:电话|短信|客服|链接))|外卖|货款|报销|发票|彩票|压岁|加油|油费|信用卡还|还款|还清|还了|社保|医保|公积金|税务|车票|船票|门票钱|房东|老板娘|食堂|油卡|公交卡|会议室|开会|上课|ppt|作业|疫苗|投票|简历|电充|充电|麻将"
)
_HOMELY: Final = re.compile(
    r"给(?:刚)?(?:老公|老婆|儿子|女儿|孩子|爸|妈|外婆|外公|奶奶|爷爷|父母|家里|老丈人|丈母娘|岳父|岳母|公公|婆婆|侄|外甥)[^,]{0,3}(?:转|打|汇|充|付|交)"
    r"|讲课|过节|过年|查收|生活费|压岁(?!钱)|中介费付|申请退款|肉疼"
)
"""Payments in the family and such: never weighed, however much they sound like a loss."""
_FRAUD_CONTEXT: Final = re.compile(
    r"骗|假(?:的|老师|客服|警察|领导|链接|网站|平台)|对方|陌生|不认识|网上|网友|网恋|导师|接待员|刷单|任务|垫付|垫钱|垫资|提现|冻结|保证金|解冻|手续费|拉黑|联系不上|不回|不理|失联|怎么办|咋办|救命|急|报警|追回|要回|要得回|找回|拿回|止付|能退|完了|后悔|劝不|拦不|不听劝|不对劲|可疑|中奖|返利|安全账户|裸聊|敲诈|让我|叫我|要我|他说|她说"
    r"|结果钱|钱没|没了|扣\d|银保监|银监|保密|涉案|洗钱|通缉|走账|跑分|皮肤|裸|网贷|借呗|花呗|白条|百万保障|激活|理赔|洗脑|越想越|踏实|心慌|害怕|对面|撤回|追得|能追|止损|完蛋|糟|天哪"
)
_ROLES: Final = re.compile(r"客服|警察|公安|平台|贷款|投资|中介|银行")
"""Words of fraud as well as of every day: they count in a text that may be about fraud at all."""
_PERHAPS_FRAUD: Final = 0.5
_CIVIL: Final = re.compile(r"商家|驾校|教练|健身|房子(?!.{0,4}抵押)|买房|会员卡|老赖|物业")
_FOUL: Final = re.compile(r"骗|假|拉黑|失联|联系不|消失|跑路|搬空|根本(?:没|不)|冒充")
"""A quarrel about a bargain is no emergency, unless there is talk of something foul."""
_COMPILED: Final = [
    (kind, certain, re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))
    for certain, table in TABLES
    for kind, patterns in table.items()
]
_PARTICLES: Final = re.compile(r"[咧嘞喽]|脱了?(?=$|[,。一二两三四五六七八九十几\d])")
_CLAUSES: Final = re.compile(r"[,，。.!！?？;；\n~…]+")
_WORDS_OF_ACTS: Final = re.compile(r"[了在挂啦过着已刚被给前正才关走不没断退现出取去删付骗]")
_INCOMING: Final = re.compile(
    r"给了?(?:我|点)?(?:佣金|返利|本金|红包|工资|提成|好评)|(?:真|又|先|都)?给了?(?:我)?(?:[一二三四五六七八九十几\d]+)(?:块|元|百)(?!.{0,4}(?:保证|押|定))"
    r"|(?:给|往|向)我(?:卡里|卡上|账户|的卡|的账户|支付宝|微信)?.{0,3}(?:转|打|汇|返|发|付)|(?:转|打|返|汇|付)(?:钱|款)?给我|返了?我"
)
"""Money that comes in: a scammer's bait or a wrong transfer, but no loss yet."""
_JEST: Final = re.compile(
    r"骗子真多|被(?:老婆|老公|妈|爸|朋友|同事)骗[去来]|骗你(?:的|呢|玩)|骗(?:来|去)(?:爬|吃|玩|看|上班|加班|开会|喝|干|打)|标题|电影|游戏里|鞋|衣服|这书|本书|酒店|盗版|差评|欠我|拖欠|输错|忘了密码|密码忘|(?:交|付|转)了没有"
)
_NOW: Final = re.compile(
    r"刚|今天|今早|今晚|今日|早上|上午|下午|现在|正在|马上|这会儿|此刻|还在|一直在|昨晚|昨天夜里|(?:分钟|小时|钟头)(?:之)?前|突然|已经(?!立案|报警)"
)
_PLEA: Final = re.compile(
    r"怎么办|咋办|咋整|咋弄|怎么弄|救|急|求助|帮帮我|追回|追得?回|要回|要得回|拿回|找回|能退|拦|止付|冻结(?:吗|得)|报警(?:有用|来得及|吗)|先打(?:哪|什么)"
    r"|怎么(?:追|报警|处理|弄回)|来得及|会不会犯法|该(?:做什么|怎么做)"
)
_HEADLINE: Final = re.compile(
    r"(?:大学生|学生|男子|女子|老人|老太|大爷|大妈|市民|村民|居民|网友|女生|男生|员工|会计|财务|公司|夫妻|小伙|姑娘)[^,我]{0,10}(?:遭|被|险)"
    r"[^我]{0,14}(?:骗|诈)[^我]{0,6}(?:\d|[一二三四五六七八九十百千]|万)"
)
"""A stranger's loss in figures, as papers put it."""
_IS_IT_TRUE: Final = re.compile(
    r"(?:是)?真的(?:吗|么|假的|还是)|是真是假|能信(?:吗|么)|可信(?:吗|么)|靠谱(?:吗|么)|是不是(?:骗|诈|假|真)"
)
_DEED: Final = re.compile(
    rf"(?:{PAY_VERBS})(?!电话|来)[^,]{{0,8}}(?:了|完|过去|出去)|(?:给|告诉|报|点|下|装|填|扫|登|输|借|贷|汇|发|存|取|买|寄)[^,]{{0,4}}(?:了|完|好)"
    r"|正在|正(?=[给跟在共开])|还[在看盯]|一直在|不敢挂|没挂|不让我?[挂退关]|别挂|不许出|掉|现在"
)
"""Something done or going on, not only asked for."""
_STORY_FROM: Final = 18
"""Characters from which a loss needs a word of now or a plea: who is losing money does not tell it at length."""
_TOLD_OF_FRAUD: Final = 0.8
_PERSONAL: Final = re.compile(FAMILY)
"""… unless it is surely about fraud and about somebody's own people."""
_SURELY_FRAUD: Final = 0.6
_HARDLY_FRAUD: Final = 0.05
"""Below this, a text of some length is about something else, whatever words of loss it has (a review, a novel)."""
_PASTED: Final = 2.5
_OWN_PLEA: Final = re.compile(r"怎么办|咋办|咋整|被骗|追得?回|撤回|止付")
_LONGEST: Final = 400
"""People in an emergency write little; a longer text is a pasted message or an article, read only at its start."""
_TOLD_BY_SIGNS: Final = 0.4
"""Below one half: a needless instruction costs less than a missed loss."""
_SURELY_TOLD: Final = 0.85
"""Where no sign says what has happened, or it sounds like somebody else's words."""
_HOPELESS: Final = -6.0
"""Nats of wording below which nothing else is looked at: half of group chat, and none of the emergencies learnt from."""
_AGAINST: Final = {
    "jest": _JEST,
    "averted": _AVERTED,
    "news": _NEWS,
    "another told": _HEARSAY,
    "old": _OLD,
    "lately": _STILL,
    "now": _NOW,
    "cry for help": _PLEA,
    "own deed": _OWN,
    "undone": _STILL_UNDONE,
    "only supposed": _SUPPOSED,
    "money comes in": _INCOMING,
    "claimed": _CLAIMED,
    "in the family": _HOMELY,
    "of every day": _EVERYDAY,
    "words of fraud": _FRAUD_CONTEXT,
    "quarrel": _CIVIL,
}
_KIND_OF_SIGN: Final = {
    "they are at it": "sharing",
    "act done": "paid",
    "money gone": "paid",
    "gone out": "paid",
    "they vanish": "paid",
    "they ask for more": "paid",
    "secret given": "code",
    "app or link": "app",
    "device taken": "sharing",
    "act lately": "paid",
    "something done": "paid",
    "cheated": "paid",
}
_ONGOING: Final = frozenset({"sharing", "call"})


@dataclass(frozen=True, slots=True)
class Emergency:
    """What has happened: some of ``paid``, ``code``, ``sharing``, ``call``, ``app``; and the words that say so."""

    kinds: tuple[str, ...]
    words: tuple[str, ...]


class Sounds(NamedTuple):
    """How a text sounds, in nats: against everyday talk; telling over asking; the scammer over a resident. ``fraud``: 0..1."""

    resident: float
    telling: float
    scammer: float
    fraud: float


def sounds_of(match: Match) -> Sounds:
    """The sounds of a message that is already matched."""
    voices = match.voices
    lead = voices.scammer - max(voices.asking, voices.telling)
    return Sounds(match.leaning.resident, voices.telling - voices.asking, lead, match.fraud)


def emergency_in(match: Match) -> Emergency | None:
    """The emergency told in a matched message: patterns, signs of a loss and the wording, weighed together."""
    text = read_for_signs(match.text)
    wording = loss_leaning(text)
    sounds = sounds_of(match)
    if wording < _HOPELESS:
        return None
    found = find_emergency(match.text, match.fraud, sounds.scammer)
    if any(hit.phrase.parts == (match.text,) for hit in match.hits):
        return found  # a message that is nothing but a word of the library names a type and tells nothing more
    signs = signs_in(text, sounds, found)
    told_in_words = found is not None or not _KIND_OF_SIGN.keys().isdisjoint(signs)
    plain = told_in_words and "pasted" not in signs
    if probability(signs, wording) < (_TOLD_BY_SIGNS if plain else _SURELY_TOLD):
        return None
    return found or _by_signs(text, signs)


def read_for_signs(text: str) -> str:
    """``text`` (normalised) as far as it is read, with dialect's particles as 了."""
    return _PARTICLES.sub("了", text[:_LONGEST])


def is_pasted(text: str, scammer_lead: float) -> bool:
    """Whether somebody else's message seems to be shown, which is not the resident's own deed."""
    return scammer_lead > _PASTED and not _OWN_PLEA.search(text)


def signs_in(text: str, sounds: Sounds, found: Emergency | None) -> dict[str, float]:
    """All that is weighed of a text: signs of a loss, what speaks against it, and whether a pattern ``found`` one."""
    signs = signs_of(text, *sounds)
    signs |= {name: 1.0 for name, pattern in _AGAINST.items() if pattern.search(text)}
    if not _DEED.search(text) and (_ASKED_TO.search(text) or _IS_IT_TRUE.search(text)):
        signs["only asked to"] = 1.0
    if _is_headline(text):
        signs["headline"] = 1.0
    if is_pasted(text, sounds.scammer):
        signs["pasted"] = 1.0
    if found is not None:
        signs["a pattern fits"] = 1.0
        signs |= {f"pattern of {kind}": 1.0 for kind in found.kinds}
    return signs


def _by_signs(text: str, signs: Mapping[str, float]) -> Emergency:
    kinds = tuple(dict.fromkeys(kind for sign, kind in _KIND_OF_SIGN.items() if sign in signs)) or ("paid",)
    words = tuple(SIGNS[sign].search(text)[0] for sign in _KIND_OF_SIGN if sign in signs)  # type: ignore[index]
    return Emergency(kinds, words or (text[:_STORY_FROM],))


def find_emergency(text: str, fraud_score: float = 0.5, scammer_lead: float = 0.0) -> Emergency | None:
    """The emergency told in ``text`` (normalised) by one of the patterns, or None.

    ``fraud_score`` (0..1): how surely the text is about fraud. ``scammer_lead``: by how many nats it sounds more like
    a scammer than like a resident; a pasted message (我已经付款了, 点链接激活) is not the resident's own deed.
    """
    text = _PARTICLES.sub("了", text[:_LONGEST])
    if taken_back_as_a_whole(text, fraud_score, scammer_lead):
        return None
    found = _acts(text, _speaks_of_fraud(text, fraud_score) or fraud_score >= _SURELY_FRAUD)
    if "code" not in found:
        found |= _said_before(text)
    if _STILL_UNDONE.search(text):
        found = {kind: words for kind, words in found.items() if kind in _ONGOING}
    if not found or not (len(text) < _STORY_FROM or _is_urgent(text, fraud_score, found)):
        return None
    return Emergency(tuple(found), tuple(found.values()))


def taken_back_as_a_whole(text: str, fraud_score: float, scammer_lead: float) -> bool:
    """Whether no emergency can be told: pasted, heard, old, averted, or everyday payments and no word of fraud."""
    if is_pasted(text, scammer_lead) or not _may_tell_one(text, fraud_score):
        return True
    return not _speaks_of_fraud(text, fraud_score) and _EVERYDAY.search(text) is not None


def _speaks_of_fraud(text: str, fraud_score: float) -> bool:
    if _FRAUD_CONTEXT.search(text):
        return True
    return fraud_score >= _PERHAPS_FRAUD and _ROLES.search(text) is not None


def _is_headline(text: str) -> bool:
    return _HEADLINE.search(text) is not None and not _PLEA.search(text) and not _OWN.search(text)


def _said_before(text: str) -> dict[str, str]:
    """A secret named in one clause and given away in another: 他说验证码过期了, 第一次我已经报了."""
    secret, given = _SECRET_NAMED.search(text), _GIVEN.search(text)
    return {"code": given[0]} if secret and given and secret.start() < given.start() else {}


def _acts(text: str, context: bool) -> dict[str, str]:
    """The acts that are told as done or happening, by kind, with the words that tell them."""
    found: dict[str, str] = {}
    begins = 0
    for clause in _CLAUSES.split(text):
        begins = text.find(clause, begins)
        for kind, certain, pattern in _COMPILED:
            if kind in found or not (certain or context):
                continue
            for match in pattern.finditer(clause):
                supposed = _SUPPOSED.search(text[: begins + match.start()])
                if (
                    not supposed
                    and not _DENIED.search(clause[: match.start()])
                    and not _taken_back(kind, clause, match)
                ):
                    found[kind] = match[0]
                    break
        begins += len(clause)
    return found


def _may_tell_one(text: str, fraud_score: float) -> bool:
    """Whether it is worth looking: no hearsay, no old case, no jest, and not plainly about something else."""
    if not _WORDS_OF_ACTS.search(text) or _NEWS.search(text) or _JEST.search(text) or _AVERTED.search(text):
        return False
    if (_CIVIL.search(text) and not _FOUL.search(text)) or _is_headline(text):
        return False
    if _HEARSAY.search(text) and not _OWN.search(text):
        return False
    if _OLD.search(text) and not _STILL.search(text):
        return False
    return len(text) < _STORY_FROM or fraud_score >= _HARDLY_FRAUD


def _is_urgent(text: str, fraud_score: float, found: dict[str, str]) -> bool:
    if not _ONGOING.isdisjoint(found) or _NOW.search(text) or _PLEA.search(text):
        return True
    return fraud_score >= _TOLD_OF_FRAUD and _PERSONAL.search(text) is not None


def _taken_back(kind: str, clause: str, match: re.Match[str]) -> bool:
    """A denial inside or just after the words: 验证码我没给他, 转了会不会被骗."""
    if kind == "paid" and _INCOMING.search(clause):
        return True
    if kind not in _ONGOING and _ASKED_TO.search(clause[: match.start()]) and not _DONE_AT_ALL.search(match[0]):
        return True
    if _MORE.match(match[0]):
        return False
    denied = kind not in _ONGOING and _DENIED_INSIDE.search(match[0]) is not None
    return denied or _UNDONE.match(clause[match.end() :]) is not None


_FIRST_STEPS: Final = {
    "sharing": "马上关掉屏幕共享；关不掉就断网（关WiFi和流量）或关机，换一部手机打电话。",
    "call": "马上挂断电话。不让您挂电话、不让告诉家人的，就是骗子。",
    "paid": "马上停手，一分钱也别再转。“再交一笔就能退”是骗您继续转。",
    "code": "马上停手，验证码、密码一个也别再说；改掉支付密码和登录密码。",
    "app": "马上停手，先断网；截图留证后卸载对方让装的软件，链接别再点。",
}
_ORDER: Final = ("sharing", "call", "paid", "code", "app")


def instructions(emergency: Emergency) -> str:
    """What to do in the next minutes, ≤ 400 characters. Order of calls: 110, bank, 96110 (``FACTS``: stop payment)."""
    first = [_FIRST_STEPS[kind] for kind in _ORDER if kind in emergency.kinds][:2]
    steps = [
        *first,
        "立即拨打110，说“我被骗了，请求止付”，报出对方户名、账号、转出金额和时间。越快，拦下的机会越大。",
        "聊天、转账、通话记录都别删，截图留好，带上去就近的派出所。",
        "打完110，再打自己银行的官方客服电话，冻结自己的卡、改密码；花呗、信用卡、手机支付也查一遍。",
    ]
    lines = [
        "先别慌，也别责怪自己，骗子手段很专业，谁都可能遇上。现在请马上做：",
        *(f"{place}. {step}" for place, step in enumerate(steps, 1)),
    ]
    lines.append("还没转钱、只是拿不准：打96110问一问。之后有人说能帮你把钱追回来、要先收费的，也是骗子。")
    return "\n".join(lines)
