"""The recogniser of forwards: what it must credit, what it must not, and that the index keeps its word."""

from __future__ import annotations

import random
from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from content.fingerprints import THRESHOLD, AlertIndex, ForwardMatch
from content.ngrams import fold, joined, kept, origins
from content.stock_phrases import stock_grams
from tests.unit.content import forward_cases as cases


def index_of(alerts: dict[str, str]) -> AlertIndex:
    index = AlertIndex()
    for alert_id, text in alerts.items():
        index.add(alert_id, text)
    return index


@pytest.fixture(scope="module")
def live() -> dict[str, str]:
    return cases.live_alerts()


@pytest.fixture(scope="module")
def index(live: dict[str, str]) -> AlertIndex:
    return index_of(live)


# --- forwards are found -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def forwarded(live: dict[str, str], index: AlertIndex) -> list[tuple[cases.Case, str | None]]:
    """Return every edit of every alert with the alert that it was credited to."""
    return [(case, index.match(case.text).alert_id) for case in cases.forwards(live)]


@pytest.mark.parametrize("kind", cases.KINDS)
def test_every_kind_of_edit_is_credited_to_its_alert(
    kind: str, forwarded: list[tuple[cases.Case, str | None]]
) -> None:
    of_kind = [(case, credited) for case, credited in forwarded if case.kind == kind]
    assert len(of_kind) == 40
    missed = [case for case, credited in of_kind if credited != case.alert_id]
    # A slip in every twelfth character is more than people make; one of forty may get lost.
    assert len(missed) <= (1 if kind == "many_typing_errors" else 0), missed[:2]


def test_recall_is_at_least_99_percent_and_no_edit_goes_to_another_alert(
    forwarded: list[tuple[cases.Case, str | None]],
) -> None:
    assert [case for case, credited in forwarded if credited not in (None, case.alert_id)] == []
    assert sum(credited is not None for _, credited in forwarded) >= 0.99 * len(forwarded)


def test_forwards_of_two_sentence_warnings_are_found() -> None:
    alerts = cases.short_alerts()
    index = index_of(alerts)
    whole = list(cases.forwards(alerts, kinds=cases.WHOLE_EDITS))
    assert [case for case in whole if index.match(case.text).alert_id != case.alert_id] == []


def test_templated_siblings_are_told_apart_among_a_thousand() -> None:
    alerts = cases.expanded_alerts(1000)
    index = index_of(alerts)
    forwards = cases.expanded_forwards(alerts, 300)
    assert [case for case in forwards if index.match(case.text).alert_id != case.alert_id] == []


# --- near misses are not ----------------------------------------------------------------------------------------


def test_no_near_miss_is_credited(index: AlertIndex) -> None:
    near = cases.near_misses()
    assert len(near) >= 80
    assert [(case, found) for case in near if (found := index.match(case.text)).alert_id] == []
    assert max(index.match(case.text).score for case in near) < THRESHOLD * 0.7


def test_no_near_miss_is_credited_while_a_single_alert_is_live(live: dict[str, str]) -> None:
    # With one alert live nothing can be learned from neighbours about header, footer and stock sentences.
    near = cases.near_misses()
    for alert_id, text in list(live.items())[::3]:
        alone = index_of({alert_id: text})
        assert [case for case in near if alone.match(case.text).alert_id] == []


def test_an_expired_sibling_is_not_credited_to_those_still_live(live: dict[str, str]) -> None:
    for alert_id, text in live.items():
        index = index_of({other: kept for other, kept in live.items() if other != alert_id})
        assert index.match(text).alert_id is None


@pytest.mark.parametrize("alone", [False, True])
def test_texts_that_echo_a_short_warning_are_not_credited(alone: bool) -> None:
    alerts = cases.short_alerts()
    indexes = [index_of({k: v}) for k, v in alerts.items()] if alone else [index_of(alerts)]
    credited = [c for c in cases.short_near_misses() for index in indexes if index.match(c.text).alert_id]
    assert credited == []


def test_ordinary_and_stock_messages_score_nothing(index: AlertIndex) -> None:
    for text in ("", "收到", "🙏🙏🙏", "今晚八点停电吗？", *cases.STOCK_ONLY, *cases.NOTICES):
        assert index.match(text) == ForwardMatch(None, 0.0)


def test_header_and_footer_alone_carry_no_weight_with_one_alert_live() -> None:
    index = index_of({"a": "【红色预警】各位居民：\n" + cases.FOOTER})
    assert index.match("【红色预警】各位居民：\n" + cases.FOOTER).score == 0.0


def test_boilerplate_that_is_not_stock_is_learned_from_the_live_alerts(live: dict[str, str]) -> None:
    house_style = "本栏目由嵊泗县平安驿站每周三晚间为您播报，敬请锁定海岛之声调频九十八点六，与您一同守望。"
    index = index_of({alert_id: text + house_style for alert_id, text in live.items()})
    assert index.match(house_style).alert_id is None
    assert index.match("今天食堂吃带鱼，" + house_style).alert_id is None


# --- two alerts at a time ---------------------------------------------------------------------------------------

FIRST = (
    "洋山镇徐女士网购的拖鞋被告知在运输中丢失，添加“理赔专员”后按提示从借款平台借出三万元转到对公账户，"
    "随后被对方拉黑。"
)
SECOND = FIRST + "更正：徐女士所借资金已由警方止付，骗子另以“保证金”名义骗走现金，望周知。"


def test_a_new_version_and_the_one_it_updates_are_told_apart() -> None:
    index = index_of({"v1": FIRST, "v2": SECOND})
    assert index.match("转发：" + FIRST).alert_id == "v1"
    assert index.match("转发：" + SECOND).alert_id == "v2"


def test_what_two_alerts_share_word_for_word_is_ambiguous() -> None:
    index = index_of({"a": FIRST, "b": FIRST})
    found = index.match(FIRST)
    assert found.alert_id is None
    assert found.tied == ("a", "b")
    assert found.score >= THRESHOLD


def test_alerts_that_differ_in_a_figure_only_are_told_apart_by_it() -> None:
    text = "菜园镇王女士在“悦享生活”上接单垫付，最后一笔操作超时被要求解冻，合计损失{}元，平台已无法登录。"
    index = index_of({"a": text.format(38600), "b": text.format(52300)})
    assert index.match(text.format(52300)).alert_id == "b"
    assert index.match(text.format(38600)).alert_id == "a"
    assert index.match(text.format(999)).alert_id is None


def test_two_live_alerts_in_one_message_are_both_named(live: dict[str, str], index: AlertIndex) -> None:
    first, second = live["brushing-1"], live["loan-3"]
    found = index.match(f"今天两条一起发：\n{first}\n\n{second}")
    assert {found.alert_id, *found.also} == {"brushing-1", "loan-3"}


# --- the explanation --------------------------------------------------------------------------------------------


def test_passages_are_quoted_as_they_stand_in_the_message(live: dict[str, str], index: AlertIndex) -> None:
    rng = random.Random(4)
    message = cases.merged(cases.emoji(cases.traditional(live["investment-0"], rng), rng), rng)
    found = index.match(message)
    assert found.alert_id == "investment-0"
    assert found.passages
    assert all(passage in message for passage in found.passages)
    assert "金牛財富" in fold_emoji("".join(found.passages))


def fold_emoji(text: str) -> str:
    return "".join(c for c in text if "\u4e00" <= c <= "\u9fff")


def test_a_match_cannot_be_changed(live: dict[str, str], index: AlertIndex) -> None:
    found = index.match(live["loan-0"])
    assert found.score >= 0.9
    with pytest.raises(FrozenInstanceError):
        found.score = 0.0  # type: ignore[misc]


# --- the index keeps its word -----------------------------------------------------------------------------------


def test_removal_forgets(live: dict[str, str]) -> None:
    index = index_of(live)
    for alert_id in live:
        index.remove(alert_id)
        assert alert_id not in index
    assert len(index) == 0
    assert {index.match(text) for text in live.values()} == {ForwardMatch(None, 0.0)}
    index.remove("never added")


def test_adding_an_id_again_replaces_its_text(live: dict[str, str]) -> None:
    index = index_of({"a": live["loan-0"]})
    index.add("a", live["shopping-0"])
    assert len(index) == 1
    assert index.match(live["shopping-0"]).alert_id == "a"
    assert index.match(live["loan-0"]).alert_id is None


def test_coming_and_going_leaves_no_trace(live: dict[str, str]) -> None:
    rng = random.Random(5)
    index = index_of(live)
    for alert_id, text in cases.expanded_alerts(200).items():
        index.add(alert_id, text)
    for alert_id in rng.sample([f"x{n}" for n in range(200)], 200):
        index.remove(alert_id)
    fresh = index_of(live)
    messages = [case.text for case in cases.near_misses()] + [case.text for case in cases.forwards(live)][::7]
    assert [index.match(m) for m in messages] == [fresh.match(m) for m in messages]


_LIVE = cases.live_alerts()
_MESSAGES = [case.text for case in cases.near_misses()] + [case.text for case in cases.forwards(_LIVE)][::9]
_EXPECTED = [index_of(_LIVE).match(message) for message in _MESSAGES]


@settings(max_examples=10, deadline=None)
@given(st.permutations(sorted(_LIVE)))
def test_order_of_adding_does_not_change_results(order: list[str]) -> None:
    index = index_of({alert_id: _LIVE[alert_id] for alert_id in order})
    assert [index.match(message) for message in _MESSAGES] == _EXPECTED


anything = st.text(st.characters(), max_size=400)


@settings(max_examples=150, deadline=None)
@given(anything, anything)
def test_any_text_can_be_added_and_matched(alert: str, message: str) -> None:
    index = index_of({"a": alert, "b": message, "c": "刷单返利"})
    for text in (alert, message, alert + message):
        found = index.match(text)
        assert 0.0 <= found.score <= 1.0
        assert found.alert_id in {None, "a", "b", "c"}
        assert all(passage in text for passage in found.passages)
    index.remove("a")
    assert index.match(alert).alert_id != "a"


@settings(max_examples=15, deadline=None)
@given(anything, st.integers(1, 20_000))
def test_messages_of_any_length_are_read(piece: str, length: int) -> None:
    text = ((piece or "诈") * length)[:20_000]
    index = index_of(_LIVE)
    assert 0.0 <= index.match(text).score <= 1.0
    index.add("long", text)
    index.match(text)


_AMONG_OTHERS = index_of(_LIVE)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([chr(code) for code in range(0x4E00, 0x9FA6)]), min_size=30, max_size=120, unique=True)
)
def test_a_verbatim_copy_with_thirty_informative_characters_matches(letters: list[str]) -> None:
    text = "".join(letters)
    _AMONG_OTHERS.add("new", f"【红色预警】{text}\n{cases.FOOTER}")
    assert _AMONG_OTHERS.match(f"【红色预警】{text}\n{cases.FOOTER}").alert_id == "new"
    assert _AMONG_OTHERS.match(text).alert_id == "new"


@given(st.text(st.characters(), max_size=200))
def test_every_folded_character_knows_where_it_came_from(text: str) -> None:
    places = origins(kept(text))
    assert len(places) == len(fold(text)) == len(joined(kept(text)))
    assert places == sorted(set(places))


def test_only_the_first_twenty_thousand_characters_are_read(live: dict[str, str], index: AlertIndex) -> None:
    assert index.match("。" * 19_000 + live["loan-0"]).alert_id == "loan-0"
    assert index.match("。" * 20_000 + live["loan-0"]).alert_id is None


def test_folding_drops_what_copies_lose() -> None:
    assert fold("【紅色預警】１２６ 元，點贊！") == fold("红色预警：3元·点赞[强]🙏") == "红色预警0元点赞"
    assert fold("详见 https://fz.example.cn/a/Xy12z 。转发") == "详见转发"


def test_what_everybody_writes_is_stock() -> None:
    written = "如遇可疑情况请及时拨打96110咨询", "该案正在进一步侦办中", "现案立案侦查"
    grams = {text[i : i + 3] for text in map(fold, written) for i in range(len(text) - 2)}
    assert grams <= stock_grams()


def test_stock_leaves_the_alerts_own_words_alone(live: dict[str, str]) -> None:
    stock = stock_grams()
    bodies = [fold(case) for family in cases.texts()["families"] for case in family["alerts"]]
    for body in bodies:
        grams = {body[i : i + 3] for i in range(len(body) - 2)}
        assert len(grams & stock) < 0.15 * len(grams)
