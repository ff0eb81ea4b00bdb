"""Small words that tell what a message does: doubts, tells of demands, offers, warns. Read in normalised text."""

from __future__ import annotations

import re
from typing import Final

DOUBT: Final = re.compile(
    r"真的(?:吗|么|假|不)|是真(?:吗|的|不|还)|真假|靠(?:不靠)?谱|骗|套路|能信|可信|信得过|敢信|合法|犯法|违法|犯罪"
    r"|能(?:做|投|去|买|要|领|存|扫|点|接|下|交|贷|玩|办|开)(?:吗|么|不|伐)|正规|安全(?:吗|不)|有诈|坑人|陷阱|上当"
    r"|有没有问题|有问题吗|怎么回事|咋回事|正常(?:吗|不|么)|要不要紧|该不该|怎么识别|怎么防|当心|诈"
)
"""Somebody asks whether a thing is honest."""

DEMAND: Final = re.compile(
    r"(?:让|叫|要|喊|催|逼|教)(?:我|他|她|咱)|说(?:我|是我|要|先|能|可以|让|叫|有)|自称|冒充|先(?:交|付|转|垫|充|给|收|打)"
    r"|陌生|不认识|威胁|拉黑|链接|二维码|提现|加(?:我|了)?(?:微信|好友|qq)|保证金|手续费|解冻"
)
"""Somebody reports what a stranger wants."""

OFFER: Final = re.compile(
    r"加(?:我)?(?:微信|v|vx|qq|好友|群)|扫码|私(?:聊|信|我)|点(?:击|开)?(?:链接|下方|下面)|日结|日赚|日入|月入|名额|联系(?:我|客服)"
    r"|回复\d|速来|滴滴|滴我|有意|详聊|详谈|咨询|进群|入群|下载|先交|先付|免费(?:领|送)|包(?:过|赚|赢|回本)|稳赚|内幕|秒(?:到|批|放|下)"
    r"|无抵押|低息|收(?:购)?(?:银行卡|卡|号|微信)|高价|招|兼职|佣金|返利|转(?:到|入)|验证码|保证金|手续费|解冻|链接|http|www"
)
"""Somebody offers or demands: the call to act of an advertisement or a lure."""

WARNING: Final = re.compile(
    r"警惕|谨防|当心|提醒|反诈|诈骗|骗局|骗子|被骗|上当|受骗|骗人|96110|(?<!\d)110(?!\d)|民警|警方|通报|受害|曝光|防范|不法分子|抓获"
    r"|判处|新闻|发案|请转发|辟谣|切勿|温馨提示|可能涉嫌|不要出[租借售]|不要(?:轻信|相信|告诉|转账|点|打)|挂断并|本人操作"
)
"""Somebody warns of fraud or reports about it."""

QUESTION: Final = re.compile(
    r"[?]|吗|么$|怎么|咋|伐|是不是|呢$|靠谱|真的|如何|(.)不\1|能不能|要不要|有没有|哪里|啥|不$"
)
