"""What the bot does with what is said: who gets an answer, what is kept, and when it is silent."""

from __future__ import annotations

import pytest

from bot.settings import load_settings
from db.leads import close_lead, count_leads, list_leads
from db.models import Forward, Lead, Question
from db.questions import count_questions, list_questions
from db.session import Database
from db.states import AnswerKind, ContentKind, LeadReason, LeadState
from handlers.chat import chat_handlers
from tests.chatting import ALERT_TEXT, Chat

ASKED = "有人拉我进群给商家点赞返现，后来要我先垫钱做任务，是不是诈骗？"
PAID = "我刚给骗子转了五千块，怎么办"
UNKNOWN = "今天的海鲜多少钱一斤"
SETTINGS = load_settings()
PER_PERSON, PER_GROUP, PER_PRIVATE = (
    SETTINGS.answers_per_person,
    SETTINGS.answers_per_group,
    SETTINGS.answers_private,
)


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat(database).build()


@pytest.fixture
async def quick(sqlite_database: Database) -> Chat:
    """For rules that touch no SQL that differs."""
    return await Chat(sqlite_database).build()


def test_the_order_in_which_a_message_is_offered() -> None:
    names = [handler.__name__ for handler in chat_handlers()]  # type: ignore[attr-defined]
    assert names == ["commands", "forwards", "questions", "guard"]


async def test_a_private_question_is_answered_and_kept_with_a_hashed_member(chat: Chat) -> None:
    reply = await chat.say("王阿姨", ASKED)
    assert "刷单" in reply
    assert len(reply) <= 600
    (question,) = await chat.rows(Question)
    assert (question.kind, question.types[0], question.group_id) == (AnswerKind.ANSWER, "shuadan", None)
    assert question.text == ASKED
    assert "王阿姨" not in question.member_hash
    assert await chat.rows(Lead) == []


async def test_a_question_in_a_group_is_answered_by_name_when_the_bot_is_called(chat: Chat) -> None:
    reply = await chat.say("王阿姨", "心防 刷单是什么", "HB01")
    assert reply.startswith("@王阿姨 ")
    (question,) = await chat.rows(Question)
    assert question.group_id == chat.town.groups["HB01"].id
    assert question.text == "刷单是什么"


async def test_a_certain_question_about_fraud_is_answered_uncalled(quick: Chat) -> None:
    assert "刷单" in await quick.say("王阿姨", ASKED, "HB01")


@pytest.mark.parametrize(
    "text", [UNKNOWN, "到了吗？", "明天几点开会？", "收到", "刷单的人真多", "@李四 刷单是不是诈骗？", ""]
)
async def test_talk_among_people_is_neither_answered_nor_kept(quick: Chat, text: str) -> None:
    assert await quick.say("王阿姨", text, "HB01") == ""
    assert await quick.rows(Question) == []
    assert await quick.rows(Lead) == []


async def test_what_it_does_not_know_it_says_and_a_person_looks(chat: Chat) -> None:
    assert "96110" in await chat.say("王阿姨", UNKNOWN)
    (lead,) = await chat.rows(Lead)
    (question,) = await chat.rows(Question)
    assert (lead.reason, lead.text, lead.question_id) == (LeadReason.UNANSWERED, UNKNOWN, question.id)


async def test_somebody_who_has_just_paid_gets_help_uncalled_and_becomes_a_lead(chat: Chat) -> None:
    reply = await chat.say("王阿姨", PAID, "HB01")
    assert reply.startswith("@王阿姨 ")
    assert "110" in reply
    (lead,) = await chat.rows(Lead)
    assert (lead.reason, lead.group_id) == (LeadReason.EMERGENCY, chat.town.groups["HB01"].id)


async def test_a_scam_in_a_group_becomes_one_lead_and_nothing_is_said(chat: Chat) -> None:
    scam = "招兼职！给商家点赞日结300，无门槛，先垫付后返佣，加微信xx88领任务"
    assert await chat.say("陌生人", scam, "HB01") == ""
    assert await chat.outcome() == "guard"
    assert await chat.say("陌生人", scam, "HB01") == ""
    await chat.say("陌生人", scam, "JP01")
    leads = await chat.rows(Lead)
    assert [lead.group_id for lead in leads] == [chat.town.groups[code].id for code in ("HB01", "JP01")]
    assert {lead.reason for lead in leads} == {LeadReason.SCAM}
    assert await chat.rows(Question) == []
    chat.clock.advance(3601)
    await chat.say("陌生人", scam, "HB01")
    assert len(await chat.rows(Lead)) == 3


async def test_own_messages_reach_no_handler(quick: Chat) -> None:
    await quick.bind("bot:心防一号", "菜园镇")
    for text in (PAID, ASKED, ALERT_TEXT, "转发统计"):
        assert await quick.say("bot:心防一号", text, "HB01", is_self=True) == ""
        assert await quick.outcome() == "echo"
    assert await quick.rows(Question) == await quick.rows(Lead) == await quick.rows(Forward) == []


async def test_a_message_is_taken_once(quick: Chat) -> None:
    await quick.say("王阿姨", ASKED, message_id="same")
    await quick.say("王阿姨", ASKED, message_id="same")
    assert len(await quick.rows(Question)) == 1


async def test_a_forward_is_not_a_question_even_when_it_asks_one(quick: Chat) -> None:
    await quick.release()
    assert await quick.say("王阿姨", f"{ALERT_TEXT}\n这是真的吗？", "HB01") == ""
    assert await quick.outcome() == "forward"


async def test_a_number_chooses_among_what_was_offered(quick: Chat) -> None:
    offered = await quick.say("王阿姨", "网络贷款类")
    (question,) = await quick.rows(Question)
    if question.kind is not AnswerKind.CHOICES:
        offered = await quick.say("王阿姨", "冒充电商物流客服类")
        question = (await quick.rows(Question))[-1]
    assert question.kind is AnswerKind.CHOICES, offered
    assert "1." in offered
    chosen = await quick.say("王阿姨", "2")
    assert chosen.startswith("【")
    assert (await quick.rows(Question))[-1].types == [
        question.types[1],
        *(one for one in question.types if one != question.types[1]),
    ]


async def test_a_number_long_after_or_of_somebody_else_chooses_nothing(quick: Chat) -> None:
    await quick.say("王阿姨", "心防 冒充电商物流客服类", "HB01")
    assert (await quick.rows(Question))[-1].kind is AnswerKind.CHOICES
    assert await quick.say("李大爷", "1", "HB01") == ""
    quick.clock.advance(601)
    assert await quick.say("王阿姨", "1", "HB01") == ""


async def test_one_person_gets_few_answers_a_minute_in_groups(chat: Chat) -> None:
    replies = [await chat.say("王阿姨", "心防 刷单是什么", ("HB01", "JP01")[i % 2]) for i in range(PER_PERSON + 2)]
    assert [bool(reply) for reply in replies] == [True] * PER_PERSON + [False] * 2
    assert await chat.say("李大爷", "心防 刷单是什么", "HB01")
    assert await chat.say("王阿姨", "刷单是什么")
    chat.clock.advance(61)
    assert await chat.say("王阿姨", "心防 刷单是什么", "HB01")


async def test_one_group_gets_few_answers_a_minute(quick: Chat) -> None:
    replies = [await quick.say(f"居民{i}", "心防 刷单是什么", "HB01") for i in range(PER_GROUP + 1)]
    assert [bool(reply) for reply in replies] == [True] * PER_GROUP + [False]


async def test_beyond_the_limit_a_cry_for_help_is_still_a_lead(quick: Chat) -> None:
    for _ in range(PER_PRIVATE):
        await quick.say("王阿姨", "菜单")
    assert await quick.say("王阿姨", "菜单") == ""
    assert await quick.say("王阿姨", PAID) == ""
    assert [lead.reason for lead in await quick.rows(Lead)] == [LeadReason.EMERGENCY]


async def test_a_picture_without_words_gets_a_hint_in_private_and_silence_in_groups(quick: Chat) -> None:
    assert "文字" in await quick.say("王阿姨", "", kind=ContentKind.PICTURE, picture_id=None)
    assert await quick.say("王阿姨", "", "HB01", kind=ContentKind.PICTURE) == ""


async def test_the_menu_is_shown_when_the_bot_is_only_called(quick: Chat) -> None:
    assert "回复" in await quick.say("王阿姨", "心防", "HB01")
    assert (await quick.rows(Question))[-1].kind is AnswerKind.MENU


async def test_events_say_which_topics_changed(quick: Chat) -> None:
    with quick.events.listen("leads") as leads, quick.events.listen("replies") as replies:
        await quick.say("王阿姨", UNKNOWN)
        assert leads.is_set()
        assert replies.is_set()


async def test_staff_read_questions_and_close_leads(chat: Chat) -> None:
    await chat.say("王阿姨", ASKED, "HB01")
    await chat.say("王阿姨", UNKNOWN)
    await chat.say("王阿姨", PAID)
    async with chat.database.read() as session:
        questions = await list_questions(session)
        assert [question.text for question in questions] == [PAID, UNKNOWN, ASKED]
        assert (questions[2].group_name, questions[2].unit_name) == ("海滨社区反诈群", "海滨社区")
        assert await count_questions(session, kind=AnswerKind.NONE) == 1
        assert [each.text for each in await list_questions(session, search="海鲜")] == [UNKNOWN]
        leads = await list_leads(session)
        assert [lead.reason for lead in leads] == [LeadReason.EMERGENCY, LeadReason.UNANSWERED]
    async with chat.database.write() as session:
        assert await close_lead(session, leads[0].id, user_id=None, at=chat.clock.now())
        assert not await close_lead(session, leads[0].id, user_id=None, at=chat.clock.now())
    async with chat.database.read() as session:
        assert await count_leads(session) == 1
        assert [lead.id for lead in await list_leads(session, state=LeadState.CLOSED)] == [leads[0].id]
