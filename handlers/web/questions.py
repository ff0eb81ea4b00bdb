"""What residents asked, and the leads that somebody must look at."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

from aiohttp import web

from bot.errors import WrongState
from bot.identity import Actor
from bot.leads import close_lead
from db.leads import count_leads, list_leads
from db.questions import count_questions, list_questions
from db.states import AnswerKind, LeadState
from handlers.web.forms import Paging, choice_of, page_number, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of
from handlers.web.views import page

PAGE_SIZE = 30


async def leads_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    done = "线索已标为处理完毕" if request.query.get("done") == "close" else ""
    return await _leads(request, done=done)


async def close(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    try:
        async with engine.database.write() as session:
            await close_lead(session, actor, path_id(request), now=engine.clock.now())
    except WrongState as error:
        return await _leads(request, message=str(error), status=status_of(error))
    engine.events.publish("leads")
    raise web.HTTPSeeOther("/questions?done=close")


async def _leads(request: web.Request, *, done: str = "", message: str = "", status: int = 200) -> web.StreamResponse:
    state = choice_of(LeadState, request.query, "state") or LeadState.OPEN
    async with request.app[ENGINE].database.read() as session:
        counts = {one: await count_leads(session, state=one) for one in LeadState}
        paging = Paging(page_number(request), PAGE_SIZE, counts[state])
        leads = await list_leads(session, state=state, limit=paging.size, offset=paging.offset)
    return await page(
        request,
        "leads.html",
        status=status,
        leads=leads,
        state=state,
        counts=counts,
        paging=paging,
        query=urlencode({"state": state.value}),
        done=done,
        message=message,
    )


async def questions_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    kind = choice_of(AnswerKind, request.query, "kind")
    search = text_of(request.query, "search")[:60]
    async with request.app[ENGINE].database.read() as session:
        paging = Paging(page_number(request), PAGE_SIZE, await count_questions(session, kind=kind, search=search))
        found = await list_questions(session, kind=kind, search=search, limit=paging.size, offset=paging.offset)
    kept = {"kind": kind.value if kind else "", "search": search}
    knowledge = request.app[ENGINE].knowledge
    library = await asyncio.to_thread(lambda: knowledge.library)  # read for the first time it takes half a second
    return await page(
        request,
        "questions.html",
        questions=found,
        types=library.types,
        kind=kind,
        search=search,
        paging=paging,
        query=urlencode({key: value for key, value in kept.items() if value}),
    )
