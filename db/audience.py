"""The audience of an alert: a rule while it is written, frozen rows from the release on."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Account, Delivery, Group, Reach, Unit
from db.states import AccountState, DeliveryState, GroupMode, GroupState, UnitKind, UnitState
from db.units import in_subtree


@dataclass(frozen=True)
class Audience:
    """Which groups an alert is for. Empty lists do not restrict; conditions of different kinds all apply.

    `units` are the ids of subtree roots. `heard_alert` restricts to groups that had that earlier alert or may
    have had it: the audience of a cancellation, and with `heard_or_waiting` that of a correction.
    """

    units: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()
    kinds: tuple[UnitKind, ...] = ()
    tags: tuple[str, ...] = ()
    exclude_units: tuple[int, ...] = ()
    exclude_groups: tuple[int, ...] = ()
    heard_alert: int | None = None
    heard_or_waiting: bool = False

    def to_json(self) -> dict[str, Any]:
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Audience:
        """Raises `ValueError` or `TypeError` for a rule that no version of this class wrote."""
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in data.items()
        }
        values["kinds"] = tuple(UnitKind(kind) for kind in values.get("kinds", ()))
        return Audience(**values)


@dataclass(frozen=True)
class AccountLoad:
    """How many groups an account would serve."""

    account_id: int
    name: str
    state: AccountState
    groups: int


@dataclass(frozen=True)
class LeftOut:
    """A unit or group that the alert will not reach by push, and why (Chinese)."""

    name: str
    reason: str


@dataclass(frozen=True)
class AudiencePreview:
    groups: int
    members: int
    pushed: int  # groups into which the bot pushes
    relayed: int  # groups into which people forward
    loads: list[AccountLoad] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    left_out_count: int = 0


async def conditions(session: AsyncSession, audience: Audience) -> list[sa.ColumnElement[bool]]:
    """The rule as conditions over `groups` joined with `units`; retired groups and units never belong."""
    clauses: list[sa.ColumnElement[bool]] = [
        Unit.state == UnitState.ACTIVE,
        Group.state != GroupState.RETIRED,
        *await _unit_conditions(session, audience),
    ]
    if audience.exclude_groups:
        clauses.append(Group.id.not_in(audience.exclude_groups))
    if audience.heard_alert is not None:
        clauses.append(_heard(audience.heard_alert, waiting_too=audience.heard_or_waiting))
    return clauses


async def _unit_conditions(session: AsyncSession, audience: Audience) -> list[sa.ColumnElement[bool]]:
    clauses: list[sa.ColumnElement[bool]] = []
    if audience.units:
        clauses.append(sa.or_(sa.false(), *(in_subtree(path) for path in await _paths(session, audience.units))))
    if audience.exclude_units:
        clauses += [~in_subtree(path) for path in await _paths(session, audience.exclude_units)]
    if audience.levels:
        clauses.append(Unit.level.in_(audience.levels))
    if audience.kinds:
        clauses.append(Unit.kind.in_(audience.kinds))
    if audience.tags:
        clauses.append(sa.or_(*(Unit.tags.contains(f"|{tag}|", autoescape=True) for tag in audience.tags)))
    return clauses


def _heard(alert_id: int, *, waiting_too: bool) -> sa.ColumnElement[bool]:
    """Groups that had the alert, may have had it, or (for a correction) were still to get it."""
    states = [DeliveryState.UNKNOWN, DeliveryState.SENDING, DeliveryState.SENT]
    if waiting_too:
        states += [DeliveryState.WAITING, DeliveryState.CANCELLED]
    reached = sa.select(Reach.group_id).where(Reach.alert_id == alert_id, Reach.reached_at.is_not(None))
    sent = sa.select(Delivery.group_id).where(Delivery.alert_id == alert_id, Delivery.state.in_(states))
    return sa.or_(Group.id.in_(reached), Group.id.in_(sent))


async def _paths(session: AsyncSession, unit_ids: tuple[int, ...]) -> list[str]:
    rows = await session.execute(sa.select(Unit.path).where(Unit.id.in_(unit_ids)))
    return list(rows.scalars())


def pushable() -> sa.ColumnElement[bool]:
    """Groups into which the bot itself pushes."""
    return sa.and_(
        Group.mode == GroupMode.PUSH,
        Group.account_id.is_not(None),
        Group.room_id.is_not(None),
        Group.state == GroupState.ACTIVE,
    )


async def freeze(session: AsyncSession, alert_id: int, audience: Audience, *, rank: int) -> tuple[int, int, int]:
    """Freeze the audience: expected reach and deliveries, each by one `INSERT … SELECT`.

    Returns (expected groups, expected members, deliveries).
    """
    where = await conditions(session, audience)
    groups = sa.join(Group, Unit, Group.unit_id == Unit.id)
    alert = sa.literal(alert_id)
    expected = (
        sa.select(alert, Group.id, Group.unit_id, Group.members, sa.true(), sa.false())
        .select_from(groups)
        .where(*where)
    )
    columns = ["alert_id", "group_id", "unit_id", "members", "expected", "folded"]
    reached = await affected(session, sa.insert(Reach).from_select(columns, expected, include_defaults=False))
    waiting = sa.literal(DeliveryState.WAITING, sa.String())
    served = (
        sa.select(
            alert, Group.id, Group.account_id, sa.literal(rank), Unit.level, waiting, sa.literal(""), sa.literal(0)
        )
        .select_from(groups)
        .where(*where, pushable())
        .order_by(Unit.level, Group.id)
    )
    columns = ["alert_id", "group_id", "account_id", "rank", "level", "state", "reason", "attempts"]
    deliveries = await affected(session, sa.insert(Delivery).from_select(columns, served, include_defaults=False))
    members = await session.scalar(sa.select(sa.func.sum(Reach.members)).where(Reach.alert_id == alert_id))
    return reached, int(members or 0), deliveries


async def preview(session: AsyncSession, audience: Audience, *, most_left_out: int = 200) -> AudiencePreview:
    """What a release at this moment would freeze, and who would not get it by push."""
    where = await conditions(session, audience)
    groups = sa.join(Group, Unit, Group.unit_id == Unit.id)
    counts = sa.select(
        sa.func.count(), sa.func.coalesce(sa.func.sum(Group.members), 0), sa.func.count().filter(pushable())
    )
    total, members, pushed = (await session.execute(counts.select_from(groups).where(*where))).one()
    loads = await session.execute(
        sa.select(Account.id, Account.name, Account.state, sa.func.count())
        .select_from(groups.join(Account, Group.account_id == Account.id))
        .where(*where, pushable())
        .group_by(Account.id, Account.name, Account.state)
        .order_by(Account.name)
    )
    left_out = await _left_out(session, audience, where)
    return AudiencePreview(
        groups=total,
        members=int(members),
        pushed=pushed,
        relayed=total - pushed,
        loads=[AccountLoad(*row) for row in loads],
        left_out=left_out[:most_left_out],
        left_out_count=len(left_out),
    )


async def _left_out(session: AsyncSession, audience: Audience, where: list[sa.ColumnElement[bool]]) -> list[LeftOut]:
    has_group = sa.exists().where(Group.unit_id == Unit.id, Group.state != GroupState.RETIRED)
    empty = await session.execute(
        sa.select(Unit.name)
        .where(Unit.state == UnitState.ACTIVE, ~has_group, *await _unit_conditions(session, audience))
        .order_by(Unit.path)
    )
    if audience.heard_alert is not None:
        empty_units: list[LeftOut] = []  # the rule is about groups that had the alert, not about units
    else:
        empty_units = [LeftOut(name, "没有群") for name in empty.scalars()]
    groups = sa.join(Group, Unit, Group.unit_id == Unit.id)
    unserved = await session.execute(
        sa.select(Group.name, Group.mode, Group.state, Group.account_id)
        .select_from(groups)
        .where(*where, ~sa.func.coalesce(pushable(), sa.false()))
        .order_by(Unit.path, Group.id)
    )
    return [LeftOut(name, _why(mode, state, account)) for name, mode, state, account in unserved] + empty_units


def _why(mode: GroupMode, state: GroupState, account_id: int | None) -> str:
    if state is GroupState.LOST:
        return "群已失联，账号不在群内"
    if mode is GroupMode.RELAY:
        return "由联络员转发"
    return "没有账号在群内" if account_id is None else "还没有群号"
