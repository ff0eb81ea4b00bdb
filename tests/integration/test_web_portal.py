"""The question dialog for everybody: what it answers, what it keeps, who may frame it, and how fast one may ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa

from bot.conversation_texts import HINT
from bot.portal import LONGEST_MESSAGE
from db.models import Lead, Question, Reply
from db.session import Database
from db.states import AnswerKind, Feedback, LeadReason, Role
from handlers.web.portal import BODY, SUGGESTIONS
from handlers.web.routes import ROUTES
from tests.chatting import knowledge
from tests.console import Browser, Console, Page, open_console

PORTAL_SITE = "https://www.shengsi.example"
TOKEN = "0123456789abcdef" * 2
ASKED = "有人拉我进群给商家点赞返现，后来要我先垫钱做任务，是不是诈骗？"
PAID = "我刚给骗子转了五千块，怎么办"
UNKNOWN = "今天的海鲜多少钱一斤"


@pytest.fixture(autouse=True)
def known_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is read once for all tests of this file."""
    monkeypatch.setattr("bot.app.Knowledge", knowledge)


@pytest.fixture
async def portal(sqlite_database: Database) -> AsyncIterator[Console]:
    settings = {"portal_origins": [PORTAL_SITE, "http://127.0.0.1:9000"], "trusted_proxies": ["127.0.0.1"]}
    async with open_console(sqlite_database, **settings) as opened:
        yield opened


async def say(console: Console, text: Any, token: str = TOKEN, address: str = "10.1.1.1", **headers: str) -> Page:
    body = text if isinstance(text, bytes) else json.dumps({"text": text}).encode()
    all_headers = {"X-Dialog": token, "X-Forwarded-For": f"6.6.6.6, {address}", "Content-Type": "application/json"}
    browser = console.browser()
    response = await browser.request(
        "POST", "/ask/messages", accept="application/json", data=body, headers=all_headers | headers
    )
    return await browser._answer(response)


async def news(console: Console, token: str = TOKEN) -> Page:
    browser = console.browser()
    response = await browser.request("GET", "/ask/messages", accept="application/json", headers={"X-Dialog": token})
    return await browser._answer(response)


async def questions(console: Console) -> list[Question]:
    async with console.database.read() as session:
        return list(await session.scalars(sa.select(Question).order_by(Question.id)))


# ── talking ──


async def test_a_visitor_asks_chooses_goes_on_and_says_whether_it_helped(portal: Console) -> None:
    first = (await say(portal, ASKED)).json
    assert first["kind"] == "answer"
    assert "刷单返利" in first["text"]
    assert HINT not in first["text"]  # there are buttons
    assert "现在这样做" in (await say(portal, "那怎么办")).json["text"]
    assert (await say(portal, "有用")).json["kind"] == "talk"
    offered = (await say(portal, "冒充电商物流客服类")).json
    assert offered["kind"] == "choices"
    assert [one["number"] for one in offered["choices"]] == list(range(1, len(offered["choices"]) + 1))
    assert "请点一个" in offered["text"]
    assert "1. " not in offered["text"]
    chosen = (await say(portal, "2")).json
    assert offered["choices"][1]["name"] in chosen["text"]
    assert (await questions(portal))[1].feedback is Feedback.USEFUL


async def test_nothing_is_kept_that_tells_who_asked(portal: Console) -> None:
    await say(portal, ASKED)
    (question,) = await questions(portal)
    assert (question.channel, question.member_hash, question.group_id) == ("portal", "", None)
    kept = repr([getattr(question, column.name) for column in Question.__table__.columns])
    assert TOKEN not in kept
    assert "10.1.1.1" not in kept
    for path in ("/ask", "/ask/messages", "/widget.js"):
        response = await portal.browser().request("GET", path, headers={"X-Dialog": TOKEN})
        assert "Set-Cookie" not in response.headers, path


async def test_dialogs_do_not_hear_each_other(portal: Console) -> None:
    await say(portal, ASKED)
    assert "您先说说" in (await say(portal, "那怎么办", token="f" * 32)).json["text"]


@pytest.mark.parametrize("text", SUGGESTIONS)
async def test_what_the_page_suggests_is_answered(portal: Console, text: str) -> None:
    assert (await say(portal, text)).json["kind"] in ("answer", "choices", "emergency")


async def test_somebody_in_danger_alarms_the_office_and_hears_110(portal: Console) -> None:
    reply = (await say(portal, PAID)).json
    assert (reply["kind"], reply["waiting"]) == ("emergency", True)
    assert "110" in reply["text"]
    staff = await portal.signed_in(Role.ADMIN)
    assert (await staff.json("/leads/alarms")).json == {"alarms": 1}
    assert (await staff.get("/questions")).shows("门户问答", PAID)


async def test_an_officers_answer_is_shown_while_the_dialog_is_open(portal: Console) -> None:
    assert (await news(portal)).json == {"answers": [], "waiting": False}
    assert (await say(portal, UNKNOWN)).json["waiting"]
    assert (await news(portal)).json == {"answers": [], "waiting": True}
    staff = await portal.signed_in(Role.ADMIN)
    await staff.post("/leads/1/answer", answer="这个要问市场监管局。")
    assert (await news(portal)).json == {
        "answers": [{"id": 1, "asked": UNKNOWN, "answer": "这个要问市场监管局。"}],
        "waiting": False,
    }
    assert (await news(portal, token="f" * 32)).json["answers"] == []  # only where it was asked
    async with portal.database.read() as session:
        assert (await session.scalars(sa.select(Reply))).all() == []  # nothing to send


async def test_useless_becomes_a_lead_after_the_next_choice_was_offered(portal: Console) -> None:
    await say(portal, ASKED)
    assert (await say(portal, "没用")).json["kind"] == "choices"
    assert (await say(portal, "转人工")).json["waiting"]
    async with portal.database.read() as session:
        (lead,) = (await session.scalars(sa.select(Lead))).all()
    assert (lead.reason, lead.text, lead.asker) == (LeadReason.PERSON, ASKED, "")


# ── hostile input ──


async def test_markup_is_data_everywhere(portal: Console) -> None:
    hostile = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>这是什么"
    reply = await say(portal, hostile)
    assert reply.headers["Content-Type"].startswith("application/json")
    staff = await portal.signed_in(Role.ADMIN)
    for path in ("/questions", "/questions/all", "/"):
        page = (await staff.get(path)).text
        assert "<img" not in page, path
        assert "<script>alert" not in page, path


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b'{"text": 1}',
        b'{"text": null}',
        b'{"text": "   "}',
        b"\xff\xfe",
        b'{"other": "x"}',
        b"null",
    ],
)
async def test_what_no_page_of_ours_sends_is_refused(portal: Console, body: bytes) -> None:
    page = await say(portal, body)
    assert page.status == 422
    assert page.json["error"]["message"]
    assert await questions(portal) == []


async def test_odd_text_is_answered_or_refused_but_never_breaks(portal: Console) -> None:
    assert (await say(portal, "长" * LONGEST_MESSAGE, address="10.9.0.1")).status == 200
    assert (await say(portal, "长" * (LONGEST_MESSAGE + 1))).status == 422
    assert (await say(portal, b'{"text": "' + b"x" * BODY + b'"}')).status == 413
    for number, text in enumerate(("\ud800", "\x00", "\u202e反转", "👍" * 100, "@心防一号 " * 50)):
        status = (await say(portal, text, address=f"10.9.1.{number}")).status
        assert status == 200, repr(text)


@pytest.mark.parametrize("token", ["", "x", "0" * 31, "G" * 32, "../../etc/passwd"])
async def test_a_dialog_that_is_none_is_refused(portal: Console, token: str) -> None:
    assert (await say(portal, ASKED, token=token)).status == 422
    assert (await news(portal, token=token)).status == 422


# ── limits ──


async def test_an_address_may_ask_so_often_a_minute(portal: Console) -> None:
    limit = portal.engine.settings.portal_per_minute
    statuses = [(await say(portal, "菜单", token=f"{number:032x}")).status for number in range(limit + 1)]
    assert statuses == [200] * limit + [429]
    refused = await say(portal, "菜单", token="a" * 32)
    assert "110" in refused.json["error"]["message"]
    assert (await say(portal, "菜单", address="10.1.1.2")).status == 200  # the proxy says that it is somebody else
    portal.clock.advance(61)
    assert (await say(portal, "菜单")).status == 200
    assert len(await questions(portal)) == limit + 2


async def test_only_a_known_proxy_is_believed(sqlite_database: Database) -> None:
    async with open_console(sqlite_database, portal_per_minute=1) as console:
        assert (await say(console, "菜单", address="10.1.1.1")).status == 200
        assert (await say(console, "菜单", address="10.1.1.2")).status == 429  # anybody can write that header


async def test_one_dialog_has_the_limits_of_a_private_chat(sqlite_database: Database) -> None:
    async with open_console(sqlite_database, answers_private=1) as console:
        assert (await say(console, "菜单")).status == 200
        assert (await say(console, "菜单")).status == 429
        urgent = await say(console, PAID)
        assert (urgent.status, urgent.json["waiting"]) == (200, True)
        assert "110" in urgent.json["text"]


# ── who may frame it ──


async def test_only_the_named_sites_may_frame_the_dialog(portal: Console) -> None:
    page = await portal.browser().get("/ask")
    assert page.status == 200
    policy = page.headers["Content-Security-Policy"]
    assert f"frame-ancestors {PORTAL_SITE} http://127.0.0.1:9000" in policy
    assert "X-Frame-Options" not in page.headers
    assert page.shows("反诈问一问", "96110")
    assert "style=" not in page.text
    assert "<script>" not in page.text
    assert " onclick" not in page.text


async def test_every_other_page_stays_unframeable(portal: Console) -> None:
    staff = await portal.signed_in(Role.ADMIN)
    paths = {route.path for route in ROUTES if route.method == "GET" and "{" not in route.path}
    for path in sorted(paths - {"/ask", "/live", "/leads/events", "/chat/ws"}):
        headers = (await staff.get(path)).headers
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Frame-Options"] == "DENY", path
    missing = await portal.browser().get("/ask/nothing")
    assert missing.headers["X-Frame-Options"] == "DENY"


async def test_without_sites_nobody_may_frame_it_and_it_can_be_closed(sqlite_database: Database) -> None:
    async with open_console(sqlite_database) as console:
        page = await console.browser().get("/ask")
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Frame-Options"] == "DENY"


async def test_a_closed_portal_is_not_there(sqlite_database: Database) -> None:
    async with open_console(sqlite_database, portal=False) as console:
        assert (await console.browser().get("/ask")).status == 404
        assert (await console.browser().get("/widget.js")).status == 404
        assert (await say(console, ASKED)).status == 404
        assert (await news(console)).status == 404


async def test_another_site_cannot_speak_through_a_visitors_browser(portal: Console) -> None:
    assert (await say(portal, ASKED, Origin=PORTAL_SITE)).status == 403  # only the page in the frame may
    assert await questions(portal) == []


async def test_the_script_is_for_every_site_and_is_checked_each_time(portal: Console) -> None:
    page = await portal.browser().get("/widget.js")
    assert page.headers["Content-Type"].startswith("text/javascript")
    assert page.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert page.headers["Cache-Control"] == "no-cache"
    assert "attachShadow" in page.text


async def test_staff_who_ask_are_nobody_there(portal: Console) -> None:
    staff: Browser = await portal.signed_in(Role.ADMIN)
    response = await staff.request(
        "POST",
        "/ask/messages",
        accept="application/json",
        data=json.dumps({"text": ASKED}),
        headers={"X-Dialog": TOKEN, "Content-Type": "application/json"},
    )
    assert response.status == 200
    assert (await questions(portal))[0].kind is AnswerKind.ANSWER
