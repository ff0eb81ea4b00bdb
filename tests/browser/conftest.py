"""The real program in a process of its own, and Chromium before it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from bot.clock import SystemClock
from bot.database import open_ready
from bot.passwords import hash_password
from bot.settings import load_settings
from db.states import GroupMode, Role
from tests.factories import make_account, make_group, make_person, make_unit, make_user

ROOT = Path(__file__).parents[2]
PASSWORD = "heart-guard-2026"
WIDTHS = {"desk": (1280, 800), "phone": (390, 844)}
_ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(frozen=True)
class Office:
    """A running program with a small county and one user of each role."""

    address: str
    output: Path


@pytest.fixture(scope="session")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder = tmp_path_factory.mktemp("office")
    with ThreadPoolExecutor(1) as thread:  # Playwright's own loop may be running in this one
        thread.submit(asyncio.run, fill(folder)).result()
    with running(folder) as address:
        yield Office(address, folder / "output.txt")


class running:  # noqa: N801 - used as `with running(...)`
    """`python bot.py run` in a folder, until the block ends."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self._folder = folder
        self._environment = environment

    def __enter__(self) -> str:
        quick = {"XINFANG_GAP_SECONDS": "0.4", "XINFANG_PER_MINUTE": "600", "XINFANG_QUIET_START": "00:00"}
        settings = {"XINFANG_DATA_DIR": str(self._folder), "XINFANG_PORT": "0", "XINFANG_QUIET_END": "00:00"}
        self._output = (self._folder / "output.txt").open("w+", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "bot.py", "run"],
            cwd=self._folder,
            env=os.environ | quick | settings | self._environment,
            stdout=self._output,
            stderr=subprocess.STDOUT,
        )
        return self._address()

    def _address(self) -> str:

        for _ in range(300):
            found = re.search(r"http://[\d.]+:\d+", (self._folder / "output.txt").read_text(encoding="utf-8"))
            if found:
                return found[0]
            if self._process.poll() is not None:
                break
            time.sleep(0.1)
        raise AssertionError((self._folder / "output.txt").read_text(encoding="utf-8"))

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        finally:
            self._process.kill()
            self._process.wait()
            self._output.close()


async def fill(folder: Path) -> None:
    """A county with two towns and a village; six groups are pushed into, one waits for people."""
    database = await open_ready(load_settings(data_dir=folder), now=SystemClock().now())
    try:
        hashed = await hash_password(PASSWORD)
        async with database.write() as session:
            county = await make_unit(session, code="33", name="嵊泗县", liaison="王海波")
            east = await make_unit(session, parent=county, code="3301", name="菜园镇", liaison="周敏")
            west = await make_unit(session, parent=county, code="3302", name="洋山镇", liaison="沈刚")
            village = await make_unit(session, parent=east, code="330101", name="基湖村")
            account = await make_account(session, name="心防一号")
            for unit in (county, east, west, village):
                await make_group(session, unit=unit, account=account, name=f"{unit.name}反诈群")
            await make_group(session, unit=east, account=account, name="菜园商户群")
            await make_group(session, unit=west, account=account, name="洋山渔民群")
            await make_group(session, unit=village, mode=GroupMode.RELAY, room_id=None, name="基湖家长群")
            for width, _ in WIDTHS.values():  # each run of a test has somebody of its own to unbind
                await make_person(session, unit=village, name=f"何叶{width}")
            users = (("admin", Role.ADMIN), ("writer", Role.PUBLISHER), ("reviewer", Role.REVIEWER))
            for username, role in users:
                await make_user(session, username=username, name=role.label, role=role, password_hash=hashed)
            await make_user(
                session, username="liaison", name="周敏", role=Role.LIAISON, unit_id=east.id, password_hash=hashed
            )
    finally:
        await database.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Ended with the module: while it lives Playwright runs an event loop here, and asynchronous tests could not."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path is not None, "Chromium is missing: run tests/install-browser.sh"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_ARGUMENTS)
        yield browser
        browser.close()


class Desk:
    """Somebody's browser window. It remembers what went wrong in its console."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.page: Page = context.new_page()
        self.address = address
        self.troubles: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.troubles.append(str(error)))
        self.page.on("dialog", lambda dialog: dialog.accept())

    def _heard(self, message: ConsoleMessage) -> None:
        # A refused form is shown with its status (422 …), which Chromium reports as if it were an error of the page.
        if message.type in ("error", "warning") and "the server responded with a status of 4" not in message.text:
            self.troubles.append(f"{self.page.url}: {message.text}")

    def sign_in(self, username: str, password: str = PASSWORD) -> Desk:
        self.open("/login")
        self.page.fill("[name=username]", username)
        self.page.fill("[name=password]", password)
        self.page.click("main button")
        self.page.wait_for_url(lambda url: "/login" not in url)
        return self

    def open(self, path: str) -> Desk:
        self.page.goto(self.address + path)
        return self

    def fits(self) -> bool:
        """No sideways scrolling."""
        width: int = self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return width <= 0


@pytest.fixture(params=list(WIDTHS))
def desks(request: pytest.FixtureRequest, chromium: Browser, office: Office) -> Iterator[Callable[..., Desk]]:
    """Opens windows, once at a desk's width and once at a phone's; each is somebody else's."""
    width, height = WIDTHS[request.param]
    contexts: list[BrowserContext] = []
    opened: list[Desk] = []

    def open_desk(address: str = office.address) -> Desk:
        size = {"width": width, "height": height}
        contexts.append(chromium.new_context(viewport=size, locale="zh-CN", timezone_id="Asia/Shanghai"))
        opened.append(Desk(contexts[-1], address))
        return opened[-1]

    yield open_desk
    for context in contexts:
        for page in context.pages:
            # Ends its streams and what it loads; Chromium once never came back from the close.
            page.goto("about:blank")
        context.close()
    troubles = [trouble for desk in opened for trouble in desk.troubles]
    assert troubles == []
