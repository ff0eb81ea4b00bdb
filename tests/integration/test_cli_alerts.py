"""`alert …`: written, reviewed by a second person, released, watched and decided about from the command line."""

from __future__ import annotations

import io
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import Result

from bot.clock import SystemClock
from db.models import Account, Alert, AuditEntry, Delivery, Group, Picture, Unit, User
from db.states import AlertState, ContentKind, DeliveryState, GroupMode, Relation, Role, UnitKind, UserState
from handlers.cli.alert import alert_app
from tests.factories import make_account, make_group, make_unit, make_user
from tests.offices import call, line, refused, set_up, shown, write

BODY = "今日我县发生一起冒充快递理赔的诈骗，骗子谎称快件丢失，诱导下载会议软件共享屏幕。"
NEW = ("new", "--title", "快递理赔是骗局", "--body", BODY, "--severity", "red")


@pytest.fixture(scope="module")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The office's database, made once."""
    folder = tmp_path_factory.mktemp("office")
    with pytest.MonkeyPatch.context() as monkeypatch:
        set_up(folder, monkeypatch)
        write(_populate)
    return folder / "data"


@pytest.fixture(autouse=True)
def office(tmp_path: Path, populated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A county with a town, a village and a school; one group is relay-only, one unit has none."""
    set_up(tmp_path, monkeypatch)
    shutil.copytree(populated, tmp_path / "data")


async def _populate(session: AsyncSession) -> None:
    county = await make_unit(session, code="330922", name="嵊泗县")
    town = await make_unit(session, parent=county, code="330922100", name="菜园镇", kind=UnitKind.TOWN, tags="|渔业|")
    village = await make_unit(session, parent=town, code="V1", name="高场湾村", kind=UnitKind.VILLAGE)
    await make_unit(session, parent=town, code="S1", name="菜园小学", kind=UnitKind.SCHOOL)
    account = await make_account(session, name="心防1号")
    for code, unit in (("G1", county), ("G2", town), ("G3", village)):
        await make_group(session, code=code, name=f"{unit.name}群", unit=unit, account=account, members=100)
    await make_group(session, code="G4", name="村民互助群", unit=village, mode=GroupMode.RELAY, members=50)
    await make_user(session, username="wang", name="王警官", role=Role.PUBLISHER)
    await make_user(session, username="li", name="李审核", role=Role.REVIEWER)
    await make_user(session, username="zhao", name="赵联络", role=Role.LIAISON, unit_id=town.id)
    await make_user(session, username="gone", name="前同事", role=Role.ADMIN, state=UserState.DISABLED)


def alert(*arguments: str, answer: str = "") -> Result:
    return call(alert_app, *arguments, answer=answer)


def new(*more: str, user: str = "wang") -> Any:
    return line(alert(*NEW, *more, "--as", user, "--json"))


def released() -> str:
    """The number of an alert that runs."""
    number = str(new("--submit")["number"])
    shown(alert("release", number, "--as", "li"))
    return number


def stored(number: str) -> Alert:
    async def read(session: AsyncSession) -> Alert:
        return (await session.scalars(sa.select(Alert).where(Alert.number == number))).one()

    return write(read)


def test_new_shows_whom_the_alert_would_reach_and_when() -> None:
    result = alert(*NEW, "--as", "wang")
    shown(result, "快递理赔是骗局", "草稿", "4 个群，350 人", "推送 3 个群", "心防1号（在线）：3 个群", "预计")
    shown(result, "推送不到的单位和群：2", "村民互助群：由联络员转发", "菜园小学：没有群")
    answer = new()
    preview = answer["preview"]
    assert (answer["state"], answer["version"]) == ("draft", 1)
    assert (preview["groups"], preview["members"], preview["pushed"], preview["relayed"]) == (4, 350, 3, 1)
    assert preview["accounts"] == [{"name": "心防1号", "state": "online", "groups": 3}]
    assert datetime.fromisoformat(preview["finish"]).utcoffset() == timedelta(hours=8)


@pytest.mark.parametrize(
    ("options", "groups"),
    [
        (("--unit", "330922100"), 3),
        (("--unit", "V1", "--unit", "330922"), 4),
        (("--level", "1", "--level", "2"), 2),
        (("--kind", "village"), 2),
        (("--tag", "渔业"), 1),
        (("--exclude-unit", "V1"), 2),
        (("--exclude-group", "G4"), 3),
        (("--unit", "330922100", "--kind", "village", "--exclude-group", "G3"), 1),
    ],
)
def test_the_audience_is_chosen_by_options(options: tuple[str, ...], groups: int) -> None:
    assert new(*options)["preview"]["groups"] == groups


def test_nobody_in_the_audience_is_said_at_once() -> None:
    shown(alert(*NEW, "--unit", "S1", "--as", "wang"), "没有任何群，不能发布")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--unit", "nowhere"), "--unit：没有编码为 nowhere 的单位"),
        (("--exclude-unit", "nowhere"), "--exclude-unit：没有编码为 nowhere 的单位"),
        (("--exclude-group", "G9"), "没有编码为 G9 的群"),
        (("--level", "9"), "1 县"),
        (("--tag", "农业"), "已有标签：渔业"),
        (("--at", "明天九点"), '如 "2026-11-21 09:00"'),
        (("--at", "2020-01-01 09:00"), "发布时间已经过去"),
        (("--expires", "2020-01-01 09:00"), "有效期应晚于发布时间"),
        (("--update-of", "20200101-01"), "没有编号为 20200101-01 的预警"),
        (("--update-of", "1", "--cancel-of", "2"), "只能选一种"),
        (("--link", "ftp://x"), "链接应以 https:// 开头"),
        (("--link", "https://x", "--picture", "x.png"), "只能选一种"),
        (("--picture", "nowhere.png"), "无法读取图片"),
        (("--body-file", "x"), "二选一"),
    ],
)
def test_every_wrong_option_says_what_to_write(options: tuple[str, ...], words: str) -> None:
    refused(alert(*NEW, *options, "--as", "wang"), words)
    assert line(alert("list", "--json")) == []


def test_all_wrong_options_are_listed_at_once() -> None:
    answer = line(alert(*NEW, "--unit", "x", "--at", "y", "--level", "7", "--as", "wang", "--json"))
    assert {fault["column"] for fault in answer["faults"]} == {"--unit", "--at", "--level"}


def test_the_body_comes_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    file = tmp_path / "正文.txt"
    file.write_text(f"\ufeff{BODY}\r\n第二段", encoding="utf-8")
    options = ("new", "--title", "标题", "--severity", "blue", "--as", "wang", "--json")
    assert stored(line(alert(*options, "--body-file", str(file)))["number"]).body == f"{BODY}\n第二段"
    assert stored(line(alert(*options, "--body-file", "-", answer=BODY))["number"]).body == BODY
    refused(alert(*options[:-1], "--body-file", "nowhere.txt"), "无法读取正文文件")
    refused(alert(*options[:-1]), "--body")


def test_times_are_of_the_offices_zone() -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    alert_ = stored(new("--at", f"{tomorrow:%Y-%m-%d} 09:00", "--expires", f"{tomorrow:%Y-%m-%d}T21:30")["number"])
    assert alert_.scheduled_at == tomorrow.replace(hour=1, minute=0, second=0, microsecond=0)
    assert alert_.expires_at == tomorrow.replace(hour=13, minute=30, second=0, microsecond=0)


def test_links_and_pictures(tmp_path: Path) -> None:
    linked = stored(new("--link", "https://example.gov.cn/1")["number"])
    assert (linked.kind, linked.link_title) == (ContentKind.LINK, "快递理赔是骗局")
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "PNG")
    (tmp_path / "p.png").write_bytes(buffer.getvalue())
    pictured = stored(new("--picture", str(tmp_path / "p.png"))["number"])

    async def picture(session: AsyncSession) -> Picture:
        return await session.get_one(Picture, pictured.picture_id)

    assert (write(picture).width, pictured.kind) == (40, ContentKind.PICTURE)


def test_an_alert_goes_through_review_by_a_second_person() -> None:
    number = new()["number"]
    refused(alert("release", number, "--as", "li"), "草稿，不能发布")
    shown(alert("submit", number, "--as", "wang"), "待审核")
    refused(alert("release", number, "--as", "wang"), "没有此项权限")
    shown(alert("send-back", number, "--as", "li", "--reason", "写明金额"), "草稿")
    assert line(alert("review", number, "--json"))["note"] == "写明金额"
    shown(alert("submit", number, "--as", "wang"))
    refused(alert("release", number, "--as", "li", "--version", "7"), "内容在您审核期间有改动")
    shown(alert("release", number, "--as", "li", "--version", "1"), "推送中", "python bot.py run")
    assert stored(number).deliveries == 3
    own = new("--submit", user="li")["number"]
    refused(alert("release", own, "--as", "li"), "编写人不能审核自己的预警")


def test_review_shows_exactly_what_groups_read_and_who_wrote_it() -> None:
    number = new("--unit", "330922100", "--submit")["number"]
    answer = line(alert("review", number, "--json"))
    assert answer["text"].startswith("【红色预警】快递理赔是骗局\n\n" + BODY)
    assert answer["text"].endswith(number)
    assert (answer["author"], answer["audience"]["范围"], answer["preview"]["groups"]) == ("王警官", "菜园镇", 3)
    shown(alert("review", number), "【红色预警】快递理赔是骗局", "王警官", "菜园镇", "3 个群，250 人", "第 1 版")
    shown(alert("release", number, "--as", "li"))
    after = line(alert("review", number, "--json"))
    assert (after["reviewer"], after["preview"], after["expected_groups"]) == ("李审核", None, 3)


def test_rights_are_those_of_the_named_user() -> None:
    refused(alert(*NEW, "--as", "nobody"), "没有用户 nobody")
    refused(alert(*NEW, "--as", "gone"), "已停用")
    refused(alert(*NEW, "--as", "zhao"), "联络员没有此项权限")
    refused(alert("pause", "20200101-01", "--as", "li"), "没有编号为 20200101-01 的预警")
    assert "--as" in alert(*NEW).stderr


def test_the_audit_log_names_the_user_and_the_account_of_the_machine() -> None:
    released()

    async def entries(session: AsyncSession) -> list[AuditEntry]:
        return list(await session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)))

    created, submitted, started = write(entries)
    assert [entry.action for entry in (created, submitted, started)] == [
        "alert.create",
        "alert.submit",
        "alert.start",
    ]
    assert (created.actor, started.actor) == ("王警官", "李审核")
    assert created.origin.startswith("命令行 ")


def test_pause_resume_and_cancel() -> None:
    number = released()
    shown(alert("pause", number, "--as", "wang"), "已暂停")
    refused(alert("pause", number, "--as", "wang"), "不能暂停")
    assert line(alert("resume", number, "--as", "wang", "--json"))["state"] == "running"
    shown(alert("cancel", number, "--as", "wang", "--reason", "情况有误"), "已取消")
    status = line(alert("status", number, "--json"))
    assert (status["note"], status["counts"]["cancelled"], status["done"]) == ("情况有误", 3, 3)


def test_a_correction_and_a_cancellation_name_the_earlier_alert() -> None:
    number = released()
    correction = stored(new("--update-of", number)["number"])
    cancellation = stored(new("--cancel-of", number)["number"])
    assert (correction.relation, cancellation.relation) == (Relation.UPDATE, Relation.CANCEL)
    assert {correction.related_id, cancellation.related_id} == {stored(number).id}
    assert f"（撤销预警 {number}，请以本条为准）" in line(alert("review", cancellation.number, "--json"))["text"]


def test_list_is_filtered_and_newest_first() -> None:
    first, second = new()["number"], released()
    assert [each["number"] for each in line(alert("list", "--json"))] == [second, first]
    assert [each["number"] for each in line(alert("list", "--state", "draft", "--json"))] == [first]
    assert line(alert("list", "--search", "没有这个词", "--json")) == []
    shown(alert("list"), first, second, "推送中", "0/3")
    shown(alert("list", "--search", "没有这个词"), "没有预警")


async def _outcomes(session: AsyncSession, *outcomes: DeliveryState) -> None:
    rows = (await session.scalars(sa.select(Delivery).order_by(Delivery.id))).all()
    for row, outcome in zip(rows, outcomes, strict=True):
        row.state, row.sending_at, row.reason = outcome, SystemClock().now(), "原因"


def test_status_counts_by_state() -> None:
    draft = new()["number"]
    shown(alert("status", draft), "尚未发布")
    number = released()
    write(lambda session: _outcomes(session, DeliveryState.SENT, DeliveryState.FAILED, DeliveryState.WAITING))
    status = line(alert("status", number, "--json"))
    assert (status["audience"], status["done"], status["state"]) == (3, 2, "running")
    assert {state: count for state, count in status["counts"].items() if count} == {
        "sent": 1,
        "failed": 1,
        "waiting": 1,
    }
    assert status["finish"] is not None
    shown(alert("status", number), "2/3", "已送达 1", "失败 1", "等待 1", "触达")


def test_watch_lasts_until_the_alert_ends() -> None:
    number = released()

    async def finish(session: AsyncSession) -> None:
        await _outcomes(session, *[DeliveryState.SENT] * 3)
        await session.execute(sa.update(Alert).values(state=AlertState.FINISHED))

    later = threading.Timer(0.7, write, [finish])
    later.start()
    assert line(alert("status", number, "--watch", "--json"))["done"] == 3
    later.join()
    shown(alert("status", number, "--watch"), "已完成", "3/3")


def test_unknown_deliveries_are_listed_and_decided() -> None:
    number = released()
    write(lambda session: _outcomes(session, DeliveryState.UNKNOWN, DeliveryState.UNKNOWN, DeliveryState.SENT))
    shown(alert("status", number), f"alert unknown {number}")
    first, second = line(alert("unknown", number, "--json"))
    assert (first["group"], first["account"], first["reason"]) == ("G1", "心防1号", "原因")
    shown(alert("unknown", number), "嵊泗县群", "菜园镇群")
    one, two = str(first["id"]), str(second["id"])
    refused(alert("unknown", number, "--resend", one), "--as")
    refused(alert("unknown", number, "--resend", one, "--leave", "999", "--as", "li"), "999")
    assert len(line(alert("unknown", number, "--json"))) == 2
    shown(alert("unknown", number, "--resend", one, "--leave", two, "--as", "li"), "已处理 2 条", "没有待确认的投递")
    counts = line(alert("status", number, "--json"))["counts"]
    assert (counts["waiting"], counts["skipped"], counts["unknown"]) == (1, 1, 0)


def test_names_in_square_brackets_are_shown_as_they_are() -> None:
    """They look like the terminal library's own markup."""

    async def rename(session: AsyncSession) -> None:
        for table in (Group, Unit, Account, User):
            await session.execute(sa.update(table).values(name=table.name + "[red]"))

    write(rename)
    shown(alert(*NEW, "--as", "wang"), "菜园小学[red]", "心防1号[red]")
