"""When a message in a group is meant for the bot, and when it is none of its business."""

from __future__ import annotations

import pytest

from bot.addressing import addressed_to, is_certain, read_call
from bot.messages import Incoming
from content.ordinary import ordinary_texts
from db.states import AnswerKind, ContentKind
from tests.chatting import knowledge
from tests.fakes import START


def message(text: str, *, private: bool = False, mentions_bot: bool = False, sender_name: str = "张三") -> Incoming:
    return Incoming(
        channel="local",
        account="心防一号",
        message_id="m1",
        room_id="r1",
        private=private,
        sender_id="p1",
        sender_name=sender_name,
        kind=ContentKind.TEXT,
        text=text,
        at=START,
        mentions_bot=mentions_bot,
    )


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("心防 刷单是什么", "刷单是什么"),
        ("心防，刷单是什么", "刷单是什么"),
        ("@心防 刷单是什么", "刷单是什么"),
        ("@心防一号 刷单是什么", "刷单是什么"),
        ("@心防一号\u2005刷单是什么", "刷单是什么"),
        ("刷单是什么 @心防一号", "刷单是什么"),
        ("小防小防刷单是什么", "小防刷单是什么"),
        ("心防小助手，刷单是什么", "刷单是什么"),
        ("心防你好！刷单是什么", "刷单是什么"),
        ("反诈 刷单是什么", "刷单是什么"),
        ("反诈：刷单是什么", "刷单是什么"),
        ("96110，刷单是什么", "刷单是什么"),
        ("心防", ""),
        ("96110", ""),
    ],
)
def test_a_name_at_the_start_calls_the_bot_and_is_taken_off(text: str, rest: str) -> None:
    call = read_call(message(text))
    assert (call.called, call.text) == (True, rest)


@pytest.mark.parametrize(
    "text",
    [
        "刷单是什么",
        "反诈中心打电话让我转账",
        "反诈提醒：近期刷单高发",
        "96110打电话给我是真的吗",
        "心防线崩溃了",
        "小防盗门多少钱",
        "我觉得心防挺好",
    ],
)
def test_other_sentences_do_not_call_it_and_keep_their_words(text: str) -> None:
    call = read_call(message(text))
    assert (call.called, call.text) == (False, text)


def test_a_mention_calls_it_whatever_name_the_platform_shows() -> None:
    call = read_call(message("@反诈小卫士 刷单是什么", mentions_bot=True))
    assert (call.called, call.text) == (True, "刷单是什么")


def test_a_private_chat_is_always_meant_for_it() -> None:
    assert read_call(message("刷单是什么", private=True)).called
    assert read_call(message("心防 刷单是什么", private=True)).text == "刷单是什么"


def test_a_message_that_names_somebody_else_is_not_for_the_bot() -> None:
    call = read_call(message("@李四 刷单是不是诈骗？"))
    assert call.to_other
    assert not is_certain(call, AnswerKind.ANSWER, 0.99)


@pytest.mark.parametrize(
    ("text", "kind", "score", "certain"),
    [
        ("有人让我先垫钱刷单，是不是诈骗", AnswerKind.ANSWER, 0.95, True),
        ("先垫钱刷单靠谱吗", AnswerKind.ANSWER, 0.95, True),
        ("先垫钱刷单靠谱吗", AnswerKind.ANSWER, 0.6, False),  # not sure enough to butt in
        ("大家不要刷单", AnswerKind.ANSWER, 0.99, False),  # no question
        ("刷单" * 70 + "？", AnswerKind.ANSWER, 0.99, False),  # a notice, not a question
        ("是不是骗人的", AnswerKind.NONE, 0.1, False),
        ("是刷单还是贷款？", AnswerKind.CHOICES, 0.9, False),
        ("菜单", AnswerKind.MENU, 1.0, False),
        ("我刚给骗子转了五千怎么办", AnswerKind.EMERGENCY, 0.1, True),
        ("饭钱我刚转你了", AnswerKind.EMERGENCY, 0.1, False),
        ("我刚转了两万保证金", AnswerKind.EMERGENCY, 0.9, True),
        ("我刚给骗子转了五千怎么办" * 30, AnswerKind.EMERGENCY, 0.9, False),
    ],
)
def test_uncalled_it_speaks_only_when_it_is_certain(text: str, kind: AnswerKind, score: float, certain: bool) -> None:
    assert is_certain(read_call(message(text)), kind, score) is certain


def test_a_reply_in_a_group_names_whom_it_is_for() -> None:
    assert addressed_to(message("x"), "您好") == "@张三 您好"
    assert addressed_to(message("x", private=True), "您好") == "您好"
    assert addressed_to(message("x", sender_name="@张\n三"), "您好") == "@张 三 您好"
    assert addressed_to(message("x"), "长" * 600) == "长" * 600


TALK = (
    "饭钱我刚转给你了",
    "我刚转了500给他买菜",
    "快递到了吗？",
    "验证码发我一下",
    "贷款利率又降了吗？",
    "客服电话是多少？",
    "双十一退款怎么办？",
    "社保断缴怎么办",
    "这个链接是啥？",
    "反诈小课堂：什么是杀猪盘，如何识别？",
)


def test_ordinary_talk_in_a_group_is_never_answered_unasked() -> None:
    lines = [line for lines in ordinary_texts().values() for line in lines]
    asker = knowledge().asker
    answered = []
    for line in (*TALK, *lines):
        reply = asker.ask(line)
        if is_certain(read_call(message(line)), AnswerKind(reply.kind), reply.score):
            answered.append((line, reply.kind, reply.score))
    assert answered == []
