"""What must never fail: a type asked for by its name, and the plainest cries for help."""

from __future__ import annotations

import pytest

from tests.unit.content.voices import asker, library

LIBRARY = library()
FRAMES = ["{}", "{}是什么", "什么是{}", "{}是骗局吗", "{}是不是骗人的", "怎么防{}", "遇到{}怎么办"]
CRIES = [
    "那我已经转了5000怎么办",
    "我刚把钱转过去了",
    "钱转了怎么办",
    "验证码已经给他了",
    "我把验证码告诉对方了怎么办",
    "他让我共享屏幕 我正在共享",
    "骗子还在电话里，我该怎么办",
    "刚下载了他发的app，卡号也填了",
    "被骗了三万块，刚刚的事",
    "我妈现在正在给骗子转账",
]


@pytest.mark.parametrize("type_id", sorted(LIBRARY.types))
def test_a_type_that_is_asked_for_by_its_name_is_explained(type_id: str) -> None:
    kind = LIBRARY.types[type_id]
    missed = []
    for name in (kind.name, *kind.aka):
        for frame in FRAMES:
            reply = asker().ask(frame.format(name))
            if type_id not in reply.types[:3]:
                missed.append((frame.format(name), reply.kind, reply.types))
    assert missed == []


@pytest.mark.parametrize("text", CRIES)
def test_a_plain_cry_for_help_is_an_emergency(text: str) -> None:
    assert asker().ask(text).kind == "emergency"
