"""Trying a message: what the bot says with the library that is live, and what it would say with a draft."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bot.knowledge import Knowledge, Loaded, build
from bot.library_live import LibraryWatch, overlaid, with_types
from content.library_bodies import Body, clean_body, type_of_body
from db import library as store
from db.models import LibraryRevision
from db.session import Database
from db.states import AnswerKind, RevisionKind

LONGEST = 1000  # characters of a message that is tried
SHOWN = 8  # phrases and examples


@dataclass(frozen=True)
class Reason:
    """A phrase that was found, or an example that resembles the message; `weight` says how much it tells."""

    type_name: str
    text: str
    weight: float


@dataclass(frozen=True)
class Trial:
    """What one library makes of a message, and why. `score` and `fraud` are probabilities, 0..1."""

    kind: AnswerKind
    text: str
    types: tuple[str, ...]  # names, the best first
    score: float
    fraud: float
    alarm: bool  # in a group it would be taken for a scam
    phrases: tuple[Reason, ...]
    examples: tuple[Reason, ...]


class Trials:
    """Keeps the libraries that were tried last, because building one takes some tenths of a second."""

    def __init__(self, database: Database, knowledge: Knowledge, watch: LibraryWatch) -> None:
        self._database = database
        self._knowledge = knowledge
        self._watch = watch
        self._built: dict[tuple[object, ...], Loaded] = {}
        self._building = asyncio.Lock()

    async def with_live(self, text: str) -> Trial:
        async with self._database.read() as session:
            live = await store.list_live(session)
        return await self._try((_ids(live),), live, None, text)

    async def with_draft(self, revision: LibraryRevision, text: str) -> Trial:
        """As if `revision` were live."""
        async with self._database.read() as session:
            live = await store.list_live(session)
        return await self._try((_ids(live), revision.id, revision.version), live, revision, text)

    async def _try(
        self, key: tuple[object, ...], live: Sequence[LibraryRevision], draft: LibraryRevision | None, text: str
    ) -> Trial:
        async with self._building:
            loaded = self._knowledge.load() if key == (self._watch.version,) else self._built.get(key)
            if loaded is None:
                loaded = await asyncio.to_thread(_build, live, draft)
                self._built = dict([*self._built.items(), (key, loaded)][-2:])
        return await asyncio.to_thread(_explain, loaded, text[:LONGEST])


def _ids(revisions: Sequence[LibraryRevision]) -> tuple[int, ...]:
    return tuple(revision.id for revision in revisions)


def _build(live: Sequence[LibraryRevision], draft: LibraryRevision | None) -> Loaded:
    library = overlaid(live)
    if draft is None:
        return build(library)
    others = [each for each in library.types.values() if each.id != draft.type_id]
    if draft.kind is RevisionKind.CONTENT:
        body: Body = clean_body(draft.body)
        others.append(type_of_body(body))
    return build(with_types(others))


def _explain(loaded: Loaded, text: str) -> Trial:
    explanation, screening = loaded.asker.explain(text), loaded.screener.screen(text)
    names = {each.id: each.name for each in loaded.library.types.values()}
    reply = explanation.reply
    return Trial(
        kind=AnswerKind(reply.kind),
        text=reply.text,
        types=tuple(names[each] for each in reply.types),
        score=reply.score,
        fraud=explanation.match.fraud,
        alarm=screening.alarm,
        phrases=tuple(Reason(names[hit.type_id], hit.phrase.text, hit.evidence) for hit in explanation.hits[:SHOWN]),
        examples=tuple(
            Reason(names[near.type_id], near.text, near.similarity) for near in explanation.neighbours[:SHOWN]
        ),
    )
