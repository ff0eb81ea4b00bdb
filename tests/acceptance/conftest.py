"""What acceptance tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db.session import Database
from tests.conftest import PostgresTemplates


@pytest.fixture
async def shared(postgres: PostgresTemplates) -> AsyncIterator[Database]:
    """A PostgreSQL database for several processes."""
    url = await postgres.create()
    opened = Database(url)
    yield opened
    await opened.close()
    await postgres.drop(url)
