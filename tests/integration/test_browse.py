"""Pages are read in place while the office is small, and by threads when it has grown."""

from __future__ import annotations

from unittest.mock import patch

from bot import app
from bot.recent import KEPT
from db.states import Role
from tests.console import Console, County
from tests.factories import make_group, make_unit


async def _engine_name(console: Console) -> str:
    async with console.engine.browse() as session:
        return session.get_bind().dialect.driver


async def test_a_small_office_is_read_in_place(console: Console, county: County) -> None:
    in_place = "glance" if console.database.is_sqlite else "asyncpg"
    assert await _engine_name(console) == in_place


async def test_a_large_office_is_read_by_threads_and_its_pages_show_the_same(
    console: Console, county: County
) -> None:
    reader = await console.signed_in(Role.PUBLISHER, name="李静")
    small = (await reader.get("/units")).text
    console.clock.advance(KEPT.total_seconds())
    with patch.object(app, "IN_PLACE", 0):
        assert await _engine_name(console) == ("aiosqlite" if console.database.is_sqlite else "asyncpg")
        assert (await reader.get("/units")).text == small


async def test_an_office_that_grows_is_noticed(console: Console) -> None:
    with patch.object(app, "IN_PLACE", 1):
        await _engine_name(console)
        async with console.database.write() as session:
            unit = await make_unit(session)
            for _ in range(2):
                await make_group(session, unit=unit)
        console.clock.advance(KEPT.total_seconds())
        assert await _engine_name(console) == ("aiosqlite" if console.database.is_sqlite else "asyncpg")
