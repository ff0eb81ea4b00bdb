"""The live library as files, and files as drafts: for whoever prefers an editor, and for taking it to another office."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from bot import library_desk as desk
from bot.errors import UserError
from bot.identity import Actor
from bot.library_diff import compare
from bot.library_live import seed_text
from bot.library_revisions import body_of, find_open, live_type_ids, name_of
from content.library import load_library
from content.library_bodies import Body, read_body, write_body
from db import library as store
from db.models import LibraryRevision


@dataclass(frozen=True)
class Planned:
    """What importing one file would do. `fields`: labels of what differs from what is live."""

    type_id: str
    name: str
    kind: Literal["new", "changed", "same", "blocked"]  # blocked: somebody is editing the type
    fields: tuple[str, ...]
    body: Body


async def export_files(session: AsyncSession) -> dict[str, bytes]:
    """File name → content, for every type that the bot knows; an untouched file of the package stays as it is."""
    live = {each.type_id: each for each in await store.list_live(session)}
    known = await live_type_ids(session)
    return {f"{type_id}.yaml": _file(type_id, live.get(type_id), known) for type_id in sorted(known)}


def _file(type_id: str, live: LibraryRevision | None, known: set[str]) -> bytes:
    body = body_of(live, type_id)
    assert body is not None, type_id  # it is known
    related = [other for other in body["related"] if other in known]
    untouched = seed_text(type_id)
    if untouched is not None and body == read_body(untouched) and related == body["related"]:
        return untouched
    return write_body(body | {"related": related}).encode()


async def plan_import(session: AsyncSession, folder: Path) -> list[Planned]:
    """Compare the files of a folder with what is live. Raises `LibraryError` with every fault of theirs."""
    types = load_library(folder).types
    if not types:
        raise UserError(f"{folder} 里没有类型文件")
    bodies = [read_body((folder / each.source).read_bytes()) for each in types.values()]
    live = {each.type_id: each for each in await store.list_live(session)}
    return [await _planned(session, body, live.get(body["id"])) for body in bodies]


async def _planned(session: AsyncSession, body: Body, live: LibraryRevision | None) -> Planned:
    type_id = body["id"]
    now = body_of(live, type_id)
    fields = tuple(field.label for field in compare(now, body)) if now is not None else ()
    if now == body:
        return Planned(type_id, body["name"], "same", (), body)
    if await find_open(session, type_id) is not None:
        return Planned(type_id, body["name"], "blocked", fields, body)
    is_new = now is None and not await store.list_history(session, type_id, limit=1)
    return Planned(type_id, body["name"], "new" if is_new else "changed", fields, body)


async def import_drafts(
    session: AsyncSession, actor: Actor, plan: Sequence[Planned], *, note: str, submit: bool, now: datetime
) -> list[str]:
    """Make a draft of every new or changed type, and submit it if wanted; returns the names of the types."""
    done = []
    for planned in plan:
        if planned.kind not in ("new", "changed"):
            continue
        if planned.kind == "new":
            revision = await desk.create(session, actor, planned.body, now=now)
        else:
            revision = await desk.begin(session, actor, planned.type_id, now=now)
        revision = await desk.save(
            session, actor, revision.id, planned.body, note=note, version=revision.version, now=now
        )
        if submit:
            await desk.submit(session, actor, revision.id, now=now)
        done.append(name_of(revision))
    return done
