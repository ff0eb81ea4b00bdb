"""Writing in the library: the form of a draft, what was typed into it, and what becomes of it."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from aiohttp import web
from multidict import MultiMapping

from bot import library_desk as desk
from bot import library_revisions as reading
from bot.errors import Invalid, WrongState
from bot.identity import Actor
from bot.knowledge import seed_library
from content.answers import render_answer
from content.fraud_type import VOICES
from content.library_bodies import LABELS, VOICE_LABELS, Body, clean_body, split_phrase, type_of_body
from db.models import LibraryRevision
from db.states import RevisionKind, RevisionState
from handlers.web.forms import int_of, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.library import WEIGHTS, find_doubts
from handlers.web.views import page

LISTS = ("aka", "steps", "signs", "do", "never")
HINTS = {
    "aka": "5 至 60 条，每条最多 24 个字；群众和骗子口中的叫法、方言",
    "phrases": "15 至 400 条；“中奖 + 税”表示两个词都出现才算",
    "summary": "最多 90 个字，答复的第一句",
    "steps": "3 至 5 条，每条最多 40 个字",
    "signs": "3 至 4 条，每条最多 30 个字",
    "victims": "最多 30 个字",
    "do": "2 至 4 条，每条最多 45 个字",
    "never": "1 至 3 条，每条最多 30 个字",
    "related": "最多 8 个",
    "examples.asking": "15 至 400 条，群众会怎样问",
    "examples.telling": "10 至 400 条，群众会怎样讲自己的经过",
    "examples.scammer": "15 至 400 条，骗子会怎样说",
    "faq": "2 至 8 组，回答最多 100 个字",
}
"""What the rules of the files (`content.library_files`) ask for; a test compares the two."""


def body_of_post(post: MultiMapping[Any], type_id: str) -> Body:
    """What is in the fields. Lines of the boxes for adding come after the rows that were there."""
    body: dict[str, Any] = {name: text_of(post, name) for name in ("class", "name", "summary", "victims")}
    body["id"] = type_id
    body |= {name: [*_all(post, name), *_lines(post, name)] for name in LISTS}
    weights, words = _all(post, "phrase_weight"), _all(post, "phrase_text")
    body["phrases"] = [f"{weight} | {text}" for weight, text in zip(weights, words, strict=False) if text.strip()]
    weight = text_of(post, "more.weight") or "3"
    for line in _lines(post, "phrases"):
        own, text = split_phrase(line)
        body["phrases"].append(f"{own or weight} | {text}")
    body["examples"] = {
        voice: [*_all(post, f"examples.{voice}"), *_lines(post, f"examples.{voice}")] for voice in VOICES
    }
    body["related"] = list(dict.fromkeys(_all(post, "related")))
    pairs = zip(_all(post, "faq_q"), _all(post, "faq_a"), strict=False)
    body["faq"] = [{"q": question, "a": answer} for question, answer in pairs]
    return clean_body(body)


def _all(post: MultiMapping[Any], name: str) -> list[str]:
    return [value for value in post.getall(name, []) if isinstance(value, str)]


def _lines(post: MultiMapping[Any], name: str) -> list[str]:
    return [line for line in text_of(post, f"more.{name}").splitlines() if line.strip()]


async def new_type(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show_new(request, {}, {})


async def create_type(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, post = request.app[ENGINE], await request.post()
    typed = {name: text_of(post, name) for name in ("id", "name", "class")}
    await asyncio.to_thread(seed_library)
    try:
        async with engine.database.write() as session:
            revision = await desk.create(session, actor, typed, now=engine.clock.now())
    except Invalid as error:
        return await _show_new(request, typed, error.faults, status=422)
    raise web.HTTPSeeOther(f"/library/revisions/{revision.id}/edit")


async def _show_new(
    request: web.Request, typed: dict[str, str], faults: dict[str, str], *, status: int = 200
) -> web.StreamResponse:
    classes = list((await asyncio.to_thread(seed_library)).by_class())
    return await page(
        request, "library_new.html", status=status, typed=clean_body(typed), faults=faults, classes=classes
    )


async def edit_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    await asyncio.to_thread(seed_library)
    revision = await _get_draft(request)
    # A new type is empty everywhere: its faults are shown once something has been written.
    done = "已保存" if request.query.get("done") == "save" else ""
    return await _show(request, revision, clean_body(revision.body), checked=revision.version > 1, done=done)


async def _get_draft(request: web.Request) -> LibraryRevision:
    async with request.app[ENGINE].database.read() as session:
        revision = await reading.get_revision(session, path_id(request))
    if revision.state is not RevisionState.DRAFT or revision.kind is not RevisionKind.CONTENT:
        raise WrongState(f"这份修改{revision.state.label}，不能再改；待审核的请先退回")
    return revision


async def save(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Keep what was typed whatever it is, then submit it if that was wanted and nothing stands against it."""
    engine, post = request.app[ENGINE], await request.post()
    await asyncio.to_thread(seed_library)
    async with engine.database.read() as session:
        revision = await reading.get_revision(session, path_id(request))
    body, note = body_of_post(post, revision.type_id), text_of(post, "note")
    version, now = int_of(post, "version") or 0, engine.clock.now()
    try:
        async with engine.database.write() as session:
            revision = await desk.save(session, actor, revision.id, body, note=note, version=version, now=now)
    except WrongState as error:
        return await _show(request, revision, body, note=note, version=version, message=str(error), status=409)
    engine.events.publish("library")
    if text_of(post, "action") != "submit":
        raise web.HTTPSeeOther(f"/library/revisions/{revision.id}/edit?done=save")
    async with engine.database.read() as session:
        doubts = await find_doubts(session, body)
    if doubts and text_of(post, "doubts_seen") != "yes":
        return await _show(request, revision, body, asked=True, status=422)
    try:
        async with engine.database.write() as session:
            await desk.submit(session, actor, revision.id, now=now)
    except Invalid as error:
        return await _show(request, revision, body, faults=error.faults, asked=True, status=422)
    raise web.HTTPSeeOther(f"/library/revisions/{revision.id}?done=submit")


async def _show(
    request: web.Request,
    revision: LibraryRevision,
    body: Body,
    *,
    note: str | None = None,
    version: int | None = None,
    faults: dict[str, str] | None = None,
    checked: bool = True,
    asked: bool = False,
    done: str = "",
    message: str = "",
    status: int = 200,
) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        entries = await reading.list_entries(session)
        if checked and faults is None:
            faults = await reading.faults_of(session, body)
        doubts = await find_doubts(session, body) if checked else {}
    return await page(
        request,
        "library_form.html",
        status=status,
        revision=revision,
        body=body,
        phrases=[split_phrase(text) for text in body["phrases"]],
        note=revision.note if note is None else note,
        version=revision.version if version is None else version,
        faults=faults or {},
        doubts=doubts,
        asked=asked,
        done=done,
        message=message,
        answer=render_answer(type_of_body(body)),
        hints=HINTS,
        labels=LABELS,
        voices=VOICE_LABELS,
        weights=WEIGHTS,
        classes=list(dict.fromkeys([*seed_library().by_class(), *([body["class"]] if body["class"] else [])])),
        others=[each.fraud_type for each in entries if each.known and each.fraud_type.id != revision.type_id],
        type_link=f"/library/types/{quote(revision.type_id)}",
    )


async def preview(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The answer as it would look in chat, from fields that are not saved yet."""
    body = body_of_post(await request.post(), "preview")
    text = render_answer(type_of_body(body))
    return web.json_response({"text": text, "length": len(text)})
