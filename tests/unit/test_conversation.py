"""What short messages mean after an answer: read as turns, answered by rules, whatever came before."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.conversation import Act, Past, Said, Turn, asked_before, read_turn, respond, said_uncalled
from bot.conversation_texts import NO_MORE, PERSON, Topic, officer_text, warning_text, with_hint
from content.answers import LONGEST
from content.messages import MAX_TEXT
from db.states import AnswerKind, Feedback, LeadReason
from tests.chatting import knowledge

LIBRARY = knowledge().library
IDS = list(LIBRARY.types)
KINDS = [AnswerKind.ANSWER, AnswerKind.CHOICES, AnswerKind.EMERGENCY, AnswerKind.CONTINUED, AnswerKind.MENU, AnswerKind.NONE]  # fmt: skip

types_of_past = st.lists(st.sampled_from([*IDS, "gone_from_the_library"]), unique=True, max_size=5).map(tuple)
pasts = st.none() | st.builds(Past, st.sampled_from(KINDS), types_of_past, st.booleans())
turns = st.one_of(
    st.builds(Turn, st.just(Act.NUMBER), st.integers(1, 9)),
    st.builds(lambda topic: Turn(Act.MORE, topic=topic), st.sampled_from(list(Topic))),
    st.sampled_from([Turn(act) for act in Act if act not in (Act.NUMBER, Act.MORE)]),
)


@pytest.mark.parametrize(
    ("text", "turn"),
    [
        ("那怎么办", Turn(Act.MORE, topic=Topic.DO)),
        ("那我现在该怎么办呢？", Turn(Act.MORE, topic=Topic.DO)),
        ("然后呢", Turn(Act.MORE, topic=Topic.DO)),
        ("接 下 来 呢。。。", Turn(Act.MORE, topic=Topic.DO)),
        ("钱还能要回来吗", Turn(Act.MORE, topic=Topic.MONEY)),
        ("我的钱能追回来吗？", Turn(Act.MORE, topic=Topic.MONEY)),
        ("千万不能做什么", Turn(Act.MORE, topic=Topic.NEVER)),
        ("他们是怎么骗的", Turn(Act.MORE, topic=Topic.STEPS)),
        ("怎么识别", Turn(Act.MORE, topic=Topic.SIGNS)),
        ("要报警吗", Turn(Act.MORE, topic=Topic.POLICE)),
        ("2", Turn(Act.NUMBER, 2)),
        ("２。", Turn(Act.NUMBER, 2)),
        ("第三个", Turn(Act.NUMBER, 3)),
        ("换一个", Turn(Act.OTHER)),
        ("都不是", Turn(Act.OTHER)),
        ("不是的。", Turn(Act.OTHER, vague=True)),
        ("继续", Turn(Act.MORE, topic=Topic.DO, vague=True)),
        ("有用", Turn(Act.USEFUL)),
        ("没有用", Turn(Act.USELESS)),
        ("没啥用啊", Turn(Act.USELESS)),
        ("转人工", Turn(Act.PERSON)),
        ("我要找民警", Turn(Act.PERSON)),
        ("谢谢你", Turn(Act.THANKS)),
        ("您好！", Turn(Act.GREETING)),
    ],
)
def test_short_messages_are_turns(text: str, turn: Turn) -> None:
    assert read_turn(text) == turn


@pytest.mark.parametrize(
    "text",
    [
        "刷单是什么",
        "我被骗了怎么办",
        "那我已经转了五千怎么办",
        "我刚转了怎么办",
        "有什么用",
        "客服让我转人工",
        "好的我已经把验证码告诉他了",
        "谢谢，可是我已经转钱了",
        "菜单",
        "12",
        "96110",
        "",
        "1" * 500,
    ],
)
def test_whatever_says_more_is_a_question_of_its_own(text: str) -> None:
    assert read_turn(text) is None


@given(st.text(max_size=60) | st.text(alphabet="那我现在该怎么办呢然后钱还能要回来吗不是没有用好的了啊", max_size=41))
@settings(deadline=None, max_examples=400)
def test_any_text_is_read(text: str) -> None:
    turn = read_turn(text)
    assert turn is None or 0 <= turn.number <= 9
    assert turn == read_turn(f"  {text}！")


@given(turns, pasts)
@settings(deadline=None, max_examples=600)
def test_the_reply_to_any_turn_after_anything(turn: Turn, past: Past | None) -> None:
    said = respond(LIBRARY, turn, past)
    if said is None:  # then it is read as a question, or shows the menu
        assert turn.act is Act.GREETING or turn.topic in (Topic.MONEY, Topic.POLICE)
        return
    assert 0 < len(said.text) <= LONGEST
    assert set(said.types) <= set(IDS)
    assert len(set(said.types)) == len(said.types)
    assert said.kind in (AnswerKind.ANSWER, AnswerKind.CHOICES, AnswerKind.CONTINUED, AnswerKind.TALK)
    assert (said.kind is AnswerKind.TALK) == (not said.types) or said.kind is AnswerKind.CONTINUED
    if said.kind is AnswerKind.CONTINUED:  # a continuation continues that type, and no other
        assert past is not None
        assert said.types == tuple(one for one in past.types if one in IDS)
    if said.lead is not None:
        assert turn.act in (Act.USELESS, Act.PERSON)
    if turn.act is Act.PERSON:
        assert said.lead is LeadReason.PERSON
    if turn.act is Act.USELESS and past is not None:
        assert said.feedback is Feedback.USELESS
        assert said.lead is not None
        assert past.waiting <= (said.text == PERSON)  # the next choice is offered once, then a person comes
    if turn.act is Act.NUMBER and past is not None and past.kind is AnswerKind.CHOICES:
        known = [one for one in past.types if one in IDS]
        if turn.number <= len(known):
            assert said.types[0] == known[turn.number - 1]


@given(pasts)
@settings(deadline=None, max_examples=200)
def test_another_one_comes_to_an_end_and_never_repeats(past: Past | None) -> None:
    shown = list(past.types[:1]) if past is not None and past.kind is not AnswerKind.CHOICES else []
    for _ in range(8):
        said = respond(LIBRARY, Turn(Act.OTHER), past)
        assert said is not None
        if said.kind is AnswerKind.TALK:
            return
        new = said.types[:1] if said.kind is AnswerKind.ANSWER else said.types
        assert not set(new) & set(shown)
        shown.extend(new)
        past = Past(said.kind, said.types, seen=frozenset(shown))
    raise AssertionError(f"no end: {shown}")


@given(turns, pasts)
@settings(deadline=None, max_examples=300)
def test_uncalled_in_a_group_only_what_continues_an_answer_counts(turn: Turn, past: Past | None) -> None:
    if said_uncalled(turn, past):
        assert past is not None
        assert not turn.vague
        assert turn.act not in (Act.GREETING, Act.THANKS)
        if turn.act is Act.NUMBER:
            assert past.kind is AnswerKind.CHOICES


@given(st.text(max_size=80), pasts, st.sampled_from(KINDS))
@settings(deadline=None, max_examples=200)
def test_a_frequent_question_is_only_answered_about_the_type_before(
    text: str, past: Past | None, kind: AnswerKind
) -> None:
    said = asked_before(LIBRARY, text, past, kind)
    if said is not None:
        assert past is not None
        assert said.types == past.types
        assert kind not in (AnswerKind.EMERGENCY, AnswerKind.MENU)


def test_every_frequent_question_is_found_by_its_own_words() -> None:
    for known in LIBRARY.types.values():
        for faq in known.faq:
            said = asked_before(LIBRARY, faq.question, Past(AnswerKind.ANSWER, (known.id,)), AnswerKind.ANSWER)
            assert said is not None
            assert faq.answer in said.text
            assert len(said.text) <= LONGEST


def test_a_type_is_continued_with_its_own_words() -> None:
    past = Past(AnswerKind.ANSWER, ("shuadan",))
    known = LIBRARY.types["shuadan"]
    for topic, words in ((Topic.DO, known.do), (Topic.NEVER, known.never), (Topic.STEPS, known.steps)):
        said = respond(LIBRARY, Turn(Act.MORE, topic=topic), past)
        assert said is not None
        assert all(word in said.text for word in words), topic
    money = respond(LIBRARY, Turn(Act.MORE, topic=Topic.MONEY), past)
    assert money is not None
    assert "110" in money.text
    assert "止付" in money.text


def test_without_anything_more_likely_it_says_so() -> None:
    said = respond(LIBRARY, Turn(Act.OTHER), Past(AnswerKind.CHOICES, ("gone_from_the_library",)))
    assert said == Said(AnswerKind.TALK, NO_MORE)


def test_fixed_sentences_stay_one_message() -> None:
    assert with_hint("长" * LONGEST) == "长" * LONGEST
    assert with_hint("短").startswith("短\n")
    assert len(officer_text("答" * 400, asked="问" * 1000, office="办" * 40)) <= MAX_TEXT
    warning = warning_text("刷单返利")
    assert "刷单返利" in warning
    assert "@" not in warning
