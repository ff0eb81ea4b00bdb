"""What the administrator sees of the installation itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.backups import back_up_by_itself
from bot.presence import Presence
from bot.roles import Part
from db.session import Database
from db.states import Role
from tests.console import Console, open_console


async def page_of(console: Console) -> str:
    browser = await console.signed_in(Role.ADMIN, name="孙敏")
    page = await browser.get("/system")
    assert page.status == 200
    return page.text


async def test_backups_retention_and_second_factors(database: Database, database_url: str, tmp_path: Path) -> None:
    async with open_console(database, database_url=database_url, data_dir=tmp_path) as console:
        text = await page_of(console)
        assert "还没有备份" in text
        assert "孙敏" in text.split("没有开启：")[1]
        assert "1,095 天" in text
        assert "xinfang:" not in text  # never the database's password
        await back_up_by_itself(database, console.engine.settings, now=console.clock.now())
        text = await page_of(console)
        assert "-auto.db" in text
        assert "最近没有备份" not in text
        console.clock.advance(timedelta(days=3).total_seconds())
        assert "最近没有备份" in await page_of(console)


async def test_processes_and_what_they_say(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_console(database) as console:
        presence = Presence(console.engine.settings, database, [Part.SENDER, Part.SCHEDULER])
        presence.note = "数据库曾中断 31 秒，2026-11-21 09:30:12 恢复，其间等待，没有丢失"
        await database.batched(presence.beat)
        text = await page_of(console)
        assert "发送、定时" in text
        assert presence.note in text
        assert presence.owner.rsplit(":", 1)[0] in text


async def test_without_the_database_a_page_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_console(database) as console:
        browser = await console.signed_in(Role.ADMIN)
        monkeypatch.setattr(database, "_sessions", _away)
        page = await browser.get("/system")
        assert (page.status, "数据库暂时连接不上" in page.text) == (503, True)
        answer = await browser.json("/system")
        assert (answer.status, answer.json["error"]["code"]) == (503, "database_away")


def _away() -> None:
    raise ConnectionRefusedError("nobody listens")
