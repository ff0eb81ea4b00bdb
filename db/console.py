"""What only the console's pages ask for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from db.models import Account, Alert, AuditEntry, Group, Lead, LibraryRevision, Reach, Unit
from db.states import AlertState, GroupState, LeadState, RevisionState, UnitKind, UnitState, Way
from db.units import find_root, in_subtree


@dataclass(frozen=True)
class UnitSize:
    """A unit and what is in its whole subtree."""

    unit: Unit
    groups: int
    members: int
    is_leaf: bool  # nothing in use below it


@dataclass(frozen=True)
class Waiting:
    """How much waits for somebody: alerts and edits of the library for review, open leads."""

    alerts: int
    edits: int
    leads: int


def _number(condition: sa.ColumnElement[bool]) -> sa.ScalarSelect[int]:
    return sa.select(sa.func.count()).where(condition).scalar_subquery()


# Stands on every page, therefore one statement, put together once.
_WAITING = sa.select(
    _number(Alert.state == AlertState.IN_REVIEW),
    _number(LibraryRevision.state == RevisionState.IN_REVIEW),
    _number(Lead.state == LeadState.OPEN),
)


async def count_waiting(session: AsyncSession) -> Waiting:
    return Waiting(*(await session.execute(_WAITING)).one())


async def find_top_unit(session: AsyncSession, scope: str) -> Unit | None:
    """The unit at the top of what somebody may see; the root for an empty scope, None in an empty registry."""
    if not scope:
        return await find_root(session)
    return (await session.scalars(sa.select(Unit).where(Unit.path == scope))).one_or_none()


async def list_child_sizes(session: AsyncSession, unit_id: int) -> list[UnitSize]:
    """The unit's children in the order of the tree, each with the groups in use of its subtree."""
    below = aliased(Unit)
    # "0" follows "/": the subtree of a path is one range of the index, see `db.units.in_subtree`.
    upper = sa.func.substr(Unit.path, 1, sa.func.length(Unit.path) - 1).concat("0")
    child = aliased(Unit)
    has_child = sa.exists().where(child.parent_id == Unit.id, child.state == UnitState.ACTIVE)
    query = (
        sa.select(Unit, sa.func.count(Group.id), sa.func.coalesce(sa.func.sum(Group.members), 0), ~has_child)
        .outerjoin(below, sa.and_(below.path >= Unit.path, below.path < upper))
        .outerjoin(Group, sa.and_(Group.unit_id == below.id, Group.state != GroupState.RETIRED))
        .where(Unit.parent_id == unit_id, Unit.state == UnitState.ACTIVE)
        .group_by(Unit.id)
        .order_by(Unit.path)
    )
    return [UnitSize(row[0], row[1], int(row[2]), bool(row[3])) for row in await session.execute(query)]


async def count_subtree(session: AsyncSession, scope: str) -> tuple[int, int]:
    """Groups that are not retired in a subtree, and their members."""
    query = (
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(Group.members), 0))
        .join(Unit, Unit.id == Group.unit_id)
        .where(in_subtree(scope), Group.state != GroupState.RETIRED)
    )
    groups, members = (await session.execute(query)).one()
    return groups, int(members)


async def list_alerts_around(session: AsyncSession, since: datetime, until: datetime) -> Sequence[Alert]:
    """Alerts released or due between the two instants, and whatever is still going out; the newest first."""
    query = sa.select(Alert).where(
        sa.or_(
            sa.and_(Alert.released_at >= since, Alert.released_at < until),
            sa.and_(Alert.state == AlertState.SCHEDULED, Alert.scheduled_at < until),
            Alert.state.in_((AlertState.RUNNING, AlertState.PAUSED)),
        )
    )
    return (await session.scalars(query.order_by(Alert.id.desc()).limit(50))).all()


async def list_unit_trails(session: AsyncSession, paths: Collection[str]) -> dict[str, str]:
    """Path → the names of the unit's ancestors, for telling apart units of the same name."""
    parents = {path: path[: path.rstrip("/").rfind("/") + 1] for path in paths}
    wanted: set[str] = set()
    for parent in parents.values():
        codes = parent.split("/")[:-1]
        wanted.update("/".join(codes[: i + 1]) + "/" for i in range(len(codes)))
    rows = await session.execute(sa.select(Unit.path, Unit.name).where(Unit.path.in_(wanted)))
    names = {row.path: row.name for row in rows}
    return {path: _trail(parent, names) for path, parent in parents.items()}


def _trail(parent: str, names: dict[str, str]) -> str:
    codes = parent.split("/")[:-1]
    paths = ("/".join(codes[: i + 1]) + "/" for i in range(len(codes)))
    return " › ".join(names[path] for path in paths if path in names)


async def list_units_by_id(session: AsyncSession, unit_ids: Collection[int]) -> Sequence[Unit]:
    """In the order of the tree; ids that do not exist are left out."""
    return (await session.scalars(sa.select(Unit).where(Unit.id.in_(unit_ids)).order_by(Unit.path))).all()


async def list_groups_by_id(session: AsyncSession, group_ids: Collection[int]) -> Sequence[Group]:
    return (await session.scalars(sa.select(Group).where(Group.id.in_(group_ids)).order_by(Group.code))).all()


async def list_used_levels(session: AsyncSession) -> list[tuple[int, UnitKind]]:
    """Levels and kinds of units in use, upper levels first: what an audience can be narrowed to."""
    query = sa.select(Unit.level, Unit.kind).where(Unit.state == UnitState.ACTIVE).distinct()
    found = [(row[0], row[1]) for row in await session.execute(query)]
    return sorted(found, key=lambda pair: (pair[0], list(UnitKind).index(pair[1])))


@dataclass(frozen=True)
class GroupReach:
    """A unit's own group and what is known of one alert there; all empty without an alert."""

    group: Group
    account: str
    expected: bool
    way: Way | None
    reached_at: datetime | None


async def list_group_reach(session: AsyncSession, unit_id: int, alert_id: int | None) -> list[GroupReach]:
    """Groups in use of the unit itself, by code."""
    query = (
        sa.select(Group, Account.name, Reach.expected, Reach.way, Reach.reached_at)
        .outerjoin(Account, Account.id == Group.account_id)
        .outerjoin(Reach, sa.and_(Reach.group_id == Group.id, Reach.alert_id == alert_id))
        .where(Group.unit_id == unit_id, Group.state != GroupState.RETIRED)
        .order_by(Group.code)
    )
    return [
        GroupReach(group, account or "", bool(expected), way, reached_at)
        for group, account, expected, way, reached_at in await session.execute(query)
    ]


async def list_audit_page(
    session: AsyncSession,
    *,
    group: str = "",
    search: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> Sequence[AuditEntry]:
    """Newest first. `group` is the first word of the action; `search` looks in actor and subject; `until` is not
    included."""
    query = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if group:
        query = query.where(AuditEntry.action.startswith(f"{group}.", autoescape=True))
    if search:
        fields = (AuditEntry.actor, AuditEntry.subject)
        query = query.where(sa.or_(*(column.contains(search, autoescape=True) for column in fields)))
    if since is not None:
        query = query.where(AuditEntry.at >= since)
    if until is not None:
        query = query.where(AuditEntry.at < until)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    return (await session.scalars(query)).all()
