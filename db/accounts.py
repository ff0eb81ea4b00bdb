"""Accounts: the bot's identities on the channels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import Account
from db.states import AccountState


class NoSuchAccount(LookupError):
    """No account has this id."""


async def get_account(session: AsyncSession, account_id: int) -> Account:
    account = await session.get(Account, account_id)
    if account is None:
        raise NoSuchAccount(account_id)
    return account


async def find_account(session: AsyncSession, channel: str, name: str) -> Account | None:
    query = sa.select(Account).where(Account.channel == channel, Account.name == name)
    return (await session.scalars(query)).one_or_none()


async def list_accounts(session: AsyncSession, *, channel: str = "") -> Sequence[Account]:
    query = sa.select(Account).order_by(Account.channel, Account.name)
    if channel:
        query = query.where(Account.channel == channel)
    return (await session.scalars(query)).all()


async def record_account_state(
    session: AsyncSession, account_id: int, state: AccountState, *, at: datetime, reason: str = ""
) -> bool:
    """Write the account's state and since when; False when it was in that state already."""
    statement = (
        sa.update(Account)
        .where(Account.id == account_id, Account.state != state)
        .values(state=state, state_since=at, state_reason=reason[:200])
        .returning(Account.id)
    )
    return (await session.scalar(statement)) is not None
