"""What somebody did goes into the audit log, in the transaction that does it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.identity import Actor
from db.audit import record_audit


async def audit(
    session: AsyncSession,
    actor: Actor,
    now: datetime,
    action: str,
    subject: str,
    detail: dict[str, Any] | None = None,
) -> int:
    """`actor` did `action` ("alert.start") to `subject` (what people call it). Gives the id of the entry."""
    return await record_audit(
        session, at=now, actor=actor.name, origin=actor.origin, action=action, subject=subject, detail=detail
    )
