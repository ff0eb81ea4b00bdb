"""Whether the bot may say in a group that a scam was posted there. Off until somebody allows it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import NotFound
from bot.identity import Actor
from bot.permissions import Permission, require
from db.groups import get_group
from db.models import Group
from db.units import get_unit, within


async def set_warns(session: AsyncSession, actor: Actor, group_id: int, warns: bool, *, now: datetime) -> Group:
    """Allow or forbid warnings in a group of the actor's subtree. Raises `NotFound`, `db.groups.NoSuchGroup`."""
    require(actor, Permission.REGISTRY)
    group = await get_group(session, group_id)
    if not within((await get_unit(session, group.unit_id)).path, actor.scope):
        raise NotFound("没有找到，或不在您的管辖范围内")
    if group.warns != warns:
        group.warns = warns
        await audit(
            session, actor, now, "group.warns", f"{group.name}（{group.code}）", {"群内提醒": "开" if warns else "关"}
        )
    return group
