"""The life of an edit of the library, on both databases: written, reviewed, live in every bot, undone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa

from bot import library_desk as desk
from bot import library_revisions as reading
from bot.errors import Forbidden, Invalid, NotFound, WrongState
from bot.events import Events
from bot.identity import Actor
from bot.knowledge import Knowledge
from bot.library_live import LibraryWatch, seed_body
from bot.settings import Settings
from content.library import Library
from content.library_bodies import Body, clean_body
from db.models import AuditEntry, LibraryRevision
from db.session import Database
from db.states import RevisionKind, RevisionState, Role
from tests.factories import NOW, make_user

SETTINGS = Settings()
NEW = "刷单诈骗：先小额返利，再骗你垫大钱。这是民警改过的说明。"


class Desk:
    """Two officers at one database."""

    def __init__(self, database: Database, author: Actor, reviewer: Actor) -> None:
        self.database = database
        self.author = author
        self.reviewer = reviewer

    async def do(self, step: Any, *arguments: Any, by: Actor | None = None, **options: Any) -> LibraryRevision:
        async with self.database.write() as session:
            done: LibraryRevision = await step(session, by or self.author, *arguments, now=NOW, **options)
        return done

    async def edited(self, type_id: str = "shuadan", by: Actor | None = None, **fields: Any) -> LibraryRevision:
        revision = await self.do(desk.begin, type_id, by=by)
        body = clean_body(revision.body) | fields
        return await self.do(desk.save, revision.id, body, by=by, note="改说明", version=revision.version)

    async def submitted(self, **fields: Any) -> LibraryRevision:
        revision = await self.edited(**(fields or {"summary": NEW}))
        return await self.do(desk.submit, revision.id)

    async def approve(self, revision: LibraryRevision, **options: Any) -> LibraryRevision:
        return await self.do(desk.approve, revision.id, by=self.reviewer, settings=SETTINGS, **options)

    async def says(self, type_id: str = "shuadan") -> Body | None:
        async with self.database.read() as session:
            return await reading.live_body(session, type_id)


@pytest.fixture
async def office(database: Database) -> Desk:
    async with database.write() as session:
        author = await make_user(session, role=Role.PUBLISHER, name="李静")
        reviewer = await make_user(session, role=Role.REVIEWER, name="赵明")
    return Desk(database, _actor(author), _actor(reviewer))


def _actor(user: Any) -> Actor:
    return Actor(user.name, user.role, user.id, origin="127.0.0.1")


async def test_an_edit_goes_live_after_a_second_person_and_the_bot_hears_of_it(office: Desk) -> None:
    knowledge = Knowledge()
    watch = LibraryWatch(office.database, knowledge)
    assert await watch.refresh()
    assert not await watch.refresh()  # nothing changed: nothing is built again
    revision = await office.submitted()
    assert (revision.state, revision.number, revision.base) == (RevisionState.IN_REVIEW, 1, 0)
    assert knowledge.asker.library.types["shuadan"].summary != NEW
    with pytest.raises(Forbidden, match="没有此项权限"):
        await office.do(desk.approve, revision.id, settings=SETTINGS)
    live = await office.approve(revision, version=revision.version)
    assert (live.state, live.reviewed_by) == (RevisionState.LIVE, office.reviewer.user_id)
    assert await watch.refresh()
    assert knowledge.asker.library.types["shuadan"].summary == NEW
    assert knowledge.screener.matcher is knowledge.asker.matcher  # both go by the new library
    async with office.database.read() as session:
        actions = list(await session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)))
    assert actions == ["library.begin", "library.edit", "library.submit", "library.approve"]


async def test_other_processes_hear_of_it_by_looking(office: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody nudges them: their events are not ours."""
    monkeypatch.setattr("bot.library_live.POLL_SECONDS", 0.05)
    knowledge = Knowledge()
    watch = LibraryWatch(office.database, knowledge)
    await watch.start(Events())
    await office.approve(await office.submitted())
    async with asyncio.timeout(20):
        while knowledge.library.types["shuadan"].summary != NEW:
            await asyncio.sleep(0.05)
    await watch.stop()


async def test_nobody_approves_what_they_wrote_in(office: Desk) -> None:
    revision = await office.edited(summary=NEW)
    body = clean_body(revision.body) | {"victims": "学生"}
    await office.do(desk.save, revision.id, body, by=office.reviewer, note="改说明", version=revision.version)
    revision = await office.do(desk.submit, revision.id)
    with pytest.raises(Forbidden, match="编写人不能审核自己的修改"):
        await office.approve(revision)
    one_person = Settings(second_person=False)
    live = await office.do(desk.approve, revision.id, by=office.reviewer, settings=one_person)
    assert live.state is RevisionState.LIVE


async def test_only_what_could_go_live_is_submitted(office: Desk) -> None:
    revision = await office.do(desk.begin, "shuadan")
    with pytest.raises(Invalid) as unchanged:
        await office.do(desk.submit, revision.id)
    assert list(unchanged.value.faults) == ["note"]
    body = clean_body(revision.body) | {"summary": "", "steps": ["一步"], "related": ["nothing"]}
    body["phrases"] = [*body["phrases"], "9 | 太重"]
    await office.do(desk.save, revision.id, body, note="试", version=1)
    with pytest.raises(Invalid) as faulty:
        await office.do(desk.submit, revision.id)
    faults = faulty.value.faults
    assert faults["summary"] == "请填写一句话说明"
    assert faults["steps"] == "怎么骗的 有 1 条，应为 3 至 5 条"
    assert "权重为 1 至 5" in faults[f"phrases.{len(body['phrases']) - 1}"]
    assert "nothing" in faults["related"]


async def test_two_people_cannot_overwrite_each_other(office: Desk) -> None:
    revision = await office.do(desk.begin, "shuadan")
    with pytest.raises(WrongState, match="已有一份还没完成的修改"):
        await office.do(desk.begin, "shuadan", by=office.reviewer)
    body = clean_body(revision.body)
    await office.do(desk.save, revision.id, body | {"summary": NEW}, note="甲", version=1)
    with pytest.raises(WrongState, match="又被改过"):
        await office.do(desk.save, revision.id, body | {"summary": "乙的"}, by=office.reviewer, note="乙", version=1)
    assert await office.says() == seed_body("shuadan")
    async with office.database.read() as session:
        kept = await reading.get_revision(session, revision.id)
    assert (kept.body["summary"], kept.version, kept.note) == (NEW, 2, "甲")


async def test_what_was_read_is_what_goes_live(office: Desk) -> None:
    revision = await office.submitted()
    read = revision.version
    await office.do(desk.send_back, revision.id, "再改一下")
    await office.do(desk.save, revision.id, clean_body(revision.body) | {"summary": "换了"}, note="改", version=read)
    await office.do(desk.submit, revision.id)
    with pytest.raises(WrongState, match="请重新阅读"):
        await office.approve(revision, version=read)


async def test_a_reviewer_sends_back_with_a_reason_and_a_draft_is_discarded(office: Desk) -> None:
    revision = await office.submitted()
    with pytest.raises(Invalid):
        await office.do(desk.send_back, revision.id, " ", by=office.reviewer)
    back = await office.do(desk.send_back, revision.id, "说明太长", by=office.reviewer)
    assert (back.state, back.comment) == (RevisionState.DRAFT, "说明太长")
    gone = await office.do(desk.discard, revision.id)
    assert gone.state is RevisionState.DISCARDED
    assert (await office.edited(summary=NEW)).number == 2  # the type is free again
    with pytest.raises(WrongState, match="已放弃，不能提交审核"):
        await office.do(desk.submit, revision.id)


async def test_somebody_elses_draft_is_discarded_by_reviewers_only(office: Desk) -> None:
    revision = await office.do(desk.begin, "shuadan", by=office.reviewer)
    with pytest.raises(Forbidden):
        await office.do(desk.discard, revision.id)
    assert (await office.do(desk.discard, revision.id, by=office.reviewer)).state is RevisionState.DISCARDED


async def test_undo_brings_back_an_earlier_version_or_the_file(office: Desk) -> None:
    await office.approve(await office.submitted(summary="第一次改"))
    await office.approve(await office.submitted(summary="第二次改"))
    assert (await office.says() or {})["summary"] == "第二次改"
    with pytest.raises(Forbidden):
        await office.do(desk.restore, "shuadan", 1)
    again = await office.do(desk.restore, "shuadan", 1, by=office.reviewer)
    assert (again.number, again.state, again.note) == (3, RevisionState.LIVE, "恢复第 1 版")
    assert (await office.says() or {})["summary"] == "第一次改"
    with pytest.raises(WrongState, match="就是这一版"):
        await office.do(desk.restore, "shuadan", 3, by=office.reviewer)
    seed = await office.do(desk.restore, "shuadan", 0, by=office.reviewer)
    assert seed.kind is RevisionKind.SEED
    assert await office.says() == seed_body("shuadan")
    with pytest.raises(NotFound):
        await office.do(desk.restore, "shuadan", 99, by=office.reviewer)


async def test_a_version_that_was_never_live_is_not_restored(office: Desk) -> None:
    revision = await office.edited(summary=NEW)
    await office.do(desk.discard, revision.id)
    with pytest.raises(WrongState, match="没有审核通过"):
        await office.do(desk.restore, "shuadan", 1, by=office.reviewer)


async def test_an_undo_meanwhile_is_noticed_by_the_reviewer(office: Desk) -> None:
    await office.approve(await office.submitted(summary="第一次改"))
    revision = await office.submitted(summary="第二次改")
    await office.do(desk.restore, "shuadan", 0, by=office.reviewer)
    with pytest.raises(WrongState, match="又有别的版本开始使用"):
        await office.approve(revision)
    await office.do(desk.send_back, revision.id, "请核对", by=office.reviewer)
    await office.do(desk.submit, revision.id)  # the author has seen what is live now
    assert (await office.approve(revision)).state is RevisionState.LIVE


async def test_a_new_type_is_written_answered_retired_and_brought_back(office: Desk) -> None:
    body = (seed_body("shuadan") or {}) | {"id": "xinxing", "name": "新型骗局甲", "aka": ["蓝月亮计划"] * 5}
    body["phrases"] = [f"5 | 蓝月亮计划{number}号" for number in range(14)] + ["5 | 蓝月亮计划"]
    body["related"] = ["shuadan"]
    with pytest.raises(Invalid, match="已经用过"):
        await office.do(desk.create, body | {"id": "shuadan"})
    revision = await office.do(desk.create, body)
    await office.do(desk.submit, revision.id)
    await office.approve(revision)
    knowledge = Knowledge()
    watch = LibraryWatch(office.database, knowledge)
    await watch.refresh()
    assert knowledge.asker.ask("蓝月亮计划是骗子吗").types[0] == "xinxing"
    with pytest.raises(Invalid):
        await office.do(desk.propose_retirement, "xinxing", "")
    retiring = await office.do(desk.propose_retirement, "xinxing", "不再出现")
    assert "xinxing" in knowledge.library.types
    await office.approve(retiring)
    await watch.refresh()
    assert "xinxing" not in knowledge.library.types
    with pytest.raises(NotFound):
        await office.do(desk.propose_retirement, "xinxing", "再停一次")
    await office.do(desk.restore, "xinxing", 1, by=office.reviewer)
    await watch.refresh()
    assert "xinxing" in knowledge.library.types


async def test_a_question_becomes_an_example_of_a_draft(office: Desk) -> None:
    text = "群主喊我给抖音主播点关注一单三块，能做吗"
    first = await office.do(desk.add_example, "shuadan", "asking", text)
    again = await office.do(desk.add_example, "shuadan", "asking", text)
    assert first.id == again.id
    assert again.body["examples"]["asking"].count(text) == 1
    assert again.state is RevisionState.DRAFT
    await office.do(desk.submit, again.id)
    with pytest.raises(WrongState, match="待审核"):
        await office.do(desk.add_example, "shuadan", "asking", "又一句别的问话")


async def test_two_who_begin_at_once_make_one_draft(office: Desk) -> None:
    results = await asyncio.gather(*(office.do(desk.begin, "shuadan") for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(each, LibraryRevision) for each in results) == 1
    assert sum(isinstance(each, WrongState) for each in results) == 3


async def test_a_library_that_cannot_be_read_leaves_the_answers_of_the_package(
    office: Desk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(revisions: object) -> Library:
        raise ValueError("a row from another world")

    monkeypatch.setattr("bot.library_live.overlaid", broken)
    knowledge = Knowledge()
    watch = LibraryWatch(office.database, knowledge)
    await watch.start(Events())
    await watch.stop()
    assert "shuadan" in knowledge.asker.library.types
    assert "could not be read" in caplog.text
