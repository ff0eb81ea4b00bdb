"""Trying a message: what the bot answers, with the library that is live and with a draft, and why."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from bot import library_revisions as reading
from bot.identity import Actor
from bot.knowledge import seed_library
from bot.library_trial import LONGEST, Trial, Trials
from db import library as store
from db.models import LibraryRevision
from handlers.web.forms import int_of, text_of
from handlers.web.keys import ENGINE
from handlers.web.views import page

TRIALS: web.AppKey[Trials] = web.AppKey("library_trials", Trials)


async def try_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show(request, request.query, "")


async def try_message(request: web.Request, actor: Actor) -> web.StreamResponse:
    """By POST, so that what a resident wrote is in no address and no log."""
    form = await request.post()
    return await _show(request, form, text_of(form, "text")[:LONGEST])


async def _show(request: web.Request, form: Mapping[str, Any], text: str) -> web.StreamResponse:
    await asyncio.to_thread(seed_library)
    chosen = int_of(form, "revision")
    async with request.app[ENGINE].database.read() as session:
        drafts = await store.list_open(session)
    draft = next((each for each in drafts if each.id == chosen), None)
    live, changed = await _trials(request, draft, text) if text else (None, None)
    return await page(
        request,
        "library_try.html",
        text=text,
        draft=draft,
        drafts=[(each.id, reading.name_of(each), each.number, each.state) for each in drafts],
        live=live,
        changed=changed,
        longest=LONGEST,
    )


async def _trials(request: web.Request, draft: LibraryRevision | None, text: str) -> tuple[Trial, Trial | None]:
    trials = request.app[TRIALS]
    live = await trials.with_live(text)
    return live, await trials.with_draft(draft, text) if draft is not None else None
