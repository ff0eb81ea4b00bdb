"""The breaker of an account: opened when the platform says that we are too fast."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from db.accounts import block_account, get_account
from db.audit import record_audit
from db.rooms import hand_over_waiting


async def open_breaker(session: AsyncSession, account_id: int, *, seconds: float, reason: str, now: datetime) -> int:
    """Nothing goes out by this account for `seconds`. What waits for it is handed to accounts in the same rooms, the
    rest waits; returns how many were handed over. The console shows it, and the audit log keeps it."""
    account = await get_account(session, account_id)
    until = now + timedelta(seconds=seconds)
    already = account.blocked_until is not None and account.blocked_until > now
    if account.blocked_until is None or until > account.blocked_until:
        await block_account(session, account_id, until=until, at=now, reason=reason)
    moved = await hand_over_waiting(session, account_id)
    if not already:
        await record_audit(
            session,
            at=now,
            actor="程序",
            origin=account.channel,
            action="account.blocked",
            subject=account.name,
            detail={"reason": reason, "until": until.isoformat(), "handed_over": moved},
        )
    return moved
