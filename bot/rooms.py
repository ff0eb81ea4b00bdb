"""Rooms that accounts have found: made into groups of units, and handed from one account to another."""

from __future__ import annotations

from datetime import datetime
from itertools import count

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.permissions import Permission, require
from db import rooms as store
from db.audit import record_audit
from db.groups import find_group, find_group_of_room
from db.models import Account, Group, Room, Unit
from db.states import GroupMode, UnitState


async def assign_room(
    session: AsyncSession,
    actor: Actor,
    *,
    channel: str,
    room_id: str,
    unit: Unit | None,
    mode: GroupMode,
    now: datetime,
) -> Group:
    """A room that an account is in becomes a group of the unit, served by that account.

    Raises `Invalid` without a unit, `NotFound` when no account is in the room, `WrongState` when it is a group
    already.
    """
    require(actor, Permission.REGISTRY)
    if unit is None or unit.state is not UnitState.ACTIVE:
        raise Invalid({"unit": "请填写这个群所属的单位"})
    room = await session.scalar(
        sa.select(Room)
        .where(Room.channel == channel, Room.room_id == room_id, Room.left_at.is_(None))
        .order_by(Room.account_id)
        .limit(1)
    )
    if room is None:
        raise NotFound("没有账号在这个群里")
    if await find_group_of_room(session, channel, room_id) is not None:
        raise WrongState("这个群已经登记")
    group = Group(
        code=await _free_code(session, unit),
        name=room.topic[:80] or "未命名群",
        unit_id=unit.id,
        channel=channel,
        room_id=room_id,
        account_id=room.account_id,
        mode=mode,
        members=room.members,
        created_at=now,
    )
    session.add(group)
    await session.flush()
    detail = {"group": group.code, "unit": unit.name, "mode": mode.label}
    await _audit(session, actor, "room.assign", group.name, detail, now)
    return group


async def _free_code(session: AsyncSession, unit: Unit) -> str:
    for number in count(1):
        code = f"{unit.code[:34]}-w{number}"
        if await find_group(session, code) is None:
            return code
    raise AssertionError  # count never ends


async def hand_over(session: AsyncSession, actor: Actor, *, group_id: int, account_id: int, now: datetime) -> Group:
    """From now on another account, which is in the room as well, serves the group; what waits goes with it."""
    require(actor, Permission.REGISTRY)
    group, account = await session.get(Group, group_id), await session.get(Account, account_id)
    if group is None or account is None:
        raise NotFound("没有这个群或账号")
    present = await session.get(Room, (group.channel, group.room_id or "", account.id))
    if present is None or present.left_at is not None:
        raise WrongState(f"账号“{account.name}”不在群“{group.name}”中")
    await store.hand_over_group(session, group, account.id)
    await _audit(session, actor, "room.hand_over", group.name, {"group": group.code, "account": account.name}, now)
    return group


async def _audit(
    session: AsyncSession, actor: Actor, action: str, subject: str, detail: dict[str, str], now: datetime
) -> None:
    await record_audit(
        session, at=now, actor=actor.name, origin=actor.origin, action=action, subject=subject, detail=detail
    )
