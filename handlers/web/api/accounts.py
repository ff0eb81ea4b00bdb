"""Accounts, and the rooms that they have found."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.rooms import assign_room
from db.accounts import get_account, list_accounts
from db.models import Account
from db.rooms import count_groups_by_account, list_proposed, list_shared
from db.states import AccountState, GroupState
from db.units import get_unit
from handlers.web.api.definitions import Call
from handlers.web.api.models import registry as shapes
from handlers.web.api.models.common import Found, Id, Named
from handlers.web.api.registry import read_group


async def list_all(call: Call, session: AsyncSession) -> Found[shapes.Account]:
    groups = await count_groups_by_account(session)
    return Found(items=[_account(one, groups.get(one.id, {})) for one in await list_accounts(session)])


async def read(call: Call, session: AsyncSession, id: Id) -> shapes.Account:
    account = await get_account(session, id)
    return _account(account, (await count_groups_by_account(session)).get(id, {}))


def _account(account: Account, groups: dict[GroupState, int]) -> shapes.Account:
    names = ("id", "channel", "name", "state", "state_since", "state_reason", "blocked_until")
    waiting = account.state is AccountState.WAITING_SCAN
    return shapes.Account(
        **{name: getattr(account, name) for name in names},
        login_code=account.login_code if waiting else "",
        groups=groups,
    )


async def list_rooms(call: Call, session: AsyncSession) -> Found[shapes.Room]:
    found = await list_proposed(session)
    names = ("channel", "room_id", "topic", "members", "found_at")
    return Found(
        items=[shapes.Room(**{each: getattr(room, each) for each in names}, account=name) for room, name in found]
    )


async def assign(call: Call, session: AsyncSession, body: shapes.AssignRoom) -> shapes.Group:
    unit = await get_unit(session, body.unit_id)
    group = await assign_room(
        session, call.actor, channel=body.channel, room_id=body.room_id, unit=unit, mode=body.mode, now=call.now
    )
    return await read_group(call, session, group.id)


async def shared(call: Call, session: AsyncSession) -> Found[shapes.Shared]:
    return Found(
        items=[
            shapes.Shared(
                group_id=one.group.id,
                group=one.group.name,
                account=Named.model_validate(one.account),
                other=Named.model_validate(one.other),
            )
            for one in await list_shared(session)
        ]
    )
