"""Alerts in the console: written, previewed, reviewed, released, watched, decided about."""

from __future__ import annotations

import io
import re
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiohttp import FormData
from PIL import Image

from db.models import Alert, Picture
from db.session import Database
from db.states import AlertState, ContentKind, Relation, Role, Severity
from tests.broadcasts import BODY, TITLE, form, running, submitted
from tests.console import Browser, Console, County, open_console
from tests.factories import NOW, make_alert, make_user

# ── writing ──


async def test_written_reviewed_by_a_second_person_and_released(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await submitted(console, writer)
    assert alert.state is AlertState.IN_REVIEW
    page = await reviewer.get(f"/alerts/{alert.id}")
    assert page.shows("【红色预警】谨防冒充客服退款", "李静", "待审核", "审核通过，立即发布")
    assert (await reviewer.get("/")).shows("待我审核", TITLE)
    await reviewer.post(f"/alerts/{alert.id}/release", version=alert.version)
    released = await console.row(Alert, alert.id)
    assert (released.state, released.deliveries, released.expected_groups) == (AlertState.RUNNING, 3, 4)


async def test_the_writer_cannot_release_and_is_told_why(console: Console, county: County) -> None:
    author = await console.signed_in(Role.REVIEWER)
    alert = await submitted(console, author)
    page = await author.get(f"/alerts/{alert.id}")
    assert page.shows("请由另一位同事审核")
    assert f'action="/alerts/{alert.id}/release"' not in page.text
    refused = await author.post(f"/alerts/{alert.id}/release", version=alert.version)
    assert refused.status == 403
    assert refused.shows("请由另一位同事审核发布")
    assert await console.state_of(alert) is AlertState.IN_REVIEW


async def test_faults_stand_beside_their_fields_and_nothing_typed_is_lost(
    console: Console, county: County, writer: Browser
) -> None:
    answer = await writer.post(
        "/alerts",
        **form(
            title="长" * 41,
            body="<b>正文</b>&amp;",
            severity="",
            kind="link",
            link_url="javascript:alert(1)",
            link_title="",
            when="later",
            scheduled_at="2026-11-20T09:00",
            expires_at="明天",
            scope="some",
        ),
    )
    assert answer.status == 422
    assert answer.shows(
        "标题最多 40 个字，现在 41 个",
        "请选择预警级别",
        "链接应以 https:// 开头",
        "请填写链接标题",
        "发布时间已经过去",
        "时间格式应为",
        "请至少选择一个单位",
    )
    assert "长" * 41 in answer.text
    assert "&lt;b&gt;正文&lt;/b&gt;&amp;amp;" in answer.text
    assert 'value="2026-11-20T09:00"' in answer.text
    assert 'id="title-fault"' in answer.text
    assert 'aria-describedby="title-fault"' in answer.text
    async with console.database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(Alert)) == 0


async def test_a_draft_is_kept_changed_and_submitted(console: Console, county: County, writer: Browser) -> None:
    answer = await writer.post("/alerts", **form(action="save", when="later", scheduled_at="2026-11-21T18:00"))
    alert = await console.alert_named(TITLE)
    assert answer.location == f"/alerts/{alert.id}?done=save"
    assert alert.state is AlertState.DRAFT
    assert alert.scheduled_at == NOW.replace(hour=10, minute=0)  # 18:00 in the office
    edit = await writer.get(f"/alerts/{alert.id}/edit")
    assert 'value="2026-11-21T18:00"' in edit.text
    changed = form(title="改过的标题", tag="渔业", level=["2", "3"], unit=[county.east.id], scope="some")
    assert (await writer.post(f"/alerts/{alert.id}/edit", **changed)).status == 303
    saved = await console.row(Alert, alert.id)
    assert (saved.title, saved.version, saved.state) == ("改过的标题", 2, AlertState.IN_REVIEW)
    assert saved.scheduled_at is None
    assert saved.audience["units"] == [county.east.id]
    assert saved.audience["levels"] == [2, 3]
    assert (await writer.get(f"/alerts/{alert.id}/edit")).status == 409


async def test_an_alert_in_review_is_not_changed_behind_the_reviewer(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await submitted(console, writer)
    assert (await writer.post(f"/alerts/{alert.id}/edit", **form(title="偷偷改"))).status == 409
    await writer.post(f"/alerts/{alert.id}/send_back", reason="改个字")
    await writer.post(f"/alerts/{alert.id}/edit", **form(title="改过的标题"))
    refused = await reviewer.post(f"/alerts/{alert.id}/release", version=alert.version)  # read before the change
    assert refused.status == 409
    assert refused.shows("内容在您审核期间有改动")
    assert await console.state_of(alert) is AlertState.IN_REVIEW
    assert (await reviewer.post(f"/alerts/{alert.id}/release")).status == 409  # no version at all


async def test_sent_back_with_a_reason(console: Console, county: County, writer: Browser, reviewer: Browser) -> None:
    alert = await submitted(console, writer)
    empty = await reviewer.post(f"/alerts/{alert.id}/send_back", reason=" ")
    assert empty.status == 422
    assert empty.shows("请写明退回原因")
    await reviewer.post(f"/alerts/{alert.id}/send_back", reason="请写明案发地点")
    assert await console.state_of(alert) is AlertState.DRAFT
    assert (await writer.get(f"/alerts/{alert.id}")).shows("被退回：请写明案发地点", "提交审核")


async def test_the_second_review_shows_what_changed_since_it_was_sent_back(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await submitted(console, writer)
    assert "改了什么" not in (await reviewer.get(f"/alerts/{alert.id}")).text
    await reviewer.post(f"/alerts/{alert.id}/send_back", reason="级别不对")
    await writer.post(f"/alerts/{alert.id}/submit")
    assert (await reviewer.get(f"/alerts/{alert.id}")).shows("和退回时完全一样，没有改动")
    await reviewer.post(f"/alerts/{alert.id}/send_back", reason="级别真的不对")
    town = [str(county.east.id)]
    for title in ("改了一次", "谨防冒充<b>社保局"):  # what stands at the end counts, not the way there
        await writer.post(
            f"/alerts/{alert.id}/edit", **form(title=title, severity="blue", scope="some", unit=town, action="save")
        )
    await writer.post(f"/alerts/{alert.id}/submit")
    page = await reviewer.get(f"/alerts/{alert.id}")
    changes = page.text.partition('id="changes"')[2].partition("</section>\n<div")[0]
    for wanted in ("退回时", "<del>红色", "<ins>蓝色", "&lt;b&gt;", "范围 ", county.east.name):
        assert wanted in changes, changes
    for same in ("正文", "有效期至", "改了一次"):
        assert same not in changes


async def test_a_correction_is_reviewed_beside_what_it_corrects(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    first = await running(console, writer, reviewer)
    await writer.post(
        "/alerts", **form(body="号码写错了", relation="update", related_id=str(first.id)), step="submit"
    )
    async with console.database.read() as session:
        correction = (await session.scalars(sa.select(Alert).order_by(Alert.id.desc()).limit(1))).one()
    page = await reviewer.get(f"/alerts/{correction.id}")
    assert page.shows("改了什么", f"原预警 {first.number}", "正文")


async def test_a_stranger_among_the_writers_cannot_send_back(
    console: Console, county: County, writer: Browser
) -> None:
    alert = await submitted(console, writer)
    other = await console.signed_in(Role.PUBLISHER)
    assert (await other.post(f"/alerts/{alert.id}/send_back", reason="不喜欢")).status == 403
    assert await console.state_of(alert) is AlertState.IN_REVIEW


async def test_scheduled_waits_and_can_be_released_at_once(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await submitted(console, writer, when="later", scheduled_at="2026-11-21T18:00")
    assert (await reviewer.get(f"/alerts/{alert.id}")).shows("审核通过，定时发布", "定于 2026-11-21 18:00")
    await reviewer.post(f"/alerts/{alert.id}/release", version=alert.version)
    assert await console.state_of(alert) is AlertState.SCHEDULED
    console.clock.advance(10 * 3600)
    reviewer = await console.signed_in(Role.REVIEWER, name="孙丽")  # who sat here in the morning is signed out
    assert (await reviewer.get(f"/alerts/{alert.id}")).shows("已错过定时发布的时间")
    await reviewer.post(f"/alerts/{alert.id}/release", version=alert.version)
    assert await console.state_of(alert) is AlertState.RUNNING


async def test_copying_and_correcting_start_from_what_was_written(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await running(console, writer, reviewer)
    copy = await writer.get("/alerts/new", copy=alert.id)
    assert TITLE in copy.text
    assert BODY in copy.text
    page = await writer.get("/alerts/new", relation="update", related_id=alert.id)
    assert page.shows("写更正", alert.number)
    answer = await writer.post("/alerts", **form(title="更正", relation="update", related_id=alert.id))
    correction = await console.alert_named("更正")
    assert answer.status == 303
    assert (correction.relation, correction.related_id) == (Relation.UPDATE, alert.id)
    assert correction.audience["heard_alert"] == alert.id
    cancelling = await writer.get("/alerts/new", relation="cancel", related_id=alert.id)
    assert f"撤销：{TITLE}" in cancelling.text


async def test_a_correction_of_nothing_is_a_fault(console: Console, county: County, writer: Browser) -> None:
    answer = await writer.post("/alerts", **form(relation="update", related_id=4711))
    assert answer.status == 422
    assert answer.shows("请选择要更正的已发布预警")


# ── pictures ──


def png(colour: str = "navy") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(buffer, "PNG")
    return buffer.getvalue()


def with_picture(browser: Browser, data: bytes, **fields: Any) -> FormData:
    made = FormData({"csrf": browser.csrf} | form(kind="picture") | fields)
    made.add_field("picture", data, filename="随手拍.png", content_type="image/png")
    return made


async def test_a_picture_is_uploaded_cleaned_and_shown(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    assert (await writer.post("/alerts", with_picture(writer, png()))).status == 303
    alert = await console.alert_named(TITLE)
    picture = await console.row(Picture, alert.picture_id)
    assert (alert.kind, picture.width, picture.height) == (ContentKind.PICTURE, 64, 48)
    address = f"/pictures/{picture.id}/{picture.sha256[:24]}"
    assert address in (await reviewer.get(f"/alerts/{alert.id}")).text
    shown = await reviewer.get(address)
    assert shown.headers["Content-Type"] == "image/png"
    assert (await reviewer.get(f"/pictures/{picture.id}/{'0' * 24}")).status == 404


async def test_what_is_no_picture_is_refused_beside_the_field(
    console: Console, county: County, writer: Browser
) -> None:
    answer = await writer.post("/alerts", with_picture(writer, b"<svg onload=alert(1)>"))
    assert answer.status == 422
    assert answer.shows("这不是能识别的图片")


async def test_a_picture_survives_a_fault_elsewhere(console: Console, county: County, writer: Browser) -> None:
    first = await writer.post("/alerts", with_picture(writer, png("teal"), title=""))
    assert first.status == 422
    kept = re.search(r'name="picture_id" value="(\d+)"', first.text)
    assert kept is not None
    second = await writer.post("/alerts", **form(kind="picture", picture_id=kept[1]))
    assert second.status == 303


# ── audience ──


async def test_the_preview_counts_what_a_release_would_do(console: Console, county: County, writer: Browser) -> None:
    view = (await writer.json("/alerts/audience", scope="all", severity="yellow")).json
    assert (view["groups"], view["members"], view["pushed"], view["relayed"]) == (4, 730, 3, 1)
    assert view["left_out"] == [{"name": "基湖群", "reason": "由联络员转发"}]
    assert view["finish"] == "不到 1 分钟，预计 09:30 完成"
    assert view["loads"] == [{"name": "心防一号", "state": "online", "label": "在线", "groups": 3}]
    east = (await writer.json("/alerts/audience", scope="some", unit=county.east.id)).json
    assert (east["groups"], east["pushed"]) == (2, 1)
    without = (await writer.json("/alerts/audience", scope="all", exclude_unit=county.east.id)).json
    assert without["groups"] == 2
    group = (await writer.json("/alerts/audience", scope="all", exclude_group=county.groups[0].id)).json
    assert group["groups"] == 3
    schools = (await writer.json("/alerts/audience", scope="all", kind_of_unit="school")).json
    assert (schools["groups"], schools["warnings"]) == (0, ["这个范围里没有任何群，不能发布"])


async def test_the_preview_waits_for_the_morning(console: Console, county: County) -> None:
    console.clock.advance(13.5 * 3600)  # 23:00: only red may go out at night
    writer = await console.signed_in(Role.PUBLISHER)
    red = (await writer.json("/alerts/audience", scope="all", severity="red")).json
    blue = (await writer.json("/alerts/audience", scope="all", severity="blue")).json
    assert "预计 23:00 完成" in red["finish"]
    assert blue["finish"] == "约 8 小时，预计 11-22 07:00 完成"


async def test_a_preview_without_units_says_so(console: Console, county: County, writer: Browser) -> None:
    answer = await writer.json("/alerts/audience", scope="some")
    assert answer.status == 422
    assert answer.json["error"]["fields"] == {"unit": "请至少选择一个单位，或改为全部单位"}


async def test_nonsense_in_the_query_is_no_error(console: Console, county: County, writer: Browser) -> None:
    answer = await writer.json(
        "/alerts/audience",
        scope="all",
        level="x",
        unit="99999999999999999999",
        severity="pink",
        when="later",
        scheduled_at="?",
    )
    assert answer.status == 200
    assert answer.json["groups"] == 4


# ── the list ──


async def test_the_list_filters_searches_and_pages(console: Console, writer: Browser) -> None:
    async with console.database.write() as session:
        author = await make_user(session, name="王建国")
        for number in range(25):
            await make_alert(session, title=f"第{number}号提醒", created_by=author.id)
        await make_alert(session, title="百分之百%返利", severity=Severity.RED, state=AlertState.CANCELLED)
    first = await writer.get("/alerts")
    assert first.shows("百分之百%返利", "第24号提醒", "第 1 / 2 页，共 26 条", "王建国")
    assert "第3号提醒" not in first.text
    assert (await writer.get("/alerts", page="2")).shows("第3号提醒")
    drafts = await writer.get("/alerts", state="draft")
    assert "百分之百" not in drafts.text
    assert (await writer.get("/alerts", search="%返")).shows("百分之百%返利")
    assert (await writer.get("/alerts", search="没有这样的")).shows("没有符合条件的预警")
    assert (await writer.get("/alerts", state="nonsense", page="-3")).status == 200


async def test_what_people_write_is_shown_and_never_run(console: Console, county: County, reviewer: Browser) -> None:
    evil = "<img src=x onerror=alert(1)>"
    async with console.database.write() as session:
        author = await make_user(session, name=evil[:40])
        alert = await make_alert(
            session, title=evil, body=evil, created_by=author.id, note=evil, expires_at=NOW + timedelta(hours=1)
        )
    for path in ("/", "/alerts", f"/alerts/{alert.id}", f"/alerts/new?copy={alert.id}"):
        text = (await reviewer.get(path)).text
        assert "<img src=x" not in text, path
    assert "&lt;img src=x" in (await reviewer.get(f"/alerts/{alert.id}")).text


async def test_an_empty_registry_says_what_to_do_first(sqlite_database: Database) -> None:
    async with open_console(sqlite_database) as console:
        writer = await console.signed_in(Role.PUBLISHER)
        assert (await writer.get("/")).shows("还没有单位和群", "导入单位")
        assert (await writer.get("/units")).shows("还没有单位和群")
        assert (await writer.get("/alerts")).shows("还没有预警", "写第一条预警")
        assert (await writer.get("/alerts/new")).status == 200


@pytest.mark.parametrize("number", ["987654", str(2**40), str(2**70), "-1", "x"])
async def test_a_picture_that_there_is_not_is_a_fault_beside_the_field(
    console: Console, county: County, writer: Browser, number: str
) -> None:
    refused = await writer.post("/alerts", **form(kind="picture", picture_id=number))
    assert refused.status == 422
    assert refused.shows("图片")
    async with console.database.read() as session:
        assert not await session.scalar(sa.select(sa.func.count()).select_from(Alert))
