"""Every page against the rules of axe-core (WCAG 2.2 A and AA): nothing serious, nothing critical, at both widths."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from bot import totp
from bot.clock import SystemClock
from bot.database import open_ready
from bot.settings import load_settings
from bot.short_pages import short_path
from handlers.web.routes import ROUTES
from tests.browser.conftest import PASSWORD, WIDTHS, Desk, Office, fill, running
from tests.browser.test_phone import prepare

pytestmark = pytest.mark.browser

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OPEN = ("/login", "/ask", "/a/nothing", "/m/nothing")  # before anybody has signed in
PAGES = {
    "/": "/",
    "/account": "/account",
    "/account/second_factor": "/account",  # begun by a button: `_second_step`
    "/account/password": "/account/password",
    "/account/tokens": "/account/tokens",
    "/accounts": "/accounts",
    "/alerts": "/alerts",
    "/alerts/new": "/alerts/new",
    "/alerts/{id}": "{alert}",
    "/alerts/{id}/edit": "{alert}/edit",
    "/alerts/{id}/reach": "{alert}/reach",
    "/api/docs": "/api/docs",
    "/audit": "/audit",
    "/chat": "/chat",
    "/library": "/library",
    "/library/new": "/library/new",
    "/library/revisions/{id}": "{revision}",
    "/library/revisions/{id}/edit": "{revision}/edit",
    "/library/try": "/library/try",
    "/library/types/{type}": "/library/types/zhongjiang",
    "/library/types/{type}/seed": "/library/types/zhongjiang/seed",
    "/people": "/people",
    "/questions": "/questions",
    "/questions/all": "/questions/all",
    "/reach": "/reach",
    "/registry": "/registry",
    "/settings": "/settings",
    "/system": "/system",
    "/units": "/units",
    "/units/{id}": "/units/2",
    "/units/{id}/manage": "/units/2/manage?step=retire",
    "/units/{id}/reach": "/units/2/reach",
    "/users": "/users",
    "/login": "/login",
    "/login/code": "/login",  # shown between the password and the code: `_second_step`
    "/ask": "/ask",
    "/a/{token}": "/a/nothing",  # without a page; with one in the test below
    "/m/{token}": "/m/nothing",
}
NO_PAGES = ("/healthz", "/readyz", "/metrics", "/live", "/widget.js", "/pictures/", "/chat/", "/leads/", "/registry/")
PARTS = ("events", "rows", "timeline", "{name}", "audience", "links.csv", "search", "children", "now", "messages")


def serious(page: Page) -> list[str]:
    """What axe finds that keeps people out, with the elements that it found: at both widths, and the contrast in the
    dark as well."""
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    troubles = []
    for width, height in WIDTHS.values():
        page.set_viewport_size({"width": width, "height": height})
        troubles += [f"{width} px: {one}" for one in _violations(page, RULES)]
        if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
            troubles.append(f"{width} px: {page.url} is wider than the window")
    page.emulate_media(color_scheme="dark")
    troubles += [f"dark: {one}" for one in _violations(page, {"type": "rule", "values": ["color-contrast"]})]
    page.emulate_media(color_scheme="light")
    return troubles


def _violations(page: Page, rules: Any) -> list[str]:
    found: list[dict[str, Any]] = page.evaluate(
        "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']}).then(result => result.violations)",
        rules,
    )
    return [
        f"{page.url} {one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


def test_no_page_is_forgotten() -> None:
    for route in ROUTES:
        if route.method != "GET" or route.path in PAGES:
            continue
        part = route.path.rsplit("/", 1)[-1] in PARTS or route.path.startswith(NO_PAGES)
        assert part or route.path.endswith(("/picture", "/models")), f"{route.path}: is it a page?"


def test_nothing_keeps_people_out_of_any_page(chromium: Browser, office: Office) -> None:
    assert AXE.is_file(), "axe-core is missing: run `make accessibility`"
    context = chromium.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    desk = Desk(context, office.address)
    troubles = []
    for path in OPEN:
        desk.open(path)
        troubles += serious(desk.page)
    desk.sign_in("admin")
    found = {"alert": _alert(desk), "revision": _revision(desk)}
    for path in dict.fromkeys(PAGES.values()):
        if path not in OPEN:
            desk.open(path.format(**found))
            troubles += serious(desk.page)
    troubles += _chatting(desk)
    troubles += _second_step(desk)
    context.close()
    assert troubles + desk.troubles == []


def test_nothing_keeps_people_out_of_the_pages_that_links_open(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A liaison's page, and an alert's page for anybody."""
    folder = tmp_path_factory.mktemp("links")
    with ThreadPoolExecutor(1) as thread:  # Playwright's own loop runs in this one
        thread.submit(asyncio.run, fill(folder)).result()
        paths = [thread.submit(asyncio.run, make(folder)).result() for make in (prepare, _short_page)]
    context = chromium.new_context(locale="zh-CN", timezone_id="Asia/Shanghai")
    troubles = []
    with running(folder) as address:
        desk = Desk(context, address)
        for path in paths:
            desk.open(path)
            expect(desk.page.locator("main")).to_contain_text("冒充快递理赔的诈骗又来了")
            troubles += serious(desk.page)
        context.close()
    assert troubles + desk.troubles == []


async def _short_page(folder: Path) -> str:
    database = await open_ready(load_settings(data_dir=folder), now=SystemClock().now())
    try:
        async with database.write() as session:
            return await short_path(session, 1, 2)
    finally:
        await database.close()


def _chatting(desk: Desk) -> list[str]:
    """The chat with somebody in it, a question and its answer."""
    page = desk.open("/chat").page
    page.set_viewport_size({"width": 1280, "height": 800})
    page.get_by_test_id("who-name").fill("看得清")
    page.get_by_test_id("who-add").click()
    page.get_by_test_id("open-private").click()
    page.get_by_test_id("words").fill("有人说我中奖了要先交税，是真的吗")
    page.get_by_test_id("send").click()
    expect(page.get_by_test_id("messages")).to_contain_text("中奖", timeout=15_000)
    return serious(page)


def _second_step(desk: Desk) -> list[str]:
    """Setting the second factor up, the recovery codes, and the code that signing in asks for then."""
    page = desk.open("/account").page
    page.locator("form[action='/account/second_factor'] [name=password]").fill(PASSWORD)
    page.locator("form[action='/account/second_factor'] button").click()
    page.wait_for_url("**/account/second_factor")
    troubles = serious(page)
    secret = "".join(page.locator(".secret").inner_text().split())
    page.fill("[name=code]", totp.code_of(secret, totp.step_at(datetime.now(UTC))))
    page.locator("form[action$='/confirm'] button").click()
    expect(page.locator("main .codes li")).to_have_count(8)
    recovery = page.locator("main .codes li").all_inner_texts()
    troubles += serious(page)
    desk.page.context.clear_cookies()
    desk.open("/login")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_url("**/login/code")
    troubles += serious(page)
    page.fill("[name=code]", recovery[0])
    page.click("main button")
    page.wait_for_url(lambda url: "/login" not in url)
    desk.open("/account")  # off again: the other tests sign in with the password alone
    page.fill("form[action$='/second_factor/codes'] [name=code]", recovery[1])
    page.click("text=关闭两步验证")
    expect(page.locator("form[action='/account/second_factor']")).to_be_visible()
    return troubles


def _alert(desk: Desk) -> str:
    page = desk.open("/alerts/new").page
    page.check("[name=severity][value=yellow]", force=True)
    page.fill("[name=title]", "看得清、读得懂")
    page.fill("[name=body]", "骗子冒充客服，要求共享屏幕、转账验证。")
    page.click("text=存为草稿")
    page.wait_for_url("**/alerts/*done=save")
    return page.url.removeprefix(desk.address).split("?")[0]


def _revision(desk: Desk) -> str:
    page = desk.open("/library/types/zufang").page
    page.locator("form[action$='/edit'] button, a[href^='/library/revisions/']").first.click()
    page.wait_for_url("**/library/revisions/**")
    return page.url.removeprefix(desk.address).removesuffix("/edit")
