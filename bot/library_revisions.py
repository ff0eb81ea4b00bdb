"""Reading revisions of the fraud library: what a type says by each of them, and what keeps one from going live."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import NotFound
from bot.identity import Actor
from bot.knowledge import seed_library
from bot.library_live import overlaid, seed_body
from bot.permissions import Permission, allowed
from bot.settings import Settings
from content.fraud_type import FraudType
from content.library_bodies import Body, clean_body, digest_of, faults_of_body, type_of_body
from db import library as store
from db.models import LibraryRevision
from db.states import RevisionKind, RevisionState


async def get_revision(session: AsyncSession, revision_id: int) -> LibraryRevision:
    revision = await store.find_revision(session, revision_id)
    if revision is None:
        raise NotFound(f"没有编号为 {revision_id} 的知识库修改")
    return revision


async def find_live(session: AsyncSession, type_id: str) -> LibraryRevision | None:
    return await store.find_in_state(session, type_id, (RevisionState.LIVE,))


async def find_open(session: AsyncSession, type_id: str) -> LibraryRevision | None:
    return await store.find_in_state(session, type_id, store.OPEN)


def body_of(revision: LibraryRevision | None, type_id: str) -> Body | None:
    """What the type says by this revision; None for the seed's when there is no such file, or once it is retired."""
    if revision is None or revision.kind is RevisionKind.SEED:
        return seed_body(type_id)
    return clean_body(revision.body) if revision.kind is RevisionKind.CONTENT else None


async def live_body(session: AsyncSession, type_id: str) -> Body | None:
    """What the bot says of the type now; None when it does not know it."""
    return body_of(await find_live(session, type_id), type_id)


async def numbered_body(session: AsyncSession, type_id: str, number: int) -> Body | None:
    """What the type said by revision `number`; 0 is the file. Raises `NotFound`."""
    if number == 0:
        return seed_body(type_id)
    revision = await store.find_numbered(session, type_id, number)
    if revision is None:
        raise NotFound(f"没有第 {number} 版")
    return body_of(revision, type_id)


async def live_type_ids(session: AsyncSession) -> set[str]:
    """Ids of the types that the bot knows now."""
    known = set(seed_library().types)
    for revision in await store.list_live(session):
        (known.discard if revision.kind is RevisionKind.RETIRE else known.add)(revision.type_id)
    return known


async def faults_of(session: AsyncSession, body: Body) -> dict[str, str]:
    """What keeps a body from going live, by field; the rules of the files, and relations to types that exist."""
    faults = faults_of_body(body)
    known = await live_type_ids(session)
    lost = [other for other in body["related"] if other not in known]
    if lost:
        faults.setdefault("related", f"没有编号为 {'、'.join(lost)} 的类型，或已停用")
    elif body["id"] in body["related"]:
        faults.setdefault("related", "相近类型里不要写自己")
    return faults


def may_approve(actor: Actor, revision: LibraryRevision, settings: Settings) -> bool:
    """Nobody approves what they wrote in themselves."""
    return allowed(actor.role, Permission.REVIEW_LIBRARY) and not (
        settings.second_person and is_author(actor, revision)
    )


def is_author(actor: Actor, revision: LibraryRevision) -> bool:
    return actor.user_id is not None and actor.user_id in (revision.created_by, *revision.authors)


async def last_body(session: AsyncSession, type_id: str) -> Body | None:
    """What the type said last, also if it is retired; None when it never said anything."""
    if body := await live_body(session, type_id):
        return body
    for revision in await store.list_history(session, type_id):
        if revision.reviewed_at is not None and (body := body_of(revision, type_id)):
            return body
    return seed_body(type_id)


def name_of(revision: LibraryRevision) -> str:
    """What people call the type: its name in this revision, or in the file, or its id."""
    body = revision.body or seed_body(revision.type_id) or {}
    return str(body.get("name") or revision.type_id)


@dataclass(frozen=True)
class Entry:
    """One type as the console lists it: what it says now (or said last, or is to say) and what is happening to it."""

    fraud_type: FraudType
    live: LibraryRevision | None
    open: LibraryRevision | None
    known: bool  # the bot knows it now

    @property
    def edited(self) -> bool:
        """It no longer says what its file says, or never had one."""
        return self.known and self.live is not None and self.live.kind is RevisionKind.CONTENT

    @property
    def retired(self) -> bool:
        return self.live is not None and self.live.kind is RevisionKind.RETIRE

    @property
    def examples(self) -> int:
        return sum(1 for _ in self.fraud_type.examples())

    def contains(self, search: str) -> bool:
        """Names, aliases and phrases are searched."""
        each = self.fraud_type
        words = (each.id, each.name, each.fraud_class, *each.aka, *(phrase.text for phrase in each.phrases))
        return any(search.lower() in word.lower() for word in words)


async def list_entries(session: AsyncSession) -> list[Entry]:
    """Every type that there is, was or is to be, in the order of the menu; retired and new ones last."""
    live = {each.type_id: each for each in await store.list_live(session)}
    pending = {each.type_id: each for each in await store.list_open(session)}
    library = overlaid(live.values())
    entries = [Entry(each, live.get(each.id), pending.get(each.id), True) for each in library.types.values()]
    for type_id in sorted({*live, *pending} - set(library.types)):
        begun = pending.get(type_id)
        body = await last_body(session, type_id) or clean_body(begun.body if begun else {})
        entries.append(Entry(type_of_body(body), live.get(type_id), begun, False))
    return entries


async def get_entry(session: AsyncSession, type_id: str) -> Entry:
    for entry in await list_entries(session):
        if entry.fraud_type.id == type_id:
            return entry
    raise NotFound(f"没有编号为 {type_id} 的诈骗类型")


def seed_is_newer(entry: Entry) -> bool:
    """The file of the package has changed since the live revision was begun: a look at it may be worth while."""
    seed = seed_body(entry.fraud_type.id)
    return entry.edited and seed is not None and entry.live is not None and entry.live.seed_digest != digest_of(seed)


def states_of(entries: list[Entry]) -> Counter[str]:
    """How many types there are in each state that one can look for."""
    return Counter(state for entry in entries for state in STATES if is_in(entry, state))


STATES = {"in_review": "待审核", "draft": "草稿", "edited": "已修改", "retired": "已停用"}


def is_in(entry: Entry, state: str) -> bool:
    if state in ("edited", "retired"):
        return bool(getattr(entry, state))
    return entry.open is not None and entry.open.state == state
