"""Leads: what a person must look at, and that somebody did."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import NotFound, WrongState
from bot.identity import Actor
from bot.permissions import Permission, require
from db.models import Lead
from db.questions import close_lead as mark_closed


async def close_lead(session: AsyncSession, actor: Actor, lead_id: int, *, now: datetime) -> None:
    """Somebody has dealt with it. Raises `WrongState` when a colleague was quicker."""
    require(actor, Permission.QUESTIONS)
    if not await mark_closed(session, lead_id, user_id=actor.user_id, at=now):
        if await session.get(Lead, lead_id) is None:
            raise NotFound("没有这条线索")
        raise WrongState("这条线索已经由同事处理")
    await audit(session, actor, now, "lead.close", f"线索 {lead_id}")
