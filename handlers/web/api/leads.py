"""Questions and leads: what residents ask, what a person must look at, what they are told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, NotFound
from bot.lead_groups import list_lead_groups
from bot.leads import answer_lead, assign_lead, claim_lead, close_lead
from bot.library_desk import add_example
from db.leads import count_leads, get_figures, list_leads
from db.models import Lead
from db.questions import count_outcomes, count_questions, list_questions
from db.states import LeadReason
from handlers.web.api.definitions import Call
from handlers.web.api.models import desk as shapes
from handlers.web.api.models.common import Found, Id, Page, page_of

FIGURES_DAYS = 30
VOICES = {LeadReason.SCAM: "scammer", LeadReason.EMERGENCY: "telling"}


async def list_asked(call: Call, session: AsyncSession, query: shapes.QuestionListing) -> Page[shapes.Question]:
    total = await count_questions(session, kind=query.kind, search=query.search)
    rows = await list_questions(session, kind=query.kind, search=query.search, limit=query.limit, offset=query.cursor)
    return page_of([shapes.Question.model_validate(row) for row in rows], total=total, query=query)


async def asked_figures(call: Call, session: AsyncSession) -> shapes.QuestionFigures:
    found = await count_outcomes(session, call.now - timedelta(days=FIGURES_DAYS))
    names = ("asked", "answered", "emergencies", "unanswered", "useful", "useless")
    return shapes.QuestionFigures(days=FIGURES_DAYS, **{name: getattr(found, name) for name in names})


async def list_all(call: Call, session: AsyncSession, query: shapes.LeadListing) -> Page[shapes.Lead]:
    total = await count_leads(session, state=query.state)
    rows = await list_leads(session, state=query.state, limit=query.limit, offset=query.cursor)
    return page_of([shapes.Lead.model_validate(row) for row in rows], total=total, query=query)


async def read(call: Call, session: AsyncSession, id: Id) -> shapes.Lead:
    rows = await list_leads(session, state=None, lead_ids=[id], limit=1)
    if not rows:
        raise NotFound("没有这条线索")
    return shapes.Lead.model_validate(rows[0])


async def figures(call: Call, session: AsyncSession) -> shapes.LeadFigures:
    return shapes.LeadFigures.model_validate(await get_figures(session))


async def groups(call: Call, session: AsyncSession) -> Found[shapes.LeadGroup]:
    found = await list_lead_groups(session, call.engine.settings, call.now)
    return Found(items=[shapes.LeadGroup.model_validate(one) for one in found])


# ── steps ───────────────────────────────────────────────────────────────────


async def claim(call: Call, session: AsyncSession, id: Id) -> shapes.Lead:
    await claim_lead(session, call.actor, id, now=call.now)
    return await _changed(call, session, id)


async def assign(call: Call, session: AsyncSession, id: Id, body: shapes.Assign) -> shapes.Lead:
    await assign_lead(session, call.actor, id, user_id=body.user_id, now=call.now)
    return await _changed(call, session, id)


async def answer(call: Call, session: AsyncSession, id: Id, body: shapes.LeadAnswer) -> shapes.Lead:
    office = call.engine.settings.office
    for lead_id in dict.fromkeys([id, *body.also]):
        await answer_lead(session, call.actor, lead_id, body.answer, office=office, now=call.now)
    call.tell("replies")
    return await _changed(call, session, id)


async def close(call: Call, session: AsyncSession, id: Id) -> shapes.Lead:
    await close_lead(session, call.actor, id, now=call.now)
    return await _changed(call, session, id)


async def example(call: Call, session: AsyncSession, id: Id, body: shapes.Example) -> shapes.ExampleKept:
    """The words of the lead become an example in the draft of a type."""
    library = await asyncio.to_thread(lambda: call.engine.knowledge.library)
    lead = await session.get(Lead, id)
    if lead is None or not lead.text:
        raise NotFound("没有这条线索，或原文已过保留期")
    if body.type not in library.types:
        raise Invalid({"type": "没有这个诈骗类型"})
    words = " ".join(lead.text.split())
    voice = VOICES.get(lead.reason, "asking")
    revision = await add_example(session, call.actor, body.type, voice, words, now=call.now)
    call.tell("leads", "library")
    return shapes.ExampleKept(revision_id=revision.id)


async def _changed(call: Call, session: AsyncSession, lead_id: int) -> shapes.Lead:
    call.tell("leads")
    return await read(call, session, lead_id)
