"""The reach page in Chromium: it follows reports as they come in, replays the spreading, and unfolds the tree."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import expect

from bot.clock import SystemClock
from bot.database import open_ready
from bot.passwords import hash_password
from bot.settings import load_settings
from db.models import Alert, Group, Reach
from db.reach import record_reach
from db.session import Database
from db.states import Role, Way
from tests.browser.conftest import PASSWORD, Desk, running
from tests.factories import make_user
from tests.reach_story import RELEASES, tell

pytestmark = pytest.mark.browser

Desks = Callable[..., Desk]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The sample county after its five alerts, served by the real program."""
    folder = tmp_path_factory.mktemp("story")
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _fill(folder)).result()
    with running(folder) as address:
        yield address, folder


async def _fill(folder: Path) -> None:
    settings = load_settings(data_dir=folder)
    database = await open_ready(settings, now=SystemClock().now())
    try:
        await tell(database, settings)
        hashed = await hash_password(PASSWORD)
        async with database.write() as session:
            await make_user(session, username="writer", name="编写员", role=Role.PUBLISHER, password_hash=hashed)
    finally:
        await database.close()


async def _reach_one(folder: Path) -> None:
    """One more group, as another process would record it."""
    database = Database(f"sqlite:///{folder / 'xinfang.db'}")
    async with database.write() as session:
        last = sa.select(sa.func.max(Alert.id)).scalar_subquery()
        missing = sa.select(Group).join(Reach, Reach.group_id == Group.id)
        query = missing.where(Reach.alert_id == last, Reach.reached_at.is_(None)).limit(1)
        group = (await session.scalars(query)).one()
        alert_id = await session.scalar(sa.select(sa.func.max(Alert.id)))
        assert alert_id is not None
        await record_reach(session, alert_id=alert_id, group=group, way=Way.REPORT, at=SystemClock().now())
    await database.close()


def test_the_page_follows_replays_and_unfolds(desks: Desks, story: tuple[str, Path]) -> None:
    address, folder = story
    desk = desks(address).sign_in("writer")
    page = desk.open(f"/alerts/{len(RELEASES)}/reach").page
    assert desk.fits()
    expect(page.locator(".reach-chart img")).to_have_js_property("complete", True)
    assert page.locator(".reach-chart img").evaluate("image => image.naturalWidth") > 0

    text, slider = page.locator("[data-replay-text]"), page.locator("[data-replay-slider]")
    expect(text).to_contain_text("213 群")
    slider.focus()
    page.keyboard.press("Home")
    expect(text).to_have_text("发布时：0 / 213 群")
    page.keyboard.press("ArrowRight")
    expect(text).to_contain_text(re.compile("发布后 .+：[1-9]"))
    page.get_by_role("button", name="播放").click()
    expect(page.get_by_role("button", name="暂停")).to_be_visible()
    page.get_by_role("button", name="暂停").click()

    reported = page.locator(".reach-ways li", has_text="联络员报告").locator("b")
    before = int(reported.inner_text())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _reach_one(folder)).result()
    expect(reported).to_have_text(str(before + 1), timeout=20_000)

    page.get_by_role("button", name="展开菜园镇").click()
    expect(page.locator("#reach-tree")).to_contain_text("海滨社区居委会")
    page.locator("#reach-tree").get_by_role("link", name="海滨社区居委会").click()
    expect(page.locator(".trail")).to_contain_text("海滨社区居委会触达")
    assert desk.fits()


def test_leagues_and_records_fit_both_widths(desks: Desks, story: tuple[str, Path]) -> None:
    desk = desks(story[0]).sign_in("writer")
    page = desk.open("/reach?level=2&period=2026-10..2026-11").page
    expect(page.locator("tbody")).to_contain_text("菜园镇")
    assert desk.fits()
    page.locator("[name=kind]").select_option("department")
    expect(page.locator("tbody")).to_contain_text("县财政局")
    page.locator("tbody").get_by_role("link", name="县财政局").click()
    expect(page.locator("h1")).to_have_text("县财政局触达记录")
    assert desk.fits()
