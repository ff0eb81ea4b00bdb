"""The liaison's page at the width of a small telephone: a tap reports, the ring moves, a minute takes it back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from bot.clock import SystemClock
from bot.database import open_ready
from bot.liaison_links import make_link
from bot.settings import load_settings
from db.models import Group, Person, Reach, Unit
from db.reach import record_reach
from db.states import AlertState, Role, Severity, Way
from tests.browser.conftest import fill, running
from tests.factories import make_alert

pytestmark = pytest.mark.browser
SMALL = {"width": 360, "height": 640}
MOST_BYTES = 100_000


async def prepare(folder: object) -> str:
    """周敏 of 菜园镇 has a link; one of her four groups had the alert."""
    now = SystemClock().now()
    settings = load_settings(data_dir=folder)
    database = await open_ready(settings, now=now)
    try:
        async with database.write() as session:
            town = (await session.scalars(sa.select(Unit).where(Unit.name == "菜园镇"))).one()
            person = Person(
                name="周敏", role=Role.LIAISON, unit_id=town.id, channel="local", member_hash="x", bound_at=now
            )
            session.add(person)
            await session.flush()
            alert = await make_alert(
                session,
                title="冒充快递理赔的诈骗又来了",
                severity=Severity.ORANGE,
                state=AlertState.FINISHED,
                released_at=now,
                deadline_at=now + timedelta(hours=1),
                expires_at=now + timedelta(days=1),
            )
            for group in (await session.scalars(sa.select(Group))).all():
                row = Reach(alert_id=alert.id, group_id=group.id, unit_id=group.unit_id, members=group.members)
                session.add(row)
                await session.flush()
                if group.name == "菜园商户群":
                    await record_reach(session, alert_id=alert.id, group=group, way=Way.PUSH, at=now)
            return await make_link(session, settings, person, now=now)
    finally:
        await database.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("phone")
    with ThreadPoolExecutor(1) as thread:  # Playwright's own loop may be running in this one
        thread.submit(asyncio.run, fill(folder)).result()
        path = thread.submit(asyncio.run, prepare(folder)).result()
    with running(folder) as office:
        yield office + path


class Telephone:
    """A small screen that counts what it loads and remembers what went wrong."""

    def __init__(self, context: BrowserContext) -> None:
        self.page: Page = context.new_page()
        self.bytes = 0
        self.troubles: list[str] = []
        self.page.on("response", self._loaded)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("console", lambda message: self.troubles.append(message.text))

    def _loaded(self, response: Response) -> None:
        if response.status == 200:
            self.bytes += len(response.body())

    def open(self, address: str) -> Page:
        self.page.goto(address, wait_until="networkidle")
        # The figures of a released alert are folded in by the program itself, within a second or two.
        for _ in range(20):
            if self.page.locator(".ring").count():
                break
            self.page.wait_for_timeout(500)
            self.page.reload(wait_until="networkidle")
        return self.page

    def fits(self) -> bool:
        width: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return width <= 0


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_a_tap_reports_the_ring_moves_and_it_can_be_taken_back(chromium: Browser, address: str, script: bool) -> None:
    context = chromium.new_context(viewport=SMALL, locale="zh-CN", java_script_enabled=script)
    telephone = Telephone(context)
    page = telephone.open(address)
    expect(page.locator(".ring .share")).to_have_text("25%")
    expect(page.locator(".big")).to_have_text("还差 3 个群")
    assert telephone.bytes < MOST_BYTES
    family = page.locator(".groups li", has_text="基湖家长群")
    family.get_by_placeholder("人数").fill("46")
    family.get_by_role("button", name="已转").click()
    expect(page.get_by_role("status").filter(has_text="已记录")).to_be_visible()
    expect(page.locator(".ring .share")).to_have_text("50%")
    expect(page.locator(".ring .done")).to_have_attribute("stroke-dasharray", "50 100")
    expect(page.locator(".ways")).to_contain_text("报告")
    if script:
        assert telephone.fits()
    family.get_by_role("button", name="撤回").click()
    expect(page.locator(".ring .share")).to_have_text("25%")
    expect(family.get_by_role("button", name="已转")).to_be_visible()
    assert telephone.troubles == []
    context.close()


def test_the_text_is_ready_to_copy_and_fingers_have_room(chromium: Browser, address: str) -> None:
    context = chromium.new_context(viewport=SMALL, locale="zh-CN", permissions=["clipboard-read", "clipboard-write"])
    telephone = Telephone(context)
    page = telephone.open(address)
    page.get_by_role("button", name="复制全文去转发").click()
    expect(page.locator("#copied")).to_have_text("已复制，到群里长按粘贴即可")
    copied: str = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("【橙色预警】冒充快递理赔的诈骗又来了")
    for button in page.locator("button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
    page.get_by_text("看全文").click()
    expect(page.locator(".text p")).to_be_visible()
    assert telephone.fits()
    context.close()


def test_without_a_network_it_says_that_nothing_was_recorded(chromium: Browser, address: str) -> None:
    context = chromium.new_context(viewport=SMALL, locale="zh-CN")
    page = Telephone(context).open(address)
    context.set_offline(True)
    page.locator(".groups form button").first.click()
    expect(page.locator(".notice")).to_have_text("网络不通，没有记上，请再点一次")
    expect(page.locator(".groups form button").first).to_be_enabled()
    context.set_offline(False)
    context.close()
