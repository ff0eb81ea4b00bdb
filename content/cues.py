"""Small words that tell what a message does: demands, warns, reports, asks. Read in normalised text."""

from __future__ import annotations

import re
from typing import Final

DEMAND: Final = re.compile(
    r"(?:让|叫|要|喊|催|逼|教)(?:我|他|她|咱)|说(?:我|是我|要|先|能|可以|让|叫|有)|自称|冒充|先(?:交|付|转|垫|充|给|收|打)"
    r"|陌生|不认识|威胁|拉黑|链接|二维码|提现|加(?:我|了)?(?:微信|好友|qq)|保证金|手续费|解冻"
)
"""Somebody reports what a stranger wants."""

WARNING: Final = re.compile(
    r"警惕|谨防|当心|提醒|反诈|诈骗|骗局|骗子|被骗|上当|受骗|骗人|96110|(?<!\d)110(?!\d)|民警|警方|通报|受害|曝光|防范|不法分子|抓获"
    r"|判处|新闻|发案|请转发|辟谣|切勿|温馨提示|可能涉嫌|不要出[租借售]|不要(?:轻信|相信|告诉|转账|点|打)|挂断并|本人操作"
)
"""Somebody warns of fraud or reports about it."""

REPORT: Final = re.compile(
    r"警惕|谨防|(?:警方|民警|公安|派出所|反诈|温馨|安全|风险|预警|消协|银行)(?:提醒|提示|通报|介绍|劝阻|宣传|紧急)|通报|典型案例|抓获|破获|判处|判决|一审|宣判"
    r"|获刑|记者|央视|曝光|揭秘|起底|发案|不法分子|嫌疑人|团伙|(?:男子|女子|老人|大妈|大学生|会计)(?:被|轻信|险|遭|轻易)|[\u4e00-\u9fff]某|我县|我市"
    r"|宣传|推进会|反诈中心|反诈app|切勿|请勿|不会(?:以任何理由)?(?:要求|索要)|都是(?:骗人的|诈骗|骗局)|请转发|请(?:各|广大)"
)
"""News and warnings about fraud, and banks that say what they never do."""

QUESTION: Final = re.compile(
    r"[?]|吗|么$|怎么|咋|伐|是不是|呢$|靠谱|真的|如何|(.)不\1|能不能|要不要|有没有|哪里|啥|不$"
)
"""Somebody asks."""
