"""Names written from memory: by sound, with slips, shortened, in letters; and never another house's."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from content.names import SURE, meant, score_names

NAMES = [
    "菜园镇反诈工作群",
    "海滨社区反诈群",
    "海滨社区一网格反诈群（东）",
    "海滨社区一网格反诈群（西）",
    "金平社区反诈群",
    "洋山镇反诈群",
    "海滨社区12号楼业主群",
    "海滨社区2号楼业主群",
    "北岙村第二网格居民群",
    "基湖村村民群",
    "五龙乡田岙村反诈宣传群",
    "嵊泗中学家长群",
]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("金瓶社区", "金平社区反诈群"),
        ("金平社區反詐群", "金平社区反诈群"),
        ("jpsq", "金平社区反诈群"),
        ("bacdewg", "北岙村第二网格居民群"),
        ("jinping", "金平社区反诈群"),
        ("海滨二号楼", "海滨社区2号楼业主群"),
        ("海滨十二号楼", "海滨社区12号楼业主群"),
        ("田澳村", "五龙乡田岙村反诈宣传群"),
        ("洋三镇反诈群", "洋山镇反诈群"),
        ("嵊四中学", "嵊泗中学家长群"),
        ("鸡湖村", "基湖村村民群"),
        ("菜园工作群", "菜园镇反诈工作群"),
    ],
)
def test_the_one_that_is_meant_is_found(written: str, name: str) -> None:
    places, sure = meant(written, NAMES)
    assert ([NAMES[place] for place in places], sure) == ([name], True)


@pytest.mark.parametrize("written", ["一网格", "海宾社区", "反诈群", "海滨社区", "金平杜区"])
def test_what_may_mean_several_or_is_only_likely_is_a_choice(written: str) -> None:
    places, sure = meant(written, NAMES)
    assert places
    assert not sure
    assert len(places) <= 6


@pytest.mark.parametrize(
    "written", ["3号楼", "海滨13号楼", "大家", "完毕", "到各群", "好的", "谢谢", "？", "", "abc", "青沙村"]
)
def test_what_names_none_finds_none(written: str) -> None:
    assert meant(written, NAMES) == ([], False)


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=30), st.lists(st.text(max_size=20), max_size=8))
def test_any_text_has_scores_between_nothing_and_certainty(written: str, names: list[str]) -> None:
    scores = score_names(written, names)
    assert all(0 <= score <= 1.0001 for score in scores)
    places, sure = meant(written, names)
    assert len(set(places)) == len(places)
    assert not sure or (len(places) == 1 and scores[places[0]] >= SURE)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(range(len(NAMES))), st.data())
def test_a_whole_name_is_always_its_own(place: int, data: st.DataObject) -> None:
    scores = score_names(NAMES[place], NAMES)
    assert max(scores) == scores[place]


def test_one_name_is_found_among_thousands() -> None:
    names = [f"菜园镇{a}{b}社区第{i}号楼反诈宣传群" for a in "海金基青石" for b in "滨平湖沙柱浪" for i in range(100)]
    places, sure = meant("海宾社区第七号楼", names)
    assert sure
    assert names[places[0]] == "菜园镇海滨社区第7号楼反诈宣传群"
