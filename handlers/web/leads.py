"""The inbox: what a person must look at, who does, and what the asker is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.lead_groups import LeadGroup, growing, list_lead_groups
from bot.leads import LONGEST_ANSWER, answer_lead, assign_lead, claim_lead, close_lead
from bot.library_desk import add_example
from bot.permissions import Permission, allowed
from db.leads import LeadRow, count_leads_by_state, get_figures, list_leads
from db.models import Lead
from db.states import LeadReason, LeadState, UserState
from db.users import list_users
from handlers.web.forms import Paging, choice_of, int_of, ints_of, page_number, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.live import SHARED, Figures, stream
from handlers.web.middlewares import status_of
from handlers.web.views import fragment, page

PAGE_SIZE = 30
MOST_AT_ONCE = 50  # similar leads that one answer goes to
DONE = {
    "claim": "线索由您处理",
    "assign": "线索已交给同事",
    "answer": "答复已发出",
    "close": "线索已标为处理完毕",
    "example": "已加入知识库草稿，审核后生效",
}
_VOICES = {LeadReason.SCAM: "scammer", LeadReason.EMERGENCY: "telling"}

Step = Callable[[AsyncSession, int], Awaitable[None]]


async def inbox(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show(request, actor, done=DONE.get(request.query.get("done", ""), ""))


async def inbox_now(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The list alone, for a page that has heard that something changed."""
    return fragment(request, "_leads.html", **await _list(request, actor))


async def lead_events(request: web.Request, actor: Actor) -> web.StreamResponse:
    """How many leads are open, how many of them alarms; and a mark that changes with every step."""

    async def read() -> Figures:
        async with request.app[ENGINE].browse() as session:
            figures = await get_figures(session)
        return [{"open": figures.open, "alarms": figures.alarms, "mark": figures.mark}]

    return await stream(
        request, lambda: request.app[SHARED].look("leads", read), name="leads", topics=("leads", "replies")
    )


async def alarms(request: web.Request, actor: Actor) -> web.StreamResponse:
    """For every page: how many people are being defrauded whom nobody has taken care of."""
    async with request.app[ENGINE].database.glance() as session:
        return web.json_response({"alarms": (await get_figures(session)).alarms})


# ── steps ───────────────────────────────────────────────────────────────────


async def claim(request: web.Request, actor: Actor) -> web.StreamResponse:
    async def step(session: AsyncSession, lead_id: int) -> None:
        await claim_lead(session, actor, lead_id, now=request.app[ENGINE].clock.now())

    return await _take(request, actor, "claim", step)


async def assign(request: web.Request, actor: Actor) -> web.StreamResponse:
    user_id = int_of(await request.post(), "user") or 0

    async def step(session: AsyncSession, lead_id: int) -> None:
        await assign_lead(session, actor, lead_id, user_id=user_id, now=request.app[ENGINE].clock.now())

    return await _take(request, actor, "assign", step)


async def answer(request: web.Request, actor: Actor) -> web.StreamResponse:
    """One answer, also to the similar leads that were ticked."""
    engine, post = request.app[ENGINE], await request.post()
    text = text_of(post, "answer")
    also = [one for one in ints_of(post, "also") if one != path_id(request)][:MOST_AT_ONCE]

    async def step(session: AsyncSession, lead_id: int) -> None:
        now, office = engine.clock.now(), engine.settings.office
        await answer_lead(session, actor, lead_id, text, office=office, now=now)
        for other in also:
            await answer_lead(session, actor, other, text, office=office, now=now)

    return await _take(request, actor, "answer", step, typed=text)


async def close(request: web.Request, actor: Actor) -> web.StreamResponse:
    async def step(session: AsyncSession, lead_id: int) -> None:
        await close_lead(session, actor, lead_id, now=request.app[ENGINE].clock.now())

    return await _take(request, actor, "close", step)


async def example(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The words of the lead become an example in the draft of a type."""
    engine = request.app[ENGINE]
    type_id = text_of(await request.post(), "type")

    async def step(session: AsyncSession, lead_id: int) -> None:
        lead = await session.get(Lead, lead_id)
        if lead is None or not lead.text:
            raise NotFound("没有这条线索，或原文已过保留期")
        if type_id not in engine.knowledge.library.types:
            raise Invalid({"type": "请选择诈骗类型"})
        voice = _VOICES.get(lead.reason, "asking")
        await add_example(session, actor, type_id, voice, " ".join(lead.text.split()), now=engine.clock.now())

    return await _take(request, actor, "example", step)


async def _take(request: web.Request, actor: Actor, name: str, step: Step, *, typed: str = "") -> web.StreamResponse:
    engine, lead_id = request.app[ENGINE], path_id(request)
    try:
        async with engine.database.write() as session:
            await step(session, lead_id)
    except (Invalid, WrongState) as error:
        return await _show(
            request, actor, message=str(error), status=status_of(error), typed={lead_id: typed} if typed else {}
        )
    engine.events.publish("leads", *(("replies",) if name == "answer" else ()))
    state = choice_of(LeadState, await request.post(), "state")
    query = {"state": state.value} if state else {}
    raise web.HTTPSeeOther(f"/questions?{urlencode(query | {'done': name})}")


# ── the page ────────────────────────────────────────────────────────────────


async def _show(
    request: web.Request,
    actor: Actor,
    *,
    done: str = "",
    message: str = "",
    status: int = 200,
    typed: dict[int, str] | None = None,
) -> web.StreamResponse:
    context = await _list(request, actor, typed or {})
    return await page(request, "leads.html", status=status, done=done, message=message, **context)


async def _list(request: web.Request, actor: Actor, typed: dict[int, str] | None = None) -> dict[str, Any]:
    engine = request.app[ENGINE]
    state = choice_of(LeadState, request.query, "state") or LeadState.OPEN
    knowledge = engine.knowledge
    library = await asyncio.to_thread(lambda: knowledge.library)  # read for the first time it takes half a second
    async with engine.browse() as session:
        counts = await count_leads_by_state(session)
        paging = Paging(page_number(request), PAGE_SIZE, counts[state])
        leads = await list_leads(session, state=state, limit=paging.size, offset=paging.offset)
        groups = await list_lead_groups(session, engine.settings, engine.clock.now())
        figures = await get_figures(session)
        colleagues = [user for user, _ in await list_users(session) if _may_help(user, actor)]
    return {
        "leads": together(leads, groups),
        "state": state,
        "counts": counts,
        "paging": paging,
        "query": urlencode({"state": state.value}),
        "growing": growing(groups, engine.settings)[:3],
        "days": engine.settings.growing_days,
        "figures": figures,
        "colleagues": colleagues,
        "types": library.types,
        "longest": LONGEST_ANSWER,
        "typed": typed or {},
        "me": actor.user_id,
    }


def _may_help(user: Any, actor: Actor) -> bool:
    return user.state is UserState.ACTIVE and allowed(user.role, Permission.QUESTIONS) and user.id != actor.user_id


def together(leads: Sequence[LeadRow], groups: Sequence[LeadGroup]) -> list[tuple[LeadRow, list[LeadRow], int]]:
    """Leads of a page with those beside them that are about the same thing, and how many of these there are in all.

    The order stays: a group stands where its most urgent lead stands.
    """
    group_of = {lead_id: group for group in groups for lead_id in group.lead_ids}
    placed: dict[int, list[LeadRow]] = {}
    shown: list[tuple[LeadRow, list[LeadRow], int]] = []
    for lead in leads:
        group = group_of.get(lead.id)
        if group is None:
            shown.append((lead, [], 1))
        elif group.lead_ids[0] in placed:
            placed[group.lead_ids[0]].append(lead)
        else:
            placed[group.lead_ids[0]] = []
            shown.append((lead, placed[group.lead_ids[0]], group.size))
    return shown
