"""An alert to begin with, when many people ask about the same thing. A person finishes and a second one releases it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import NotFound
from bot.knowledge import Knowledge
from content.answers import short_name
from content.fraud_type import FraudType
from db.models import Lead, Question

_OPEN = "近期本地多名群众反映遇到同类情况。\n（请写明：骗子自称是谁、怎么联系、怎么骗走钱）"


async def draft_alert(session: AsyncSession, knowledge: Knowledge, lead_id: int) -> tuple[str, str]:
    """Title and body. They quote nobody: what the library knows of the type, or a gap for the writer to fill."""
    lead = await session.get(Lead, lead_id)
    if lead is None:
        raise NotFound("没有这条线索")
    question = await session.get(Question, lead.question_id) if lead.question_id is not None else None
    known = _type_of(knowledge, lead, question)
    if known is None:
        return "", _OPEN
    lines = [
        f"近期本地多名群众遇到“{short_name(known)}”诈骗。{known.summary}",
        *(f"· {sign}" for sign in known.signs[:3]),
        *(f"请记牢：{deed}" for deed in known.never[:1]),
    ]
    return f"近期高发：{short_name(known)}诈骗"[:40], "\n".join(lines)


def _type_of(knowledge: Knowledge, lead: Lead, question: Question | None) -> FraudType | None:
    screened = knowledge.screener.screen(lead.text).types if question is None else tuple(question.types)
    return next((knowledge.library.types[each] for each in screened if each in knowledge.library.types), None)
