"""Looking after people and the registry, as staff do it: at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Desk

pytestmark = pytest.mark.browser

Desks = Callable[..., Desk]


def width(page: Page) -> str:
    """Distinguishes what the two runs leave behind in the one office."""
    return str((page.viewport_size or {}).get("width"))


def test_a_code_is_given_shown_once_and_taken_back(desks: Desks) -> None:
    writer = desks().sign_in("writer")
    page = writer.open("/people?view=unbound").page
    page.locator("tr", has_text="洋山镇").get_by_role("link", name="发放绑定码").click()
    expect(page.locator("#add [name=unit]")).to_have_value("3302")
    expect(page.locator("#add [name=name]")).to_have_value("沈刚")
    name = f"沈刚{width(page)}"
    page.fill("#add [name=name]", name)
    page.get_by_role("button", name="生成一次性绑定码").click()
    expect(page.locator(".one-time")).to_contain_text(f"绑定 {page.locator('.password').inner_text()}")
    assert writer.fits()
    code = page.locator("#codes li", has_text=name)
    expect(code).to_contain_text("洋山镇 · 联络员")
    code.get_by_role("button", name="作废").click()
    expect(page.locator(".notice.done")).to_have_text("绑定码已作废")
    expect(page.locator("#codes")).not_to_contain_text(name)


def test_a_binding_ends_only_with_the_right_name(desks: Desks) -> None:
    admin = desks().sign_in("admin")
    page = admin.open("/people").page
    name = f"何叶{width(page)}"
    row = page.locator("tr", has_text=name)
    row.locator("summary").click()
    assert admin.fits()
    row.locator("[name=confirm]").fill("何叶")
    row.get_by_role("button", name="解除绑定").click()
    expect(page.locator(".notice.bad")).to_contain_text(f"请输入“{name}”确认解除")
    row.locator("summary").click()
    row.locator("select").select_option("publisher")
    row.get_by_role("button", name="调整角色").click()
    expect(page.locator(".notice.done")).to_contain_text("角色已调整")
    row.locator("summary").click()
    row.locator("[name=confirm]").fill(name)
    row.get_by_role("button", name="解除绑定").click()
    expect(page.locator(".notice.done")).to_contain_text("已解除绑定")
    expect(page.locator("main")).not_to_contain_text(name)


def test_a_unit_is_moved_with_a_preview_and_moved_back(desks: Desks) -> None:
    writer = desks().sign_in("writer")
    page = writer.open("/units?q=基湖").page
    page.get_by_role("link", name="基湖村").first.click()
    page.get_by_role("link", name="管理", exact=True).click()
    page.get_by_label("新的上级").fill("3302")
    page.get_by_role("button", name="看看移动会怎样").click()
    expect(page.locator("#preview")).to_contain_text("菜园镇 → 洋山镇")
    assert writer.fits()
    page.fill("[name=confirm]", "基湖")
    page.get_by_role("button", name="确定移动").click()
    expect(page.locator("#confirm-fault")).to_contain_text("请输入“基湖村”确认")
    page.fill("[name=confirm]", "基湖村")
    page.get_by_role("button", name="确定移动").click()
    expect(page.locator(".notice.done")).to_contain_text("已移动")
    expect(page.locator(".trail")).to_contain_text("洋山镇")
    assert writer.fits()
    page.locator(".notice.done").get_by_role("button", name="撤销").click()
    expect(page.locator(".trail")).to_contain_text("菜园镇")


def test_keys_lead_to_search_to_a_new_alert_and_to_their_list(desks: Desks) -> None:
    writer = desks().sign_in("writer")
    page = writer.open("/people").page
    page.keyboard.press("/")
    expect(page.locator("main input[type=search]")).to_be_focused()
    page.keyboard.type("n?")  # typed, not obeyed
    expect(page.locator("main input[type=search]")).to_have_value("n?")
    page.locator("main").focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="快捷键")).to_contain_text("写预警")
    assert writer.fits()
    page.keyboard.press("n")  # the list is open: nothing else happens behind it
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog", name="快捷键")).to_have_count(0)
    page.keyboard.press("n")
    page.wait_for_url("**/alerts/new")
