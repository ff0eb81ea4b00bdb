"""The question dialog as visitors meet it: its own page, and embedded on another site, at a desk and on a phone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Desk, fill, running

pytestmark = pytest.mark.browser

Desks = Callable[..., Desk]
ASKED = "有人拉我进群给商家点赞返现，后来要我先垫钱做任务，是不是诈骗？"
PAID = "我刚给骗子转了五千块，怎么办"
UNKNOWN = "今天的海鲜多少钱一斤"


class CountySite(BaseHTTPRequestHandler):
    """Another site on another port, with a policy of its own that forbids inline scripts and styles."""

    script = ""  # the address of the embedding line

    def do_GET(self) -> None:
        host = self.script.rsplit("/", 1)[0]
        body = (
            '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
            '<title>县政府</title><link rel="icon" href="data:,"><h1>县人民政府</h1>'
            f'<script src="{self.script}" async></script>'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header(
            "Content-Security-Policy", f"default-src 'self'; script-src {host}; frame-src {host}; img-src data:"
        )
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@dataclass(frozen=True)
class Sites:
    office: str
    county: str  # may embed the dialog
    stranger: str  # may not


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sites]:
    folder = tmp_path_factory.mktemp("portal")
    with ThreadPoolExecutor(1) as thread:  # Playwright's own loop may be running in this one
        thread.submit(asyncio.run, fill(folder)).result()
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), CountySite) for _ in range(2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    county, stranger = (f"http://127.0.0.1:{server.server_port}" for server in servers)
    environment = {"XINFANG_PORTAL_ORIGINS": county, "XINFANG_PORTAL_PER_MINUTE": "500"}
    with running(folder, **environment) as office:
        CountySite.script = f"{office}/widget.js"
        yield Sites(office, county, stranger)
    for server in servers:
        server.shutdown()
        server.server_close()


def say(page: Page, text: str) -> None:
    page.get_by_label("您的问题").fill(text)
    page.get_by_label("您的问题").press("Enter")
    expect(page.locator(".typing")).to_have_count(0)


def test_a_visitor_is_helped_from_the_first_question_to_an_officers_answer(desks: Desks, sites: Sites) -> None:
    visitor = desks(sites.office).open("/ask")
    page = visitor.page
    expect(page.get_by_role("heading", name="遇到什么事了")).to_be_visible()
    expect(page.get_by_role("link", name="110 已转账")).to_have_attribute("href", "tel:110")
    assert visitor.fits()
    say(page, ASKED)
    expect(page.locator(".answer h2")).to_have_text("刷单返利")
    assert visitor.fits()
    page.get_by_role("button", name="现在怎么办").click()
    expect(page.locator(".continued")).to_contain_text("现在这样做")
    page.get_by_role("button", name="没用").click()
    expect(page.locator(".choices button").first).to_be_visible()
    name = page.locator(".choices b").nth(1).inner_text()
    page.locator(".choices button").nth(1).click()
    expect(page.locator(".mine").last).to_have_text(name)  # not a bare "2"
    expect(page.locator(".answer h2").last).to_contain_text(name)
    assert visitor.fits()

    page.get_by_label("您的问题").fill(PAID)
    page.get_by_role("button", name="发送").click()
    danger = page.locator(".emergency .bubble")
    expect(danger).to_have_attribute("role", "alert")
    expect(danger.get_by_role("link", name="拨打 110")).to_have_attribute("href", "tel:110")
    assert visitor.fits()

    say(page, UNKNOWN)
    page.locator(".after").get_by_role("button", name="转人工").click()
    expect(page.locator(".talk").last).to_contain_text("已转给反诈民警")
    officer = desks(sites.office).sign_in("admin")
    expect(officer.page.locator(".alarm-bar")).to_contain_text("可能正在被骗")
    officer.open("/questions")
    expect(officer.page.locator(".alarm")).to_be_visible()
    lead = officer.page.locator(".lead", has_text=UNKNOWN).first
    lead.locator("summary", has_text="答复").click()
    lead.get_by_label("答复").fill("这个归市场监管局管，请打12315。")
    assert officer.fits()
    lead.get_by_role("button", name="发出答复").click()
    expect(officer.page.locator(".notice.done")).to_have_text("答复已发出")
    expect(page.locator(".officer")).to_contain_text("请打12315", timeout=15_000)


def test_the_inbox_shows_a_new_lead_by_itself(desks: Desks, sites: Sites) -> None:
    officer = desks(sites.office).sign_in("admin").open("/questions")
    lead = officer.page.locator(".lead.person", has_text="渔船补贴")
    expect(lead).to_have_count(0)
    visitor = desks(sites.office).open("/ask")
    say(visitor.page, "我想找个人问问渔船补贴的事情")
    visitor.page.locator(".after").get_by_role("button", name="转人工").click()
    expect(lead).to_be_visible(timeout=10_000)
    assert officer.fits()
    lead.get_by_role("button", name="处理完毕").click()
    expect(officer.page.locator(".notice.done")).to_have_text("线索已标为处理完毕")
    expect(lead).to_have_count(0)


def test_markup_is_shown_as_it_was_typed(desks: Desks, sites: Sites) -> None:
    page = desks(sites.office).open("/ask").page
    say(page, "<img src=x onerror=alert(1)>这是什么")
    expect(page.locator(".mine").last).to_have_text("<img src=x onerror=alert(1)>这是什么")
    assert page.locator(".log img").count() == 0


def test_it_is_used_by_keyboard_alone_and_read_aloud(desks: Desks, sites: Sites) -> None:
    page = desks(sites.office).open("/ask").page
    log = page.get_by_role("log")
    expect(log).to_have_attribute("aria-live", "polite")
    page.get_by_role("button", name="自称公安").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".theirs").last).to_contain_text("公安")
    box = page.get_by_label("您的问题")
    box.focus()
    page.keyboard.type("菜单")
    page.keyboard.press("Shift+Enter")
    expect(page.locator(".mine")).to_have_count(1)  # a new line, not sent
    page.keyboard.press("Enter")
    expect(page.locator(".menu button").first).to_be_visible()


def test_nothing_typed_is_lost_while_the_page_is_still_loading(desks: Desks, sites: Sites) -> None:
    page = desks(sites.office).page
    held: list[Route] = []
    page.route("**/static/ask.js*", lambda route: held.append(route))
    page.goto(f"{sites.office}/ask", wait_until="commit")
    expect(page.get_by_label("您的问题")).to_be_disabled()
    expect(page.get_by_role("button", name="发送")).to_be_disabled()
    held[0].continue_()
    say(page, ASKED)  # as soon as it can be typed
    expect(page.locator(".answer h2")).to_have_text("刷单返利")


def test_the_dialog_opens_on_another_site_by_one_line(desks: Desks, sites: Sites) -> None:
    visitor = desks(sites.county).open("/")
    page = visitor.page
    button = page.get_by_role("button", name="反诈问一问")
    expect(button).to_be_visible()
    assert page.locator("iframe").count() == 0  # nothing is loaded before somebody wants it
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")
    frame = page.frame_locator("iframe")
    frame.get_by_label("您的问题").fill(ASKED)
    frame.get_by_label("您的问题").press("Enter")
    expect(frame.locator(".answer h2")).to_have_text("刷单返利")
    frame.get_by_label("您的问题").fill("那怎么办")
    frame.get_by_label("您的问题").press("Enter")
    expect(frame.locator(".continued")).to_contain_text("现在这样做")  # the dialog is known without a cookie
    assert page.context.cookies() == []
    assert visitor.fits()
    frame.get_by_label("您的问题").press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    button.click()
    expect(frame.locator(".answer h2")).to_have_text("刷单返利")  # still there


def test_a_site_that_is_not_named_gets_an_empty_frame(desks: Desks, sites: Sites) -> None:
    visitor = desks(sites.stranger).open("/")
    visitor.page.get_by_role("button", name="反诈问一问").click()
    visitor.page.wait_for_timeout(500)
    assert all("ask" not in frame.url for frame in visitor.page.frames)
    refused = [trouble for trouble in visitor.troubles if "frame-ancestors" in trouble]
    assert refused
    visitor.troubles[:] = [trouble for trouble in visitor.troubles if trouble not in refused]
