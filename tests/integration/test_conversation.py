"""A conversation as residents have it, in the private chat and among others in a group."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from bot.conversation_texts import HINT, PERSON
from bot.settings import load_settings
from db.models import AuditEntry, Group, Lead, PersonRoom, Question, Reply
from db.session import Database
from db.states import AnswerKind, Feedback, LeadReason, LeadState, Role
from tests.chatting import Chat, knowledge

ASKED = "有人拉我进群给商家点赞返现，后来要我先垫钱做任务，是不是诈骗？"
PAID = "我刚给骗子转了五千块，怎么办"
UNKNOWN = "今天的海鲜多少钱一斤"
SCAM = "招兼职！给商家点赞日结300，无门槛，先垫付后返佣，加微信xx88领任务"


@pytest.fixture
async def chat(database: Database) -> Chat:
    return await Chat(database).build()


@pytest.fixture
async def quick(sqlite_database: Database) -> Chat:
    return await Chat(sqlite_database).build()


async def last(chat: Chat) -> Question:
    return (await chat.rows(Question))[-1]


# ── going on ──


async def test_what_now_continues_the_type_of_the_answer_before(chat: Chat) -> None:
    assert (await chat.say("王阿姨", ASKED)).endswith(HINT)
    brushing = knowledge().library.types["shuadan"]
    assert brushing.do[0] in await chat.say("王阿姨", "那怎么办")
    assert (await last(chat)).kind is AnswerKind.CONTINUED
    assert (await last(chat)).types[0] == "shuadan"
    assert brushing.never[0] in await chat.say("王阿姨", "千万不能做什么？")
    assert brushing.steps[0] in await chat.say("王阿姨", "他们怎么骗的")
    assert "止付" in await chat.say("王阿姨", "钱还能要回来吗")
    assert await chat.rows(Lead) == []


async def test_what_people_often_ask_about_a_type_is_answered_shortly(quick: Chat) -> None:
    faq = knowledge().library.types["shuadan"].faq[1]  # 差最后一单就能全提出来，要不要补？
    await quick.say("王阿姨", ASKED)
    assert await quick.say("王阿姨", "就差最后一单了要不要补") == f"{faq.question}\n{faq.answer}"
    assert (await last(quick)).types[0] == "shuadan"
    assert faq.answer not in await quick.say("李大爷", "就差最后一单了要不要补")  # to him nothing was said before
    assert "110" in await quick.say("王阿姨", "就差最后一单了，我刚补了五千，被骗了")
    assert (await last(quick)).kind is AnswerKind.EMERGENCY
    await quick.say("王阿姨", ASKED)
    await quick.say("王阿姨", UNKNOWN)
    assert (await last(quick)).kind is AnswerKind.NONE


async def test_after_the_time_limit_nothing_is_continued(quick: Chat) -> None:
    await quick.say("王阿姨", ASKED)
    quick.clock.advance(quick.settings.context_minutes * 60 + 1)
    assert "您先说说" in await quick.say("王阿姨", "那怎么办")
    assert (await last(quick)).kind is AnswerKind.TALK
    assert await quick.rows(Lead) == []


async def test_in_a_group_everybody_has_a_conversation_of_their_own(chat: Chat) -> None:
    await chat.say("王阿姨", ASKED, "HB01")
    assert await chat.say("李大爷", "然后呢", "HB01") == ""  # nobody answered him
    assert await chat.say("王阿姨", "然后呢", "JP01") == ""  # nor her, over there
    reply = await chat.say("王阿姨", "然后呢", "HB01")
    assert reply.startswith("@王阿姨 ")
    assert "刷单返利" in reply


async def test_uncalled_in_a_group_words_count_for_three_minutes(quick: Chat) -> None:
    await quick.say("王阿姨", ASKED, "HB01")
    quick.clock.advance(181)
    assert await quick.say("王阿姨", "那怎么办", "HB01") == ""
    assert await quick.say("王阿姨", "谢谢", "HB01") == ""
    await quick.say("王阿姨", ASKED, "HB01")
    assert await quick.say("王阿姨", "不是的", "HB01") == ""  # said to a neighbour, as likely as to the bot
    assert await quick.say("王阿姨", "继续", "HB01") == ""
    assert "刷单返利" in await quick.say("王阿姨", "心防 那怎么办", "HB01")


async def test_more_than_the_words_is_a_new_question(quick: Chat) -> None:
    await quick.say("王阿姨", ASKED)
    assert "110" in await quick.say("王阿姨", "那我已经给骗子转了五千块怎么办")
    assert (await last(quick)).kind is AnswerKind.EMERGENCY


async def test_another_one_shows_the_next_type_and_comes_to_an_end(quick: Chat) -> None:
    await quick.say("王阿姨", "冒充电商物流客服类")
    offered = (await last(quick)).types
    await quick.say("王阿姨", "1")
    await quick.say("王阿姨", "换一个")
    assert (await last(quick)).types[0] == offered[1]
    for _ in range(6):
        reply = await quick.say("王阿姨", "换一个")
    assert "想不到更像的了" in reply


async def test_a_number_that_was_not_offered_shows_the_choice_again(quick: Chat) -> None:
    await quick.say("王阿姨", "冒充电商物流客服类")
    offered = (await last(quick)).types
    assert "请回复数字" in await quick.say("王阿姨", "9")
    assert (await last(quick)).types == offered


async def test_politeness_is_answered_in_private_and_makes_no_lead(quick: Chat) -> None:
    assert "不客气" in await quick.say("王阿姨", "谢谢")
    assert "回复" in await quick.say("王阿姨", "你好")
    assert (await last(quick)).kind is AnswerKind.MENU
    assert await quick.rows(Lead) == []


# ── after the answer ──


async def test_useful_is_kept_with_the_answer(chat: Chat) -> None:
    await chat.say("王阿姨", ASKED)
    await chat.say("王阿姨", "有用")
    assert [one.feedback for one in await chat.rows(Question)] == [Feedback.USEFUL, None]
    assert await chat.rows(Lead) == []


async def test_useless_offers_the_next_choice_first_and_then_a_person(chat: Chat) -> None:
    await chat.say("王阿姨", ASKED)
    reply = await chat.say("王阿姨", "没用")
    assert "1. " in reply
    assert (await chat.rows(Question))[0].feedback is Feedback.USELESS
    (lead,) = await chat.rows(Lead)
    assert (lead.reason, lead.text, lead.asker) == (LeadReason.USELESS, ASKED, "")
    assert lead.account_id == chat.account.id
    assert await chat.say("王阿姨", "没用") == PERSON
    (lead,) = await chat.rows(Lead)  # one person, one lead
    assert lead.reason is LeadReason.PERSON


async def test_useful_after_all_closes_the_lead(chat: Chat) -> None:
    await chat.say("王阿姨", ASKED)
    await chat.say("王阿姨", "没用")
    await chat.say("王阿姨", "1")
    await chat.say("王阿姨", "有用")
    assert [lead.state for lead in await chat.rows(Lead)] == [LeadState.CLOSED]


async def test_asking_for_a_person_makes_a_lead_with_what_was_told(chat: Chat) -> None:
    await chat.say("王阿姨", UNKNOWN, "HB01")
    await chat.say("王阿姨", "心防 " + UNKNOWN, "HB01")
    assert await chat.say("王阿姨", "转人工", "HB01") == f"@王阿姨 {PERSON}"
    (lead,) = await chat.rows(Lead)
    assert (lead.reason, lead.text, lead.asker) == (LeadReason.PERSON, UNKNOWN, "王阿姨")
    assert lead.group_id == chat.town.groups["HB01"].id


async def test_asking_for_a_person_first_of_all(quick: Chat) -> None:
    assert await quick.say("王阿姨", "转人工") == PERSON
    assert [(lead.reason, lead.text) for lead in await quick.rows(Lead)] == [(LeadReason.PERSON, "转人工")]


async def test_somebody_in_danger_is_one_alarm_however_much_they_say(chat: Chat) -> None:
    await chat.say("王阿姨", PAID)
    await chat.say("王阿姨", "我刚才又给他转了两万")
    await chat.say("王阿姨", PAID)
    (lead,) = await chat.rows(Lead)
    assert lead.text == f"{PAID}\n我刚才又给他转了两万"
    assert lead.reason is LeadReason.EMERGENCY


async def test_officers_on_duty_are_told_of_an_emergency_once(sqlite_database: Database) -> None:
    settings = load_settings().model_copy(update={"on_duty": ["李警官"]})
    quick = await Chat(sqlite_database, settings).build()
    people = [await quick.bind(name, "菜园镇", Role.REVIEWER) for name in ("张警官", "李警官")]
    async with quick.database.write() as session:
        for person in people:
            room = f"private:{person.name}"
            session.add(
                PersonRoom(person_id=person.id, account_id=quick.account.id, room_id=room, seen_at=quick.clock.now())
            )
    await quick.say("王阿姨", PAID)
    await quick.say("王阿姨", "我刚才又给他转了两万")
    (notice,) = [reply for reply in await quick.rows(Reply) if reply.message_id.startswith("alarm:lead:")]
    assert notice.room_id == "private:李警官"
    assert PAID in notice.text


@pytest.mark.parametrize("text", ["养老卡\x00要不要办", "\ud83d养老卡", "\u202e\u200b？？？"])
async def test_whatever_can_be_said_can_be_kept(chat: Chat, text: str) -> None:
    assert await chat.say("王阿姨", text)
    assert "\0" not in (await last(chat)).text
    await chat.say("王阿姨", SCAM + text, "HB01")
    assert (await chat.rows(Lead))[-1].reason is LeadReason.SCAM


async def test_an_alarm_is_not_split_by_what_is_said_after_it(quick: Chat) -> None:
    await quick.say("王阿姨", PAID)
    await quick.say("王阿姨", "转人工")
    await quick.say("王阿姨", "有用")
    (lead,) = await quick.rows(Lead)
    assert (lead.reason, lead.state) == (LeadReason.EMERGENCY, LeadState.OPEN)


async def test_two_questions_that_cannot_be_answered_are_two_leads(quick: Chat) -> None:
    await quick.say("王阿姨", UNKNOWN)
    await quick.say("王阿姨", "带鱼怎么烧好吃")
    assert [lead.text for lead in await quick.rows(Lead)] == [UNKNOWN, "带鱼怎么烧好吃"]


# ── limits ──


async def test_limits_are_settings(sqlite_database: Database) -> None:
    settings = load_settings(answers_per_person=2, answers_per_group=3, answers_private=1)
    chat = await Chat(sqlite_database, settings).build()
    assert [bool(await chat.say("王阿姨", "心防 菜单", "HB01")) for _ in range(3)] == [True, True, False]
    assert [bool(await chat.say("李大爷", "心防 菜单", "HB01")) for _ in range(2)] == [True, False]
    assert [bool(await chat.say("赵叔", "菜单")) for _ in range(2)] == [True, False]
    assert not await chat.say("赵叔", "谢谢")  # words about the conversation count as well
    chat.clock.advance(61)
    assert await chat.say("赵叔", "菜单")


# ── the guard's warning ──


async def allow(chat: Chat, *codes: str) -> None:
    async with chat.database.write() as session:
        await session.execute(sa.update(Group).where(Group.code.in_(codes)).values(warns=True))


async def test_a_group_that_allows_it_is_warned_once_an_hour_and_nobody_is_quoted(chat: Chat) -> None:
    await allow(chat, "HB01")
    warning = await chat.say("陌生人", SCAM, "HB01")
    assert "温馨提醒" in warning
    assert "陌生人" not in warning
    assert "@" not in warning
    assert "xx88" not in warning
    assert await chat.say("陌生人", SCAM + "！", "HB01") == ""
    assert await chat.say("陌生人", SCAM, "JP01") == ""  # not allowed there
    chat.clock.advance(3601)
    assert "温馨提醒" in await chat.say("陌生人", SCAM, "HB01")
    assert {lead.reason for lead in await chat.rows(Lead)} == {LeadReason.SCAM}


async def test_nobody_is_warned_in_quiet_hours(sqlite_database: Database) -> None:
    chat = await Chat(sqlite_database, load_settings(quiet_start="00:00", quiet_end="23:59")).build()
    await allow(chat, "HB01")
    assert await chat.say("陌生人", SCAM, "HB01") == ""
    assert len(await chat.rows(Lead)) == 1


async def test_nothing_of_this_writes_names_into_questions(quick: Chat) -> None:
    await quick.say("王阿姨", ASKED, "HB01")
    await quick.say("王阿姨", "没用", "HB01")
    for question in await quick.rows(Question):
        assert "王阿姨" not in repr([getattr(question, column.name) for column in Question.__table__.columns])
    assert await quick.rows(AuditEntry) == []
