"""Signing in to the console: throttled, with a second factor for whoever has one; sessions are kept as hashes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import UserError
from bot.passwords import verify_password
from bot.second_factor import has_second_factor, take_code
from bot.settings import Settings
from bot.throttle import Attempt, TooManyAttempts, begin_attempt, succeed
from db.audit import record_audit
from db.models import User, WebSession
from db.session import Database
from db.states import UserState
from db.users import (
    delete_expired_sessions,
    delete_session,
    find_pending_session,
    find_user,
    get_user,
)

__all__ = ["SignInRefused", "SignedIn", "TooManyAttempts", "Visit", "sign_in", "sign_in_code", "token_hash"]

CODE_TIME = timedelta(minutes=5)  # between the password and the code


class SignInRefused(UserError):
    """Wrong name, password or code; it does not say which."""


@dataclass(frozen=True)
class Visit:
    """From where somebody signs in: shown to themselves in the list of their sessions."""

    address: str
    agent: str = ""


@dataclass(frozen=True)
class SignedIn:
    """`token` is for the cookie and is stored nowhere. `pending`: the code of the second factor is still to come."""

    token: str
    user: User
    pending: bool = False


def token_hash(token: str) -> str:
    """The form in which a session's token is stored: whoever reads the database cannot sign in with it."""
    return hashlib.sha256(token.encode()).hexdigest()


async def sign_in(
    database: Database, *, username: str, password: str, visit: Visit, settings: Settings, now: datetime
) -> SignedIn:
    """A new session. Raises `TooManyAttempts` or `SignInRefused`."""
    attempt = await begin_attempt(database, username=username, address=visit.address, settings=settings, now=now)
    async with database.read() as session:
        user = await find_user(session, username)
    right = await verify_password(user.password_hash if user else "", password)
    if user is None or not right or user.state is not UserState.ACTIVE:
        await _record_refusal(database, user, visit.address, now)
        raise SignInRefused("用户名或密码不正确")
    pending = has_second_factor(user)
    async with database.write() as session:
        # Whoever only knows the password must not be able to clear away their failures at the code.
        await succeed(session, attempt, wholly=not pending)
        return await _open_session(session, user, visit, settings, now, pending=pending)


async def sign_in_code(
    database: Database, *, token: str, code: str, visit: Visit, settings: Settings, now: datetime
) -> SignedIn:
    """The second step, with the token of the first: a session under a new token. `code` is the app's or a recovery
    code. Raises `TooManyAttempts` or `SignInRefused`."""
    async with database.read() as session:
        user = await find_pending_session(session, token_hash(token), now)
    if user is None:
        raise SignInRefused("输入密码后过了太久，请重新登录")
    attempt = await begin_attempt(database, username=user.username, address=visit.address, settings=settings, now=now)
    signed_in = await _exchange(database, token, user.id, code, attempt, visit, settings, now)
    if signed_in is None:
        await _record_refusal(database, user, visit.address, now)
        raise SignInRefused("动态码不正确或已经用过，请等下一个动态码再试")
    return signed_in


async def _exchange(
    database: Database,
    token: str,
    user_id: int,
    code: str,
    attempt: Attempt,
    visit: Visit,
    settings: Settings,
    now: datetime,
) -> SignedIn | None:
    async with database.write() as session:
        user = await get_user(session, user_id)
        origin = visit.address
        if not await take_code(session, user, code, settings=settings, now=now, origin=origin, recovery=True):
            return None
        await succeed(session, attempt)
        await delete_session(session, token_hash(token))
        return await _open_session(session, user, visit, settings, now)


async def _open_session(
    session: AsyncSession, user: User, visit: Visit, settings: Settings, now: datetime, *, pending: bool = False
) -> SignedIn:
    token = secrets.token_urlsafe(32)
    await delete_expired_sessions(session, now)
    session.add(
        WebSession(
            token_hash=token_hash(token),
            user_id=user.id,
            csrf=secrets.token_urlsafe(24),
            created_at=now,
            expires_at=now + (CODE_TIME if pending else timedelta(hours=settings.session_hours)),
            seen_at=now,
            address=visit.address[:60],
            agent=visit.agent[:200],
            pending=pending,
        )
    )
    if not pending:
        subject = f"用户 {user.username}"
        await record_audit(
            session, at=now, actor=user.name, origin=visit.address, action="user.sign_in", subject=subject
        )
    return SignedIn(token, user, pending)


async def _record_refusal(database: Database, user: User | None, address: str, now: datetime) -> None:
    subject = f"用户 {user.username}" if user is not None else "未知用户名"
    async with database.write() as session:
        await record_audit(session, at=now, actor="未登录", origin=address, action="user.refused", subject=subject)
