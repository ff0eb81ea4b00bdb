"""Accounts: the bot's identities on the channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import Account, Send
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


async def report_account_state(
    session: AsyncSession, channel: str, name: str, state: AccountState, *, at: datetime, reason: str = ""
) -> bool:
    """What a channel says of its account. A breaker that is still open, and a person's switch-off, stand."""
    account = await find_account(session, channel, name)
    if account is None or account.state is AccountState.PAUSED:
        return False
    blocked = account.blocked_until is not None and account.blocked_until > at
    if blocked and state is AccountState.ONLINE:
        # Whoever logs in during a block is blocked, not offline: the end of the block brings it back.
        state, reason = AccountState.BLOCKED, account.state_reason or "平台限制发送"
    return await record_account_state(session, account.id, state, at=at, reason=reason)


@dataclass(frozen=True)
class Spent:
    """Messages that an account began to send."""

    minute: int
    today: int
    cards: int  # link cards among today's


NOTHING_SPENT = Spent(0, 0, 0)


async def list_spent(session: AsyncSession, *, minute: datetime, midnight: datetime) -> dict[int, Spent]:
    """By account id, what was begun since these two instants; accounts that sent nothing are missing."""
    lately = sa.func.count(sa.case((Send.at >= minute, 1)))
    cards = sa.func.count(sa.case((sa.and_(Send.card, Send.at >= midnight), 1)))
    today = sa.func.count(sa.case((Send.at >= midnight, 1)))
    query = sa.select(Send.account_id, lately, today, cards).where(Send.at >= min(minute, midnight))
    rows = await session.execute(query.group_by(Send.account_id))
    return {account_id: Spent(*counts) for account_id, *counts in rows}


async def keep_account(session: AsyncSession, channel: str, name: str, *, at: datetime) -> None:
    """The account that a setting names, made if there is none; offline until it logs in."""
    values = {"channel": channel, "name": name, "state": AccountState.OFFLINE, "state_since": at}
    await session.execute(
        upsert(session, Account).values(**values).on_conflict_do_nothing(index_elements=["channel", "name"])
    )


async def record_login_code(session: AsyncSession, channel: str, name: str, code: str) -> None:
    """What the QR code says that logs the account in; empty when none is wanted."""
    update = sa.update(Account).where(Account.channel == channel, Account.name == name)
    await affected(session, update.values(login_code=code[:500]))


async def block_account(
    session: AsyncSession, account_id: int, *, until: datetime, at: datetime, reason: str
) -> None:
    """Open the breaker: nothing goes out before `until`."""
    await record_account_state(session, account_id, AccountState.BLOCKED, at=at, reason=reason)
    await affected(session, sa.update(Account).where(Account.id == account_id).values(blocked_until=until))


async def end_blocks(session: AsyncSession, now: datetime) -> int:
    """Close the breakers whose time is over; returns how many."""
    over = sa.and_(Account.state == AccountState.BLOCKED, Account.blocked_until <= now)
    values = {"state": AccountState.ONLINE, "state_since": now, "state_reason": "", "blocked_until": None}
    return await affected(session, sa.update(Account).where(over).values(**values))


async def set_offline(session: AsyncSession, owner: str, *, reason: str, now: datetime) -> None:
    """The holder of these accounts stops: whoever was online is not any more."""
    online = sa.and_(Account.lease_owner == owner, Account.state == AccountState.ONLINE)
    values = {"state": AccountState.OFFLINE, "state_since": now, "state_reason": reason}
    await affected(session, sa.update(Account).where(online).values(**values))
