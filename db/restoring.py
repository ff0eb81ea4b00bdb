"""What must not be taken over from a backup: who was there at that moment, and what they were about to do."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected
from db.models import Account, Process, Reply, WebSession
from db.states import AccountState, DeliveryState


async def end_the_moment(session: AsyncSession, now: datetime) -> None:
    """Nobody holds an account, nobody is signed in, and no old answer goes out.

    Deliveries that were being sent become unknown when a sender takes the account (`db.deliveries.strand_in_flight`).
    """
    await affected(session, sa.update(Account).values(lease_owner="", lease_until=None))
    online = sa.update(Account).where(Account.state == AccountState.ONLINE)
    offline = {"state": AccountState.OFFLINE, "state_since": now, "state_reason": "从备份恢复"}
    await affected(session, online.values(**offline))
    waiting = sa.update(Reply).where(Reply.state == DeliveryState.WAITING)
    await affected(session, waiting.values(state=DeliveryState.SKIPPED, reason="从备份恢复，不再答复"))
    await affected(session, sa.delete(WebSession))
    await affected(session, sa.delete(Process))
