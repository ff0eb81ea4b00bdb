"""Users of the console: added, disabled, given a new password. Every change is in the audit log."""

from __future__ import annotations

import re
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import Forbidden, Invalid, NotFound, UserError
from bot.identity import SYSTEM, Actor
from bot.passwords import hash_password, one_time_password, password_fault, verify_password
from bot.permissions import Permission, require
from bot.throttle import unlock
from db.models import Unit, User
from db.states import Role, UnitState, UserState
from db.tokens import revoke_tokens
from db.users import NoSuchUser, count_users, delete_address_failures, delete_sessions_of, find_user
from db.users import get_user as find_by_id

FIRST_ADMIN = "admin"
_USERNAME = re.compile(r"[A-Za-z0-9_.\-一-鿿]{2,40}")


async def get_user(session: AsyncSession, user_id: int) -> User:
    try:
        return await find_by_id(session, user_id)
    except NoSuchUser as error:
        raise NotFound(f"没有编号为 {user_id} 的用户") from error


async def ensure_first_admin(session: AsyncSession, now: datetime) -> str | None:
    """On a database without users, make the administrator `admin`; returns the password, to be shown once."""
    if await count_users(session):
        return None
    _, password = await _add(session, SYSTEM, FIRST_ADMIN, "管理员", Role.ADMIN, None, now)
    return password


async def create_user(
    session: AsyncSession,
    actor: Actor,
    *,
    username: str,
    name: str,
    role: Role,
    unit_id: int | None = None,
    now: datetime,
) -> tuple[User, str]:
    """A new user and the one-time password, which is nowhere else. Raises `Invalid` naming every field to mend."""
    require(actor, Permission.USERS)
    username, name = username.strip(), name.strip()
    faults: dict[str, str] = {}
    if not _USERNAME.fullmatch(username):
        faults["username"] = "用户名为 2–40 个字母、数字或汉字，可含 . _ -"
    elif await find_user(session, username) is not None:
        faults["username"] = f"用户名 {username} 已有人使用，请换一个"
    if not 1 <= len(name) <= 40:
        faults["name"] = "请填写姓名（最多 40 字）"
    unit = await session.get(Unit, unit_id) if unit_id is not None else None
    if unit_id is not None and (unit is None or unit.state is not UnitState.ACTIVE):
        faults["unit_id"] = "没有这个单位，请重新选择"
    elif role is Role.LIAISON and unit is None:
        faults["unit_id"] = "联络员必须选择所属单位"
    if faults:
        raise Invalid(faults)
    return await _add(session, actor, username, name, role, unit_id, now)


async def _add(
    session: AsyncSession, actor: Actor, username: str, name: str, role: Role, unit_id: int | None, now: datetime
) -> tuple[User, str]:
    password = one_time_password()
    user = User(
        username=username,
        name=name,
        password_hash=await hash_password(password),
        role=role,
        unit_id=unit_id,
        must_change=True,
        created_at=now,
    )
    session.add(user)
    await session.flush()
    await _record(session, actor, now, "user.create", user, role=role, unit_id=unit_id)
    return user, password


async def check_password(user: User, password: str) -> bool:
    """Is it this user's password? Takes some 30 ms of another thread."""
    return await verify_password(user.password_hash, password)


async def change_password(
    session: AsyncSession,
    user_id: int,
    *,
    old: str,
    new: str,
    office: str = "",
    origin: str,
    keep_session: str = "",
    now: datetime,
) -> None:
    """The user's own change: the old password is asked for, and every other session of theirs ends."""
    user = await get_user(session, user_id)
    if not await check_password(user, old):
        raise Invalid({"old": "原密码不正确"})
    unit = await session.get(Unit, user.unit_id) if user.unit_id is not None else None
    words = (user.name, office, unit.name if unit is not None else "")
    fault = password_fault(user.username, new, words=words) or ("新密码不能与原密码相同" if new == old else "")
    if fault:
        raise Invalid({"new": fault})
    user.password_hash = await hash_password(new)
    user.must_change = False
    await delete_sessions_of(session, user.id, keep=keep_session)
    actor = Actor(name=user.name, role=user.role, user_id=user.id, origin=origin)
    await _record(session, actor, now, "user.password", user)


async def reset_password(session: AsyncSession, actor: Actor, user_id: int, *, now: datetime) -> tuple[User, str]:
    """A one-time password for somebody who lost theirs; their sessions and tokens end."""
    require(actor, Permission.USERS)
    user = await get_user(session, user_id)
    password = one_time_password()
    user.password_hash = await hash_password(password)
    user.must_change = True
    await delete_sessions_of(session, user.id)
    await revoke_tokens(session, user.id, at=now)
    await _record(session, actor, now, "user.reset", user)
    return user, password


async def disable_user(session: AsyncSession, actor: Actor, user_id: int, *, now: datetime) -> User:
    """No more sign-ins, and the sessions and tokens end at once. Nobody can shut themselves out."""
    require(actor, Permission.USERS)
    if actor.user_id == user_id:
        raise Forbidden("不能停用自己的账号，请由另一位管理员操作")
    user = await get_user(session, user_id)
    if user.state is UserState.DISABLED:
        raise UserError(f"{user.name} 已经停用")
    user.state = UserState.DISABLED
    await delete_sessions_of(session, user.id)
    await revoke_tokens(session, user.id, at=now)
    await _record(session, actor, now, "user.disable", user)
    return user


async def enable_user(session: AsyncSession, actor: Actor, user_id: int, *, now: datetime) -> User:
    require(actor, Permission.USERS)
    user = await get_user(session, user_id)
    user.state = UserState.ACTIVE
    await _record(session, actor, now, "user.enable", user)
    return user


async def unlock_user(session: AsyncSession, actor: Actor, user_id: int, *, now: datetime) -> User:
    """Too many failures are forgotten: the user may try again at once."""
    require(actor, Permission.USERS)
    user = await get_user(session, user_id)
    await unlock(session, user.username)
    await _record(session, actor, now, "user.unlock", user)
    return user


async def unlock_addresses(session: AsyncSession, actor: Actor, *, now: datetime) -> None:
    """For an office of which everybody has the same address."""
    require(actor, Permission.USERS)
    await delete_address_failures(session)
    await audit(session, actor, now, "user.unlock", "全部地址")


async def _record(
    session: AsyncSession, actor: Actor, now: datetime, action: str, user: User, **detail: object
) -> None:
    await audit(session, actor, now, action, f"用户 {user.username}", detail)
