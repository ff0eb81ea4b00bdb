"""The life of an edit of the fraud library: draft → in review → live, and back again.

Every function takes a session inside a transaction (`Database.write`) and writes its own audit entry; a step that is
not possible raises a `UserError` and leaves nothing behind. What is live is heard by every bot from the rows
(`bot.library_live`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import Forbidden, Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.library_live import seed_body
from bot.library_revisions import (
    body_of,
    faults_of,
    find_live,
    find_open,
    get_revision,
    is_author,
    last_body,
    live_body,
    live_type_ids,
    name_of,
    numbered_body,
)
from bot.permissions import Permission, require, require_proof
from bot.settings import Settings
from content.library_bodies import LABELS, Body, clean_body, digest_of, faults_of_body, field_of
from db import library as store
from db.models import LibraryRevision
from db.states import RevisionKind, RevisionState

STEPS: dict[str, tuple[frozenset[RevisionState], RevisionState]] = {
    "submit": (frozenset({RevisionState.DRAFT}), RevisionState.IN_REVIEW),
    "send_back": (frozenset({RevisionState.IN_REVIEW}), RevisionState.DRAFT),
    "approve": (frozenset({RevisionState.IN_REVIEW}), RevisionState.LIVE),
    "discard": (frozenset({RevisionState.DRAFT, RevisionState.IN_REVIEW}), RevisionState.DISCARDED),
}
"""step → states from which it is possible, and the state it leads to."""

_STEP_LABELS = {"submit": "提交审核", "send_back": "退回", "approve": "通过", "discard": "放弃"}
LEAST_TYPES = 2  # the bot needs something to choose from


# ── writing ─────────────────────────────────────────────────────────────────


async def begin(session: AsyncSession, actor: Actor, type_id: str, *, now: datetime) -> LibraryRevision:
    """A draft that says what is live now; of a retired type, what it said last."""
    body = await last_body(session, type_id)
    if body is None:
        raise NotFound(f"没有编号为 {type_id} 的诈骗类型")
    return await _add(session, actor, type_id, now, body=body)


async def create(session: AsyncSession, actor: Actor, body: Body, *, now: datetime) -> LibraryRevision:
    """The first draft of a new type. Raises `Invalid` when its id or name cannot be used."""
    body = clean_body(body)
    faults = {name: text for name, text in faults_of_body(body).items() if name in ("id", "class", "name")}
    if "id" not in faults and (seed_body(body["id"]) or await store.list_history(session, body["id"], limit=1)):
        faults["id"] = f"编号 {body['id']} 已经用过，请换一个"
    if faults:
        raise Invalid(faults)
    return await _add(session, actor, body["id"], now, body=body, note="新增类型")


async def save(
    session: AsyncSession,
    actor: Actor,
    revision_id: int,
    body: Body,
    *,
    note: str,
    version: int,
    now: datetime,
) -> LibraryRevision:
    """Keep what was typed, finished or not. `version` is the one that the editor began with: nobody's work is
    overwritten unseen. Raises `WrongState`."""
    require(actor, Permission.LIBRARY)
    revision = await get_revision(session, revision_id)
    if revision.kind is not RevisionKind.CONTENT:
        raise WrongState("这一版是停用申请，没有内容可改")
    before = clean_body(revision.body)
    body = clean_body(body) | {"id": revision.type_id}
    note = " ".join(note.split())[:200]
    if body == before and note == revision.note and revision.state is RevisionState.DRAFT:
        return revision
    values = {"body": body, "note": note, "changed_at": now, "version": version + 1}
    authors = revision.authors if actor.user_id is None else sorted({*revision.authors, actor.user_id})
    done = await store.set_state(
        session,
        revision_id,
        allowed=(RevisionState.DRAFT,),
        to=RevisionState.DRAFT,
        at_version=version,
        authors=authors,
        **values,
    )
    revision = await get_revision(session, revision_id)
    if not done:
        if revision.state is RevisionState.DRAFT:
            raise WrongState("您打开之后，这份草稿又被改过；您写的还在页面上，请另开一页核对后再保存")
        raise WrongState(f"这份修改{revision.state.label}，不能再改；待审核的请先退回")
    changed = [label for field, label in LABELS.items() if field_of(before, field) != field_of(body, field)]
    await _record(session, actor, now, "edit", revision, 改动="、".join(changed), 说明=note)
    return revision


async def add_example(
    session: AsyncSession, actor: Actor, type_id: str, voice: str, text: str, *, now: datetime
) -> LibraryRevision:
    """Put one more example into the draft of a type, which is begun if there is none: from a question to the library.

    Raises `WrongState` when the type's edit is being reviewed.
    """
    revision = await find_open(session, type_id) or await begin(session, actor, type_id, now=now)
    body = clean_body(revision.body)
    added = clean_body({"examples": {voice: [text]}})["examples"][voice]
    body["examples"][voice] = list(dict.fromkeys([*body["examples"][voice], *added]))
    note = revision.note or "补充例句"
    return await save(session, actor, revision.id, body, note=note, version=revision.version, now=now)


async def propose_retirement(
    session: AsyncSession, actor: Actor, type_id: str, reason: str, *, now: datetime
) -> LibraryRevision:
    """Ask that the bot forget the type; a second person decides."""
    if await live_body(session, type_id) is None:
        raise NotFound(f"没有编号为 {type_id} 的诈骗类型，或已停用")
    if not reason.strip():
        raise Invalid({"reason": "请写明停用原因"})
    state = RevisionState.IN_REVIEW
    return await _add(session, actor, type_id, now, kind=RevisionKind.RETIRE, state=state, note=reason)


# ── steps ───────────────────────────────────────────────────────────────────


async def submit(session: AsyncSession, actor: Actor, revision_id: int, *, now: datetime) -> LibraryRevision:
    """Raises `Invalid` with every fault by field; only what could go live is worth a reviewer's time."""
    require(actor, Permission.LIBRARY)
    revision = await get_revision(session, revision_id)
    live = await find_live(session, revision.type_id)
    faults = await faults_of(session, clean_body(revision.body)) if revision.kind is RevisionKind.CONTENT else {}
    if revision.body == body_of(live, revision.type_id):
        faults["note"] = "和现在使用的内容一样，没有需要审核的改动"
    elif not revision.note:
        faults["note"] = "请写一句改了什么、为什么改，审核的同事会看到"
    if faults:
        raise Invalid(faults)
    return await _step(session, actor, revision_id, "submit", now, base=live.number if live else 0, comment="")


async def send_back(
    session: AsyncSession, actor: Actor, revision_id: int, reason: str, *, now: datetime
) -> LibraryRevision:
    """Back to the author with a reason; the author may take it back as well."""
    revision = await get_revision(session, revision_id)
    require(actor, Permission.LIBRARY if is_author(actor, revision) else Permission.REVIEW_LIBRARY)
    if revision.kind is not RevisionKind.CONTENT:
        raise WrongState("停用申请不能退回修改，只能通过或放弃")
    if not reason.strip():
        raise Invalid({"reason": "请写明退回原因"})
    return await _step(session, actor, revision_id, "send_back", now, comment=reason.strip()[:200])


async def approve(
    session: AsyncSession,
    actor: Actor,
    revision_id: int,
    *,
    settings: Settings,
    now: datetime,
    version: int | None = None,
) -> LibraryRevision:
    """The second person's step: from the end of this transaction on, bots learn what the revision says.

    `version` is the one that the reviewer read. Raises `WrongState` when the draft, or what it replaces, has changed.
    """
    require(actor, Permission.REVIEW_LIBRARY)
    require_proof(actor, settings)
    revision = await get_revision(session, revision_id)
    if settings.second_person and is_author(actor, revision):
        raise Forbidden("编写人不能审核自己的修改，请由另一位同事审核")
    if version is not None and revision.version != version:
        raise WrongState("内容在您审核期间有改动，请重新阅读后再通过")
    live = await find_live(session, revision.type_id)
    if (live.number if live else 0) != revision.base:
        raise WrongState("提交审核之后，这个类型又有别的版本开始使用；请退回，让编写人核对后重新提交")
    if revision.kind is RevisionKind.RETIRE:
        await _require_enough(session, revision.type_id)
    elif faults := await faults_of(session, clean_body(revision.body)):
        raise WrongState(f"还不能使用：{'；'.join(faults.values())}；请退回修改")
    await _end_live(session, live, now)
    reviewed = {"reviewed_by": actor.user_id, "reviewed_at": now, "at_version": revision.version}
    return await _step(session, actor, revision_id, "approve", now, **reviewed)


async def discard(session: AsyncSession, actor: Actor, revision_id: int, *, now: datetime) -> LibraryRevision:
    """Give up a draft or what waits for review: its authors may, and reviewers. It stays in the history."""
    revision = await get_revision(session, revision_id)
    require(actor, Permission.LIBRARY if is_author(actor, revision) else Permission.REVIEW_LIBRARY)
    return await _step(session, actor, revision_id, "discard", now, ended_at=now)


async def restore(
    session: AsyncSession, actor: Actor, type_id: str, number: int, *, now: datetime
) -> LibraryRevision:
    """Undo: what revision `number` said counts again at once, as a new revision; 0 is the file of the package.

    One reviewer is enough, because a second person has approved those words before. Raises `WrongState` for a
    revision that was never live.
    """
    require(actor, Permission.REVIEW_LIBRARY)
    body = await numbered_body(session, type_id, number)
    earlier = await store.find_numbered(session, type_id, number) if number else None
    if body is None:
        raise WrongState("这一版没有可以恢复的内容")
    if earlier is not None and earlier.reviewed_at is None:
        raise WrongState(f"第 {number} 版没有审核通过，不能直接恢复")
    live = await find_live(session, type_id)
    if (live.number if live else 0) == number:
        raise WrongState("正在使用的就是这一版")
    await _end_live(session, live, now)
    is_seed = number == 0 or (earlier is not None and earlier.kind is RevisionKind.SEED)
    revision = _revision(
        actor,
        type_id,
        now,
        kind=RevisionKind.SEED if is_seed else RevisionKind.CONTENT,
        body={} if is_seed else body,
        state=RevisionState.LIVE,
        base=live.number if live else 0,
        note="恢复自带的内容" if number == 0 else f"恢复第 {number} 版",
        reviewed_by=actor.user_id,
        reviewed_at=now,
    )
    await store.add_revision(session, revision)
    await _record(session, actor, now, "restore", revision, 说明=revision.note)
    return revision


async def _step(
    session: AsyncSession, actor: Actor, revision_id: int, step: str, now: datetime, **values: Any
) -> LibraryRevision:
    possible, to = STEPS[step]
    if not await store.set_state(session, revision_id, allowed=possible, to=to, **values):
        revision = await get_revision(session, revision_id)
        raise WrongState(f"这份修改{revision.state.label}，不能{_STEP_LABELS[step]}")
    revision = await get_revision(session, revision_id)
    action = "retire" if step == "approve" and revision.kind is RevisionKind.RETIRE else step
    await _record(session, actor, now, action, revision, 说明=values.get("comment") or revision.note)
    return revision


async def _end_live(session: AsyncSession, live: LibraryRevision | None, now: datetime) -> None:
    if live is None:
        return
    to = RevisionState.SUPERSEDED
    if not await store.set_state(session, live.id, allowed=(RevisionState.LIVE,), to=to, ended_at=now):
        raise WrongState("这个类型刚刚又有别的版本开始使用，请刷新后重试")


async def _require_enough(session: AsyncSession, type_id: str) -> None:
    if len(await live_type_ids(session) - {type_id}) < LEAST_TYPES:
        raise WrongState(f"知识库至少要有 {LEAST_TYPES} 个类型，不能再停用")


async def _add(session: AsyncSession, actor: Actor, type_id: str, now: datetime, **columns: Any) -> LibraryRevision:
    require(actor, Permission.LIBRARY)
    taken = "这个类型已有一份还没完成的修改，请接着改，或先放弃它"
    if await find_open(session, type_id) is not None:
        raise WrongState(taken)
    live = await find_live(session, type_id)
    revision = _revision(actor, type_id, now, base=live.number if live else 0, **columns)
    try:
        await store.add_revision(session, revision)
    except IntegrityError as error:  # two people pressed the button in the same moment
        raise WrongState(taken) from error
    action = "propose_retirement" if revision.kind is RevisionKind.RETIRE else "begin"
    await _record(session, actor, now, action, revision, 说明=revision.note)
    return revision


def _revision(actor: Actor, type_id: str, now: datetime, **columns: Any) -> LibraryRevision:
    seed = seed_body(type_id)
    columns["note"] = " ".join(str(columns.get("note", "")).split())[:200]
    return LibraryRevision(
        type_id=type_id,
        seed_digest=digest_of(seed) if seed else "",
        created_by=actor.user_id,
        authors=[] if actor.user_id is None else [actor.user_id],
        created_at=now,
        changed_at=now,
        **columns,
    )


async def _record(
    session: AsyncSession, actor: Actor, now: datetime, action: str, revision: LibraryRevision, **detail: str
) -> None:
    subject = f"诈骗类型 {name_of(revision)} 第 {revision.number} 版"
    kept = {"编号": revision.type_id, **{key: value for key, value in detail.items() if value}}
    await audit(session, actor, now, f"library.{action}", subject, kept)
