"""Leads that are about the same thing find each other."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.lead_groups import group_similar

CARD = [
    "医保卡被停用要我点链接是真的吗",
    "我收到短信说医保卡停用点链接是不是骗人",
    "医保卡停用的短信是真的吗",
    "【提醒】医 保 卡 停用，点链接？",
]
FISH = ["今天的海鲜多少钱一斤", "海鲜多少钱一斤啊"]
OTHERS = ["有人让我办养老卡", "快递到付的包裹要不要收", "是真的吗"]


def test_the_same_thing_in_other_words_is_one_group() -> None:
    texts = [CARD[0], FISH[0], CARD[1], OTHERS[0], CARD[2], OTHERS[1], FISH[1], OTHERS[2], CARD[3]]
    groups = group_similar(texts)
    assert groups == [[0, 2, 4, 8], [1, 6], [3], [5], [7]]


def test_asking_alike_is_not_being_alike() -> None:
    assert group_similar(["请问这个是不是骗人的", "请问那个是真的吗", "请问怎么办"]) == [[0], [1], [2]]


def test_copies_are_one_group_however_they_are_decorated() -> None:
    assert group_similar(["招兼职！点赞日结300", "招兼職，點讚日結３００～～", "【招兼职】点赞日结500"]) == [
        [0, 1, 2]
    ]


def test_nothing_and_signs_are_grouped_by_themselves() -> None:
    assert group_similar([]) == []
    assert group_similar(["？？", "？？", "！"]) == [[0, 1], [2]]


@given(st.lists(st.text(alphabet="医保卡停用点链接海鲜多少钱吗是 ？1", max_size=30), max_size=25))
@settings(deadline=None, max_examples=150)
def test_every_text_is_in_one_group_in_its_order(texts: list[str]) -> None:
    groups = group_similar(texts)
    assert sorted(place for group in groups for place in group) == list(range(len(texts)))
    assert all(group == sorted(group) for group in groups)
    assert [group[0] for group in groups] == sorted(group[0] for group in groups)
    group_of = {place: number for number, group in enumerate(groups) for place in group}
    first: dict[str, int] = {}
    for place, text in enumerate(texts):  # a copy is never apart from a text that leads its group
        leader = first.setdefault(text, place)
        if groups[group_of[leader]][0] == leader:
            assert group_of[place] == group_of[leader]
