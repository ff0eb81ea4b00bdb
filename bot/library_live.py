"""The library that counts: the files of the package, overlaid with what staff have made live since.

Every process that answers watches the rows: a change that an officer approves is heard within two seconds, without a
restart, by whichever machine the bot runs on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from functools import cache

from bot.background import in_background
from bot.events import Events, wait_for
from bot.knowledge import Knowledge, seed_library
from content.fraud_type import FraudType
from content.library import DEFAULT_FOLDER, Library, make_library
from content.library_bodies import Body, clean_body, digest_of, read_body, type_of_body
from db import library as store
from db.models import LibraryRevision
from db.session import Database
from db.states import RevisionKind

POLL_SECONDS = 2.0

log = logging.getLogger(__name__)


@cache
def seed_text(type_id: str) -> bytes | None:
    """The file of the package, None for a type that it does not have."""
    return (DEFAULT_FOLDER / f"{type_id}.yaml").read_bytes() if type_id in seed_library().types else None


def seed_body(type_id: str) -> Body | None:
    """The type as the files of the package have it, None for one that they do not have."""
    data = seed_text(type_id)
    return None if data is None else read_body(data)


def overlaid(revisions: Iterable[LibraryRevision]) -> Library:
    """The seed with these live revisions on top."""
    types = dict(seed_library().types)
    for revision in revisions:
        if revision.kind is RevisionKind.CONTENT:
            types[revision.type_id] = _type_of(clean_body(revision.body))
        elif revision.kind is RevisionKind.RETIRE:
            types.pop(revision.type_id, None)
    return with_types(types.values())


_TYPES: dict[str, FraudType] = {}
_KEPT = 500  # several times as many types as a library has


def _type_of(body: Body) -> FraudType:
    """Kept by what it says, because pages ask for every live revision again and again."""
    digest = digest_of(body)
    found = _TYPES.get(digest)
    if found is None:
        if len(_TYPES) >= _KEPT:
            _TYPES.clear()
        found = _TYPES[digest] = type_of_body(body)
    return found


def with_types(types: Iterable[FraudType]) -> Library:
    """A library of these types; relations to types that are not among them are left out."""
    found = {each.id: each for each in types}
    for each in found.values():
        if any(other not in found for other in each.related):
            found[each.id] = replace(each, related=tuple(other for other in each.related if other in found))
    return make_library(list(found.values()))


class LibraryWatch:
    """Keeps `Knowledge` in step with the rows."""

    def __init__(self, database: Database, knowledge: Knowledge) -> None:
        self._database = database
        self._knowledge = knowledge
        self._version: tuple[int, ...] | None = None
        self._refreshing = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def version(self) -> tuple[int, ...] | None:
        """Of the library that the bot answers with, see `db.library.live_version`; None before the first refresh."""
        return self._version

    async def start(self, events: Events) -> None:
        """Returns when the bot knows the library; then keeps in step."""
        self._stopping.clear()
        try:
            await self.refresh()
        except Exception:  # better the answers of the package than none; the task tries again
            log.exception("the library could not be read; answering with the package's own")
            await in_background(self._knowledge.load)
        self._task = asyncio.create_task(self._run(events), name="library-watch")

    async def stop(self) -> None:
        self._stopping.set()
        self._nudged.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def refresh(self) -> bool:
        """Answer with what is live now; True when that was something new. The old library answers meanwhile."""
        async with self._refreshing:
            async with self._database.read() as session:
                version = await store.live_version(session)
                if version == self._version:
                    return False
                revisions = await store.list_live(session)
            await in_background(lambda: self._knowledge.replace(overlaid(revisions)))
            if self._version is not None:
                log.info("library changed", extra={"revisions": len(version)})
            self._version = tuple(sorted(revision.id for revision in revisions))
            return True

    async def _run(self, events: Events) -> None:
        with events.listen("library") as self._nudged:
            while not self._stopping.is_set():
                try:
                    await self.refresh()
                except Exception:
                    log.exception("the library could not be read; trying again")
                await wait_for(self._nudged, POLL_SECONDS)
