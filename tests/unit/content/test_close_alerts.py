"""Forty close alerts: every copy is credited to its own alert, and what is not a copy to none."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from content.alignment import exchanged, passages
from content.fingerprints import AlertIndex
from content.ngrams import fold, grams
from tests.unit.content import close_cases as cases


def index_of(alerts: dict[str, str]) -> AlertIndex:
    index = AlertIndex()
    for number, (alert_id, text) in enumerate(alerts.items()):
        index.add(alert_id, text, f"20261115-{number + 1:02d}")
    return index


@pytest.fixture(scope="module")
def index() -> AlertIndex:
    return index_of(cases.close_alerts())


@pytest.mark.parametrize("dressed", [False, True])
def test_copies_are_found_and_never_credited_to_another_alert(index: AlertIndex, dressed: bool) -> None:
    forwards = list(cases.close_forwards(dressed=dressed))
    credited = [(case, index.match(case.text).alert_id) for case in forwards]
    assert [case for case, found in credited if found not in (None, case.alert_id)] == []
    missed = Counter(case.kind for case, found in credited if found is None)
    assert sum(missed.values()) <= 0.01 * len(forwards)
    # What goes missing is a short cut between two foreign notices, or one with typing errors on top.
    single = {kind: number for kind, number in missed.items() if "+" not in kind}
    assert single == {}


def test_there_are_enough_near_misses_and_none_is_credited(index: AlertIndex) -> None:
    near = cases.all_near_misses()
    assert (len(cases.close_alerts()), len(cases.close_near_misses()) >= 120) == (40, True)
    found = [(case, index.match(case.text)) for case in near]
    assert [(case, match) for case, match in found if match.alert_id or match.tied] == []
    # Only another case in the same form comes near at all.
    assert max(match.score for case, match in found if case.kind in ("own_words", "newspaper", "elsewhere")) < 0.1


def test_no_near_miss_and_no_other_alert_is_credited_while_a_single_alert_is_live() -> None:
    alerts, near = cases.close_alerts(), [case.text for case in cases.close_near_misses()]
    for alert_id, text in list(alerts.items())[::3]:
        alone = index_of({alert_id: text})
        others = [other for other in alerts.values() if other is not text]
        assert [text for text in (*near, *others) if alone.match(text).alert_id] == []


def test_an_alert_that_is_not_in_the_index_is_not_credited_to_its_siblings() -> None:
    alerts = cases.close_alerts()
    for alert_id, text in alerts.items():
        index = index_of({other: kept for other, kept in alerts.items() if other != alert_id})
        assert index.match(text).alert_id is None


def test_the_number_makes_a_short_ending_recognisable(index: AlertIndex) -> None:
    ending = "那天，对方说被公司扣在平台上。"
    number = f"20261115-{list(cases.close_alerts()).index('investment-again-1') + 1:02d}"
    assert index.match(f"各位邻居好，{ending}").alert_id is None
    assert index.match(f"{ending}\n——嵊泗县反诈中心 {number}").alert_id == "investment-again-1"
    assert index.match(f"{number} 这条大家都转了吗？我已经转到三个群了，还差两个").alert_id is None
    assert index.match(f"{ending}\n——嵊泗县反诈中心 20261115-39").alert_id is None


def test_numbers_in_words_and_in_digits_are_the_same_figure() -> None:
    assert fold("损失三万八千六百元") == fold("损失38600元") == fold("损失3.86万元") == "损失0元"
    assert fold("一名居民") == "一名居民"


def test_taiwans_words_are_read_as_the_mainlands() -> None:
    assert fold("開啟軟體，點選簡訊裡的連結") == fold("打开软件，点击短信里的链接")
    assert fold("影片") == "影片"  # in a simplified text it is a word of its own


CASE = "菜园镇居民李女士接到自称抖音客服的电话下载云享会议软件并打开屏幕共享随后卡内余额被分三次转走"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (CASE, 0),
        (CASE.replace("李女士", "李女是").replace("电话", "话电").replace("打开", "打开了"), 0),  # slips
        (CASE.replace("自称", "自称张三"), 0),  # something put between
        (CASE.replace("抖音", "快手").replace("云享会议", "腾讯课堂"), 6),
    ],
)
def test_exchanged_words_are_told_from_slips(message: str, expected: int) -> None:
    assert exchanged(message, CASE, passages(message, grams(message), CASE)) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(1, len(CASE) - 4), st.text("甲乙丙丁戊己庚辛", min_size=1, max_size=30))
def test_what_is_cut_or_put_between_exchanges_nothing(at: int, words: str) -> None:
    for message in (CASE[:at] + words + CASE[at:], CASE[: max(3, at - 5)] + CASE[at:], words + CASE[at:]):
        assert exchanged(message, CASE, passages(message, grams(message), CASE)) == 0
