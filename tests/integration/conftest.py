"""The console over either database, and the two people that an alert needs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db.session import Database
from db.states import Role
from tests.console import Browser, Console, County, make_county, open_console


@pytest.fixture
async def console(database: Database) -> AsyncIterator[Console]:
    async with open_console(database) as opened:
        yield opened


@pytest.fixture
async def county(console: Console) -> County:
    return await make_county(console.database)


@pytest.fixture
async def writer(console: Console) -> Browser:
    return await console.signed_in(Role.PUBLISHER, name="李静")


@pytest.fixture
async def reviewer(console: Console) -> Browser:
    return await console.signed_in(Role.REVIEWER, name="赵明")
