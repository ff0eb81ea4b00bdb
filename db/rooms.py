"""What accounts see of their rooms, and what follows for the registry. Counts only: nobody's id is kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import sqlalchemy as sa
import sqlalchemy.orm
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import Account, Delivery, Group, Reply, Room, RoomCount
from db.states import AccountState, DeliveryState, GroupState


@dataclass(frozen=True)
class Sighting:
    """A room as the platform tells it."""

    room_id: str
    topic: str
    members: int  # 0 when the platform does not say
    without_us: bool = False  # the account is not among them


async def record_rooms(
    session: AsyncSession, account: Account, sightings: Collection[Sighting], *, at: datetime, day: date
) -> int:
    """The account is in these rooms; returns how many of them it was not known to be in. The groups that are
    registered for them follow: members, a changed name, and found again after having been lost."""
    known = await _known(session, account, _ids(sightings))
    groups = await _registered(session, account, sightings)
    if sightings:
        await _write_down(session, account, sightings, known, at)
    for seen in sightings:
        group = groups.get(seen.room_id) or await _named_group(session, account, seen)
        if group is not None:
            _follow(group, account, seen, known.get(seen.room_id))
    await session.flush()
    counted = [seen for seen in sightings if seen.members]
    if counted:
        await _count(session, account.channel, counted, day)
    return sum(before is None or before.left_at is not None for before in map(known.get, _ids(sightings)))


def _ids(sightings: Collection[Sighting]) -> list[str]:
    return [seen.room_id for seen in sightings]


@dataclass(frozen=True)
class _Before:
    """What was known of a room."""

    topic: str
    members: int
    left_at: datetime | None


async def _known(session: AsyncSession, account: Account, room_ids: Collection[str]) -> dict[str, _Before]:
    query = sa.select(Room.room_id, Room.topic, Room.members, Room.left_at)
    rows = await session.execute(query.where(Room.account_id == account.id, Room.room_id.in_(room_ids)))
    return {row.room_id: _Before(row.topic, row.members, row.left_at) for row in rows}


async def _registered(session: AsyncSession, account: Account, sightings: Collection[Sighting]) -> dict[str, Group]:
    query = sa.select(Group).where(Group.channel == account.channel, Group.room_id.in_(_ids(sightings)))
    return {str(group.room_id): group for group in await session.scalars(query)}


async def _write_down(
    session: AsyncSession,
    account: Account,
    sightings: Collection[Sighting],
    known: dict[str, _Before],
    at: datetime,
) -> None:
    """What the platform does not say this time stays as it was."""
    nothing = _Before("", 0, None)
    rows = [
        {
            "channel": account.channel,
            "room_id": seen.room_id,
            "account_id": account.id,
            "topic": seen.topic[:120] or known.get(seen.room_id, nothing).topic,
            "members": seen.members or known.get(seen.room_id, nothing).members,
            "found_at": at,
            "seen_at": at,
            "left_at": None,
        }
        for seen in sightings
    ]
    insert = upsert(session, Room.__table__)
    now = {name: insert.excluded[name] for name in ("topic", "members", "seen_at", "left_at")}
    await session.execute(
        insert.on_conflict_do_update(index_elements=["channel", "room_id", "account_id"], set_=now), rows
    )


def _follow(group: Group, account: Account, seen: Sighting, before: _Before | None) -> None:
    if seen.members:
        group.members = seen.members
    # The office's own name for a group stays; a name that was the room's goes on being the room's.
    if seen.topic and before is not None and before.topic and group.name == before.topic[:80]:
        group.name = seen.topic[:80]
    if group.state is GroupState.LOST and group.account_id == account.id:
        group.state = GroupState.ACTIVE


async def _named_group(session: AsyncSession, account: Account, seen: Sighting) -> Group | None:
    """Offices import groups by name, nobody knows a room's id: a group of this account without a room, whose name
    only this room has, is this one."""
    if not seen.topic:
        return None
    waiting = sa.select(Group).where(
        Group.channel == account.channel,
        Group.account_id == account.id,
        Group.room_id.is_(None),
        Group.name == seen.topic[:80],
        Group.state != GroupState.RETIRED,
    )
    groups = (await session.scalars(waiting.limit(2))).all()
    namesakes = sa.select(sa.func.count()).where(
        Room.account_id == account.id,
        Room.topic == seen.topic[:120],
        Room.room_id != seen.room_id,
        Room.left_at.is_(None),
    )
    if len(groups) != 1 or await session.scalar(namesakes):
        return None
    groups[0].room_id = seen.room_id
    return groups[0]


async def _count(session: AsyncSession, channel: str, sightings: Collection[Sighting], day: date) -> None:
    rows = [{"channel": channel, "room_id": seen.room_id, "day": day, "members": seen.members} for seen in sightings]
    insert = upsert(session, RoomCount.__table__)
    members = {"members": insert.excluded.members}
    await session.execute(
        insert.on_conflict_do_update(index_elements=["channel", "room_id", "day"], set_=members), rows
    )


async def record_left(session: AsyncSession, account: Account, room_id: str, *, at: datetime) -> None:
    """The account is not in the room any more: its group goes to an account that is, or is lost."""
    left = sa.update(Room).where(Room.account_id == account.id, Room.room_id == room_id, Room.left_at.is_(None))
    await affected(session, left.values(left_at=at))
    group = await session.scalar(
        sa.select(Group).where(
            Group.channel == account.channel, Group.room_id == room_id, Group.account_id == account.id
        )
    )
    if group is None or group.state is GroupState.RETIRED:
        return
    sibling = await find_sibling(session, account, room_id)
    if sibling is None:
        group.state = GroupState.LOST
    else:
        group.state = GroupState.ACTIVE  # a failed send may have said that it is lost
        await hand_over_group(session, group, sibling)
    await session.flush()


async def find_sibling(session: AsyncSession, account: Account, room_id: str) -> int | None:
    """Another account in the same room; one that is online first."""
    query = (
        sa.select(Account.id)
        .join(Room, Room.account_id == Account.id)
        .where(
            Room.channel == account.channel,
            Room.room_id == room_id,
            Room.left_at.is_(None),
            Account.id != account.id,
            Account.state != AccountState.PAUSED,
        )
        .order_by(sa.case((Account.state == AccountState.ONLINE, 0), else_=1), Account.id)
        .limit(1)
    )
    found: int | None = await session.scalar(query)
    return found


async def hand_over_group(session: AsyncSession, group: Group, account_id: int) -> None:
    """From now on the group is served by this account, and so is what waits for it."""
    group.account_id = account_id
    await session.flush()
    waiting = sa.update(Delivery).where(Delivery.group_id == group.id, Delivery.state == DeliveryState.WAITING)
    await affected(session, waiting.values(account_id=account_id))
    replies = sa.update(Reply).where(
        Reply.channel == group.channel, Reply.room_id == group.room_id, Reply.state == DeliveryState.WAITING
    )
    await affected(session, replies.values(account_id=account_id))


async def hand_over_waiting(session: AsyncSession, account_id: int) -> int:
    """What waits for this account goes out by accounts that are online and in the same rooms; returns how many
    deliveries that are. The groups stay with their account: it will be back."""
    sibling = (
        sa.select(sa.func.min(Room.account_id))
        .join(Account, Account.id == Room.account_id)
        .join(Group, sa.and_(Group.channel == Room.channel, Group.room_id == Room.room_id))
        .where(
            Group.id == Delivery.group_id,
            Room.left_at.is_(None),
            Room.account_id != account_id,
            Account.state == AccountState.ONLINE,
        )
        .correlate(Delivery)
        .scalar_subquery()
    )
    waiting = sa.update(Delivery).where(
        Delivery.account_id == account_id, Delivery.state == DeliveryState.WAITING, sibling.is_not(None)
    )
    return await affected(session, waiting.values(account_id=sibling))


async def list_present(session: AsyncSession, account_id: int) -> set[str]:
    """Ids of the rooms that the account is known to be in."""
    query = sa.select(Room.room_id).where(Room.account_id == account_id, Room.left_at.is_(None))
    return set(await session.scalars(query))


async def find_owner(session: AsyncSession, channel: str, room_id: str) -> int | None:
    """The account that serves the room's group; None when no group is registered, or nobody serves it."""
    query = sa.select(Group.account_id).where(Group.channel == channel, Group.room_id == room_id)
    owner: int | None = await session.scalar(query)
    return owner


async def list_proposed(session: AsyncSession, *, limit: int = 200) -> Sequence[tuple[Room, str]]:
    """Rooms that an account is in and no group is registered for, with the account's name; the newest first."""
    registered = sa.exists().where(Group.channel == Room.channel, Group.room_id == Room.room_id)
    query = (
        sa.select(Room, Account.name)
        .join(Account, Account.id == Room.account_id)
        .where(Room.left_at.is_(None), ~registered)
        .order_by(Room.found_at.desc(), Room.room_id, Account.id)
        .limit(limit)
    )
    seen: dict[tuple[str, str], tuple[Room, str]] = {}
    for room, name in await session.execute(query):
        seen.setdefault((room.channel, room.room_id), (room, name))
    return list(seen.values())


@dataclass(frozen=True)
class SharedGroup:
    """A group whose room another account is in as well."""

    group: Group
    account: Account  # serves it now
    other: Account


async def list_shared(session: AsyncSession, *, limit: int = 200) -> list[SharedGroup]:
    """Groups that can be handed over, by name."""
    serving, other = sa.orm.aliased(Account), sa.orm.aliased(Account)
    query = (
        sa.select(Group, serving, other)
        .join(serving, serving.id == Group.account_id)
        .join(Room, sa.and_(Room.channel == Group.channel, Room.room_id == Group.room_id))
        .join(other, other.id == Room.account_id)
        .where(Room.left_at.is_(None), other.id != serving.id, Group.state != GroupState.RETIRED)
        .order_by(Group.name, Group.id, other.id)
        .limit(limit)
    )
    return [SharedGroup(row[0], row[1], row[2]) for row in await session.execute(query)]


async def count_groups_by_account(session: AsyncSession) -> dict[int, dict[GroupState, int]]:
    """Account → how many of its groups are in which state."""
    query = sa.select(Group.account_id, Group.state, sa.func.count()).where(Group.account_id.is_not(None))
    counts: dict[int, dict[GroupState, int]] = {}
    for account_id, state, number in await session.execute(query.group_by(Group.account_id, Group.state)):
        if account_id is not None:
            counts.setdefault(account_id, {})[state] = number
    return counts


async def list_counts(session: AsyncSession, channel: str, room_id: str) -> Sequence[tuple[date, int]]:
    """The room's members day by day."""
    query = sa.select(RoomCount.day, RoomCount.members).where(
        RoomCount.channel == channel, RoomCount.room_id == room_id
    )
    return [(row.day, row.members) for row in await session.execute(query.order_by(RoomCount.day))]
