"""Users of the console, their sessions, and failed sign-ins."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import LoginFailure, Unit, User, WebSession
from db.states import UserState


class NoSuchUser(LookupError):
    """No user has this id."""


@dataclass(frozen=True)
class SessionRow:
    """A live session, whose it is, and the path of the unit that the user belongs to ("" for none)."""

    session: WebSession
    user: User
    unit_path: str


async def get_user(session: AsyncSession, user_id: int) -> User:
    user = await session.get(User, user_id, populate_existing=True)
    if user is None:
        raise NoSuchUser(user_id)
    return user


async def find_user(session: AsyncSession, username: str) -> User | None:
    return (await session.scalars(sa.select(User).where(User.username == username))).one_or_none()


async def list_users(session: AsyncSession) -> Sequence[tuple[User, str]]:
    """Every user with the name of their unit ("" for none), those in use first."""
    query = (
        sa.select(User, Unit.name)
        .outerjoin(Unit, Unit.id == User.unit_id)
        .order_by(sa.case((User.state == UserState.ACTIVE, 0), else_=1), User.username)
    )
    return [(row[0], row[1] or "") for row in await session.execute(query)]


async def list_with_secret(session: AsyncSession) -> Sequence[User]:
    """Those who were given the secret of a second factor."""
    return (await session.scalars(sa.select(User).where(User.totp_secret != ""))).all()


async def count_users(session: AsyncSession) -> int:
    return (await session.scalar(sa.select(sa.func.count()).select_from(User))) or 0


async def list_user_names(session: AsyncSession, user_ids: Collection[int | None]) -> dict[int, str]:
    """User id → name, for pages that say who wrote or reviewed something."""
    wanted = {user_id for user_id in user_ids if user_id is not None}
    rows = await session.execute(sa.select(User.id, User.name).where(User.id.in_(wanted)))
    return {row.id: row.name for row in rows}


# ── sessions ────────────────────────────────────────────────────────────────


# Asked for at every request, therefore put together once.
_SESSION = (
    sa.select(WebSession, User, Unit.path)
    .join(User, User.id == WebSession.user_id)
    .outerjoin(Unit, Unit.id == User.unit_id)
    .where(
        WebSession.token_hash == sa.bindparam("token_hash"),
        WebSession.expires_at > sa.bindparam("now"),
        sa.not_(WebSession.pending),
        User.state == UserState.ACTIVE,
    )
)
_USED = _SESSION.where(sa.func.coalesce(WebSession.seen_at, WebSession.created_at) > sa.bindparam("idle_since"))


async def find_session(
    session: AsyncSession, token_hash: str, now: datetime, *, idle_since: datetime | None = None
) -> SessionRow | None:
    """The session that has not expired, of a user who is still in use, and in which a page was opened since then."""
    query = _SESSION if idle_since is None else _USED
    values = {"token_hash": token_hash, "now": now} | ({} if idle_since is None else {"idle_since": idle_since})
    row = (await session.execute(query, values)).one_or_none()
    return None if row is None else SessionRow(row[0], row[1], row[2] or "")


async def find_pending_session(session: AsyncSession, token_hash: str, now: datetime) -> User | None:
    """Whose password was right in this session; the code is still to come."""
    query = (
        sa.select(User)
        .join(WebSession, WebSession.user_id == User.id)
        .where(
            WebSession.token_hash == token_hash,
            WebSession.expires_at > now,
            WebSession.pending,
            User.state == UserState.ACTIVE,
        )
    )
    return (await session.scalars(query)).one_or_none()


async def list_sessions(session: AsyncSession, user_id: int, now: datetime) -> Sequence[WebSession]:
    """The user's live sessions, the one used last first."""
    query = sa.select(WebSession).where(
        WebSession.user_id == user_id, WebSession.expires_at > now, sa.not_(WebSession.pending)
    )
    return (await session.scalars(query.order_by(WebSession.seen_at.desc(), WebSession.created_at.desc()))).all()


async def touch_session(session: AsyncSession, token_hash: str, now: datetime) -> None:
    """A page was opened in it."""
    await affected(session, sa.update(WebSession).where(WebSession.token_hash == token_hash).values(seen_at=now))


async def delete_session(session: AsyncSession, token_hash: str) -> None:
    await affected(session, sa.delete(WebSession).where(WebSession.token_hash == token_hash))


async def delete_sessions_of(session: AsyncSession, user_id: int, *, keep: str = "") -> int:
    """End the user's sessions but the one whose token hash is `keep`; returns how many."""
    delete = sa.delete(WebSession).where(WebSession.user_id == user_id, WebSession.token_hash != keep)
    return await affected(session, delete)


async def delete_expired_sessions(session: AsyncSession, now: datetime) -> int:
    return await affected(session, sa.delete(WebSession).where(WebSession.expires_at <= now))


# ── failed sign-ins ─────────────────────────────────────────────────────────


async def add_login_failures(session: AsyncSession, keys: Sequence[str], now: datetime) -> list[int]:
    """One row per key; returns their ids."""
    rows = [LoginFailure(key=key, at=now) for key in keys]
    session.add_all(rows)
    await session.flush()
    return [row.id for row in rows]


async def list_login_failures(session: AsyncSession, key: str, since: datetime) -> Sequence[datetime]:
    """When sign-ins with this key failed, oldest first."""
    query = sa.select(LoginFailure.at).where(LoginFailure.key == key, LoginFailure.at > since)
    return (await session.scalars(query.order_by(LoginFailure.at))).all()


async def delete_login_failures(session: AsyncSession, *, ids: Sequence[int] = (), key: str = "") -> None:
    """Forget these attempts, and all of `key`."""
    await affected(session, sa.delete(LoginFailure).where(sa.or_(LoginFailure.id.in_(ids), LoginFailure.key == key)))


async def delete_address_failures(session: AsyncSession) -> None:
    """Forget the failures of every address; those of accounts stay."""
    await affected(session, sa.delete(LoginFailure).where(LoginFailure.key.startswith("address:")))


async def count_login_failures(session: AsyncSession, since: datetime) -> dict[str, int]:
    """Failures by key."""
    query = sa.select(LoginFailure.key, sa.func.count()).where(LoginFailure.at > since).group_by(LoginFailure.key)
    return {row[0]: row[1] for row in await session.execute(query)}


async def delete_old_login_failures(session: AsyncSession, before: datetime) -> None:
    await affected(session, sa.delete(LoginFailure).where(LoginFailure.at <= before))
