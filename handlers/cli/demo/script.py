"""Who says what in the demo."""

from __future__ import annotations

from dataclasses import dataclass

from bot.alerts import AlertContent
from db.states import AnswerKind, Severity

PASSWORD = "xinfang-demo-2026"
"""Of every demo login: the demo's data folder holds nothing but the demo."""

ALERT = AlertContent(
    title="快递“理赔”连骗三人，凡要共享屏幕的都是骗子",
    body=(
        "11月20日至21日，菜园镇、五龙乡接连有三位居民接到自称“快递理赔专员”的电话。对方说包裹丢失可以三倍赔付，"
        "先加聊天账号，再让下载会议软件“开通理赔通道”，共享屏幕后套走短信验证码，把银行卡里的钱转走，最多的一位损失4.8万元。\n"
        "记住三点：一、快递丢件只在原平台的订单页面申请赔付，不需要下载任何软件；二、屏幕共享等于把密码念给对方听；"
        "三、接到这类电话马上挂断，家里有老人的请当面告诉他们。"
    ),
    severity=Severity.RED,
)


@dataclass(frozen=True)
class Line:
    """What a resident says, and what kind of answer the bot owes."""

    person: str
    name: str
    text: str
    wanted: AnswerKind


RESIDENTS = [
    Line("r-wang", "王阿姨", "@心防 群里有人叫我给商品点赞刷单，先垫付再返佣金，这个能做吗", AnswerKind.ANSWER),
    Line("r-li", "小李", "@心防 有个客服打电话说我快递丢了要理赔，让我下载会议软件共享屏幕", AnswerKind.ANSWER),
    Line("r-chen", "陈师傅", "@心防 说我孙子在外面出车祸了急着要钱，叫我不要告诉家里人，是真的吗", AnswerKind.ANSWER),
    Line("r-zhou", "周老板", "@心防 部队的人打电话来订三百份盒饭，还叫我先垫钱帮他买罐头", AnswerKind.ANSWER),
    Line("r-zhao", "老赵", "@心防 明天去花鸟岛的船几点开", AnswerKind.NONE),
    Line("r-sun", "孙大姐", "@心防 我刚刚把两万块钱转给他了，现在怎么办啊", AnswerKind.EMERGENCY),
]

CHATTER = [
    Line("r-wu", "吴哥", "今晚台风要来，大家把阳台上的花盆收一收", AnswerKind.NONE),
    Line("r-qian", "钱姐", "菜场的带鱼今天很新鲜", AnswerKind.NONE),
]

FORWARD_PREFIX = "【转发】请大家都看一看："
