"""Revisions of the fraud library in the database. Rules about who may do what when are in `bot.library_desk`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import LibraryRevision
from db.states import RevisionState

OPEN = (RevisionState.DRAFT, RevisionState.IN_REVIEW)


async def live_version(session: AsyncSession) -> tuple[int, ...]:
    """Ids of the revisions that are live: as long as it is the same, so is the library."""
    query = sa.select(LibraryRevision.id).where(LibraryRevision.state == RevisionState.LIVE)
    return tuple(await session.scalars(query.order_by(LibraryRevision.id)))


async def list_live(session: AsyncSession) -> Sequence[LibraryRevision]:
    query = sa.select(LibraryRevision).where(LibraryRevision.state == RevisionState.LIVE)
    return (await session.scalars(query.order_by(LibraryRevision.id))).all()


async def list_open(session: AsyncSession) -> Sequence[LibraryRevision]:
    """Drafts and what waits for review, the latest change first."""
    query = sa.select(LibraryRevision).where(LibraryRevision.state.in_(OPEN))
    return (await session.scalars(query.order_by(LibraryRevision.changed_at.desc()))).all()


async def count_in_review(session: AsyncSession) -> int:
    query = sa.select(sa.func.count()).where(LibraryRevision.state == RevisionState.IN_REVIEW)
    return int(await session.scalar(query) or 0)


async def find_revision(session: AsyncSession, revision_id: int) -> LibraryRevision | None:
    return await session.get(LibraryRevision, revision_id, populate_existing=True)


async def find_numbered(session: AsyncSession, type_id: str, number: int) -> LibraryRevision | None:
    query = sa.select(LibraryRevision).where(LibraryRevision.type_id == type_id, LibraryRevision.number == number)
    return (await session.scalars(query)).one_or_none()


async def find_in_state(
    session: AsyncSession, type_id: str, states: Collection[RevisionState]
) -> LibraryRevision | None:
    """The revision of the type that is in one of `states`, of which there is at most one: live, or open."""
    query = sa.select(LibraryRevision).where(LibraryRevision.type_id == type_id, LibraryRevision.state.in_(states))
    return (await session.scalars(query.execution_options(populate_existing=True))).one_or_none()


async def list_history(session: AsyncSession, type_id: str, *, limit: int = 100) -> Sequence[LibraryRevision]:
    """The newest first."""
    query = sa.select(LibraryRevision).where(LibraryRevision.type_id == type_id)
    return (await session.scalars(query.order_by(LibraryRevision.number.desc()).limit(limit))).all()


async def add_revision(session: AsyncSession, revision: LibraryRevision) -> LibraryRevision:
    """Add it with the next number of its type. Raises `IntegrityError` when somebody began another just now."""
    query = sa.select(sa.func.max(LibraryRevision.number)).where(LibraryRevision.type_id == revision.type_id)
    revision.number = (await session.scalar(query) or 0) + 1
    session.add(revision)
    await session.flush()
    return revision


async def set_state(
    session: AsyncSession,
    revision_id: int,
    *,
    allowed: Collection[RevisionState],
    to: RevisionState,
    at_version: int | None = None,
    **values: Any,
) -> bool:
    """Move the revision to `to` if it is in one of `allowed` (and at that version); False when somebody was quicker."""
    update = sa.update(LibraryRevision).where(LibraryRevision.id == revision_id, LibraryRevision.state.in_(allowed))
    if at_version is not None:
        update = update.where(LibraryRevision.version == at_version)
    return bool(await affected(session, update.values(state=to, **values)))
