"""The second factor of a console user: turned on and off by themselves, asked for at sign-in and at release.

An app's code works once. Recovery codes are shown once, kept as hashes, and each works once. The app's secret is
needed again for every code, so it is sealed (`bot.sealing`), each for its user.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot import sealing, totp
from bot.audit import audit
from bot.errors import Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.passwords import verify_password
from bot.permissions import Permission, require
from bot.settings import Settings
from bot.throttle import begin_attempt, succeed
from db.models import User
from db.session import Database
from db.users import NoSuchUser, get_user, list_with_secret

RECOVERY_CODES = 8
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that is read as something else
_WRONG_CODE = "动态码不正确或已经用过，请等下一个动态码再试"


def has_second_factor(user: User) -> bool:
    """Is it on? A secret alone was only offered."""
    return user.totp_since is not None


def recovery_left(user: User) -> int:
    return len(user.recovery.split())


# ── the app's secret ────────────────────────────────────────────────────────


def secret_of(user: User, settings: Settings) -> str:
    """The app's secret in base32. Raises `bot.sealing.CannotUnseal`."""
    if _is_plain(user.totp_secret):
        return user.totp_secret
    return base64.b32encode(sealing.unseal(settings, user.totp_secret, _purpose(user))).decode()


async def seal_secrets(session: AsyncSession, settings: Settings) -> int:
    """Seal what an earlier program stored as it was; returns how many. What is sealed stays."""
    plain = [user for user in await list_with_secret(session) if _is_plain(user.totp_secret)]
    for user in plain:
        _seal(user, user.totp_secret, settings)
    return len(plain)


async def change_key(
    database: Database, actor: Actor, settings: Settings, *, old: str | None = None, now: datetime
) -> int:
    """Seal every secret anew, all or none; returns how many.

    Without `old` and without the setting `secret_key` the file gets a new key, and loses the one before when nothing
    needs it. With the setting, its value is the new key. `old` is the value of the setting, or the file, that sealed
    before. Raises `bot.sealing.CannotUnseal` when a secret opens with none of them: then nothing has changed.
    """
    require(actor, Permission.USERS)
    known = [*sealing.file_keys(settings), *(sealing.keys_of_text(old) if old else [])]
    async with database.read() as session:  # before the file is touched: does everything open?
        await _reseal(session, settings, known)
        session.expunge_all()
    if old is None:
        sealing.add_key(settings)
    async with database.write() as session:
        count = await _reseal(session, settings, known)
        await audit(session, actor, now, "user.second_factor_key", "两步验证", {"secrets": count})
    async with database.write() as session:  # somebody who began in between with the key before
        await _reseal(session, settings, known)
    sealing.drop_old_keys(settings)
    return count


async def _reseal(session: AsyncSession, settings: Settings, known: Sequence[bytes]) -> int:
    users = await list_with_secret(session)
    for user in users:
        if _is_plain(user.totp_secret):
            _seal(user, user.totp_secret, settings)
            continue
        try:
            user.totp_secret = sealing.reseal(settings, user.totp_secret, _purpose(user), known)
        except sealing.CannotUnseal as error:
            raise sealing.CannotUnseal(
                f"用户 {user.username} 的两步验证用这些密钥都打不开，什么都没有改。请用 --old-file 给出原来的密钥；"
                f"找不回来时先关闭其两步验证（user second-factor-off {user.username}）"
            ) from error
    return len(users)


def _seal(user: User, secret: str, settings: Settings) -> None:
    user.totp_secret = sealing.seal(settings, base64.b32decode(secret), _purpose(user))


def _purpose(user: User) -> str:
    return f"totp:{user.id}"  # so that nobody's secret does for somebody else


def _is_plain(stored: str) -> bool:
    """160 bits in base32, as they were stored before, or none; sealed ones have twice as many characters."""
    return len(stored) <= 32


# ── turning it on and off ───────────────────────────────────────────────────


async def prove_password(
    database: Database, user_id: int, password: str, *, address: str, settings: Settings, now: datetime
) -> None:
    """Before anything about the account itself changes. Raises `Invalid` ("password") or `TooManyAttempts`."""
    async with database.read() as session:
        user = await get_user(session, user_id)
    attempt = await begin_attempt(database, username=user.username, address=address, settings=settings, now=now)
    if not await verify_password(user.password_hash, password):
        raise Invalid({"password": "密码不正确"})
    async with database.write() as session:
        await succeed(session, attempt, wholly=False)


async def offer(session: AsyncSession, user_id: int, *, settings: Settings) -> User:
    """A fresh secret for the app; nothing is asked for until `confirm`."""
    user = await get_user(session, user_id)
    if has_second_factor(user):
        raise WrongState("两步验证已经开启；要换手机，请先关闭再重新开启")
    _seal(user, totp.new_secret(), settings)
    user.totp_step = 0
    return user


async def confirm(
    session: AsyncSession, user_id: int, code: str, *, settings: Settings, origin: str, now: datetime
) -> list[str]:
    """The app shows the right code: on from now. Returns the recovery codes, which are nowhere else."""
    user = await get_user(session, user_id)
    if has_second_factor(user) or not user.totp_secret:
        raise WrongState("请从“我的账号”重新开始设置两步验证")
    step = totp.find_step(secret_of(user, settings), code, now)
    if step is None:
        raise Invalid({"code": "动态码不正确。请核对手机时间是否准确，再输入 App 现在显示的六位数"})
    user.totp_step, user.totp_since = step, now
    codes = _renew(user)
    await _record(session, user, "user.second_factor_on", origin, now)
    return codes


async def renew_codes(session: AsyncSession, user_id: int, *, origin: str, now: datetime) -> list[str]:
    """New recovery codes; the old ones work no more."""
    user = await get_user(session, user_id)
    if not has_second_factor(user):
        raise WrongState("还没有开启两步验证")
    codes = _renew(user)
    await _record(session, user, "user.recovery_codes", origin, now)
    return codes


async def turn_off(session: AsyncSession, user_id: int, *, origin: str, now: datetime) -> None:
    user = await get_user(session, user_id)
    _forget(user)
    await _record(session, user, "user.second_factor_off", origin, now)


async def turn_off_for(session: AsyncSession, actor: Actor, user_id: int, *, now: datetime) -> User:
    """An administrator helps somebody who lost telephone and recovery codes."""
    require(actor, Permission.USERS)
    try:
        user = await get_user(session, user_id)
    except NoSuchUser as error:
        raise NotFound(f"没有编号为 {user_id} 的用户") from error
    _forget(user)
    await audit(session, actor, now, "user.second_factor_off", f"用户 {user.username}")
    return user


def _forget(user: User) -> None:
    user.totp_secret, user.totp_step, user.totp_since, user.recovery = "", 0, None, ""


def _renew(user: User) -> list[str]:
    codes = [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(2))
        for _ in range(RECOVERY_CODES)
    ]
    user.recovery = " ".join(_hash(user, code) for code in codes)
    return codes


def _hash(user: User, code: str) -> str:
    """Ten random characters are 49 bits: a plain hash is enough, and bound to the user so that none fits another."""
    plain = "".join(code.casefold().split()).replace("-", "")
    return hashlib.sha256(f"{user.id}:{plain}".encode()).hexdigest()


# ── asking for it ───────────────────────────────────────────────────────────


async def take_code(
    session: AsyncSession,
    user: User,
    code: str,
    *,
    settings: Settings,
    now: datetime,
    origin: str,
    recovery: bool,
) -> bool:
    """Use a code up. `recovery`: one of the recovery codes will do as well. False for a wrong or used one.

    Raises `bot.sealing.CannotUnseal` for a code of the app when the key is missing; recovery codes work without it.
    """
    if not has_second_factor(user):
        return False
    step = None
    if totp.looks_right(code):
        step = totp.find_step(secret_of(user, settings), code, now, after=user.totp_step)
    if step is not None:
        user.totp_step = step
        return True
    wanted, kept = _hash(user, code), user.recovery.split()
    left = [each for each in kept if not hmac.compare_digest(each, wanted)]
    if not recovery or len(left) == len(kept):
        return False
    user.recovery = " ".join(left)
    await _record(session, user, "user.recovery_used", origin, now, left=len(left))
    return True


async def prove_code(
    database: Database,
    user_id: int,
    code: str,
    *,
    address: str,
    settings: Settings,
    now: datetime,
    recovery: bool = False,
) -> None:
    """Use a fresh code up, throttled like a sign-in. Raises `Invalid` ("code"), `WrongState` or `TooManyAttempts`."""
    async with database.read() as session:
        user = await get_user(session, user_id)
    if not has_second_factor(user):
        raise WrongState("这一步需要动态码：请先在“我的账号”开启两步验证")
    attempt = await begin_attempt(database, username=user.username, address=address, settings=settings, now=now)
    async with database.write() as session:
        user = await get_user(session, user_id)
        if not await take_code(session, user, code, settings=settings, now=now, origin=address, recovery=recovery):
            raise Invalid({"code": _WRONG_CODE})
        await succeed(session, attempt)


async def prove_for_release(
    database: Database, actor: Actor, code: str, *, settings: Settings, now: datetime
) -> Actor:
    """The actor with the proof that releasing asks for, if the setting `release_code` asks for one.

    Called before the transaction that releases: a wrong code stays on record whatever becomes of the release.
    """
    if not settings.release_code or actor.user_id is None:
        return actor
    await prove_code(database, actor.user_id, code, address=actor.origin, settings=settings, now=now)
    return replace(actor, proved=True)


async def _record(
    session: AsyncSession, user: User, action: str, origin: str, now: datetime, **detail: object
) -> None:
    actor = Actor(name=user.name, role=user.role, user_id=user.id, origin=origin)
    await audit(session, actor, now, action, f"用户 {user.username}", detail)
