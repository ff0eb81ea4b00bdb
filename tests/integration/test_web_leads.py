"""The inbox: who takes care of a lead, what the asker is told, what grows into an alert."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from bot.identity import member_hash
from db.leads import forget_texts
from db.models import Account, AuditEntry, Group, Lead, LibraryRevision, Question, Reply, User
from db.states import AnswerKind, DeliveryState, Feedback, LeadReason, LeadState, Role, UserState
from tests.chatting import knowledge
from tests.console import Browser, Console, County
from tests.factories import NOW, make_account, make_group, make_user


@pytest.fixture(autouse=True)
def known_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is read once for all tests of this file."""
    monkeypatch.setattr("bot.app.Knowledge", knowledge)


async def make_lead(console: Console, text: str, reason: LeadReason = LeadReason.UNANSWERED, **lead: Any) -> Lead:
    """As the bot leaves it: a question in a group, or a scam without one."""
    async with console.database.write() as session:
        account = await session.get(Account, 1) or await make_account(session, name="心防一号")
        group = await make_group(session, name="基湖群", account=account)
        question = Question(
            channel="local",
            room_id=group.room_id or "",
            group_id=group.id,
            member_hash=member_hash("local", "王阿姨"),
            text=text,
            kind=AnswerKind.NONE,
            types=["shuadan"],
            asked_at=NOW,
        )
        if reason is not LeadReason.SCAM:
            session.add(question)
            await session.flush()
            lead = {"question_id": question.id, "account_id": account.id, "asker": "王阿姨"} | lead
        made = Lead(reason=reason, group_id=group.id, text=text, **({"created_at": NOW} | lead))
        session.add(made)
    return made


async def lead_of(console: Console, lead: Lead) -> Lead:
    found: Lead = await console.row(Lead, lead.id)
    return found


async def rows(console: Console, table: type[Any]) -> list[Any]:
    async with console.database.read() as session:
        return list(await session.scalars(sa.select(table).order_by(table.id)))


async def test_the_most_urgent_comes_first_and_the_page_says_so(console: Console, writer: Browser) -> None:
    await make_lead(console, "<b>养老卡</b>要不要办")
    await make_lead(console, "招兼职日结", LeadReason.SCAM)
    await make_lead(console, "我刚转了两万", LeadReason.EMERGENCY)
    page = await writer.get("/questions")
    places = [page.text.index(words) for words in ("我刚转了两万", "招兼职日结", "&lt;b&gt;养老卡")]
    assert places == sorted(places)
    assert page.shows("1 人可能正在被骗")
    assert (await writer.json("/leads/alarms")).json == {"alarms": 1}


async def test_claimed_by_one_assigned_to_another_closed_by_a_third(
    console: Console, writer: Browser, reviewer: Browser
) -> None:
    lead = await make_lead(console, "养老卡要不要办")
    assert (await writer.post(f"/leads/{lead.id}/claim", state="open")).location == "/questions?state=open&done=claim"
    assert (await lead_of(console, lead)).state is LeadState.CLAIMED
    again = await reviewer.post(f"/leads/{lead.id}/claim")
    assert again.status == 409
    assert again.shows("已经由同事接手")
    assert (await reviewer.get("/questions", state="claimed")).shows("李静在处理")
    async with console.database.write() as session:
        colleague = await make_user(session, name="孙立", role=Role.REVIEWER)
        liaison = await make_user(session, name="周敏", role=Role.LIAISON)
        gone = await make_user(session, name="走了", role=Role.REVIEWER, state=UserState.DISABLED)
    for nobody in (liaison.id, gone.id, 4711):
        assert (await writer.post(f"/leads/{lead.id}/assign", user=nobody)).status == 422
    await writer.post(f"/leads/{lead.id}/assign", user=colleague.id)
    assert (await lead_of(console, lead)).claimed_by == colleague.id
    await reviewer.post(f"/leads/{lead.id}/close")
    closed = await lead_of(console, lead)
    assert (closed.state, closed.asker) == (LeadState.CLOSED, "")  # nobody is owed an answer: no name is kept
    for step in ("claim", "close", "answer", "assign"):
        fields = {"answer": "好", "user": colleague.id}
        assert (await writer.post(f"/leads/{lead.id}/{step}", **fields)).status == 409, step
        assert (await writer.post(f"/leads/4711/{step}", **fields)).status == 404, step
    assert [entry.action for entry in await rows(console, AuditEntry)] == ["lead.claim", "lead.assign", "lead.close"]


async def test_an_officers_answer_goes_back_to_the_group_with_the_askers_name(
    console: Console, writer: Browser
) -> None:
    lead = await make_lead(console, "养老卡要不要办")
    with console.engine.events.listen("replies") as nudge:
        await writer.post(f"/leads/{lead.id}/answer", answer="不要办，<b>社区</b>没有这种卡。")
        assert nudge.is_set()
    (reply,) = await rows(console, Reply)
    assert reply.text.startswith("@王阿姨 【嵊泗县反诈中心民警回复】您问的“养老卡要不要办”")
    assert reply.text.endswith("不要办，<b>社区</b>没有这种卡。")
    question = (await rows(console, Question))[0]
    assert (reply.room_id, reply.channel, reply.state) == (question.room_id, "local", DeliveryState.WAITING)
    answered = await lead_of(console, lead)
    assert (answered.state, answered.reply_id) == (LeadState.ANSWERED, reply.id)
    page = await writer.get("/questions", state="answered")
    assert page.shows("李静的答复", "等待")
    assert "&lt;b&gt;社区" in page.text
    assert (await writer.post(f"/leads/{lead.id}/answer", answer="再说一次")).status == 409
    assert len(await rows(console, Reply)) == 1


async def test_an_answer_that_certainly_did_not_arrive_may_be_given_again(console: Console, writer: Browser) -> None:
    lead = await make_lead(console, "养老卡要不要办")
    await writer.post(f"/leads/{lead.id}/answer", answer="不要办")
    for state, status in ((DeliveryState.UNKNOWN, 409), (DeliveryState.SENT, 409), (DeliveryState.SKIPPED, 303)):
        async with console.database.write() as session:
            (await session.get_one(Reply, 1)).state = state
        assert (await writer.post(f"/leads/{lead.id}/answer", answer="真的不要办")).status == status
        console.clock.advance(1)
    assert [reply.text.endswith("真的不要办") for reply in await rows(console, Reply)] == [False, True]


async def test_the_account_that_is_in_the_group_now_says_it(console: Console, writer: Browser) -> None:
    lead = await make_lead(console, "养老卡要不要办")
    async with console.database.write() as session:
        other = await make_account(session, name="心防二号")
        (await session.get_one(Group, lead.group_id)).account_id = other.id
    await writer.post(f"/leads/{lead.id}/answer", answer="不要办")
    assert [reply.account_id for reply in await rows(console, Reply)] == [other.id]


@pytest.mark.parametrize(("answer", "words"), [("", "请写 1–400 个字"), ("长" * 401, "请写 1–400 个字")])
async def test_an_answer_that_cannot_be_sent_is_not_lost(
    console: Console, writer: Browser, answer: str, words: str
) -> None:
    lead = await make_lead(console, "养老卡要不要办")
    page = await writer.post(f"/leads/{lead.id}/answer", answer=answer)
    assert page.status == 422
    assert page.shows(words, answer)
    assert await rows(console, Reply) == []


async def test_a_scam_has_nobody_to_answer(console: Console, writer: Browser) -> None:
    lead = await make_lead(console, "招兼职日结", LeadReason.SCAM)
    assert f"/leads/{lead.id}/answer" not in (await writer.get("/questions")).text
    assert (await writer.post(f"/leads/{lead.id}/answer", answer="谢谢")).status == 409


async def test_similar_leads_stand_together_and_one_answer_serves_all(console: Console, writer: Browser) -> None:
    texts = ("医保卡被停用要我点链接是真的吗", "医保卡停用的短信是真的吗", "收到短信说医保卡停用点链接")
    leads = [await make_lead(console, text) for text in texts]
    other = await make_lead(console, "养老卡要不要办")
    page = await writer.get("/questions")
    assert page.shows("同类共 3 条，这里还有 2 条")
    assert page.text.count('<li class="lead ') == 2
    await writer.post(
        f"/leads/{leads[2].id}/answer", answer="是假的", also=[lead.id for lead in leads[:2]] + [leads[2].id]
    )
    assert len(await rows(console, Reply)) == 3
    assert [(await lead_of(console, lead)).state for lead in leads] == [LeadState.ANSWERED] * 3
    assert (await lead_of(console, other)).state is LeadState.OPEN


async def test_what_grows_suggests_an_alert_that_quotes_nobody(console: Console, writer: Browser) -> None:
    for number in range(console.engine.settings.growing_questions):
        assert "写一条预警" not in (await writer.get("/questions")).text
        await make_lead(console, f"医保卡停用的短信是真的吗{number}")
    page = await writer.get("/questions")
    assert page.shows("最近 7 天有 5 条相似的咨询")
    link = page.text.split('href="/alerts/new?lead=')[1].split('"')[0]
    form = await writer.get("/alerts/new", lead=link)
    assert "近期高发：刷单返利诈骗" in form.text
    assert "医保卡停用的短信" not in form.text
    assert (await writer.get("/alerts/new", lead="4711")).status == 404
    console.clock.advance(8 * 86400)
    assert "写一条预警" not in (await writer.get("/questions")).text


async def test_a_lead_becomes_an_example_in_one_click(console: Console, writer: Browser) -> None:
    lead = await make_lead(console, "拉我进群做任务\n先垫后返靠谱吗")
    scam = await make_lead(console, "招点赞员，日结三百，先垫后返", LeadReason.SCAM)
    await writer.post(f"/leads/{lead.id}/example", type="shuadan")
    await writer.post(f"/leads/{scam.id}/example", type="shuadan")
    (draft,) = await rows(console, LibraryRevision)
    examples = draft.body["examples"]
    assert examples["asking"][-1] == "拉我进群做任务 先垫后返靠谱吗"
    assert examples["scammer"][-1] == "招点赞员，日结三百，先垫后返"
    assert (await writer.post(f"/leads/{lead.id}/example", type="没有")).status == 422
    assert (await lead_of(console, lead)).state is LeadState.OPEN


async def test_the_inbox_hears_of_a_new_lead(console: Console, writer: Browser) -> None:
    stream = await writer.request("GET", "/leads/events", accept="text/event-stream")

    async def told() -> dict[str, Any]:
        while not (line := (await stream.content.readline()).decode()).startswith("data: "):
            pass
        found: dict[str, Any] = json.loads(line[6:])["leads"][0]
        return found

    first = await told()
    assert (first["open"], first["alarms"]) == (0, 0)
    await make_lead(console, "我刚转了两万", LeadReason.EMERGENCY)
    console.engine.events.publish("leads")
    second = await told()
    assert (second["open"], second["alarms"]) == (1, 1)
    assert second["mark"] != first["mark"]
    stream.close()
    now = await writer.get("/leads/now")
    assert now.shows("我刚转了两万")
    assert "<html" not in now.text
    assert f'value="{writer.csrf}"' in now.text  # its buttons work


async def test_words_and_names_of_old_leads_are_forgotten(console: Console, writer: Browser) -> None:
    old = await make_lead(console, "养老卡要不要办", answer="不要办", created_at=NOW - timedelta(days=200))
    new = await make_lead(console, "养老卡要不要办")
    async with console.database.write() as session:
        await forget_texts(session, NOW - timedelta(days=180))
    kept = await lead_of(console, old)
    assert (kept.text, kept.answer, kept.asker) == ("", "", "")
    assert (await lead_of(console, new)).asker == "王阿姨"
    assert (await writer.get("/questions")).shows("原文已过保留期")


async def test_feedback_is_shown_as_figures(console: Console, writer: Browser) -> None:
    await make_lead(console, "养老卡要不要办")
    async with console.database.write() as session:
        for feedback in (Feedback.USEFUL, Feedback.USEFUL, Feedback.USELESS, None):
            session.add(
                Question(
                    channel="portal",
                    room_id="x",
                    member_hash="",
                    text="刷单",
                    kind=AnswerKind.ANSWER,
                    types=["shuadan"],
                    asked_at=NOW,
                    feedback=feedback,
                )
            )
        session.add(
            Question(channel="portal", room_id="x", member_hash="", text="谢谢啦", kind=AnswerKind.TALK, asked_at=NOW)
        )
    page = await writer.get("/questions/all")
    assert page.shows("30 天咨询", "66.6%", "2 有用 1 没用", "80.0%", "门户问答")
    assert "谢谢啦" not in page.text
    assert (await writer.get("/questions/all", kind="talk")).shows("谢谢啦")


# ── whether a group is warned ──


async def test_a_group_is_warned_only_when_somebody_allows_it(
    console: Console, writer: Browser, reviewer: Browser, county: County
) -> None:
    group = county.groups[0]
    assert (await writer.get(f"/units/{county.county.id}")).shows("出现诈骗信息时在群里提醒")
    assert (await writer.post(f"/groups/{group.id}/warning", warns="yes")).location == f"/units/{county.county.id}"
    assert (await console.row(Group, group.id)).warns
    assert (await writer.get(f"/units/{county.county.id}")).shows("不再在群里提醒")
    await writer.post(f"/groups/{group.id}/warning", warns="")
    assert not (await console.row(Group, group.id)).warns
    assert (await reviewer.post(f"/groups/{group.id}/warning", warns="yes")).status == 403
    assert (await writer.post("/groups/4711/warning", warns="yes")).status == 404
    assert [entry.action for entry in await rows(console, AuditEntry)] == ["group.warns"] * 2
    assert (await rows(console, User))[0].name == "李静"
