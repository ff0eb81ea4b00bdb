"""The whole registry at once, for imports: read as plain rows, written by bulk statements."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Account, Group, Unit
from db.states import AccountState, GroupMode, GroupState, UnitKind, UnitState

_units: Any = Unit.__table__
_groups: Any = Group.__table__
_accounts: Any = Account.__table__
_Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredUnit:
    id: int
    code: str
    name: str
    kind: UnitKind
    parent_id: int | None
    path: str
    tags: str
    liaison: str
    state: UnitState


@dataclass(frozen=True, slots=True)
class StoredGroup:
    id: int
    code: str
    name: str
    unit_id: int
    channel: str
    room_id: str | None
    account_id: int | None
    mode: GroupMode
    members: int
    state: GroupState
    warns: bool


@dataclass(frozen=True, slots=True)
class StoredAccount:
    id: int
    channel: str
    name: str


@dataclass(frozen=True)
class StoredRegistry:
    """Everything, retired rows included."""

    units: Sequence[StoredUnit]
    groups: Sequence[StoredGroup]
    accounts: Sequence[StoredAccount]

    def digest(self) -> str:
        """Equal for equal registries: tells whether anything changed since a plan was made."""
        text = repr((self.units, self.groups, self.accounts))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


async def load_registry(session: AsyncSession) -> StoredRegistry:
    return StoredRegistry(
        units=[StoredUnit(*row) for row in await _read(session, StoredUnit, _units, "path")],
        groups=[StoredGroup(*row) for row in await _read(session, StoredGroup, _groups, "code")],
        accounts=[StoredAccount(*row) for row in await _read(session, StoredAccount, _accounts, "id")],
    )


async def _read(session: AsyncSession, kind: type[Any], table: Any, order: str) -> Iterable[Any]:
    columns = [table.c[name] for name in kind.__dataclass_fields__]
    return await session.execute(sa.select(*columns).order_by(table.c[order]))


async def add_accounts(session: AsyncSession, names: Iterable[tuple[str, str]], *, at: datetime) -> None:
    """Accounts by (channel, name); they are offline until they log in."""
    rows = [
        {"channel": channel, "name": name, "state": AccountState.OFFLINE, "state_since": at}
        for channel, name in names
    ]
    await _insert(session, _accounts, rows)


async def add_units(session: AsyncSession, rows: Sequence[_Row]) -> None:
    await _insert(session, _units, rows)


async def add_parent_units(session: AsyncSession, rows: Sequence[_Row]) -> dict[str, int]:
    """As `add_units`, and gives the new id of each code: slower, so only for units that have children to come."""
    if not rows:
        return {}
    statement = sa.insert(_units).returning(_units.c.code, _units.c.id)
    return {row.code: row.id for row in await session.execute(statement, rows)}


async def add_groups(session: AsyncSession, rows: Sequence[_Row]) -> None:
    await _insert(session, _groups, rows)


async def change_units(session: AsyncSession, rows: Sequence[_Row]) -> None:
    """Every row names its `id` and the columns to write, the same ones in every row."""
    await _update(session, _units, rows)


async def change_groups(session: AsyncSession, rows: Sequence[_Row]) -> None:
    await _update(session, _groups, rows)


async def _insert(session: AsyncSession, table: Any, rows: Sequence[_Row]) -> None:
    if rows:
        await session.execute(sa.insert(table), rows)


async def _update(session: AsyncSession, table: Any, rows: Sequence[_Row]) -> None:
    if not rows:
        return
    columns: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in rows[0] if name != "id"}
    statement = sa.update(table).where(table.c.id == sa.bindparam("row_id")).values(columns)
    values = [
        {"row_id": row["id"]} | {f"new_{name}": value for name, value in row.items() if name != "id"} for row in rows
    ]
    # Through the connection: the session would take it for an update of mapped objects.
    await (await session.connection()).execute(statement, values)
