"""Users, the audit log, questions and leads in the console."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from bot.alerts import AlertContent, create, edit
from bot.identity import Actor
from bot.users import ensure_first_admin
from db.audit import record_audit
from db.models import Lead, Question, User
from db.session import Database
from db.states import AnswerKind, LeadReason, LeadState, Role, Severity, UserState
from tests.console import Browser, Console, make_county, open_console
from tests.factories import NOW, make_group, make_user


@pytest.fixture
async def console(database: Database) -> AsyncIterator[Console]:
    async with open_console(database) as opened:
        yield opened


@pytest.fixture
async def admin(console: Console) -> Browser:
    return await console.signed_in(Role.ADMIN, username="boss", name="王建国")


def shown_password(text: str) -> str:
    found = re.search(r'<p class="password">([^<]+)</p>', text)
    assert found is not None
    return found[1]


async def user_named(console: Console, username: str) -> User:
    async with console.database.read() as session:
        return (await session.scalars(sa.select(User).where(User.username == username))).one()


# ── users ──


async def test_a_new_user_signs_in_with_the_password_that_is_shown_once(console: Console, admin: Browser) -> None:
    added = await admin.post("/users", username="zhaoming", name="赵明", role="reviewer", unit="")
    assert added.status == 201
    password = shown_password(added.text)
    assert password not in (await admin.get("/users")).text
    user = await user_named(console, "zhaoming")
    assert password not in user.password_hash
    browser = console.browser()
    await browser.get("/login")
    assert (await browser.post("/login", username="zhaoming", password=password)).status == 303
    assert (await browser.get("/")).location == "/account/password"


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"username": "a b"}, "用户名为 2–40 个字母"),
        ({"username": "boss"}, "已有人使用"),
        ({"name": " "}, "请填写姓名"),
        ({"role": ""}, "请选择角色"),
        ({"role": "liaison"}, "联络员必须选择所属单位"),
        ({"role": "liaison", "unit": "火星"}, "没有名为“火星”的单位"),
        ({"role": "liaison", "unit": "镇"}, "有 2 个单位符合，请填编码"),
    ],
)
async def test_faults_of_a_new_user_stand_beside_the_field(
    console: Console, admin: Browser, changed: dict[str, str], fault: str
) -> None:
    await make_county(console.database)
    fields = {"username": "zhaoming", "name": "赵明", "role": "reviewer", "unit": ""} | changed
    answer = await admin.post("/users", **fields)
    assert answer.status == 422
    assert answer.shows(fault)
    if changed.get("name") is None:
        assert 'value="赵明"' in answer.text
    async with console.database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(User)) == 1


@pytest.mark.parametrize("by_name", [True, False])
async def test_a_liaison_gets_the_unit_by_name_or_code(console: Console, admin: Browser, by_name: bool) -> None:
    county = await make_county(console.database)
    unit = county.east.name if by_name else county.east.code
    added = await admin.post("/users", username="zhoumin", name="周敏", role="liaison", unit=unit)
    assert added.status == 201
    assert (await user_named(console, "zhoumin")).unit_id == county.east.id


async def test_disabling_ends_the_sessions_and_enabling_brings_back(console: Console, admin: Browser) -> None:
    async with console.database.write() as session:
        user = await make_user(session, username="lijing", name="李静")
    browser = await console.signed_in(Role.PUBLISHER, user=user)
    assert (await browser.get("/")).status == 200
    assert (await admin.post(f"/users/{user.id}/disable")).location == "/users?done=disable"
    assert (await browser.get("/")).location == "/login"
    assert (await admin.post(f"/users/{user.id}/disable")).shows("已经停用")
    await admin.post(f"/users/{user.id}/enable")
    assert (await user_named(console, "lijing")).state is UserState.ACTIVE


async def test_nobody_shuts_themselves_out(console: Console, admin: Browser) -> None:
    boss = await user_named(console, "boss")
    refused = await admin.post(f"/users/{boss.id}/disable")
    assert refused.status == 403
    assert refused.shows("不能停用自己的账号")


async def test_a_reset_password_replaces_the_old_one(console: Console, admin: Browser) -> None:
    added = await admin.post("/users", username="lijing", name="李静", role="publisher", unit="")
    user = await user_named(console, "lijing")
    reset = await admin.post(f"/users/{user.id}/reset")
    old, new = shown_password(added.text), shown_password(reset.text)
    assert old != new
    for password, status in ((old, 401), (new, 303)):
        browser = console.browser()
        await browser.get("/login")
        assert (await browser.post("/login", username="lijing", password=password)).status == status


async def test_a_user_who_does_not_exist_is_not_found(admin: Browser) -> None:
    for step in ("disable", "enable", "reset"):
        assert (await admin.post(f"/users/4711/{step}")).status == 404


async def test_the_first_start_makes_one_admin_once(console: Console) -> None:
    async with console.database.write() as session:
        password = await ensure_first_admin(session, NOW)
    async with console.database.write() as session:
        assert await ensure_first_admin(session, NOW) is None
    assert password is not None
    browser = console.browser()
    await browser.get("/login")
    assert (await browser.post("/login", username="admin", password=password)).status == 303
    assert (await browser.get("/users")).location == "/account/password"


# ── the audit log ──


async def test_who_did_what_from_where_is_on_record(console: Console, admin: Browser) -> None:
    await admin.post("/users", username="zhaoming", name="赵明", role="reviewer", unit="")
    page = await admin.get("/audit")
    assert page.shows("王建国", "添加用户", "用户 zhaoming", "127.0.0.1")


async def test_the_log_filters_searches_and_pages(console: Console, admin: Browser) -> None:
    async with console.database.write() as session:
        for number in range(60):
            at = NOW + timedelta(seconds=number)
            await record_audit(
                session, at=at, actor="李静", origin="1.2.3.4", action="alert.create", subject=f"第{number}条"
            )
        await record_audit(
            session, at=NOW, actor="<b>黑客</b>", origin="", action="user.refused", detail={"为什么": "<script>"}
        )
    first = await admin.get("/audit", group="alert")
    assert first.shows("第59条", "第10条", "更早的记录")
    assert "第9条" not in first.text
    following = re.search(r'href="(/audit\?[^"]*before=\d+)"', first.text)
    assert following is not None
    second = await admin.get(following[1].replace("&amp;", "&"))
    assert second.shows("第9条", "第0条")
    assert "第10条" not in second.text
    assert "第59条" not in (await admin.get("/audit", group="user")).text
    hostile = await admin.get("/audit", search="黑客")
    assert "&lt;b&gt;黑客" in hostile.text
    assert "<script>" not in hostile.text
    assert (await admin.get("/audit", search="没有这样的人")).shows("没有符合条件的记录")


async def test_the_log_is_asked_for_days_of_the_office(console: Console, admin: Browser) -> None:
    zone = console.engine.settings.zone
    async with console.database.write() as session:
        for text in ("2026-11-18T23:59", "2026-11-19T00:00", "2026-11-20T23:59", "2026-11-21T00:00"):
            at = datetime.fromisoformat(text).replace(tzinfo=zone)
            await record_audit(session, at=at, actor="李静", origin="", action="lead.claim", subject=f"线索 {text}")
    page = await admin.get("/audit", since="2026-11-19", until="2026-11-20")
    assert page.shows("领取线索", "线索 2026-11-19T00:00", "线索 2026-11-20T23:59")
    assert 'value="2026-11-19"' in page.text
    assert "2026-11-18T" not in page.text
    assert "2026-11-21T" not in page.text
    file = await admin.get("/audit/files/audit.csv", since="2026-11-19", until="2026-11-20")
    assert len(file.text.splitlines()) == 3
    assert (await admin.get("/audit", group="audit")).shows("导出审计日志", "从", "2026-11-19 00:00")
    for wrong in ("yesterday", "0001-01-01", "9999-12-31"):
        assert (await admin.get("/audit", since=wrong, until=wrong)).shows("线索 2026-11-18T23:59")


async def test_an_edit_shows_what_it_changed_and_from_what(console: Console, admin: Browser) -> None:
    actor = Actor(name="李静", role=Role.PUBLISHER)
    settings = console.engine.settings
    content = AlertContent(title="假客服", body="见到就挂电话", severity=Severity.BLUE)
    async with console.database.write() as session:
        alert = await create(session, actor, content, settings=settings, now=NOW)
        changed = replace(content, severity=Severity.RED, expires_at=NOW + timedelta(hours=2))
        await edit(session, actor, alert.id, changed, settings=settings, now=NOW)
    page = await admin.get("/audit", group="alert")
    assert page.shows("修改预警", "之前 · 级别", "蓝色", "之后 · 级别", "红色", "之后 · 有效期至")
    assert "之前 · 标题" not in page.text


# ── questions and leads ──


async def ask(console: Console, text: str, kind: AnswerKind, reason: LeadReason | None = None) -> int:
    async with console.database.write() as session:
        group = await make_group(session, name="基湖群")
        question = Question(
            channel="local", room_id="r", group_id=group.id, member_hash="h", text=text, kind=kind, types=["shuadan"], score=0.9, asked_at=NOW
        )  # fmt: skip
        session.add(question)
        await session.flush()
        if reason is None:
            return 0
        lead = Lead(question_id=question.id, reason=reason, group_id=group.id, text=text, created_at=NOW)
        session.add(lead)
        await session.flush()
        return int(lead.id)


async def test_a_lead_is_seen_dealt_with_and_remembered(console: Console, admin: Browser) -> None:
    lead_id = await ask(console, "<i>我刚转了两万</i>", AnswerKind.EMERGENCY, LeadReason.EMERGENCY)
    home = await admin.get("/")
    assert home.shows("正在被骗", "基湖群")
    page = await admin.get("/questions")
    assert "&lt;i&gt;我刚转了两万" in page.text
    assert (await admin.post(f"/leads/{lead_id}/close")).location == "/questions?done=close"
    assert (await console.row(Lead, lead_id)).state is LeadState.CLOSED
    assert (await admin.get("/questions")).shows("没有待处理的线索")
    assert (await admin.get("/questions", state="closed")).shows("我刚转了两万")
    again = await admin.post(f"/leads/{lead_id}/close")
    assert again.status == 409
    assert again.shows("已经由同事处理")
    assert (await admin.post("/leads/4711/close")).status == 404


async def test_questions_filter_by_outcome_and_words(console: Console, admin: Browser) -> None:
    await ask(console, "刷单能赚钱吗", AnswerKind.ANSWER)
    await ask(console, "养老项目靠谱吗", AnswerKind.NONE)
    everything = await admin.get("/questions/all")
    assert everything.shows("刷单能赚钱吗", "养老项目靠谱吗", "刷单返利")
    unanswered = await admin.get("/questions/all", kind="none")
    assert "刷单能赚钱吗" not in unanswered.text
    assert (await admin.get("/questions/all", search="赚钱")).shows("刷单能赚钱吗")
    assert (await admin.get("/questions/all", search="%")).shows("没有符合条件的咨询")
