"""Attempts at passwords and codes: so many failures of an account or an address, then a wait for both.

An attempt is written down as a failure before anything is compared and taken back when it was right: many attempts at
once cannot slip under the limit together. What was typed as a name is kept as a hash only: people type passwords there.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import UserError
from bot.settings import Settings
from db.session import Database
from db.users import (
    add_login_failures,
    delete_login_failures,
    delete_old_login_failures,
    list_login_failures,
)

WINDOW = timedelta(minutes=15)
PER_ADDRESS = 4  # a whole office may share one address: it may fail so many times as often as one account


class TooManyAttempts(UserError):
    """Too many failures of this account or address. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        minutes = math.ceil(retry_after / 60)
        super().__init__(f"登录失败次数过多，请 {minutes} 分钟后再试；管理员可以解除，忘记密码也请联系管理员")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Attempt:
    """An attempt on record. `account` is the key of the account's failures."""

    ids: list[int]
    account: str


async def begin_attempt(
    database: Database, *, username: str, address: str, settings: Settings, now: datetime
) -> Attempt:
    """Write an attempt down. Raises `TooManyAttempts`; what is refused does not prolong the wait."""
    limits = {
        account_key(username): settings.login_attempts,
        _key("address", address): settings.login_attempts * PER_ADDRESS,
    }
    async with database.write() as session:
        await delete_old_login_failures(session, now - WINDOW)
        ids = await add_login_failures(session, list(limits), now)
    async with database.read() as session:
        wait = max([await _wait(session, key, limit, now) for key, limit in limits.items()])
    if wait > 0:
        async with database.write() as session:
            await delete_login_failures(session, ids=ids)
        raise TooManyAttempts(wait)
    return Attempt(ids, account_key(username))


async def succeed(session: AsyncSession, attempt: Attempt, *, wholly: bool = True) -> None:
    """It was right. `wholly`: nothing more is to be proved, so the account's earlier failures are forgotten."""
    await delete_login_failures(session, ids=attempt.ids, key=attempt.account if wholly else "")


async def locked_seconds(session: AsyncSession, username: str, settings: Settings, now: datetime) -> float:
    """How long the account is locked from now; 0 when it is not."""
    failures = await list_login_failures(session, account_key(username), now - WINDOW)
    if len(failures) < settings.login_attempts:
        return 0.0
    return max(1.0, (failures[-settings.login_attempts] + WINDOW - now).total_seconds())


async def unlock(session: AsyncSession, username: str) -> None:
    """Forget the account's failures. Those of addresses stay: an attack may be going on."""
    await delete_login_failures(session, key=account_key(username))


def account_key(username: str) -> str:
    return _key("user", username.casefold())


def _key(kind: str, value: str) -> str:
    return f"{kind}:{hashlib.blake2s(value.encode(), digest_size=16).hexdigest()}"


async def _wait(session: AsyncSession, key: str, limit: int, now: datetime) -> float:
    """Seconds until one more attempt is allowed; this attempt is among the failures already."""
    failures = await list_login_failures(session, key, now - WINDOW)
    if len(failures) <= limit:
        return 0.0
    return max(1.0, (failures[-limit - 1] + WINDOW - now).total_seconds())
