"""Signing in: who gets in, how long, how often they may try, and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from bot.passwords import hash_password
from db.models import AuditEntry, LoginFailure, User, WebSession
from db.session import Database
from db.states import Role, UserState
from tests.console import Browser, Console, Page, open_console
from tests.factories import make_unit, make_user

PASSWORD = "heart-guard-2026"
OPENED = "text/html,application/xhtml+xml;q=0.9"  # what a browser asks for when a person opens a page


@pytest.fixture
async def console(database: Database) -> AsyncIterator[Console]:
    async with open_console(database) as opened:
        async with database.write() as session:
            await make_user(session, username="lijing", name="李静", password_hash=await hash_password(PASSWORD))
        yield opened


async def sign_in(browser: Browser, password: str = PASSWORD, username: str = "lijing", after: str = "") -> Page:
    await browser.get("/login")
    return await browser.post("/login", username=username, password=password, next=after)


async def test_the_right_password_opens_the_console(console: Console) -> None:
    browser = console.browser()
    assert (await browser.get("/")).location == "/login"
    answer = await sign_in(browser)
    assert (answer.status, answer.location) == (303, "/")
    home = await browser.get("/")
    assert home.status == 200
    assert home.shows("李静", "编写员")


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(console: Console) -> None:
    browser = console.browser()
    answer = await sign_in(browser)
    cookie = next(line for line in answer.headers.getall("Set-Cookie") if line.startswith("xinfang_session="))
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    async with console.database.read() as session:
        stored = (await session.scalars(sa.select(WebSession))).one()
    assert browser.cookies["xinfang_session"] not in (stored.token_hash, stored.csrf)


async def test_behind_tls_the_cookie_travels_only_encrypted(console: Console) -> None:
    async def secure(address: str) -> bool:
        async with open_console(console.database, trusted_proxies=[address]) as behind:
            browser = behind.browser()
            await browser.get("/login")
            fields = {"csrf": browser.csrf, "username": "lijing", "password": PASSWORD}
            answer = await browser.request("POST", "/login", data=fields, headers={"X-Forwarded-Proto": "https"})
            assert answer.status == 303
            assert ("Strict-Transport-Security" in answer.headers) == bool(
                answer.cookies["xinfang_session"]["secure"]
            )
            return bool(answer.cookies["xinfang_session"]["secure"])

    assert await secure("127.0.0.1")
    assert not await secure("10.1.1.1")  # anybody can write a header


@pytest.mark.parametrize(("username", "password"), [("lijing", "wrong-password"), ("nobody", PASSWORD), ("", "")])
async def test_a_wrong_name_and_a_wrong_password_read_the_same(
    console: Console, username: str, password: str
) -> None:
    answer = await sign_in(console.browser(), password, username)
    assert answer.status == 401
    assert answer.shows("用户名或密码不正确")
    assert f'value="{username}"' in answer.text
    assert password == "" or f'value="{password}"' not in answer.text


async def test_a_disabled_user_stays_out_and_is_put_out(console: Console) -> None:
    browser = console.browser()
    await sign_in(browser)
    async with console.database.write() as session:
        await session.execute(sa.update(User).values(state=UserState.DISABLED))
    assert (await browser.get("/")).location == "/login"
    assert (await sign_in(console.browser())).status == 401


async def test_after_too_many_failures_even_the_right_password_waits(console: Console) -> None:
    for _ in range(5):
        assert (await sign_in(console.browser(), "wrong-password")).status == 401
    refused = await sign_in(console.browser())
    assert refused.status == 429
    assert refused.shows("登录失败次数过多", "15 分钟后再试")
    console.clock.advance(10 * 60)
    assert (await sign_in(console.browser())).shows("5 分钟后再试")
    console.clock.advance(5 * 60 + 1)
    assert (await sign_in(console.browser())).status == 303


async def test_an_address_that_tries_many_names_is_throttled_as_well(console: Console) -> None:
    for number in range(20):  # an office may share one address: four times as often as one account
        assert (await sign_in(console.browser(), username=f"guess{number}")).status == 401
    assert (await sign_in(console.browser())).status == 429


async def test_many_attempts_at_once_do_not_slip_under_the_limit(console: Console) -> None:
    browsers = [console.browser() for _ in range(12)]
    answers = await asyncio.gather(*(sign_in(browser, "wrong-password") for browser in browsers))
    assert sum(answer.status == 401 for answer in answers) <= 5


async def test_success_clears_the_account_and_waiting_does_not_prolong_the_wait(console: Console) -> None:
    for _ in range(4):
        await sign_in(console.browser(), "wrong-password")
    assert (await sign_in(console.browser())).status == 303
    async with console.database.read() as session:
        keys = list(await session.scalars(sa.select(LoginFailure.key)))
    assert len(keys) == 4
    assert all(key.startswith("address:") for key in keys)


async def test_what_is_typed_as_a_name_is_kept_nowhere(console: Console) -> None:
    await sign_in(console.browser(), username="my-secret-password")
    async with console.database.read() as session:
        keys = list(await session.scalars(sa.select(LoginFailure.key)))
        subjects = list(await session.scalars(sa.select(AuditEntry.subject)))
    assert not any("my-secret-password" in text for text in keys + subjects)


@pytest.mark.parametrize(
    ("after", "goes_to"),
    [
        ("/alerts?state=draft", "/alerts?state=draft"),
        ("//evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/a\nb", "/"),
    ],
)
async def test_signing_in_leads_back_but_never_elsewhere(console: Console, after: str, goes_to: str) -> None:
    assert (await sign_in(console.browser(), after=after)).location == goes_to


async def test_a_page_that_needs_signing_in_is_remembered(console: Console) -> None:
    browser = console.browser()
    assert (await browser.get("/alerts", state="draft")).location == "/login?next=/alerts?state%3Ddraft"
    assert (await browser.json("/alerts")).status == 401


async def test_the_session_ends_by_itself_and_by_signing_out(console: Console) -> None:
    browser = console.browser()
    await sign_in(browser)
    await browser.get("/")
    assert (await browser.post("/logout")).location == "/login"
    assert "xinfang_session" not in browser.cookies
    again = console.browser()
    await sign_in(again)
    for _ in range(11):
        console.clock.advance(3600)
        assert (await again.get("/", accept=OPENED)).status == 200
    console.clock.advance(3600 - 60)
    assert (await again.get("/")).status == 200
    console.clock.advance(120)
    assert (await again.get("/")).location == "/login"


async def test_a_forgotten_page_does_not_stay_signed_in_because_it_asks_for_news(console: Console) -> None:
    browser = console.browser()
    await sign_in(browser)
    for _ in range(11):
        console.clock.advance(10 * 60)
        assert (await browser.json("/leads/alarms")).status == 200
        assert (await browser.get("/accounts/now")).status == 200
    console.clock.advance(10 * 60 + 1)
    assert (await browser.get("/", accept=OPENED)).location == "/login"


async def test_a_copied_cookie_is_worthless_after_signing_out(console: Console) -> None:
    browser, thief = console.browser(), console.browser()
    await sign_in(browser)
    thief.cookies = dict(browser.cookies)
    await browser.get("/")
    await browser.post("/logout")
    assert (await thief.get("/")).location == "/login"


async def test_a_liaison_without_a_unit_is_nobody(console: Console) -> None:
    assert (await (await console.signed_in(Role.LIAISON)).get("/")).location == "/login"
    async with console.database.write() as session:
        unit = await make_unit(session)
    assert (await (await console.signed_in(Role.LIAISON, unit=unit)).get("/")).status == 200


# ── forms of other sites ──


async def test_a_form_without_our_secret_is_refused(console: Console) -> None:
    stranger = console.browser()
    page = await stranger.post("/login", username="lijing", password=PASSWORD)  # never saw the form
    assert page.status == 403
    browser = console.browser()
    await sign_in(browser)
    await browser.get("/")
    browser.csrf = "guessed"
    assert (await browser.post("/logout")).status == 403
    assert (await browser.get("/")).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "", "http://127.0.0.1:1"])
async def test_a_form_on_another_site_is_refused(console: Console, origin: str) -> None:
    browser = console.browser()
    await sign_in(browser)
    await browser.get("/")
    answer = await browser.request("POST", "/logout", data={"csrf": browser.csrf}, headers={"Origin": origin})
    assert answer.status == 403
    assert (await browser.get("/")).status == 200


async def test_a_big_body_of_a_stranger_is_not_read(console: Console) -> None:
    browser = console.browser()
    await browser.get("/login")
    answer = await browser.post("/login", username="x" * 300_000, password="y")
    assert answer.status == 413


# ── passwords ──


async def test_a_one_time_password_must_be_replaced_before_anything_else(console: Console) -> None:
    hashed = await hash_password(PASSWORD)
    browser = await console.signed_in(Role.PUBLISHER, password_hash=hashed, must_change=True)
    assert (await browser.get("/alerts")).location == "/account/password"
    assert (await browser.json("/units/search", q="县")).status == 403
    form = await browser.get("/account/password")
    assert form.shows("一次性密码")
    changed = await browser.post("/account/password", old=PASSWORD, new="brand-new-words", again="brand-new-words")
    assert changed.location == "/account?done=password"
    assert (await browser.get("/alerts")).status == 200


@pytest.mark.parametrize(
    ("old", "new", "again", "fault"),
    [
        ("wrong-password", "brand-new-words", "brand-new-words", "原密码不正确"),
        (PASSWORD, "short", "short", "至少 10 个字符"),
        (PASSWORD, "brand-new-words", "brand-new-worlds", "两次输入的新密码不一致"),
        (PASSWORD, PASSWORD, PASSWORD, "不能与原密码相同"),
        (PASSWORD, "1111111111111", "1111111111111", "过于简单"),
        (PASSWORD, "a-long-username", "a-long-username", "不能与用户名相同"),
        (PASSWORD, "x1y2" * 40, "x1y2" * 40, "最多 128 个字符"),
        (PASSWORD, "P@ssw0rd2026!", "P@ssw0rd2026!", "太常见"),
        (PASSWORD, "Shengsi110110", "Shengsi110110", "太常见"),
    ],
)
async def test_a_bad_new_password_says_what_is_wrong(
    console: Console, old: str, new: str, again: str, fault: str
) -> None:
    hashed = await hash_password(PASSWORD)
    browser = await console.signed_in(Role.PUBLISHER, username="A-long-username", password_hash=hashed)
    await browser.get("/account")
    answer = await browser.post("/account/password", old=old, new=new, again=again)
    assert answer.status == 422
    assert answer.shows(fault)
    assert (await sign_in(console.browser(), username="A-long-username")).status == 303


async def test_changing_the_password_ends_the_other_sessions(console: Console) -> None:
    here, there = console.browser(), console.browser()
    await sign_in(here)
    await sign_in(there)
    await here.get("/account")
    await here.post("/account/password", old=PASSWORD, new="brand-new-words", again="brand-new-words")
    assert (await here.get("/")).status == 200
    assert (await there.get("/")).location == "/login"
    assert (await sign_in(console.browser())).status == 401
    assert (await sign_in(console.browser(), "brand-new-words")).status == 303


# ── what every answer carries ──


async def test_every_answer_carries_the_safety_headers(console: Console) -> None:
    browser = await console.signed_in(Role.ADMIN)
    for path in ("/", "/nowhere", "/static/console.css", "/login", "/registry/template.xlsx"):
        headers = (await browser.get(path)).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
    assert (await browser.get("/")).headers["Cache-Control"] == "no-store"


async def test_errors_are_pages_for_people_and_json_for_scripts(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    assert (await browser.get("/nowhere")).shows("没有这个页面")
    error = {"code": "not_found", "message": "没有这个页面", "fields": {}}
    assert (await browser.json("/nowhere")).json == {"error": error}
    assert (await browser.get("/alerts/999")).shows("没有编号为 999 的预警")
    assert (await browser.get("/alerts/99999999999999999999")).status == 404
    assert (await browser.json("/users")).json["error"]["message"].startswith("编写员没有此项权限")


async def test_an_unforeseen_error_gives_a_number_and_no_details(
    console: Console, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*args: object, **options: object) -> None:
        raise RuntimeError("the inside of the program")

    monkeypatch.setattr("handlers.web.alerts.list_alerts", broken)
    answer = await (await console.signed_in(Role.PUBLISHER)).get("/alerts")
    assert answer.status == 500
    assert answer.shows("系统出错了，已记录")
    assert "the inside of the program" not in answer.text
    assert "the inside of the program" in caplog.text
