"""How long things are kept. Once a night everything goes whose time is over, in small pieces, so that no writer waits.

Words go first and rows stay where figures are counted from them; the audit log stays for six months at least.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.identity import SYSTEM
from bot.settings import Settings
from db.deliveries import remove_past
from db.dml import affected
from db.leads import forget_texts
from db.models import (
    AuditEntry,
    Incoming,
    LocalMessage,
    LoginFailure,
    Question,
    Reply,
    Send,
    Tick,
    WebSession,
)
from db.seen import forget_visitors
from db.session import Database
from db.states import DeliveryState

PIECE: Final = 2000  # rows of one transaction: some 10 ms
Piece = Callable[[AsyncSession], Awaitable[int]]
DONE_REPLIES: Final = (
    DeliveryState.SENT,
    DeliveryState.FAILED,
    DeliveryState.SKIPPED,
    DeliveryState.CANCELLED,
)


@dataclass(frozen=True)
class Rule:
    """Rows of `table` whose `column` is older than `kept`, and which fulfil `which`, lose `blanks`, or go whole."""

    table: Any
    column: Any
    kept: timedelta
    which: Any = None
    blanks: str = ""

    def over(self, now: datetime) -> Any:
        old = self.column < now - self.kept
        return old if self.which is None else sa.and_(old, self.which)


def rules(settings: Settings) -> list[Rule]:
    """Everything that has a time, but for deliveries, which leave their totals (`db.deliveries.remove_past`). What is
    not here is kept: alerts, reach, figures, the registry."""
    words = timedelta(days=settings.question_days)
    nothing: Any = sa.literal_column("''")  # a parameter would keep the databases from using the partial indexes
    return [
        Rule(Question, Question.asked_at, words, Question.text != nothing, blanks="text"),
        Rule(
            Reply,
            Reply.created_at,
            words,
            sa.and_(Reply.text != nothing, Reply.state.in_(DONE_REPLIES)),
            blanks="text",
        ),
        Rule(LocalMessage, LocalMessage.at, words, LocalMessage.taken),
        Rule(Incoming, Incoming.at, timedelta(days=settings.incoming_days)),
        Rule(AuditEntry, AuditEntry.at, timedelta(days=settings.audit_days)),
        Rule(Send, Send.at, timedelta(days=2)),
        Rule(LoginFailure, LoginFailure.at, timedelta(days=1)),
        Rule(WebSession, WebSession.expires_at, timedelta(0)),
        Rule(Tick, Tick.at, timedelta(days=30)),
    ]


async def tidy(
    database: Database, settings: Settings, *, now: datetime, going_on: Callable[[], bool] = lambda: True
) -> dict[str, int]:
    """Remove what is kept no longer; returns rows by table. `going_on` turns false when the program stops: what is
    left goes the next night."""
    removed: dict[str, int] = {}
    for table, piece in _pieces(settings, now):
        count = await _apply(database, piece, going_on)
        if count:
            removed[table] = count
    async with database.write() as session:
        await forget_visitors(session, now.astimezone(settings.zone).date())
        await forget_texts(session, now - timedelta(days=settings.lead_days))
        if removed.get("audit"):
            detail = {"entries": removed["audit"], "days": settings.audit_days}
            await audit(session, SYSTEM, now, "audit.tidy", "审计日志", detail)
    return removed


def _pieces(settings: Settings, now: datetime) -> Iterator[tuple[str, Piece]]:
    """What removes up to `PIECE` rows, for each kind of row in turn."""
    for rule in rules(settings):
        yield rule.table.__tablename__, partial(_piece, rule=rule, now=now)
    before = now - timedelta(days=settings.delivery_days)
    yield "deliveries", partial(remove_past, before=before, limit=PIECE)


async def _apply(database: Database, piece: Piece, going_on: Callable[[], bool]) -> int:
    total = 0
    while going_on():
        async with database.write() as session:
            count = await piece(session)
        total += count
        if count < PIECE:
            break
    return total


async def _piece(session: AsyncSession, rule: Rule, now: datetime) -> int:
    keys: Sequence[Any] = sa.inspect(rule.table).primary_key
    oldest = sa.select(*keys).where(rule.over(now)).limit(PIECE)
    chosen = sa.tuple_(*keys).in_(oldest) if len(keys) > 1 else keys[0].in_(oldest)
    if rule.blanks:
        return await affected(session, sa.update(rule.table).where(chosen).values({rule.blanks: ""}))
    return await affected(session, sa.delete(rule.table).where(chosen))
