"""Scams said in a group: a lead for a person, and where the group allows it a gentle word to everybody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering import Answered, kept_text
from bot.conversation_texts import warning_text
from bot.knowledge import Knowledge
from bot.messages import Incoming
from bot.quiet import in_quiet_hours
from bot.settings import Settings
from content.answers import short_name
from content.screening import Screening
from db import leads as lead_store
from db.models import Group, Lead
from db.states import AnswerKind, LeadReason

SAME_SCAM: Final = timedelta(hours=1)  # the same words in the same group make one lead


async def watch(
    session: AsyncSession,
    knowledge: Knowledge,
    *,
    message: Incoming,
    group: Group | None,
    settings: Settings,
    now: datetime,
) -> Answered | None:
    """Look whether a message in a group is itself a scam; None when it is not.

    It makes a lead, and where the group allows it a gentle warning that quotes nobody, at most one in ``warning_gap_minutes``.
    """
    if message.private:
        return None
    screening = knowledge.screener.screen(message.text)
    if not screening.alarm:
        return None
    text = kept_text(message.text)
    group_id = group.id if group is not None else None
    known = await lead_store.has_lead(
        session, reason=LeadReason.SCAM, group_id=group_id, text=text, since=now - SAME_SCAM
    )
    if not known:
        await lead_store.add_lead(session, Lead(reason=LeadReason.SCAM, group_id=group_id, text=text, created_at=now))
    warning = await _warning(session, knowledge, screening, group, settings, now)
    return Answered(warning, AnswerKind.TALK, screening.types, not known) if warning or not known else None


def may_watch(knowledge: Knowledge, message: Incoming) -> bool:
    """Whether `watch` has something to do."""
    return not message.private and knowledge.screener.alarms(message.text)


async def _warning(
    session: AsyncSession,
    knowledge: Knowledge,
    screening: Screening,
    group: Group | None,
    settings: Settings,
    now: datetime,
) -> str:
    if group is None or not group.warns or in_quiet_hours(now, settings):
        return ""
    if not await lead_store.claim_warning(
        session, group.id, now=now, since=now - timedelta(minutes=settings.warning_gap_minutes)
    ):
        return ""
    known = knowledge.library.types.get(screening.types[0]) if screening.types else None
    return warning_text(short_name(known) if known is not None else "")
