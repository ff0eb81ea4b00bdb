"""Signing in to the console: throttled by account and by address, sessions kept as hashes."""

from __future__ import annotations

import hashlib
import math
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import UserError
from bot.passwords import verify_password
from bot.settings import Settings
from db.audit import record_audit
from db.models import User, WebSession
from db.session import Database
from db.states import UserState
from db.users import (
    add_login_failures,
    delete_expired_sessions,
    delete_login_failures,
    delete_old_login_failures,
    find_user,
    list_login_failures,
)

WINDOW = timedelta(minutes=15)


class SignInRefused(UserError):
    """Wrong name or password; it does not say which."""


class TooManyAttempts(UserError):
    """Too many failures of this account or address. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"登录失败次数过多，请 {math.ceil(retry_after / 60)} 分钟后再试；忘记密码请联系管理员重置")
        self.retry_after = retry_after


@dataclass(frozen=True)
class SignedIn:
    """`token` is for the cookie and is stored nowhere."""

    token: str
    user: User


def token_hash(token: str) -> str:
    """The form in which a session's token is stored: whoever reads the database cannot sign in with it."""
    return hashlib.sha256(token.encode()).hexdigest()


async def sign_in(
    database: Database, *, username: str, password: str, address: str, settings: Settings, now: datetime
) -> SignedIn:
    """A new session. Raises `TooManyAttempts` or `SignInRefused`.

    An attempt is written down as a failure before the password is looked at and taken back when it was right:
    many attempts at once cannot slip under the limit together.
    """
    keys = (_key("user", username.casefold()), _key("address", address))
    async with database.write() as session:
        await delete_old_login_failures(session, now - WINDOW)
        attempt = await add_login_failures(session, keys, now)
    async with database.read() as session:
        wait = max([await _wait(session, key, settings.login_attempts, now) for key in keys])
        user = await find_user(session, username)
    if wait > 0:
        async with database.write() as session:
            await delete_login_failures(session, ids=attempt)
        raise TooManyAttempts(wait)
    right = await verify_password(user.password_hash if user else "", password)
    if user is None or not right or user.state is not UserState.ACTIVE:
        await _record_refusal(database, user, address, now)
        raise SignInRefused("用户名或密码不正确")
    return await _open_session(database, user, attempt, keys[0], address, settings, now)


async def _open_session(
    database: Database, user: User, attempt: list[int], key: str, address: str, settings: Settings, now: datetime
) -> SignedIn:
    token = secrets.token_urlsafe(32)
    async with database.write() as session:
        await delete_login_failures(session, ids=attempt, key=key)
        await delete_expired_sessions(session, now)
        session.add(
            WebSession(
                token_hash=token_hash(token),
                user_id=user.id,
                csrf=secrets.token_urlsafe(24),
                created_at=now,
                expires_at=now + timedelta(hours=settings.session_hours),
            )
        )
        await record_audit(
            session, at=now, actor=user.name, origin=address, action="user.sign_in", subject=f"用户 {user.username}"
        )
    return SignedIn(token, user)


def _key(kind: str, value: str) -> str:
    """Hashed: people type passwords into the field of the name."""
    return f"{kind}:{hashlib.blake2s(value.encode(), digest_size=16).hexdigest()}"


async def _wait(session: AsyncSession, key: str, limit: int, now: datetime) -> float:
    """Seconds until one more attempt is allowed; this attempt is among the failures already."""
    failures = await list_login_failures(session, key, now - WINDOW)
    if len(failures) <= limit:
        return 0.0
    return max(1.0, (failures[-limit - 1] + WINDOW - now).total_seconds())


async def _record_refusal(database: Database, user: User | None, address: str, now: datetime) -> None:
    subject = f"用户 {user.username}" if user is not None else "未知用户名"
    async with database.write() as session:
        await record_audit(session, at=now, actor="未登录", origin=address, action="user.refused", subject=subject)
