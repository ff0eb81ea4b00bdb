"""The fraud library: all types, one type, one revision of it, and every step that a person takes with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot import library_desk as desk
from bot import library_revisions as reading
from bot.errors import Invalid, NotFound, UserError
from bot.identity import Actor
from bot.knowledge import seed_library
from bot.library_diff import compare
from bot.library_live import overlaid, seed_body, with_types
from bot.library_revisions import Entry
from bot.second_factor import prove_for_release
from content.answers import render_answer
from content.library_bodies import LABELS, Body, clean_body, type_of_body
from content.library_check import doubts_by_field
from db import library as store
from db.models import LibraryRevision
from db.states import RevisionKind, RevisionState
from db.users import list_user_names
from handlers.web.forms import int_of, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of
from handlers.web.views import page

DONE = {
    "submit": "已提交，等待同事审核",
    "send_back": "已退回为草稿",
    "approve": "审核通过，机器人已经按新内容答复",
    "discard": "已放弃这份修改，记录保留在历史里",
    "restore": "已恢复，机器人已经按这一版答复",
    "retire": "已申请停用，等待同事审核",
}
WEIGHTS = {5: "决定性", 4: "很强", 3: "较强", 2: "一般", 1: "弱提示"}


async def library_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    """All types, grouped by official class."""
    search, state = text_of(request.query, "search")[:60], text_of(request.query, "state")
    wanted = text_of(request.query, "class")
    entries = await _entries(request)
    counts = reading.states_of(entries)
    classes = list(dict.fromkeys(each.fraud_type.fraud_class for each in entries))
    shown = [
        each
        for each in entries
        if (not search or each.contains(search))
        and (state not in reading.STATES or reading.is_in(each, state))
        and (wanted not in classes or each.fraud_type.fraud_class == wanted)
    ]
    grouped: dict[str, list[Entry]] = {}
    for each in shown:
        grouped.setdefault(each.fraud_type.fraud_class, []).append(each)
    kept = {"search": search, "class": wanted}
    return await page(
        request,
        "library.html",
        grouped=grouped,
        total=len(entries),
        shown=len(shown),
        phrases=sum(len(each.fraud_type.phrases) for each in entries if each.known),
        examples=sum(each.examples for each in entries if each.known),
        counts=counts,
        states=reading.STATES,
        classes=classes,
        wanted=wanted,
        search=search,
        state=state if state in reading.STATES else "",
        query=urlencode({key: value for key, value in kept.items() if value}),
    )


async def _entries(request: web.Request) -> list[Entry]:
    await asyncio.to_thread(seed_library)  # read for the first time it takes half a second
    async with request.app[ENGINE].database.read() as session:
        return await reading.list_entries(session)


async def type_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show_type(request, actor)


async def _show_type(
    request: web.Request,
    actor: Actor,
    *,
    message: str = "",
    faults: dict[str, str] | None = None,
    status: int = 200,
) -> web.StreamResponse:
    type_id = request.match_info["type"]
    await asyncio.to_thread(seed_library)
    async with request.app[ENGINE].database.read() as session:
        entries = await reading.list_entries(session)
        entry = next((each for each in entries if each.fraud_type.id == type_id), None)
        if entry is None:
            raise NotFound(f"没有编号为 {type_id[:32]} 的诈骗类型")
        history = await store.list_history(session, type_id)
        people = [user_id for each in history for user_id in (each.created_by, each.reviewed_by)]
        names = await list_user_names(session, people)
    by_weight = {weight: [p.text for p in entry.fraud_type.phrases if p.weight == weight] for weight in WEIGHTS}
    return await page(
        request,
        "library_type.html",
        status=status,
        entry=entry,
        type=entry.fraud_type,
        answer=render_answer(entry.fraud_type),
        by_weight=by_weight,
        weights=WEIGHTS,
        type_names={each.fraud_type.id: each.fraud_type.name for each in entries},
        history=history,
        names=names,
        has_seed=type_id in seed_library().types,
        seed_is_newer=reading.seed_is_newer(entry),
        done=DONE.get(request.query.get("done", ""), ""),
        message=message,
        faults=faults or {},
    )


# ── one revision ────────────────────────────────────────────────────────────


async def revision_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show_revision(request, actor, done=DONE.get(request.query.get("done", ""), ""))


async def _show_revision(
    request: web.Request,
    actor: Actor,
    *,
    done: str = "",
    message: str = "",
    faults: dict[str, str] | None = None,
    status: int = 200,
) -> web.StreamResponse:
    await asyncio.to_thread(seed_library)
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        revision = await reading.get_revision(session, path_id(request))
        live = await reading.find_live(session, revision.type_id)
        names = await list_user_names(session, [revision.created_by, revision.reviewed_by, *revision.authors])
        against, old = await _other_side(session, revision, live, request.query.get("with", ""))
        doubts = await _doubts(session, revision)
        entry = await reading.get_entry(session, revision.type_id)
    new = reading.body_of(revision, revision.type_id)
    return await page(
        request,
        "library_revision.html",
        status=status,
        revision=revision,
        entry=entry,
        live=live,
        name=reading.name_of(revision),
        names=names,
        against=against,
        diff=await asyncio.to_thread(compare, old, new),
        answers=(_answer(old), _answer(new)),
        doubts=doubts,
        labels=LABELS,
        faults=faults or {},
        done=done,
        message=message,
        own=reading.is_author(actor, revision),
        approver=reading.may_approve(actor, revision, engine.settings),
        is_open=revision.state in store.OPEN,
    )


async def _other_side(
    session: AsyncSession, revision: LibraryRevision, live: LibraryRevision | None, wanted: str
) -> tuple[str, Body | None]:
    """What the revision is compared with: what is live, or for one of the past, what was live before it."""
    if revision.state in store.OPEN or (wanted == "live" and (live is None or live.id != revision.id)):
        return "现在使用的", reading.body_of(live, revision.type_id)
    label = f"第 {revision.base} 版" if revision.base else "程序自带的"
    return label, await reading.numbered_body(session, revision.type_id, revision.base)


async def _doubts(session: AsyncSession, revision: LibraryRevision) -> dict[str, list[str]]:
    if revision.state not in store.OPEN or revision.kind is not RevisionKind.CONTENT:
        return {}
    return await find_doubts(session, clean_body(revision.body))


async def find_doubts(session: AsyncSession, body: Body) -> dict[str, list[str]]:
    """What is doubtful about a type that would say this, by field, among the others that are live."""
    revisions = await store.list_live(session)

    def look() -> dict[str, list[str]]:
        others = [each for each in overlaid(revisions).types.values() if each.id != body["id"]]
        return doubts_by_field(with_types([*others, type_of_body(body)]), body)

    return await asyncio.to_thread(look)


def _answer(body: Body | None) -> str:
    return render_answer(type_of_body(body)) if body else ""


async def seed_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    """What the file of the package says, beside what is live."""
    await asyncio.to_thread(seed_library)
    type_id = request.match_info["type"]
    body = seed_body(type_id)
    if body is None:
        raise NotFound("程序没有自带这个类型")
    async with request.app[ENGINE].database.read() as session:
        entry = await reading.get_entry(session, type_id)
        live = await reading.live_body(session, type_id)
    return await page(
        request,
        "library_seed.html",
        entry=entry,
        name=body["name"],
        type_id=type_id,
        diff=await asyncio.to_thread(compare, live, body),
        answers=(_answer(live), _answer(body)),
    )


# ── steps ───────────────────────────────────────────────────────────────────

Step = Callable[[AsyncSession], Awaitable[LibraryRevision]]


async def begin(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Open the draft of a type, whoever began it."""
    engine, type_id = request.app[ENGINE], request.match_info["type"]
    await asyncio.to_thread(seed_library)
    async with engine.database.write() as session:
        revision = await reading.find_open(session, type_id)
        if revision is None:
            revision = await desk.begin(session, actor, type_id, now=engine.clock.now())
    editable = revision.state is RevisionState.DRAFT
    raise web.HTTPSeeOther(f"/library/revisions/{revision.id}{'/edit' if editable else ''}")


async def retire(request: web.Request, actor: Actor) -> web.StreamResponse:
    type_id, reason, now = request.match_info["type"], text_of(await request.post(), "reason"), _now(request)
    return await _take_on_type(
        request, actor, "retire", lambda session: desk.propose_retirement(session, actor, type_id, reason, now=now)
    )


async def restore(request: web.Request, actor: Actor) -> web.StreamResponse:
    type_id, number, now = request.match_info["type"], int_of(await request.post(), "number"), _now(request)
    if number is None:
        raise NotFound("没有这一版")
    return await _take_on_type(
        request, actor, "restore", lambda session: desk.restore(session, actor, type_id, number, now=now)
    )


async def submit(request: web.Request, actor: Actor) -> web.StreamResponse:
    revision_id, now = path_id(request), _now(request)
    return await _take(request, actor, "submit", lambda session: desk.submit(session, actor, revision_id, now=now))


async def send_back(request: web.Request, actor: Actor) -> web.StreamResponse:
    revision_id, reason, now = path_id(request), text_of(await request.post(), "reason"), _now(request)
    return await _take(
        request, actor, "send_back", lambda session: desk.send_back(session, actor, revision_id, reason, now=now)
    )


async def approve(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Makes the version live that the reviewer saw on the page, no later one."""
    revision_id, form, now = path_id(request), await request.post(), _now(request)
    version, settings, database = (
        int_of(form, "version") or 0,
        request.app[ENGINE].settings,
        request.app[ENGINE].database,
    )
    try:
        actor = await prove_for_release(database, actor, text_of(form, "code"), settings=settings, now=now)
    except UserError as error:
        return await _refused(request, actor, error)
    return await _take(
        request,
        actor,
        "approve",
        lambda session: desk.approve(session, actor, revision_id, settings=settings, now=now, version=version),
    )


async def discard(request: web.Request, actor: Actor) -> web.StreamResponse:
    revision_id, now = path_id(request), _now(request)
    return await _take(request, actor, "discard", lambda session: desk.discard(session, actor, revision_id, now=now))


async def _take(request: web.Request, actor: Actor, name: str, step: Step) -> web.StreamResponse:
    """Take the step and show the revision again; one that is not possible says why on the same page."""
    try:
        revision = await _write(request, step)
    except NotFound:
        raise
    except UserError as error:
        return await _refused(request, actor, error)
    raise web.HTTPSeeOther(f"/library/revisions/{revision.id}?done={name}")


async def _refused(request: web.Request, actor: Actor, error: UserError) -> web.StreamResponse:
    faults = error.faults if isinstance(error, Invalid) else {}
    return await _show_revision(request, actor, message=str(error), faults=faults, status=status_of(error))


async def _take_on_type(request: web.Request, actor: Actor, name: str, step: Step) -> web.StreamResponse:
    try:
        revision = await _write(request, step)
    except Invalid as error:
        return await _show_type(request, actor, message=str(error), faults=error.faults, status=status_of(error))
    except NotFound:
        raise
    except UserError as error:
        return await _show_type(request, actor, message=str(error), status=status_of(error))
    raise web.HTTPSeeOther(f"/library/types/{quote(revision.type_id)}?done={name}")


async def _write(request: web.Request, step: Step) -> LibraryRevision:
    """When this returns, the bot of this process answers by what the step made live; others hear within seconds."""
    engine = request.app[ENGINE]
    await asyncio.to_thread(seed_library)
    async with engine.database.write() as session:
        revision = await step(session)
    if revision.state is RevisionState.LIVE:
        await engine.library.refresh()
    engine.events.publish("library")
    return revision


def _now(request: web.Request) -> Any:
    return request.app[ENGINE].clock.now()
