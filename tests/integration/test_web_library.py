"""The library in the console: read, edited, reviewed, undone, tried; faults beside their fields and nothing lost."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import FormData

from bot.library_live import seed_body
from content.library_bodies import Body, faults_of_body, split_phrase
from db.models import LibraryRevision
from db.session import Database
from db.states import RevisionState, Role
from handlers.web.library_form import HINTS
from tests.console import CSRF, Browser, Console, Page, open_console

NEW = "骗子先给你小钱，再要你垫大钱：这是民警改过的说明。"


@pytest.fixture
async def console(sqlite_database: Database) -> AsyncIterator[Console]:
    async with open_console(sqlite_database) as opened:
        yield opened


def fields_of(body: Body, **more: str) -> FormData:
    """What a browser sends from the form that shows `body`."""
    data = FormData([("csrf", CSRF)])
    for name in ("name", "class", "summary", "victims"):
        data.add_field(name, body[name])
    for name in ("aka", "steps", "signs", "do", "never", "related"):
        for text in body[name]:
            data.add_field(name, text)
    for phrase in body["phrases"]:
        weight, words = split_phrase(phrase)
        data.add_field("phrase_weight", weight)
        data.add_field("phrase_text", words)
    for voice, texts in body["examples"].items():
        for text in texts:
            data.add_field(f"examples.{voice}", text)
    for pair in [*body["faq"], {"q": "", "a": ""}]:
        data.add_field("faq_q", pair["q"])
        data.add_field("faq_a", pair["a"])
    for name, value in more.items():
        data.add_field(name.replace("__", "."), value)
    return data


async def begin(browser: Browser, type_id: str = "shuadan") -> str:
    """The address of a new draft."""
    answer = await browser.post(f"/library/types/{type_id}/edit")
    assert answer.status == 303
    return answer.location.removesuffix("/edit")


async def save(browser: Browser, draft: str, version: int = 1, **changes: Any) -> Page:
    more = {key: changes.pop(key) for key in list(changes) if "__" in key or key in ("note", "action", "doubts_seen")}
    body = (seed_body("shuadan") or {}) | changes
    return await browser.post(f"{draft}/edit", fields_of(body, version=str(version), **more))


async def submitted(browser: Browser) -> str:
    draft = await begin(browser)
    done = await save(browser, draft, summary=NEW, note="说明写得更短", action="submit", doubts_seen="yes")
    assert done.location == f"{draft}?done=submit", done.text
    return draft


async def only_revision(console: Console) -> LibraryRevision:
    async with console.database.read() as session:
        return (await session.scalars(sa.select(LibraryRevision))).one()


def says(console: Console) -> str:
    """What the bot of this process answers about brushing orders."""
    asker = console.engine.knowledge.asker
    assert asker.library is console.engine.knowledge.library
    return asker.library.types["shuadan"].summary


async def test_the_library_is_browsed_by_class_word_and_state(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    everything = await browser.get("/library")
    assert everything.shows("1 刷单返利类", "刷单返利", "待审核 0", "新增类型")
    found = await browser.get("/library", search="砸金蛋")
    assert found.shows("中奖/红包/粉丝福利")
    assert "/library/types/lingdao" not in found.text
    one_class = await browser.get("/library", **{"class": "13 其他"})
    assert "/library/types/shuadan" not in one_class.text
    assert (await browser.get("/library", state="edited")).shows("现在用的都是程序自带的内容")
    assert (await browser.get("/library", search="没有这样的词")).shows("可以新增类型")


async def test_a_type_is_shown_as_the_answer_looks_in_chat(console: Console) -> None:
    browser = await console.signed_in(Role.REVIEWER)
    page = await browser.get("/library/types/zhongjiang")
    assert page.shows(
        "【中奖/红包/粉丝福利】骗子说你中了大奖", "▍现在怎么办", "权重 5 · 决定性", "中奖 + 税", "程序自带的内容"
    )
    assert (await browser.get("/library/types/zhongjiang/seed")).shows("完全一样")
    for path in ("/library/types/nothing", "/library/types/nothing/seed", "/library/revisions/5"):
        assert (await browser.get(path)).status == 404


async def test_edited_reviewed_by_a_second_officer_and_answered(console: Console) -> None:
    author = await console.signed_in(Role.REVIEWER, name="李静")
    reviewer = await console.signed_in(Role.REVIEWER, name="赵明")
    draft = await submitted(author)
    own = await author.get(draft)
    assert own.shows("您是编写人，请由另一位同事审核", "说明写得更短")
    refused = await author.post(f"{draft}/approve", version=2)
    assert (refused.status, refused.shows("编写人不能审核自己的修改")) == (403, True)
    page = await reviewer.get(draft)
    assert page.shows("审核通过，开始使用", NEW, "一句话说明")
    assert re.search(r"<ins>[^<]+</ins>", page.text)
    assert '<span class="badge" title="待办 1 项">1</span>' in page.text
    done = await reviewer.post(f"{draft}/approve", version=2)
    assert done.location == f"{draft}?done=approve"
    assert says(console) == NEW  # without a restart
    assert (await reviewer.get("/library", state="edited")).shows("刷单返利", "已修改")
    audit = await reviewer.get("/audit", group="library")
    assert audit.shows("通过诈骗类型的修改", "诈骗类型 刷单返利", "第 1 版")


async def test_undo_by_a_reviewer(console: Console) -> None:
    author = await console.signed_in(Role.PUBLISHER)
    reviewer = await console.signed_in(Role.REVIEWER)
    draft = await submitted(author)
    await reviewer.post(f"{draft}/approve", version=2)
    assert "恢复自带" not in (await author.get("/library/types/shuadan")).text
    assert (await reviewer.get("/library/types/shuadan")).shows("恢复自带")
    await reviewer.post("/library/types/shuadan/restore", number=0)
    assert says(console) != NEW
    history = await reviewer.get("/library/types/shuadan")
    assert history.shows("第 2 版", "恢复自带的内容", "恢复这一版")
    await reviewer.post("/library/types/shuadan/restore", number=1)
    assert says(console) == NEW


async def test_faults_stand_beside_their_fields_and_everything_is_kept(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    draft = await begin(browser)
    answer = await save(
        browser,
        draft,
        summary="长" * 91,
        steps=["只有一步"],
        more__phrases="5 | 新短语甲\n新短语乙\n9 | 太重",
        more__weight="2",
        note="<b>试</b>",
        action="submit",
        doubts_seen="yes",
    )
    assert answer.status == 422
    assert answer.shows("一句话说明 有 91 个字，最多 90 个", "怎么骗的 有 1 条，应为 3 至 5 条", "权重为 1 至 5")
    assert 'id="summary-fault"' in answer.text
    assert "&lt;b&gt;试&lt;/b&gt;" in answer.text
    saved = (await only_revision(console)).body
    assert saved["summary"] == "长" * 91
    assert saved["phrases"][-3:] == ["5 | 新短语甲", "2 | 新短语乙", "9 | 太重"]
    again = await browser.get(f"{draft}/edit")
    assert again.shows("还有 3 处要改好才能提交")
    assert (await browser.post(f"{draft}/submit")).status == 422


async def test_doubts_are_shown_before_review_and_may_be_overruled(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    draft = await begin(browser)
    taken = (seed_body("zhongjiang") or {})["examples"]["asking"][0]
    more = {"more__phrases": "5 | 砸金蛋", "more__examples__asking": taken + "呀", "note": "试", "action": "submit"}
    stopped = await save(browser, draft, **more)
    assert stopped.status == 422
    assert stopped.shows("短语“砸金蛋”同时指向多个类型", "几乎一样", "已看过上面的 ⚠ 提醒")
    assert (await only_revision(console)).state is RevisionState.DRAFT
    done = await save(browser, draft, 2, doubts_seen="yes", **more)
    assert done.location == f"{draft}?done=submit"
    assert (await browser.get(draft)).shows("同时指向多个类型")


async def test_what_somebody_else_saved_meanwhile_is_not_overwritten(console: Console) -> None:
    first, second = await console.signed_in(Role.PUBLISHER), await console.signed_in(Role.REVIEWER)
    draft = await begin(first)
    assert await begin(second) == draft
    assert (await save(first, draft, summary="甲的说明", note="甲")).status == 303
    answer = await save(second, draft, summary="乙的说明", note="乙")
    assert answer.status == 409
    assert answer.shows("又被改过", "乙的说明")
    assert (await only_revision(console)).body["summary"] == "甲的说明"


async def test_sent_back_with_a_reason_then_discarded(console: Console) -> None:
    author, reviewer = await console.signed_in(Role.PUBLISHER), await console.signed_in(Role.ADMIN)
    draft = await submitted(author)
    assert (await reviewer.post(f"{draft}/send_back", reason="")).status == 422
    await reviewer.post(f"{draft}/send_back", reason="请补例句")
    assert (await author.get(f"{draft}/edit")).shows("被退回：请补例句")
    await author.post(f"{draft}/discard")
    assert (await author.get(draft)).shows("已放弃")
    assert (await author.get(f"{draft}/edit")).status == 409


async def test_a_new_type_and_its_retirement(console: Console) -> None:
    author, reviewer = await console.signed_in(Role.PUBLISHER), await console.signed_in(Role.REVIEWER)
    faulty = await author.post("/library/new", id="刷单", name="", **{"class": ""})
    assert faulty.status == 422
    assert faulty.shows("只能用小写字母", "请填写名称", "请填写官方大类")
    answer = await author.post(
        "/library/new", id="shebao", name="冒充社保局", **{"class": "9 冒充公检法及政府机关类"}
    )
    draft = answer.location.removesuffix("/edit")
    assert (await author.get(answer.location)).status == 200
    assert (await author.get("/library", state="draft")).shows("冒充社保局", "新类型")
    page = await author.get(draft)
    assert page.shows("机器人还不认识这个类型")
    refused = await author.post("/library/types/shuadan/retire", reason="")
    assert refused.shows("请写明停用原因")
    await author.post("/library/types/shuadan/retire", reason="合并到别的类型")
    revision = re.search(r"/library/revisions/(\d+)", (await reviewer.get("/library/types/shuadan")).text)
    assert revision is not None
    await reviewer.post(f"{revision[0]}/approve", version=1)
    assert "shuadan" not in console.engine.knowledge.library.types
    assert (await reviewer.get("/library", state="retired")).shows("刷单返利")
    await reviewer.post("/library/types/shuadan/restore", number=0)
    assert "shuadan" in console.engine.knowledge.library.types


async def test_a_message_is_tried_with_the_draft_and_explained(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    draft = await begin(browser)
    await save(browser, draft, note="试", more__phrases="5 | 蓝鲸任务群")
    number = draft.rsplit("/", 1)[1]
    assert (await browser.get("/library/try", revision=number)).shows("刷单返利 第 1 版（草稿）")
    page = await browser.post("/library/try", text="蓝鲸任务群<b>", revision=number)
    before, after = page.text.split("改了以后")
    assert "命中的短语" in before
    assert "蓝鲸任务群" in after
    assert "<b>蓝鲸" not in page.text
    assert (await browser.post("/library/try", text="刷单是真的吗")).shows("现在的知识库", "最接近的例句", "已答复")


async def test_the_answer_is_previewed_before_it_is_saved(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    body = (seed_body("shuadan") or {}) | {"summary": "还没保存的说明" * 40}
    answer = await browser.post("/library/preview", fields_of(body), accept="application/json")
    assert "还没保存的说明" in answer.json["text"]
    assert answer.json["length"] == len(answer.json["text"])
    assert (
        await browser.post("/library/preview", FormData([("csrf", CSRF)]), accept="application/json")
    ).status == 200


async def test_pages_are_light_and_hold_nothing_inline(console: Console) -> None:
    browser = await console.signed_in(Role.ADMIN)
    draft = await begin(browser, "zhongjiang")
    for path in ("/library", "/library/types/zhongjiang", draft, f"{draft}/edit", "/library/new", "/library/try"):
        text = (await browser.get(path)).text
        assert "style=" not in text, path
        assert "<script>" not in text, path
        assert len(text.encode()) < 110_000, path  # with styles and scripts below 150 KB


def test_hints_say_what_the_rules_of_the_files_ask() -> None:
    empty: Body = {
        "id": "xin",
        "class": "1 甲类",
        "name": "甲",
        "summary": "长" * 99,
        "victims": "长" * 99,
        "faq": [],
    }
    empty |= {name: [] for name in ("aka", "phrases", "steps", "signs", "do", "never", "related")}
    empty["examples"] = {voice: [] for voice in ("asking", "telling", "scammer")}
    for field, fault in faults_of_body(empty).items():
        asked = re.search(r"(\d+ 至 \d+) 条|最多 (\d+) 个", fault)
        assert asked is not None, fault
        assert (asked[1] or f"最多 {asked[2]} 个") in HINTS[field], (field, fault)
