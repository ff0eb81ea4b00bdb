"""Finding a group by what people call it."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Group, Unit
from db.states import GroupState
from db.units import in_subtree


async def list_groups_called(session: AsyncSession, text: str, *, scope: str, limit: int = 200) -> Sequence[Group]:
    """Groups of a subtree that `text` may mean, by the strictest reading that finds any: its code, its whole name, a
    piece of its name, or (from two characters on) some of the name's characters in their order, so that 菜园海滨群
    means 菜园镇海滨社区反诈群."""
    name, code = sa.func.lower(Group.name), sa.func.lower(Group.code)
    wanted = text.lower()
    readings = [code == wanted, name == wanted, name.contains(wanted, autoescape=True)]
    letters = [character for character in wanted if character.isalnum()]
    if len(letters) >= 2:
        readings.append(name.like("%" + "%".join(_escaped(letter) for letter in letters) + "%", escape="\\"))
    for reading in readings:
        query = (
            sa.select(Group)
            .join(Unit, Unit.id == Group.unit_id)
            .where(in_subtree(scope), Group.state != GroupState.RETIRED, reading)
            .order_by(Unit.path, Group.code)
            .limit(limit)
        )
        found = (await session.scalars(query)).all()
        if found:
            return found
    return []


def _escaped(character: str) -> str:
    return f"\\{character}" if character in "%_\\" else character
