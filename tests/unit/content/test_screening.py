"""Scams posted into groups alarm; neighbours, officials and banks do not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from content.ordinary import ordinary_texts
from tests.unit.content.voices import ANY_TEXT, CHAT_LIKE, emergencies, library, questions, screener

SCAMS = {
    "诚招点赞员，手机操作，一单三到八元，日结，加我微信带你做": "shuadan",
    "在家就能做的兼职，给商品刷好评，佣金秒返，名额有限": "shuadan",
    "免费领鸡蛋三十枚，扫码进群报名，前一百名再送大米一袋": "songli",
    "无抵押无征信，身份证就能贷，最高二十万秒放款，急用钱的私聊": "daikuan",
    "股票群老师每天免费推荐涨停牛股，跟单稳赚，扫码进群": "licai",
    "高价收银行卡，四件套，一张一千，跑分走流水日结": "liangka",
    "出租微信号一天两百，实名的优先，私信我": "liangka",
    "同城美女上门，加客服做任务免费约，先交保证金": "seqing",
    "专业征信修复，逾期记录清除，先付后办，包过": "zhengxin",
    "恭喜您被抽为幸运用户，获得苹果手机一部，请点击链接先交手续费领取": "zhongjiang",
    "澳门百家乐上线，充一百送八十八，提现秒到，导师带你稳赢": "duchang",
    "专业追回网络诈骗损失款，不成功不收费，先交保证金，加微信详谈": "ercipian",
}
HONEST = [
    "今天超市鸡蛋特价四块五一斤",
    "我微信转你了收一下",
    "【招商银行】您账户尾号1234于10月12日支出人民币35.00元，余额2310.55元",
    "您的快递到了，放在门卫",
    "民警提醒：凡是刷单都是诈骗，请拨打96110",
    "警惕！免费领鸡蛋扫码进群是诈骗，请大家转发",
    "群里说点赞员日结是真的吗",
    "我妈说有人打电话说她社保卡停用了，怎么办",
    "县反诈中心通报一起刷单案，受害人被骗三万",
    "招聘：本店招服务员两名，包吃住，月薪四千五，电话联系老板娘",
    "老师让交校服费，一百二十块，明天带现金",
    "周六志愿者活动报名接龙",
]


@pytest.mark.parametrize(("text", "type_id"), SCAMS.items())
def test_scams_posted_into_a_group_alarm(text: str, type_id: str) -> None:
    screening = screener().screen(text)
    assert screening.alarm, screening
    assert type_id in screening.types


@pytest.mark.parametrize("text", HONEST)
def test_honest_messages_do_not(text: str) -> None:
    screening = screener().screen(text)
    assert not screening.alarm, screening
    assert screening.types == ()


def test_the_scammers_examples_alarm_and_the_residents_do_not() -> None:
    def share(texts: list[str]) -> float:
        return sum(screener().screen(text).alarm for text in texts) / len(texts)

    types = library().types.values()
    assert share([text for each in types for text in each.scammer]) >= 0.9
    assert share([text for each in types for text in (*each.asking, *each.telling)]) <= 0.01


def test_questions_and_cries_for_help_do_not_alarm() -> None:
    texts = [*(text for text, _ in questions()), *emergencies("+"), *emergencies("-")]
    alarms = [text for text in texts if screener().screen(text).alarm]
    assert len(alarms) <= 0.03 * len(texts), alarms


def test_the_quick_look_says_the_same() -> None:
    types = library().types.values()
    talk = [text for lines in ordinary_texts().values() for text in lines]
    texts = [*talk, *SCAMS, *HONEST, *(text for each in types for _, text in each.examples())]
    assert [screener().alarms(text) for text in texts] == [screener().screen(text).alarm for text in texts]


def test_ordinary_talk_and_warnings_do_not_alarm() -> None:
    alarms = [text for lines in ordinary_texts().values() for text in lines if screener().screen(text).alarm]
    assert alarms == []


@settings(deadline=None, max_examples=150)
@given(ANY_TEXT | CHAT_LIKE)
def test_any_text_is_screened(text: str) -> None:
    screening = screener().screen(text)
    assert 0 <= screening.score <= 1
    assert screening.alarm == bool(screening.types) == screener().alarms(text)
