"""Screenshots: plays the demo on a free port, signs in, and photographs pages.

`make screenshots` takes those of the README; `python docs/take_screenshots.py FOLDER` every page at both widths.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "screenshots"
README = {"dashboard-1280", "alert-reach-1280", "alert-1280", "chat-390", "units-390", "ask-390"}
SIZES = {1280: 800, 390: 844}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
OTHERWISE = ("dashboard", "alert-reach", "units")  # also in the dark, and as printed
PAGES = {
    "dashboard": "/",
    "alerts": "/alerts",
    "alert": "/alerts/1",
    "alert-reach": "/alerts/1/reach",
    "new-alert": "/alerts/new",
    "units": "/units",
    "unit": "/units/2",
    "unit-reach": "/units/2/reach",
    "reach": "/reach",
    "people": "/people",
    "accounts": "/accounts",
    "questions": "/questions",
    "library": "/library",
    "library-type": "/library/types/zhongjiang",
    "library-try": "/library/try",
    "registry": "/registry",
    "audit": "/audit",
    "users": "/users",
    "account": "/account",
    "tokens": "/account/tokens",
    "settings": "/settings",
    "system": "/system",
    "ask": "/ask",
    "api": "/api/docs",
    "chat": "/chat",
}


@contextmanager
def demo() -> Iterator[str]:
    """The demo, left open: gives the console's address."""
    environment = {**os.environ, "XINFANG_PORT": "0", "BROWSER": "true"}
    process = subprocess.Popen(
        [sys.executable, "bot.py", "demo"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        address = ""
        for line in process.stdout:
            if found := re.search(r"控制台\s+(http://\S+)", line):
                address = found[1]
            if "Ctrl-C" in line:
                break
        if not address:
            raise SystemExit("the demo did not start")
        yield address
    finally:
        process.terminate()
        process.wait(10)


def sign_in(page: Page, address: str) -> None:
    from handlers.cli.demo.script import PASSWORD

    page.goto(f"{address}/login")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", PASSWORD)
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{address}/")


def photograph(browser: Browser, address: str, width: int, folder: Path, wanted: set[str]) -> None:
    context = browser.new_context(viewport={"width": width, "height": SIZES[width]}, locale="zh-CN")
    page = context.new_page()
    sign_in(page, address)
    for name, path in PAGES.items():
        if wanted and f"{name}-{width}" not in wanted:
            continue
        page.goto(address + path)
        if name == "chat":
            open_busiest_room(page)
        page.wait_for_timeout(700)  # live parts have drawn themselves
        page.screenshot(path=folder / f"{name}-{width}.png")
        print(f"{name}-{width}.png")
        if not wanted and name in OTHERWISE and width == 1280:
            photograph_otherwise(page, folder / name)
    context.close()


def photograph_otherwise(page: Page, path: Path) -> None:
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(700)
    page.screenshot(path=f"{path}-dark.png")
    page.emulate_media(color_scheme="light", media="print")
    page.screenshot(path=f"{path}-print.png", full_page=True)
    page.emulate_media(media="screen")


def open_busiest_room(page: Page) -> None:
    """Be a resident of the demo and open the room in which somebody asked."""
    page.get_by_test_id("who-choice").filter(has_text="王阿姨").click()
    page.get_by_test_id("room").filter(has_text="王阿姨").first.click()
    page.wait_for_timeout(500)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    folder, wanted = (Path(sys.argv[1]), set()) if len(sys.argv) > 1 else (FOLDER, README)
    folder.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for width in SIZES:
            photograph(browser, address, width, folder, wanted)
        browser.close()


if __name__ == "__main__":
    main()
