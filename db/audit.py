"""The audit log: who did what, when, from where. Entries are only ever added."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.models import AuditEntry


async def record_audit(
    session: AsyncSession,
    *,
    at: datetime,
    actor: str,
    origin: str,
    action: str,
    subject: str = "",
    detail: dict[str, Any] | None = None,
) -> int:
    """Add an entry to the transaction that makes the change, so that neither exists without the other; gives its id.

    `action` is a dotted word ("registry.import"); `subject` names the thing for people. Too long texts are cut:
    a log that refuses an entry would refuse the work.
    """
    values = {
        "at": at,
        "actor": actor[:60],
        "origin": origin[:60],
        "action": action,
        "subject": subject[:80],
        "detail": detail or {},
    }
    entry_id: int | None = await session.scalar(sa.insert(AuditEntry).values(values).returning(AuditEntry.id))
    return entry_id or 0


async def list_audit_of(session: AsyncSession, subject: str, *, since: datetime) -> list[AuditEntry]:
    """What was done with one thing since then, oldest first."""
    query = sa.select(AuditEntry).where(AuditEntry.subject == subject, AuditEntry.at >= since)
    return list(await session.scalars(query.order_by(AuditEntry.id)))


async def list_audit(
    session: AsyncSession, *, before_id: int | None = None, action: str = "", limit: int = 50
) -> Sequence[AuditEntry]:
    """Newest first; pass the last id as `before_id` for the next page."""
    query = sa.select(AuditEntry).order_by(AuditEntry.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(AuditEntry.id < before_id)
    if action:
        query = query.where(AuditEntry.action == action)
    return (await session.scalars(query)).all()
