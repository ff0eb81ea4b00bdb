"""Personal tokens, and requests that may be repeated. Rules about who may have which token are in `bot.tokens`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import ApiToken, IdempotencyKey, Unit, User
from db.states import UserState

USED_EVERY = timedelta(minutes=1)  # a token that is busy is not written for every request


@dataclass(frozen=True)
class TokenRow:
    """A token that holds, whose it is, and the path of the unit that the user belongs to ("" for none)."""

    token: ApiToken
    user: User
    unit_path: str


async def find_token(session: AsyncSession, token_hash: str, now: datetime) -> TokenRow | None:
    """The token that is neither revoked nor expired, of a user who is still in use."""
    query = (
        sa.select(ApiToken, User, Unit.path)
        .join(User, User.id == ApiToken.user_id)
        .outerjoin(Unit, Unit.id == User.unit_id)
        .where(
            ApiToken.token_hash == token_hash,
            ApiToken.revoked_at.is_(None),
            ApiToken.expires_at > now,
            User.state == UserState.ACTIVE,
        )
    )
    row = (await session.execute(query)).one_or_none()
    return None if row is None else TokenRow(row[0], row[1], row[2] or "")


async def list_tokens(session: AsyncSession, user_id: int) -> Sequence[ApiToken]:
    """The user's tokens, the newest first, revoked and expired ones included."""
    query = sa.select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.id.desc())
    return (await session.scalars(query)).all()


async def count_valid_tokens(session: AsyncSession, user_id: int, now: datetime) -> int:
    valid = sa.and_(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None), ApiToken.expires_at > now)
    return await session.scalar(sa.select(sa.func.count()).select_from(ApiToken).where(valid)) or 0


async def revoke_tokens(session: AsyncSession, user_id: int, *, token_id: int | None = None, at: datetime) -> int:
    """End one of the user's tokens, or all of them; returns how many ended now."""
    update = sa.update(ApiToken).where(ApiToken.user_id == user_id, ApiToken.revoked_at.is_(None))
    if token_id is not None:
        update = update.where(ApiToken.id == token_id)
    return await affected(session, update.values(revoked_at=at))


def is_used_lately(token: ApiToken, address: str, now: datetime) -> bool:
    """The row says so already: nothing needs to be written."""
    return token.used_at is not None and now - token.used_at < USED_EVERY and token.used_from == address[:60]


async def record_use(session: AsyncSession, token_id: int, *, address: str, at: datetime) -> None:
    update = sa.update(ApiToken).where(ApiToken.id == token_id)
    await affected(session, update.values(used_at=at, used_from=address[:60]))


# ── requests that may be repeated ───────────────────────────────────────────


async def begin_request(session: AsyncSession, owner: str, key: str, fingerprint: str, at: datetime) -> bool:
    """Take the key for the request that this transaction does; False when it has been used before.

    Whoever comes while another transaction does the same waits here for its end.
    """
    insert = upsert(session, IdempotencyKey).values(
        owner=owner, key=key, fingerprint=fingerprint, at=at, status=0, answer=""
    )
    taken = await session.scalar(
        insert.on_conflict_do_nothing(index_elements=["owner", "key"]).returning(IdempotencyKey.key)
    )
    return taken is not None


async def find_request(session: AsyncSession, owner: str, key: str) -> IdempotencyKey | None:
    return await session.get(IdempotencyKey, (owner, key), populate_existing=True)


async def record_answer(session: AsyncSession, owner: str, key: str, *, status: int, answer: str) -> None:
    update = sa.update(IdempotencyKey).where(IdempotencyKey.owner == owner, IdempotencyKey.key == key)
    await affected(session, update.values(status=status, answer=answer))


async def forget_requests(session: AsyncSession, before: datetime) -> int:
    """Keys older than that can be used anew; returns how many."""
    return await affected(session, sa.delete(IdempotencyKey).where(IdempotencyKey.at <= before))
