"""What residents get to read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from content.answers import LONGEST, render_answer, render_choices, render_line, render_menu
from content.asking import Asker
from content.library import Phrase, make_library
from tests.unit.content.voices import ANY_TEXT, CHAT_LIKE, asker, library, questions


@pytest.mark.parametrize("type_id", list(library().types))
def test_every_answer_is_whole_and_short(type_id: str) -> None:
    fraud_type = library().types[type_id]
    text = render_answer(fraud_type)
    assert len(text) <= LONGEST
    assert text.startswith(f"【{fraud_type.name}】{fraud_type.summary}")
    for line in (*fraud_type.steps, *fraud_type.signs, *fraud_type.do, *fraud_type.never):
        assert line in text
    assert "96110" in text
    assert "马上打110" in text
    assert not any(line.endswith(" ") or not line for line in text.splitlines())


@pytest.mark.parametrize("type_id", list(library().types))
def test_the_name_of_a_type_brings_that_type(type_id: str) -> None:
    reply = asker().ask(library().types[type_id].name)
    assert reply.types[0] == type_id
    assert reply.kind == "answer"
    assert reply.text == render_answer(library().types[type_id])


def test_questions_are_answered_with_the_right_type() -> None:
    replies = [(asker().ask(text), wanted) for text, wanted in questions()]
    right = sum(reply.types[:1] == (wanted,) for reply, wanted in replies) / len(replies)
    unanswered = sum(reply.kind == "none" for reply, _ in replies) / len(replies)
    assert right >= 0.9
    assert unanswered <= 0.06


@pytest.mark.parametrize("word", ["菜单", "帮助", "help", "HELP", "？", "?", "", "  ", "菜单。"])
def test_the_menu_lists_every_type(word: str) -> None:
    reply = asker().ask(word)
    assert (reply.kind, reply.types, reply.score) == ("menu", (), 1.0)
    assert len(reply.text) <= LONGEST
    for fraud_type in library().types.values():
        assert fraud_type.name.split("(")[0].split("（")[0] in reply.text


def test_the_name_of_a_class_offers_its_types_by_number() -> None:
    reply = asker().ask("贷款、征信类")
    assert reply.kind == "choices"
    assert {"daikuan", "zhengxin"} <= set(reply.types)
    assert "1/2" in reply.text
    assert "\n1. " in reply.text
    assert "\n2. " in reply.text


def test_close_types_become_a_choice() -> None:
    types = dict(library().types)
    for type_id in ("menpiao", "gouwu"):
        shared = Phrase(5, ("聚宝盆计划",))
        types[type_id] = replace(types[type_id], phrases=(*types[type_id].phrases, shared))
    reply = Asker(make_library(list(types.values()))).ask("聚宝盆计划靠谱吗")
    assert reply.kind == "choices"
    assert set(reply.types) == {"menpiao", "gouwu"}
    assert all(types[type_id].name in reply.text for type_id in reply.types)
    assert "1/2" in reply.text


@pytest.mark.parametrize(("word", "type_id"), [("贷款", "daikuan"), ("刷单", "shuadan"), ("裸聊", "luoliao")])
def test_a_bare_word_of_the_library_is_enough(word: str, type_id: str) -> None:
    assert type_id in asker().ask(word).types


@pytest.mark.parametrize("text", ["今天晚上吃什么", "你好", "宇宙有多大", "明天几点的船", "asdf qwer", "🙂"])
def test_no_match_is_said_honestly(text: str) -> None:
    reply = asker().ask(text)
    assert (reply.kind, reply.types) == ("none", ())
    assert "96110" in reply.text
    assert "民警" in reply.text


def test_an_emergency_wins_over_the_type_and_names_it_where_sure() -> None:
    reply = asker().ask("我刷单垫付了八千提现不了，刚又转了三千过去")
    assert reply.kind == "emergency"
    assert reply.types[0] == "shuadan"
    assert reply.text.index("110") < reply.text.index("刷单返利")


def test_an_explanation_shows_phrases_and_nearest_examples() -> None:
    explanation = asker().explain("群里说点赞一单五块让我先垫付")
    assert explanation.reply.types[0] == "shuadan"
    assert explanation.hits[0].evidence >= explanation.hits[-1].evidence > 0
    assert any(hit.type_id == "shuadan" for hit in explanation.hits)
    assert explanation.neighbours[0].type_id == "shuadan"
    own = library().types["kefu"].asking[0]
    (nearest, *_) = asker().explain(own).neighbours
    assert nearest.text == own
    assert nearest.similarity == pytest.approx(1.0)


@settings(deadline=None, max_examples=200)
@given(ANY_TEXT | CHAT_LIKE)
def test_any_text_gets_a_short_reply(text: str) -> None:
    reply = asker().ask(text)
    assert reply.kind in {"answer", "choices", "emergency", "menu", "none"}
    assert 0 <= reply.score <= 1
    assert 0 < len(reply.text) <= LONGEST
    assert set(reply.types) <= set(library().types)
    assert (len(reply.types) > 1) if reply.kind == "choices" else True


def test_lists_stay_short() -> None:
    for types in library().by_class().values():
        assert len(render_choices(types[:3])) <= LONGEST
        assert all(len(render_line(each)) <= 120 for each in types)
    assert len(render_menu(library())) <= LONGEST
