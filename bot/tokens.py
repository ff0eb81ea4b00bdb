"""Personal tokens: made by a user for a program that acts in their name, within scopes and until they expire.

A token is shown once and kept as a hash. It can do nothing that its user may not, and it stops when the user is
disabled, has a one-time password, or is locked out.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import Invalid, NotFound, UserError
from bot.identity import Actor
from bot.settings import Settings
from bot.throttle import WINDOW, TooManyAttempts, locked_seconds
from db import tokens as store
from db.models import ApiToken, User
from db.session import Database
from db.states import Role, TokenScope
from db.users import add_login_failures, list_login_failures

PREFIX = "xf_"  # so that a token found in a file or a log is known for what it is
MAX_DAYS = 366
MOST = 20  # valid tokens of one user: more cannot be kept in view
REFUSALS_FACTOR = 4  # an office shares one address; see `bot.throttle`
_REFUSED = "令牌无效、已过期或已吊销，请到“我的账号”重新生成"


class TokenRefused(UserError):
    """No such token, or one that does not hold any more; it does not say which."""


@dataclass(frozen=True)
class Bearer:
    """Whoever comes with a token."""

    actor: Actor
    token_id: int
    scopes: frozenset[TokenScope]
    must_change: bool  # the user has to choose a password first


def token_hash(token: str) -> str:
    """The form in which a token is stored: 256 random bits need no salt and no slow hash."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


async def create_token(
    session: AsyncSession,
    actor: Actor,
    user: User,
    *,
    name: str,
    scopes: Collection[TokenScope],
    days: int,
    now: datetime,
) -> tuple[ApiToken, str]:
    """A new token of `user` and its text, which is nowhere else. Raises `Invalid` naming every field to mend."""
    name = " ".join(name.split())
    faults: dict[str, str] = {}
    if not 1 <= len(name) <= 40:
        faults["name"] = "请写明用途（最多 40 字），如“每日报表”"
    if not scopes:
        faults["scopes"] = "请至少选择一项权限范围"
    if not 1 <= days <= MAX_DAYS:
        faults["days"] = f"有效期为 1–{MAX_DAYS} 天"
    if await store.count_valid_tokens(session, user.id, now) >= MOST:
        faults["name"] = f"有效的令牌最多 {MOST} 个，请先吊销不用的"
    if faults:
        raise Invalid(faults)
    text = PREFIX + secrets.token_urlsafe(32)
    token = ApiToken(
        user_id=user.id,
        name=name,
        token_hash=token_hash(text),
        hint=text[-4:],
        scopes=[scope.value for scope in TokenScope if scope in scopes],
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    session.add(token)
    await session.flush()
    detail = {"用途": name, "范围": "、".join(scope.label for scope in scopes_of(token)), "天数": days}
    await audit(session, actor, now, "user.token", f"用户 {user.username}", detail)
    return token, text


async def revoke_token(session: AsyncSession, actor: Actor, user: User, token_id: int, *, now: datetime) -> None:
    """End one of the user's tokens. Raises `NotFound` when the user has none of this number that still holds."""
    if not await store.revoke_tokens(session, user.id, token_id=token_id, at=now):
        raise NotFound("没有这个令牌，或已吊销")
    await audit(session, actor, now, "user.token_revoke", f"用户 {user.username}", {"令牌": token_id})


def scopes_of(token: ApiToken) -> list[TokenScope]:
    """In the order of the enum; a value that this version does not know permits nothing."""
    return [scope for scope in TokenScope if scope.value in token.scopes]


async def authenticate(database: Database, text: str, *, address: str, settings: Settings, now: datetime) -> Bearer:
    """Who comes with this token. Raises `TokenRefused`, `TooManyAttempts` for a user whose password is being guessed,
    and for wrong tokens from an address that has sent too many: a right one is believed from everywhere, because
    nobody guesses 256 bits, and one program with an old token must not shut out its whole office."""
    async with database.read() as session:
        row = await store.find_token(session, token_hash(text), now)
        locked = 0.0 if row is None else await locked_seconds(session, row.user.username, settings, now)
    if locked:
        raise TooManyAttempts(locked)
    bearer = None if row is None else _bearer(row, address)
    if row is None or bearer is None:
        raise await _refusal(database, address, settings, now)
    if not store.is_used_lately(row.token, address, now):
        async with database.write() as session:
            await store.record_use(session, row.token.id, address=address, at=now)
    return bearer


async def _refusal(database: Database, address: str, settings: Settings, now: datetime) -> UserError:
    """Counted up to the limit only: whoever goes on sending wrong tokens writes nothing more."""
    key, limit = _key(address), settings.login_attempts * REFUSALS_FACTOR
    async with database.read() as session:
        failures = await list_login_failures(session, key, now - WINDOW)
    if len(failures) >= limit:
        return TooManyAttempts(max(1.0, (failures[-limit] + WINDOW - now).total_seconds()))
    async with database.write() as session:
        await add_login_failures(session, [key], now)
    return TokenRefused(_REFUSED)


def _bearer(row: store.TokenRow, address: str) -> Bearer | None:
    user, liaison = row.user, row.user.role is Role.LIAISON
    if liaison and not row.unit_path:
        return None  # an empty scope would show them everything
    actor = Actor(
        name=user.name,
        role=user.role,
        user_id=user.id,
        scope=row.unit_path if liaison else "",
        origin=f"{address} 令牌“{row.token.name}”"[:60],
    )
    return Bearer(actor, row.token.id, frozenset(scopes_of(row.token)), user.must_change)


def _key(address: str) -> str:
    return f"token:{hashlib.blake2s(address.encode(), digest_size=16).hexdigest()}"
