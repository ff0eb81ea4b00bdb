"""The demo's six weeks (`handlers.cli.demo.reach_story`) in an empty database, for tests of the reach pages."""

from __future__ import annotations

from bot.identity import SYSTEM, Actor
from bot.registry import apply_import, plan_import
from bot.sample_county import build_tables
from bot.settings import Settings
from db.models import Alert
from db.session import Database
from db.states import Role
from handlers.cli.demo import reach_story
from handlers.cli.demo.reach_story import RELEASES
from tests.factories import make_user

__all__ = ["RELEASES", "tell"]


async def tell(database: Database, settings: Settings, *, releases: int = len(RELEASES)) -> list[Alert]:
    """With the county imported and two people who write and review."""
    async with database.write() as session:
        await apply_import(session, await plan_import(session, build_tables()), SYSTEM, RELEASES[0][0])
        users = [
            await make_user(session, username="story-writer", role=Role.PUBLISHER),
            await make_user(session, username="story-reviewer", role=Role.REVIEWER),
        ]
    writer, reviewer = (Actor(name=user.name, role=user.role, user_id=user.id) for user in users)
    return await reach_story.tell(database, settings, writer, reviewer, releases=releases)
