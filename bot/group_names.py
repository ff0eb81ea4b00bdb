"""Finding the group that a liaison means: strictly first, then by sound and with slips, in their own subtree only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from content.names import meant
from db.group_search import list_groups_called
from db.groups import list_groups
from db.models import Group

COMPARED: Final = 3000
"""Groups among which names are guessed; who sees more writes names or codes as they are."""


@dataclass(frozen=True)
class Found:
    """Groups that a name may mean. `sure`: it is the one, and nothing needs to be asked."""

    groups: Sequence[Group] = ()
    sure: bool = False


async def find_groups(session: AsyncSession, name: str, *, scope: str) -> Found:
    """Read strictly: by code, whole name, or a piece of it."""
    groups = await list_groups_called(session, name, scope=scope) if name else []
    return Found(groups, len(groups) == 1)


async def guess_groups(session: AsyncSession, name: str, *, scope: str) -> Found:
    """Read with slips forgiven."""
    groups = await list_groups(session, scope=scope, limit=COMPARED + 1) if len(name) >= 2 else []
    if len(groups) > COMPARED:
        return Found()
    places, sure = meant(name, [group.name for group in groups])
    return Found([groups[place] for place in places], sure)
