"""People with a task, and the one-time codes that bind them. Residents are in neither table."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import Account, BindCode, Forward, Group, Person, PersonRoom, Unit
from db.states import AccountState, GroupState, Role, UnitState
from db.units import in_subtree


async def find_person(session: AsyncSession, channel: str, member_hash: str) -> Person | None:
    query = sa.select(Person).where(Person.channel == channel, Person.member_hash == member_hash)
    return (await session.scalars(query)).one_or_none()


async def list_people(session: AsyncSession, *, scope: str = "") -> Sequence[Person]:
    """People of the units of a subtree, in the order of the tree."""
    query = sa.select(Person).join(Unit, Unit.id == Person.unit_id).where(in_subtree(scope))
    return (await session.scalars(query.order_by(Unit.path, Person.name))).all()


async def find_bind_code(session: AsyncSession, code_hash: str) -> BindCode | None:
    return (await session.scalars(sa.select(BindCode).where(BindCode.code_hash == code_hash))).one_or_none()


async def claim_bind_code(session: AsyncSession, bind_code_id: int, *, at: datetime) -> bool:
    """Use the code up; False when somebody else used it first."""
    statement = (
        sa.update(BindCode)
        .where(BindCode.id == bind_code_id, BindCode.used_at.is_(None))
        .values(used_at=at)
        .returning(BindCode.id)
    )
    return (await session.scalar(statement)) is not None


async def list_open_codes(session: AsyncSession, *, scope: str = "", now: datetime) -> list[tuple[BindCode, Unit]]:
    """Codes of a subtree that can still be used, the first to expire first."""
    query = (
        sa.select(BindCode, Unit)
        .join(Unit, Unit.id == BindCode.unit_id)
        .where(BindCode.used_at.is_(None), BindCode.expires_at > now, in_subtree(scope))
        .order_by(BindCode.expires_at, BindCode.id)
    )
    return [(code, unit) for code, unit in await session.execute(query)]


async def page_unbound_units(
    session: AsyncSession, *, scope: str, search: str, limit: int, offset: int
) -> tuple[Sequence[Unit], int]:
    """Units in use that have groups but no bound liaison, in the order of the tree, and how many there are."""
    has_group = sa.exists().where(Group.unit_id == Unit.id, Group.state == GroupState.ACTIVE)
    has_liaison = sa.exists().where(Person.unit_id == Unit.id, Person.role == Role.LIAISON)
    where = [in_subtree(scope), Unit.state == UnitState.ACTIVE, has_group, ~has_liaison]
    if search:
        named = (Unit.name.contains(search, autoescape=True), Unit.liaison.contains(search, autoescape=True))
        where.append(sa.or_(*named, Unit.code == search))
    total = await session.scalar(sa.select(sa.func.count()).select_from(Unit).where(*where)) or 0
    query = sa.select(Unit).where(*where).order_by(Unit.path).limit(limit).offset(offset)
    return (await session.scalars(query)).all(), total


async def remove_person(session: AsyncSession, person_id: int) -> None:
    """Forwards stay, without their person; private chats, reminders and reports that are still held go with them."""
    await affected(session, sa.update(Forward).where(Forward.person_id == person_id).values(person_id=None))
    await affected(session, sa.delete(Person).where(Person.id == person_id))


# ── where they are written to ───────────────────────────────────────────────


@dataclass(frozen=True)
class Route:
    """A private chat through which a person can be written to at this moment."""

    account_id: int
    channel: str
    room_id: str


async def keep_room(session: AsyncSession, person_id: int, account_id: int, room_id: str, *, at: datetime) -> None:
    """The person wrote to the account in this private chat."""
    values = {"person_id": person_id, "account_id": account_id, "room_id": room_id, "seen_at": at}
    insert = upsert(session, PersonRoom).values(**values)
    now = {"room_id": room_id, "seen_at": at}
    await session.execute(insert.on_conflict_do_update(index_elements=["person_id", "account_id"], set_=now))


async def list_routes(session: AsyncSession, person_ids: Collection[int]) -> dict[int, Route]:
    """By person id; whom no account that is online can write to is missing. Where they wrote last comes first."""
    query = (
        sa.select(PersonRoom.person_id, Account.id, Account.channel, PersonRoom.room_id)
        .join(Account, Account.id == PersonRoom.account_id)
        .where(PersonRoom.person_id.in_(person_ids), Account.state == AccountState.ONLINE)
        .order_by(PersonRoom.seen_at, Account.id)
    )
    rows = await session.execute(query)
    return {person_id: Route(account_id, channel, room_id) for person_id, account_id, channel, room_id in rows}


async def list_roomless(session: AsyncSession, person_ids: Collection[int]) -> set[int]:
    """Those of them whose private chat with any account is not known."""
    known = await session.scalars(sa.select(PersonRoom.person_id).where(PersonRoom.person_id.in_(person_ids)))
    return set(person_ids) - set(known)


async def list_liaisons(session: AsyncSession, *, scope: str = "") -> Sequence[tuple[Person, Unit]]:
    """Bound liaisons of the units of a subtree that are in use, in the order of the tree."""
    query = (
        sa.select(Person, Unit)
        .join(Unit, Unit.id == Person.unit_id)
        .where(Person.role == Role.LIAISON, Unit.state == UnitState.ACTIVE, in_subtree(scope))
        .order_by(Unit.path, Person.id)
    )
    return [(person, unit) for person, unit in await session.execute(query)]


async def list_of_roles(session: AsyncSession, roles: Collection[Role]) -> Sequence[Person]:
    return (await session.scalars(sa.select(Person).where(Person.role.in_(roles)).order_by(Person.id))).all()


async def end_links(session: AsyncSession, person_id: int) -> int:
    """Every link to the person's phone page ends; returns the version of the next ones."""
    more = sa.update(Person).where(Person.id == person_id).values(link_version=Person.link_version + 1)
    await affected(session, more)
    version: int | None = await session.scalar(sa.select(Person.link_version).where(Person.id == person_id))
    return version or 0
