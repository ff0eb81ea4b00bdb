"""Is somebody losing money right now? Already paid, gave a code, is sharing the screen, installed the app.

Written as rules and not learnt: every decision must be explainable afterwards, and there are no real cases to learn
from. An act counts only when it is told as done (了, 已经, 刚, 正在); denials, conditions, old cases, hearsay and
everyday payments are taken away again. A loss told at length, without a word of now and without asking for help, is a
story and no emergency; the bare "转了3万" is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NUMBER: Final = r"(?:[\d.]+|[一二两三四五六七八九十百千万几好多]+)"
_AMOUNT: Final = rf"{_NUMBER}(?:多|来|几)?(?:块|元|万|千|百|w|k|个亿|百多|(?<=\d{{3}}))"
_FAMILY: Final = "我|俺|阿拉|咱|妈|爸|娘|爹|老公|老婆|老伴|丈夫|妻子|儿子|女儿|孩子|爷爷|奶奶|外婆|外公|姐|妹|弟|哥|姑|舅|叔|婶|姨|岳|婆婆|公公|朋友|同事|同学|室友|邻居|家里|老人|员工"
_THEM: Final = (
    "他|她|对方|骗子|那人|那个人|那边|人家|客服|警察|警官|公安|民警|导师|接待|平台|网友|陌生|专员|经理|指导"
)
_FEE: Final = "钱|款|费|税|押金|定金|订金|保证金|本金|佣金|流水|积蓄|存款|余额|工资|现金|贷款"
_PAY: Final = "转账|转帐|汇款|打款|付款|转钱|打钱|付钱|交钱|充钱|充值|垫付|垫钱|投钱|支付|缴费|扫码付"
_PAY_SHORT: Final = "转|打|汇|付|交|充|投|垫|刷|给|存|缴|借|寄|取|买|入金|进"
_DONE: Final = "了|过去了|过去啦|出去了|进去了|完了|好了|掉了|走了|光了|啦"

# Acts that can hardly be meant otherwise.
_CERTAIN: Final[dict[str, tuple[str, ...]]] = {
    "paid": (
        r"^(?:我|我们|俺|救命)?(?:被骗|遭骗|被诈骗|受骗)(?:钱|财)?(?:了)?(?:怎么办|咋办|咋整|救命|求助)?$",
        rf"^(?:急|救命)?(?:我|我们|俺)?(?:已经|都|就|刚)?(?:付|转|打|汇|交)(?:了|完|过去|出去)(?:了|钱|账|款|{_AMOUNT}|{_NUMBER})*$",
        r"被(?:骗|诈骗)(?:了)?(?:钱|财)|(?:刚刚?|刚才|才|现在)被(?:骗|诈骗)$",
        rf"(?:分钟|小时|钟头|一会儿?)(?:之)?前.{{0,6}}(?:{_PAY_SHORT}|{_PAY})(?:了|的|过去|出去)",
        r"(?:刚刚?|刚才|才)把?.{0,4}钱.{0,4}(?:转|打|汇|付|划)(?:走|过去|出去|给)",
        r"(?:现在|正|马上|这会儿|这就)(?:在)?.{0,4}(?:银行|柜台|atm|柜员机).{0,6}(?:转|汇|取|打)(?:款|钱|账|现)",
        r"(?:正在|正要|这会儿|马上要?)(?:给|往|向).{1,10}(?:转|汇|打)(?:款|钱|账)",
        r"(?:威胁|敲诈|勒索|恐吓|曝光).{0,14}(?:现在|马上|正在|今天|立刻)|(?:现在|马上|正在|今天).{0,10}(?:威胁|敲诈|勒索|恐吓)",
        rf"(?<!被人)被(?:人|他|她|对方|网友|客服|平台|他们)?(?:骗|坑|诈骗|诈|忽悠|敲诈|勒索)(?:子)?(?:了|走|去(?=了|{_NUMBER}|$)|光|掉|完|{_NUMBER})",
        rf"被(?:骗|诈骗|坑).{{0,3}}{_AMOUNT}",
        r"(?:受骗|上当|上当受骗|中招|着了?道|被套路|遇到骗子)了",
        rf"骗(?:走|了|去|光)(?:{_FAMILY})",
        rf"(?:{_FAMILY}).{{0,4}}(?:给|让|被)(?:人|他|她|骗子)?骗(?:了|去|走)",
        r"(?:钱|存款|余额|积蓄|卡里|卡上|账户|账上|银行卡|信用卡|花呗|零钱).{0,8}(?:被|让人|给人|都|全|已经).{0,6}(?:转走|划走|刷走|盗刷|扣走|取走|骗走|弄走|扣了|刷了|转光|没了|不见了|清空)",
        r"(?:刚刚?|突然|莫名|一下子?)(?:被)?(?:扣|划|转|刷)(?:走|掉)?(?:了)?" + _AMOUNT,
        rf"(?:{_FEE})(?:已经|刚刚?|刚才|都|全|就|也)?(?:{_PAY_SHORT})(?:过去|出去|进去|给(?:{_THEM}))(?:了|啦)",
        rf"(?:刚刚?|刚才|已经|才|都|全|就)(?:把)?.{{0,6}}(?:{_PAY_SHORT})(?:了|给)?(?:{_THEM})",
        rf"(?:刚刚?|刚才|已经|都)(?:{_PAY})(?:{_DONE})",
        rf"(?:刚刚?|刚才|已经)(?:又)?(?:给.{{1,8}})?(?:{_PAY_SHORT})(?:{_DONE})(?:{_AMOUNT}|钱|{_NUMBER}(?:笔|次))",
        rf"(?:{_PAY_SHORT})给(?:了)?(?:{_THEM}).{{0,6}}(?:{_AMOUNT}|了)",
        rf"给(?:{_THEM}).{{0,6}}(?:{_PAY_SHORT}|{_PAY})(?:了|过)",
        rf"(?:现金|金条|黄金|金子|首饰|{_AMOUNT}).{{0,8}}(?:交给|拿给|寄给|递给|给)(?:了)?.{{0,8}}(?:{_THEM}|跑腿|司机|快递|上门).{{0,4}}(?:了|走)",
        r"(?:现金|金条|黄金|金子)(?:已经|都|就)?(?:寄|邮|送|交)(?:出去|走|过去)?了",
        r"(?:现金|金条|黄金|金子)(?:才|刚刚?|刚才)(?:寄|邮|送|交|拿|递)(?:出去|走|过去|给)",
        r"(?:取|拿|提)出来.{0,4}(?:交|拿|递)?给.{1,8}了|(?:现金|金条|黄金).{0,6}(?:交|拿|递)给.{1,8}了",
        r"(?:刚刚?|刚才|才|今天|昨天|昨晚|已经).{0,3}被(?:人)?(?:骗|诈骗|坑|敲诈)(?!子|术|局)",
        rf"(?:转|打|汇|付|投|充)(?:过去|出去|进去)(?:了)?.{{0,4}}{_AMOUNT}",
        rf"(?:转|充|打|垫)了{_NUMBER}(?:次|笔|单|回)(?!电话)",
        r"已(?:经)?(?:付款|转账|汇款|打款|转钱)|(?:刚刚?|才|刚才)(?:付|转|打|汇)(?:账|款|钱|过去|出去)?(?:完|以后|之后|就)",
        r"(?:钱|余额|存款|卡里).{0,3}(?:突然|一下子|莫名其妙|莫名|全都?|都)(?:没|不见|少)了",
        r"(?:钱|款|额度).{0,4}(?:转|划|刷)走了",
        rf"(?:孩子|儿子|女儿|孙子|孙女|小孩).{{0,6}}(?:用|拿).{{0,6}}手机.{{0,10}}(?:转|付|刷)了{_AMOUNT}",
        rf"(?:扣|少|刷|丢)了(?:我|卡里)?{_AMOUNT}",
        rf"(?:刚刚?|刚才|才).{{0,6}}(?:{_PAY_SHORT})了{_AMOUNT}",
        r"钱(?:刚刚?|已经|都|才)(?:出去|打出|转出|到他)|正(?:在)?被(?:人)?(?:骗|诈骗|敲诈)",
        rf"被(?:人)?(?:盗?刷|划|扣|转|取|提)(?:走|掉|去)(?:了)?{_NUMBER}",
        r"(?:投|充|垫|转|打)(?:进去)?的.{0,3}(?:钱|款|本金).{0,4}(?:取|提|拿|出|退|要)不(?:出|了|回|到|来)",
        rf"(?:骗子|他|她|对方|人家).{{0,2}}(?:拿|取|卷|骗|刷|划)走(?:了)?我?.{{0,4}}(?:{_AMOUNT}|钱)",
        rf"(?:{_PAY_SHORT})错?给(?:了)?骗子",
    ),
    "code": (
        r"验证[码吗马嘛].{0,8}(?:给|告诉|念|报|说|读|输|透露|提供|发|填).{0,8}(?:了|啦|才发现|才知道)",
        rf"(?:给|告诉|发|念|报|说|提供|透露|输|填)了.{{0,4}}(?:{_THEM})?.{{0,4}}验证码",
        r"(?:已经|刚刚?|刚才|都|就).{0,4}(?:把)?.{0,4}验证码.{0,4}(?:给|告诉|发|念|报|说|输|填)",
        rf"(?:密码|卡号|身份证号?|付款码|收款码|人脸).{{0,10}}(?:给|告诉|发给|念给|报给|提供给)(?:了)?.{{0,4}}(?:{_THEM}).{{0,3}}(?:了|啦)",
        r"(?:填|输|输入|提供|报|告诉)了.{0,8}(?:银行卡号?|卡号|支付密码|银行卡密码|验证码|身份证号)",
        r"(?:银行卡号?|卡号|支付密码|密码|身份证号?)(?:和.{1,6})?(?:都|也|已经|全)(?:填|输|给|告诉|报|说)(?:进去|上去|出去)?了",
        r"(?:按|照)(?:着)?(?:他|她|对方|要求).{0,6}(?:刷脸|人脸|扫脸).{0,4}了",
        r"(?:动态码|六位数|短信码).{0,6}(?:给|告诉|念|报|发|说).{0,6}了|填完.{0,4}(?:验证码|卡号|密码)",
        rf"(?:给|帮|让)(?:{_THEM}).{{0,4}}(?:刷|做|扫)了.{{0,2}}(?:脸|人脸)",
    ),
    "sharing": (
        r"(?:正在|正|现在|目前|已经|刚刚?|一直|还)(?:在|都在)?.{0,8}(?:屏幕共享|共享屏幕|共享我的屏幕|共享手机屏幕|共享着|远程控制|远程协助|投屏)(?!能|可以|吗|是不是|怎么)",
        r"(?:屏幕共享|共享屏幕|屏幕|共享|远程)(?:都|还|已经|一直|也|现在)*(?:开着|开了|打开了|开启了|没关|关不掉|停不下来|在共享|进行中|中呢)",
        r"(?:开|打开|开启|点|同意|接受|进行)了.{0,6}(?:屏幕共享|共享屏幕|共享|远程)",
        r"共享了.{0,6}屏幕|(?:屏幕|手机屏幕)(?:给(?:他|她|对方|客服|人家)?)?共享(?:给(?:他|她|对方|客服))?了",
        r"手机.{0,6}(?:被|让)(?:他|她|对方|人|别人|人家)?.{0,3}(?:控制|远程|锁住|锁了|黑屏)",
        r"手机.{0,6}(?:自己|不受我?|突然自己).{0,4}(?:动|控制|操作|转)",
        r"(?:别|不要|不让|不许|不准)关.{0,3}(?:共享|屏幕|会议|视频)",
        r"(?:连|看|盯|控制|操作)(?:着|到).{0,3}我(?:的)?(?:屏幕|手机)|(?:在|能)看(?:着|到|见)?我(?:的)?(?:屏幕|手机)",
        r"正(?:在)?(?:远程)?(?:控制|操控)(?:着)?我(?:的)?(?:手机|电脑)|(?:屏幕|共享).{0,6}我(?:还|正|一直)?开着",
        r"(?:他|她|对方|客服|警察).{0,4}(?:正在|在)(?:看|操作|控制)(?:着)?我(?:的)?(?:手机|屏幕)",
        r"(?:他|她|对方|客服|人家).{0,3}(?:在|正在|能)(?:远程|操控|控制)|(?:跟着|按着?|照着?)(?:他|她|对方|人家|客服)(?:在)?操作",
    ),
    "app": (rf"(?:下载|下|装|安装|点开|点|打开)了(?:{_THEM}).{{0,8}}(?:软件|app|应用|程序|链接|网址)",),
    "call": (
        r"(?:不让|不许|不准|不给|不能|不敢|[叫让要]我别|[叫让要]我不要).{0,4}挂(?:电话|断|机)?(?!失)",
        r"电话(?:还|一直|都)?(?:没挂|没有挂|不敢挂|没敢挂|通着|开着|连着|没断|没挂断)",
        r"(?:还在|正在|现在在|现在正|正).{0,3}(?:跟|和|与|同)(?:那个|这个|一个)?(?:他|她|对方|客服|警察|公安|骗子|那个人|那边|警官|民警).{0,6}(?:通|打电话|通话|电话|视频|说|聊|连)",
        r"(?:他|她|对方|骗子|警察|公安|客服)(?:现在)?(?:还在|正在|一直在|就在).{0,3}(?:电话|线上|线|视频|催)",
    ),
}
# Acts that need a context of fraud, because people do the same every day.
_POSSIBLE: Final[dict[str, tuple[str, ...]]] = {
    "call": (r"(?:还|正|一直)在.{0,4}(?:电话|通话|线上|视频)",),
    "paid": (
        rf"(?:{_PAY})(?:{_DONE})",
        rf"(?:{_PAY_SHORT})(?:{_DONE}).{{0,6}}(?:{_AMOUNT}|{_FEE})",
        rf"(?:{_AMOUNT}|{_FEE}).{{0,6}}(?:{_PAY_SHORT})(?:{_DONE})",
        rf"(?:已经|刚刚?|刚才).{{0,6}}(?:{_PAY_SHORT})(?:{_DONE})",
        r"(?:转|打|汇|存|充|交|寄)(?:账|款|钱)?(?:到|进|入|给|去|往).{1,14}(?:了|啦)",
        rf"(?:{_AMOUNT}|钱|积蓄|嫁妆).{{0,3}}(?:就|都|全)?(?:没了|没有了|打水漂|拿不回|要不回|退不了|不见了)",
        r"被.{0,8}(?:刷|转|扣|划|骗|坑|敲诈|卷)(?:走|了|去|掉|光)",
        rf"骗(?:走|了|去|光|掉).{{0,8}}(?:{_AMOUNT}|{_FEE})|(?:{_AMOUNT}|{_FEE}).{{0,4}}骗(?:走|去|光|掉)",
        r"(?:付|转|交|打|汇|充)(?:完|了|过去|出去)(?:才|之后|以后|他|她|就|人|对方|又|后)",
        rf"(?:输|亏|赔|搭|贴|花|收|砸)(?:了|进去|掉).{{0,6}}{_AMOUNT}",
        rf"(?:{_AMOUNT}|{_FEE}).{{0,16}}(?:拉黑|联系不上|找不到人|人不见|没音信|不回消息了|没人了|打不开了|电话打不通|不发货)",
        rf"给.{{1,8}}(?:转|打|汇|付)(?:账|款|钱)?(?:了|过去|去).{{0,4}}(?:{_AMOUNT}|{_FEE})?",
    ),
    "app": (
        r"(?:下|下载|装|安装|装上|注册)了.{0,12}(?:app|软件|应用|程序|会议|平台)",
        r"(?:app|软件|应用|程序|会议).{0,8}(?:下|装|下载|安装|注册)(?:好|完|上|下来)?了",
        r"(?:已经|刚刚?|刚才|都|就).{0,6}(?:下|装|下载|安装)(?:好|完|上)?了",
        r"点(?:了|开了|进去了|进了).{0,8}(?:链接|网址|网站)|(?:链接|网址).{0,6}点(?:了|开了|进去了|进了)",
        r"扫了.{0,8}码|(?:二维码|码).{0,4}扫了",
    ),
}
# Denials and questions reach to the next "我", which starts another statement; conditions reach across it.
_DENIED: Final = re.compile(
    r"(?:没有?(?!了|法)|还没|未|并没|别|不要|不能|不会|不敢|不想|不肯|要不要|该不该|能不能|可不可以|会不会|怎么(?!办)才?能?|怎样|如何"
    r"|打算|准备|想要|正要|快要|才能|要先|先要|得先|必须|需要|拒绝了?|没让|以防|防止|避免)[^我]{0,5}$"
    r"|(?:差点儿?|差一点|险些|幸亏|幸好|好在|要是|如果|假如|假设|万一|一旦|要我|(?:网警|律师|黑客|有人|说能|能帮|帮我|帮忙).{0,8}(?:追回|找回|追)"
    r"|骗子会|会说|怎么知道.{0,4}|判断.{0,4}|识别.{0,4}|看出.{0,4}).{0,5}$"
    r"|(?:说|讲)(?:只要|要|先|得|是)?$"
)
_DENIED_INSIDE: Final = re.compile(
    r"没(?!了|法)|未|别(?!人|关)|不(?!见|受|出|下|掉|知|理|回|上|到|了|听|让|许|准)|要不|才能|再|会(?:没|被|不)"
)
_UNDONE: Final = re.compile(
    r"^.{0,6}(?:就(?:能|可以|给|放款|放|返|会|行)|会不会(?!犯)|会怎|能不能(?!撤|追|退|拦|要回|找回|拿回|止|冻|报警)|可以吗|能吗|行吗|安全吗|才能|才可以|才给|才行|再说|之后才|以后才|是不是就)"
)
_OLD: Final = re.compile(
    rf"去年|前年|上个月|上上个?月|{_NUMBER}(?:多)?年前|{_NUMBER}个?多?月前|前几年|前些年|前两年|上回|以前|从前|曾经|当年|那年|早年|很久|好久|小时候|20[012]\d年|被骗过|上过当|受过骗|转过一?次"
)
_STILL: Final = re.compile(r"刚|今天|现在|马上|正在|今早|今晚|刚才|昨天|昨晚|今年")
_HEARSAY: Final = re.compile(
    r"[\u4e00-\u9fff]某|受害人|事主|居民|市民|村民|新闻|报道|通报|案例|曝光|警方|民警(?:提醒|通报|接报|上门|成功|介绍|说)|反诈中心|谨防|警惕|提醒|听.{0,4}说|据说"
    r"|看到.{0,4}(?:有人|个人|老人|一个)|抖音|反诈|(?:就|只是|随便|想)(?:是想)?(?:问问|问一下|了解)|有(?:个|位)?(?:人|同学|同事|邻居|老人|学生|村民|家长|业主|居民|顾客).{0,3}被|有个人|很多人|好多人|别人|电视|抖音上|视频里说|我县|我市|我镇|近日|日前|不法分子|嫌疑人|判处|团伙|宣传|讲座|案件|电影|小说|剧里"
)
_EVERYDAY: Final = re.compile(
    r"给(?:刚)?(?:老公|老婆|儿子|女儿|孩子|爸|妈|外婆|外公|奶奶|爷爷|爸妈|父母|家里)(?:转|打|汇|充|付)|讲课|看看到|到了没|发我|你报|报一下|给(?:了)?你|你查|你收|你们|转你|打你|发你|给您|给妈|给爸|房租|房贷|车贷|月供|水费|电费|水电|话费|学费|班费|伙食费|生活费|工资发|物业|停车|车险|保险费|红包|份子|礼金|首付|团购|拼单"
    r"|饭钱|聚餐|aa|买菜|外卖|货款|报销|发票|彩票|压岁|加油|油费|信用卡还|还款|还清|还了|社保|医保|公积金|税务|车票|船票|门票钱|房东|老板娘|食堂|油卡|公交卡|会议室|开会|上课|ppt|作业|疫苗|投票|简历|电充|充电|麻将"
)
_FRAUD_CONTEXT: Final = re.compile(
    r"骗|假(?:的|老师|客服|警察|领导|链接|网站|平台)|对方|陌生|不认识|网上|网友|网恋|客服|警察|公安|导师|接待员|刷单|任务|垫付|垫钱|垫资|平台|提现|冻结|保证金|解冻|手续费|拉黑|联系不上|不回|不理|失联|怎么办|咋办|救命|急|报警|追回|要回|要得回|找回|拿回|止付|能退|完了|后悔|劝不|拦不|不听劝|不对劲|可疑|中奖|贷款|投资|返利|安全账户|裸聊|敲诈|让我|叫我|要我|他说|她说"
)
_COMPILED: Final = [
    (kind, certain, re.compile("|".join(f"(?:{pattern})" for pattern in patterns)))
    for certain, table in ((True, _CERTAIN), (False, _POSSIBLE))
    for kind, patterns in table.items()
]
_CLAUSES: Final = re.compile(r"[,，。.!！?？;；\n~…]+")
_WORDS_OF_ACTS: Final = re.compile(r"[了在挂啦过着已刚被给前正才关走不]")
_INCOMING: Final = re.compile(
    r"(?:给|往|向)我(?:卡里|卡上|账户|的卡|的账户|支付宝|微信)?.{0,3}(?:转|打|汇|返|发|付)|(?:转|打|返|汇|付|发)(?:钱|款)?给我|返了?我"
)
"""Money that comes in: a scammer's bait or a wrong transfer, but no loss yet."""
_JEST: Final = re.compile(
    r"骗你(?:的|呢|玩)|骗(?:来|去)(?:爬|吃|玩|看|上班|加班|开会|喝|干|打)|标题|电影|游戏里|鞋|衣服|这书|本书|酒店|盗版|差评"
)
_NOW: Final = re.compile(
    r"刚|今天|今早|今晚|今日|早上|上午|下午|现在|正在|马上|这会儿|此刻|还在|一直在|昨晚|昨天夜里|(?:分钟|小时|钟头)(?:之)?前|突然|已经(?!立案|报警)"
)
_PLEA: Final = re.compile(
    r"怎么办|咋办|咋整|咋弄|怎么弄|救|急|求助|帮帮我|追回|追得?回|要回|要得回|拿回|找回|能退|拦|止付|冻结(?:吗|得)|报警(?:有用|来得及|吗)|先打(?:哪|什么)"
    r"|怎么(?:追|报警|处理|弄回)|来得及|会不会犯法|该(?:做什么|怎么做)"
)
_STORY_FROM: Final = 18
"""Characters from which a loss needs a word of now or a plea: who is losing money does not tell it at length."""
_SURELY_FRAUD: Final = 0.6
_HARDLY_FRAUD: Final = 0.05
"""Below this, a text of some length is about something else, whatever words of loss it has (a review, a novel)."""
_PASTED: Final = 2.5
_LONGEST: Final = 400
"""People in an emergency write little; a longer text is a pasted message or an article, read only at its start."""
_ONGOING: Final = frozenset({"sharing", "call"})


@dataclass(frozen=True, slots=True)
class Emergency:
    """What has happened: some of ``paid``, ``code``, ``sharing``, ``call``, ``app``; and the words that say so."""

    kinds: tuple[str, ...]
    words: tuple[str, ...]


def find_emergency(text: str, fraud_score: float = 0.5, scammer_lead: float = 0.0) -> Emergency | None:
    """The emergency told in ``text`` (normalised), or None.

    ``fraud_score`` (0..1): how surely the text is about fraud. ``scammer_lead``: by how many nats it sounds more like
    a scammer than like a resident; a pasted message (我已经付款了, 点链接激活) is not the resident's own deed.
    """
    text = text[:_LONGEST]
    if scammer_lead > _PASTED or not _may_tell_one(text, fraud_score):
        return None
    spoken = _FRAUD_CONTEXT.search(text) is not None
    context = spoken or fraud_score >= _SURELY_FRAUD
    if not spoken and _EVERYDAY.search(text):
        return None
    found: dict[str, str] = {}
    for clause in _CLAUSES.split(text):
        for kind, certain, pattern in _COMPILED:
            if kind in found or not (certain or context):
                continue
            match = pattern.search(clause)
            if match and not _DENIED.search(clause[: match.start()]) and not _taken_back(kind, clause, match):
                found[kind] = match[0]
    urgent = len(text) < _STORY_FROM or not _ONGOING.isdisjoint(found) or _is_urgent(text)
    return Emergency(tuple(found), tuple(found.values())) if found and urgent else None


def _may_tell_one(text: str, fraud_score: float) -> bool:
    """Whether it is worth looking: no hearsay, no old case, no jest, and not plainly about something else."""
    if not _WORDS_OF_ACTS.search(text) or _HEARSAY.search(text) or _JEST.search(text):
        return False
    if _OLD.search(text) and not _STILL.search(text):
        return False
    return len(text) < _STORY_FROM or fraud_score >= _HARDLY_FRAUD


def _is_urgent(text: str) -> bool:
    return _NOW.search(text) is not None or _PLEA.search(text) is not None


def _taken_back(kind: str, clause: str, match: re.Match[str]) -> bool:
    """A denial inside or just after the words: 验证码我没给他, 转了会不会被骗."""
    if kind == "paid" and _INCOMING.search(clause):
        return True
    denied = kind != "call" and _DENIED_INSIDE.search(match[0]) is not None
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
