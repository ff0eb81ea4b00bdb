"""Rows for tests, with sane defaults; any column can be given by keyword. They mirror `db/models.py`.

Each adds the row and flushes, so that it has its id; the test commits by leaving `database.write()`.
"""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Account, Alert, Group, Person, Unit, User
from db.states import AccountState, Role, Severity, UnitKind

NOW = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)  # 09:30 in the office
_numbers = itertools.count(1)


async def make_unit(session: AsyncSession, *, parent: Unit | None = None, **columns: Any) -> Unit:
    """A county when it has no parent, else one level below the parent."""
    number = next(_numbers)
    code = columns.pop("code", f"u{number}")
    level = parent.level + 1 if parent is not None else 1
    kind = columns.pop("kind", None) or next(k for k in UnitKind if k.level == level)
    defaults = {
        "name": f"单位{number}",
        "level": kind.level,
        "parent_id": parent.id if parent is not None else None,
        "path": f"{parent.path if parent is not None else ''}{code}/",
    }
    return await _added(session, Unit(code=code, kind=kind, **(defaults | columns)))


async def make_account(session: AsyncSession, **columns: Any) -> Account:
    number = next(_numbers)
    defaults = {
        "channel": "local",
        "name": f"账号{number}",
        "state": AccountState.ONLINE,
        "state_since": NOW,
    }
    return await _added(session, Account(**(defaults | columns)))


async def make_group(
    session: AsyncSession, *, unit: Unit | None = None, account: Account | None = None, **columns: Any
) -> Group:
    """A push group of 100 members. Without `account` it has none; give `mode=GroupMode.RELAY` for relay-only."""
    number = next(_numbers)
    if "unit_id" not in columns:
        unit = unit or await make_unit(session)
        columns["unit_id"] = unit.id
    defaults = {
        "code": f"g{number}",
        "name": f"反诈群{number}",
        "channel": "local",
        "room_id": f"room-{number}",
        "account_id": account.id if account is not None else None,
        "members": 100,
        "created_at": NOW,
    }
    return await _added(session, Group(**(defaults | columns)))


async def make_user(session: AsyncSession, **columns: Any) -> User:
    """A publisher; the password hash matches nothing unless the test gives one."""
    number = next(_numbers)
    defaults = {
        "username": f"user{number}",
        "name": f"民警{number}",
        "password_hash": "!",
        "role": Role.PUBLISHER,
        "created_at": NOW,
    }
    return await _added(session, User(**(defaults | columns)))


async def make_person(session: AsyncSession, *, unit: Unit, **columns: Any) -> Person:
    """A bound liaison of the unit."""
    number = next(_numbers)
    defaults = {
        "name": f"联络员{number}",
        "role": Role.LIAISON,
        "unit_id": unit.id,
        "channel": "local",
        "member_hash": f"member-{number}",
        "bound_at": NOW,
    }
    return await _added(session, Person(**(defaults | columns)))


async def make_alert(session: AsyncSession, **columns: Any) -> Alert:
    """A draft to everybody that expires a day after `NOW`."""
    number = next(_numbers)
    defaults = {
        "number": f"20261121-{number % 10_000}",  # as people type it: four digits at most
        "title": "谨防冒充客服退款诈骗",
        "body": "近期有人冒充电商客服，以退款为名索要验证码。凡是要求共享屏幕、转账验证的都是诈骗。",
        "severity": Severity.YELLOW,
        "audience": {},
        "created_at": NOW,
        "expires_at": NOW + timedelta(hours=24),
    }
    return await _added(session, Alert(**(defaults | columns)))


async def _added(session: AsyncSession, row: Any) -> Any:
    session.add(row)
    await session.flush()
    return row
