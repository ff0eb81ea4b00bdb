"""The fraud library: read, edit, review, try. What goes live is heard by every bot (see `bot.library_live`)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from bot import library_desk as desk
from bot import library_revisions as reading
from bot.errors import Invalid, NotFound
from bot.knowledge import seed_library
from bot.library_diff import compare
from bot.library_revisions import Entry
from content.answers import render_answer
from content.library_bodies import clean_body, type_of_body
from db import library as store
from db.models import LibraryRevision
from db.states import RevisionKind, RevisionState
from db.users import list_user_names
from handlers.web.api.definitions import Call
from handlers.web.api.models import library as shapes
from handlers.web.api.models.common import Found, Id, Reason
from handlers.web.library import find_doubts


async def list_types(call: Call, session: AsyncSession, query: shapes.TypeListing) -> Found[shapes.TypeSummary]:
    await _seed()
    return Found(
        items=[
            _summary(entry)
            for entry in await reading.list_entries(session)
            if (not query.search or entry.contains(query.search))
            and (not query.fraud_class or entry.fraud_type.fraud_class == query.fraud_class)
        ]
    )


async def read_type(call: Call, session: AsyncSession, type: shapes.TypeId) -> shapes.TypeFull:
    await _seed()
    entry = await reading.get_entry(session, type)
    history = await store.list_history(session, type)
    body = await reading.live_body(session, type)
    return shapes.TypeFull(
        **_summary(entry).model_dump(),
        body=shapes.body_out(body),
        answer=render_answer(entry.fraud_type),
        history=await _summaries(session, history),
    )


def _summary(entry: Entry) -> shapes.TypeSummary:
    return shapes.TypeSummary(
        id=entry.fraud_type.id,
        name=entry.fraud_type.name,
        fraud_class=entry.fraud_type.fraud_class,
        known=entry.known,
        edited=entry.edited,
        retired=entry.retired,
        live_number=entry.live.number if entry.live else 0,
        open_revision=entry.open.id if entry.open else None,
        open_state=entry.open.state if entry.open else None,
    )


async def create_type(call: Call, session: AsyncSession, body: shapes.NewType) -> shapes.Revision:
    await _seed()
    typed = {"id": body.id, "name": body.name, "class": body.fraud_class}
    try:
        revision = await desk.create(session, call.actor, typed, now=call.now)
    except Invalid as error:
        raise Invalid({_field(name): text for name, text in error.faults.items()}) from error
    return await _changed(call, session, revision)


async def begin(call: Call, session: AsyncSession, type: shapes.TypeId) -> shapes.Revision:
    """A draft of what is live now."""
    await _seed()
    return await _changed(call, session, await desk.begin(session, call.actor, type, now=call.now))


async def retire(call: Call, session: AsyncSession, type: shapes.TypeId, body: Reason) -> shapes.Revision:
    await _seed()
    revision = await desk.propose_retirement(session, call.actor, type, body.reason, now=call.now)
    return await _changed(call, session, revision)


async def restore(call: Call, session: AsyncSession, type: shapes.TypeId, body: shapes.Restore) -> shapes.Revision:
    await _seed()
    await reading.get_entry(session, type)  # there is such a type
    revision = await desk.restore(session, call.actor, type, body.number, now=call.now)
    return await _changed(call, session, revision)


# ── revisions ───────────────────────────────────────────────────────────────


async def list_open(call: Call, session: AsyncSession) -> Found[shapes.RevisionSummary]:
    return Found(items=await _summaries(session, await store.list_open(session)))


async def read_revision(call: Call, session: AsyncSession, id: Id) -> shapes.Revision:
    return await _full(session, await reading.get_revision(session, id))


async def save(call: Call, session: AsyncSession, id: Id, body: shapes.RevisionWrite) -> shapes.Revision:
    revision = await reading.get_revision(session, id)
    typed = shapes.body_in(body.body, revision.type_id)
    revision = await desk.save(session, call.actor, id, typed, note=body.note, version=body.version, now=call.now)
    return await _changed(call, session, revision)


async def submit(call: Call, session: AsyncSession, id: Id) -> shapes.Revision:
    await _seed()
    return await _changed(call, session, await desk.submit(session, call.actor, id, now=call.now))


async def send_back(call: Call, session: AsyncSession, id: Id, body: Reason) -> shapes.Revision:
    return await _changed(call, session, await desk.send_back(session, call.actor, id, body.reason, now=call.now))


async def discard(call: Call, session: AsyncSession, id: Id) -> shapes.Revision:
    return await _changed(call, session, await desk.discard(session, call.actor, id, now=call.now))


async def approve(call: Call, session: AsyncSession, id: Id, body: shapes.Approve) -> shapes.Revision:
    await _seed()
    revision = await desk.approve(
        session, call.actor, id, settings=call.engine.settings, now=call.now, version=body.version
    )
    return await _changed(call, session, revision)


async def _changed(call: Call, session: AsyncSession, revision: LibraryRevision) -> shapes.Revision:
    call.tell("library")
    if revision.state is RevisionState.LIVE:
        call.afterwards.append(call.engine.library.refresh)
    return await _full(session, revision)


async def _full(session: AsyncSession, revision: LibraryRevision) -> shapes.Revision:
    await _seed()
    (summary,) = await _summaries(session, [revision])
    body = reading.body_of(revision, revision.type_id)
    live = await reading.live_body(session, revision.type_id)
    is_open = revision.state in store.OPEN and revision.kind is RevisionKind.CONTENT
    faults = await reading.faults_of(session, clean_body(revision.body)) if is_open else {}
    doubts = await find_doubts(session, clean_body(revision.body)) if is_open else {}
    diff = await asyncio.to_thread(compare, live, body) if revision.state in store.OPEN else []
    return shapes.Revision(
        **summary.model_dump(),
        body=shapes.body_out(body),
        faults={_field(name): text for name, text in faults.items()},
        doubts={_field(name): texts for name, texts in doubts.items()},
        changes=[
            shapes.FieldChange(
                field=_field(one.field),
                label=one.label,
                removed=["".join(text for text, _ in row.old) for row in one.rows if row.old],
                added=["".join(text for text, _ in row.new) for row in one.rows if row.new],
            )
            for one in diff
        ],
    )


async def _summaries(session: AsyncSession, revisions: Sequence[LibraryRevision]) -> list[shapes.RevisionSummary]:
    people = [user_id for one in revisions for user_id in (one.created_by, one.reviewed_by)]
    names = await list_user_names(session, people)
    same = ("id", "type_id", "number", "kind", "state", "version", "note", "comment")
    times = ("created_at", "changed_at", "reviewed_at")
    return [
        shapes.RevisionSummary(
            **{name: getattr(one, name) for name in (*same, *times)},
            created_by=names.get(one.created_by or 0, ""),
            reviewed_by=names.get(one.reviewed_by or 0, ""),
        )
        for one in revisions
    ]


def _field(name: str) -> str:
    return "fraud_class" if name == "class" else name


# ── trying ──────────────────────────────────────────────────────────────────


async def preview(call: Call, body: shapes.Preview) -> shapes.Rendered:
    text = render_answer(type_of_body(clean_body(shapes.body_in(body.body, "preview"))))
    return shapes.Rendered(text=text, length=len(text))


async def try_message(call: Call, body: shapes.TrialAsk) -> shapes.Trials:
    """By POST, so that what a resident wrote is in no address and no log."""
    await _seed()
    draft = None
    if body.revision is not None:
        async with call.engine.database.read() as session:
            draft = await reading.get_revision(session, body.revision)
        if draft.state not in store.OPEN:
            raise NotFound("没有这份草稿")
    trials = call.trials
    live = shapes.Trial.model_validate(await trials.with_live(body.text))
    changed = None if draft is None else shapes.Trial.model_validate(await trials.with_draft(draft, body.text))
    return shapes.Trials(live=live, draft=changed)


async def _seed() -> None:
    """Read for the first time it takes half a second."""
    await asyncio.to_thread(seed_library)
