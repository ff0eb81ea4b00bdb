"""What gateways tell of messages, as the engine sees it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.channels.wechaty_incoming import as_incoming, is_notice, read_history, read_quotation
from bot.messages import Incoming
from db.states import ContentKind


@dataclass
class Payload:
    text: str = ""
    type: int = 7
    id: str = "m1"
    from_id: str = "wang"
    to_id: str = ""
    room_id: str = "r1@chatroom"
    timestamp: int = 1_763_700_000_000
    mention_ids: list[str] = field(default_factory=list)


def heard(payload: Payload) -> Incoming | None:
    return as_incoming(payload, account="心防一号", self_id="bot", self_name="心防", sender_name="王芳")


def text_of(payload: Payload) -> Incoming:
    message = heard(payload)
    assert message is not None
    return message


@pytest.mark.parametrize(
    ("payload", "mentioned"),
    [
        (Payload("什么是刷单", mention_ids=["bot"]), True),
        (Payload("@心防 什么是刷单"), True),  # puppets that give no list
        (Payload("@心防\u2005什么是刷单"), True),
        (Payload("@心防线协会 开会"), False),
        (Payload("心防是什么"), False),
        (Payload("@心防 在吗", room_id=""), False),  # a private chat needs none
        (Payload("「心防：凡是刷单都是诈骗」\n- - - - - - - - - - - - - - -\n那投资呢"), True),
    ],
)
def test_who_is_mentioned(payload: Payload, mentioned: bool) -> None:
    assert text_of(payload).mentions_bot is mentioned


def test_a_quotation_is_not_what_was_said() -> None:
    quoted = "「王芳：【红色预警】快递理赔\n是骗局：不要转账」\n- - - - - - - - - - - - - - -\n我也接到了\n怎么办"
    assert text_of(Payload(quoted)).text == "我也接到了\n怎么办"
    xml = "<msg><appmsg><title>这个是真的吗</title><type>57</type><refermsg><displayname>心防</displayname>"
    xml += "<content>预警全文</content><title>旧</title></refermsg></appmsg></msg>"
    message = text_of(Payload(xml))
    assert (message.text, message.mentions_bot) == ("这个是真的吗", True)
    assert read_quotation("「未完") is None
    assert read_quotation("他说：「快递理赔」\n------\n真的吗") is None


def test_a_merged_history_is_read_as_far_as_it_is_shown() -> None:
    inner = "&lt;recorditem&gt;&lt;datadesc&gt;第一条 &amp;amp; 预警&lt;/datadesc&gt;&lt;datadesc&gt;第二条&lt;/datadesc&gt;"
    assert read_history(f"<msg><recorditem>{inner}</recorditem></msg>") == "第一条 & 预警\n第二条"
    assert read_history("<r><datadesc><![CDATA[全文]]></datadesc></r>") == "全文"
    assert read_history("群聊的聊天记录\n王芳: 注意") == "群聊的聊天记录\n王芳: 注意"
    message = text_of(Payload("<r><datadesc>预警</datadesc></r>", type=4))
    assert (message.kind, message.text) == (ContentKind.TEXT, "预警")


def test_rooms_private_chats_and_echoes() -> None:
    assert (text_of(Payload("a")).room_id, text_of(Payload("a")).private) == ("r1@chatroom", False)
    private = text_of(Payload("a", room_id="", to_id="bot"))
    assert (private.room_id, private.private, private.is_self) == ("wang", True, False)
    echo = text_of(Payload("「引用：」原样", room_id="", from_id="bot", to_id="wang"))
    assert (echo.room_id, echo.is_self, echo.text) == ("wang", True, "「引用：」原样")
    assert text_of(Payload(type=6)).kind is ContentKind.PICTURE
    assert text_of(Payload(type=14)).kind is ContentKind.LINK


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 5, 8, 9, 10, 11, 12, 13, 15, 16, 99])
def test_other_kinds_are_nothing_for_the_engine(kind: int) -> None:
    assert heard(Payload("x", type=kind)) is None


@pytest.mark.parametrize(
    ("payload", "notice"),
    [
        (Payload("操作太频繁，请稍后再试", type=0), True),
        (Payload("你发送消息过于频繁", from_id="weixin"), True),
        (Payload("操作太频繁，请稍后再试"), False),  # anybody can write this
        (Payload("欢迎", type=0), False),
    ],
)
def test_notices(payload: Payload, notice: bool) -> None:
    assert is_notice(payload) is notice


@given(st.text(), st.integers(0, 2**63 - 1), st.sampled_from([4, 6, 7, 14]))
def test_whatever_people_send_is_read(text: str, stamp: int, kind: int) -> None:
    message = text_of(Payload(text, type=kind, timestamp=stamp))
    assert message.at.utcoffset() is not None
    read_history(text)
    read_quotation(text)
