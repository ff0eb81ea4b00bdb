"""The right type, with a score that means something."""

from __future__ import annotations

from hypothesis import given, settings

from content.normalising import MAX_LENGTH
from tests.unit.content.voices import ANY_TEXT, CHAT_LIKE, asker, library, questions


def test_questions_of_residents_find_their_type() -> None:
    matcher = asker().matcher
    rows = questions()
    assert len(rows) >= 100
    assert len({type_id for _, type_id in rows} & set(library().types)) >= 34
    ranked = [([each for each, _ in matcher.match(text).ranked], wanted) for text, wanted in rows]
    first = sum(ids[0] == wanted for ids, wanted in ranked) / len(rows)
    among_three = sum(wanted in ids[:3] for ids, wanted in ranked) / len(rows)
    assert first >= 0.93
    assert among_three >= 0.98


def test_scores_say_how_often_the_type_is_right() -> None:
    matches = [(asker().matcher.match(text), wanted) for text, wanted in questions()]
    sure = [match.best[0] == wanted for match, wanted in matches if match.best[1] >= 0.9]
    unsure = [match.best[0] == wanted for match, wanted in matches if match.best[1] < 0.6]
    assert sum(sure) / len(sure) >= 0.97
    assert sum(unsure) / len(unsure) <= sum(sure) / len(sure)


def test_a_template_needs_all_its_parts() -> None:
    template = next(p for p in library().types["shuadan"].phrases if len(p.parts) == 2)
    whole = asker().matcher.match("，".join(template.parts))
    half = asker().matcher.match(template.parts[0])
    assert template in [hit.phrase for hit in whole.hits]
    assert template not in [hit.phrase for hit in half.hits]


def test_hidden_words_are_found() -> None:
    matcher = asker().matcher
    plain = matcher.match("刷单返利是真的吗")
    for hidden in ("刷·单返 利是真的吗", "刷丹返利是真的吗", "刷單返利是真的嗎", "刷🔥单返利是真的吗"):
        assert matcher.match(hidden).ranked == plain.ranked


@settings(deadline=None, max_examples=150)
@given(ANY_TEXT | CHAT_LIKE)
def test_the_outlook_is_never_below_the_match(text: str) -> None:
    matcher = asker().matcher
    assert matcher.outlook(text).fraud >= matcher.match(text).fraud


def test_the_best_type_is_the_first_of_the_ranking() -> None:
    for text, _ in questions():
        match = asker().matcher.match(text)
        assert match.best == match.ranked[0]
        assert match.fraud <= asker().matcher.outlook(text).fraud


def test_everyday_talk_is_not_about_fraud() -> None:
    talk = [
        "今天晚上吃什么",
        "明天几点开会",
        "收到，谢谢",
        "你好",
        "1",
        "……",
        "👍👍👍",
        "孩子发烧请假一天",
        "这个鱼新鲜",
    ]
    assert max(asker().matcher.match(text).fraud for text in talk) < 0.3


@settings(deadline=None, max_examples=200)
@given(ANY_TEXT | CHAT_LIKE)
def test_any_text_has_a_match_whose_numbers_agree(text: str) -> None:
    match = asker().matcher.match(text)
    scores = [score for _, score in match.ranked]
    assert 0 <= match.fraud <= 1
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) <= match.fraud + 1e-9
    assert match.evidence >= 0


def test_no_more_is_scored_of_a_text_than_its_limit() -> None:
    """Work is bounded by counting, not by a clock: what lies behind the limits changes neither ranking nor voices."""
    piece = "".join(text for text, _ in questions())
    long = (piece * 10)[:MAX_LENGTH]
    match = asker().matcher.match(long)
    assert match == asker().matcher.match(long + piece)
    assert len(match.text) <= MAX_LENGTH
