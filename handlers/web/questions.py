"""What residents asked, what they got, and what they said of it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import urlencode

from aiohttp import web

from bot.identity import Actor
from db.questions import count_outcomes, count_questions, list_questions
from db.states import AnswerKind
from handlers.web.forms import Paging, choice_of, page_number, text_of
from handlers.web.keys import ENGINE
from handlers.web.views import page

PAGE_SIZE = 30
FIGURES_OVER = timedelta(days=30)


async def questions_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    kind = choice_of(AnswerKind, request.query, "kind")
    search = text_of(request.query, "search")[:60]
    async with request.app[ENGINE].database.read() as session:
        paging = Paging(page_number(request), PAGE_SIZE, await count_questions(session, kind=kind, search=search))
        figures = await count_outcomes(session, request.app[ENGINE].clock.now() - FIGURES_OVER)
        found = await list_questions(session, kind=kind, search=search, limit=paging.size, offset=paging.offset)
    kept = {"kind": kind.value if kind else "", "search": search}
    knowledge = request.app[ENGINE].knowledge
    library = await asyncio.to_thread(lambda: knowledge.library)  # read for the first time it takes half a second
    return await page(
        request,
        "questions.html",
        questions=found,
        figures=figures,
        types=library.types,
        kind=kind,
        search=search,
        paging=paging,
        query=urlencode({key: value for key, value in kept.items() if value}),
    )
