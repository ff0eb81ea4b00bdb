"""Gaps of a large subtree are counted beside the page that shows them, and kept for a while."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from bot import gap_watch
from bot.events import Events
from bot.gap_watch import Gaps, GapWatch
from bot.recent import Recent
from db.models import Unit
from db.session import Database
from tests.factories import make_group, make_unit
from tests.fakes import FakeClock


@pytest.fixture
async def county(database: Database) -> Unit:
    async with database.write() as session:
        unit = await make_unit(session)
        await make_group(session, unit=unit, members=500)
        return unit


async def look(watch: GapWatch, database: Database, unit: Unit) -> Gaps:
    async with database.read() as session:
        return await watch.look(session, unit)


async def test_gaps_of_many_groups_are_counted_once_and_again_when_old(database: Database, county: Unit) -> None:
    clock = FakeClock()
    watch = GapWatch(database, clock, Recent(clock, Events()))
    with patch.object(gap_watch, "AT_ONCE", 0):
        with patch.object(gap_watch, "PATIENCE", 0):
            assert (await look(watch, database, county)).found is None  # the page does not wait
        first = await look(watch, database, county)
        counted = clock.now()
        assert first.found is not None
        assert (first.found.full, first.at) == (1, counted)
        async with database.write() as session:
            await make_group(session, unit=county, members=500)
        assert (await look(watch, database, county)).found == first.found
        clock.advance(gap_watch.KEPT.total_seconds() + 1)
        again = await look(watch, database, county)
        assert again.found is not None
        assert (again.found.full, again.at) == (2, clock.now())
        await watch.stop()
    few = await look(watch, database, county)
    assert few.found is not None
    assert (few.found.full, few.at) == (2, None)


async def test_counting_is_broken_off_at_the_end(database: Database, county: Unit) -> None:
    watch = GapWatch(database, FakeClock(), Recent(FakeClock(), Events()))
    with patch.object(gap_watch, "AT_ONCE", 0), patch.object(gap_watch, "PATIENCE", 0):
        assert (await look(watch, database, county)).found is None
    await watch.stop()
    assert not watch._tasks
