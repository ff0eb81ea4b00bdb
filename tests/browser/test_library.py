"""The fraud library as officers edit it: written, reviewed by a second one, and the bot answers with it at once."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Desk

pytestmark = pytest.mark.browser

Desks = Callable[..., Desk]


def ask(desk: Desk, text: str) -> Locator:
    """Say `text` to the running bot in a private chat of the training rooms; gives what is said there."""
    page = desk.open("/chat").page
    expect(
        page.get_by_test_id("who-dialog")
    ).to_be_visible()  # whoever comes for the first time is asked who they are
    page.get_by_test_id("who-name").fill(f"问{text}"[:12])
    page.get_by_test_id("who-add").click()
    page.get_by_test_id("open-private").click()
    page.get_by_test_id("words").fill(text)
    page.get_by_test_id("send").click()
    return page.get_by_test_id("messages")


def test_an_officer_edits_a_second_one_reviews_and_the_bot_answers_with_it(
    desks: Desks, request: pytest.FixtureRequest
) -> None:
    writer, reviewer = desks().sign_in("writer"), desks().sign_in("reviewer")
    width = request.node.callspec.id
    summary = f"骗子说你中了大奖，先交税才能领（{width}）。"
    page = writer.open("/library?search=砸金蛋").page
    page.get_by_role("link", name="中奖/红包/粉丝福利").click()
    page.get_by_role("button", name="修改").click()
    expect(page.locator("#library-form")).to_be_visible()
    assert writer.fits()
    page.fill("[name=summary]", summary)
    expect(page.locator("[data-preview=answer]")).to_contain_text(summary)  # as it is typed
    phrases = page.locator("[data-list=phrases]")
    phrases.locator(".adder textarea").fill(f"5 | 天降大奖{width}\n")
    phrases.get_by_role("button", name="添加").click()
    page.locator("[data-list='examples.asking'] .drop-entry").first.click()
    page.get_by_role("button", name="提交审核").click()
    expect(page.locator("#note-fault")).to_contain_text("请写一句改了什么")
    expect(page.locator("[name=summary]")).to_have_value(summary)
    page.fill("[name=note]", "说明写得更短")
    page.get_by_role("button", name="提交审核").click()
    expect(page.locator(".notice.done")).to_have_text("已提交，等待同事审核")
    expect(page.locator(".diff").first).to_contain_text("一句话说明")
    expect(page.get_by_role("button", name="审核通过，开始使用")).to_have_count(0)
    assert writer.fits()

    theirs = reviewer.open(page.url.removeprefix(writer.address).split("?")[0]).page
    expect(theirs.locator(".diff ins").first).to_be_visible()
    assert reviewer.fits()
    theirs.get_by_role("link", name="用它试一句话").click()
    theirs.fill("[name=text]", f"天降大奖{width}是真的吗")
    theirs.get_by_role("button", name="试一试").click()
    expect(theirs.locator("section", has_text="改了以后").last).to_contain_text(f"天降大奖{width}")
    assert reviewer.fits()
    theirs.goto(page.url)
    theirs.get_by_role("button", name="审核通过，开始使用").click()
    expect(theirs.locator(".notice.done")).to_contain_text("机器人已经按新内容答复")

    expect(ask(writer, f"天降大奖{width}是真的吗")).to_contain_text(summary, timeout=20_000)  # without a restart
    theirs.goto(f"{reviewer.address}/library/types/zhongjiang")
    theirs.locator("#history").get_by_role("button", name="恢复自带").click()
    expect(theirs.locator(".notice.done")).to_contain_text("已恢复")
    expect(theirs.locator(".wechat-bubble")).not_to_contain_text(summary)
    expect(theirs.locator("#history")).to_contain_text(re.compile("第 \\d+ 版"))
    assert reviewer.fits()
