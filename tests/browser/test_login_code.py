"""An account is logged in by its QR code, which a real gateway gives: at a desk and on a phone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk, fill, running
from tests.gateway.driver import TOKEN, Gateway

pytestmark = pytest.mark.browser

Desks = Callable[..., Desk]
ACCOUNT = "心防微信号"


def tell(gateway: Gateway, command: str, **given: Any) -> Any:
    with ThreadPoolExecutor(1) as thread:  # Playwright's own loop runs in this one
        return thread.submit(asyncio.run, gateway.tell(command, **given)).result()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path_factory.mktemp("login-gateway"))
    gateway.start()
    tell(gateway, "logout")
    yield gateway
    gateway.kill()


@pytest.fixture(scope="module")
def address(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("login-office")
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, fill(folder)).result()
    gateways = [{"name": ACCOUNT, "endpoint": gateway.endpoint, "token": TOKEN}]
    settings = {
        "XINFANG_CHANNELS": json.dumps(["local", "wechaty"]),
        "XINFANG_WECHATY_GATEWAYS": json.dumps(gateways),
    }
    with running(folder, **settings) as address:
        yield address


def test_the_code_is_shown_renewed_and_gone_after_the_login(desks: Desks, address: str, gateway: Gateway) -> None:
    desk = desks(address).sign_in("writer")
    page = desk.open("/accounts").page
    account = page.locator("li[data-account]", has_text=ACCOUNT)
    expect(account.locator(".state")).to_have_text("离线", timeout=15_000)
    code = account.get_by_role("img", name=f"{ACCOUNT} 的登录二维码")
    expect(code).to_have_count(0)

    tell(gateway, "scan", qrcode="https://login.example/first")
    expect(account.locator(".state")).to_have_text("待扫码", timeout=15_000)
    expect(code).to_be_visible()
    assert desk.fits()
    drawn = code.locator("svg path").last.bounding_box()  # the black squares, not the frame around them
    assert drawn is not None
    assert drawn["width"] == pytest.approx(drawn["height"], rel=0.05)  # a stroke has no height of its own
    assert drawn["width"] >= 200  # px; large enough for a phone's camera
    first = code.locator("svg").inner_html()

    tell(gateway, "scan", qrcode="https://login.example/second")
    expect(code.locator("svg")).not_to_have_js_property("innerHTML", first, timeout=15_000)

    tell(gateway, "login")
    expect(account.locator(".state")).to_have_text("在线", timeout=15_000)
    expect(code).to_have_count(0)
    expect(account).to_contain_text("今天已发0 / 2,000 条")
    tell(gateway, "logout")
