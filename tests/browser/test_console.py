"""The console as people use it: real pages, real broadcasts, at a desk and on a phone."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import expect

from bot.sheets import write_xlsx
from tests.browser.conftest import Desk, running

pytestmark = pytest.mark.browser

Desks = Callable[..., Desk]
TITLE = "谨防冒充客服退款诈骗"
BODY = "骗子冒充电商客服，以双倍赔付为名，要求共享屏幕、转账验证。"


def write(desk: Desk, title: str = TITLE, severity: str = "red") -> None:
    page = desk.open("/alerts/new").page
    page.check(f"[name=severity][value={severity}]", force=True)
    page.fill("[name=title]", title)
    page.fill("[name=body]", BODY)


def test_written_reviewed_released_and_watched_until_it_is_through(desks: Desks) -> None:
    writer, reviewer = desks().sign_in("writer"), desks().sign_in("reviewer")
    write(writer)
    page = writer.page
    expect(page.locator("[data-preview=text]")).to_contain_text(f"【红色预警】{TITLE}")
    expect(page.locator("[data-preview=text]")).to_contain_text(BODY)
    expect(page.locator("#outcome")).to_contain_text("预计")
    expect(page.locator("#outcome .tile").nth(2)).to_contain_text("6群由机器人推送")
    assert writer.fits()
    page.click("text=提交审核")
    expect(page.locator("h1")).to_have_text(TITLE)
    expect(page.get_by_role("button", name="审核通过，立即发布")).to_have_count(0)

    reviewer.page.goto(page.url)
    expect(reviewer.page.locator(".wechat-bubble")).to_contain_text(BODY)
    reviewer.page.get_by_role("button", name="审核通过，立即发布").click()
    expect(reviewer.page.locator(".notice.done")).to_have_text("审核通过")
    done = reviewer.page.locator("[data-show=done_text]")
    expect(done).to_have_text("6 / 6", timeout=30_000)  # live: nobody presses anything
    expect(reviewer.page.locator("[data-show='reach.groups']")).to_have_text("6 / 7", timeout=30_000)
    expect(reviewer.page.locator("h1 + .state")).to_have_text("已完成", timeout=30_000)
    expect(reviewer.page.locator("#deliveries")).to_contain_text("洋山渔民群")
    assert reviewer.fits()

    reviewer.page.get_by_role("link", name="展开各级").click()
    expect(reviewer.page.locator("h1")).to_have_text("嵊泗县")
    row = reviewer.page.locator(".tree > li", has_text="菜园镇")
    expect(row).to_contain_text("3 / 4 群")
    row.locator(".unfold").click()
    expect(row.locator(".tree")).to_contain_text("基湖村")
    expect(reviewer.page.locator("#missing")).to_contain_text("基湖家长群")
    assert reviewer.fits()


def test_a_broadcast_is_paused_resumed_and_cancelled_by_its_number(desks: Desks) -> None:
    writer, reviewer = desks().sign_in("writer"), desks().sign_in("reviewer")
    write(writer, "将被取消的预警")
    writer.page.click("text=提交审核")
    expect(writer.page.locator("h1")).to_have_text("将被取消的预警")
    number = writer.page.locator(".trail span").inner_text()
    reviewer.page.goto(writer.page.url)
    writer.open("/")
    expect(writer.page.locator("#running")).not_to_contain_text("将被取消的预警")
    reviewer.page.get_by_role("button", name="审核通过，立即发布").click()
    reviewer.page.get_by_role("button", name="暂停推送").click()  # while it goes out: six groups take two seconds
    expect(reviewer.page.locator("h1 + .state")).to_have_text("已暂停")
    expect(writer.page.locator("#running")).to_contain_text("将被取消的预警")  # it appeared by itself
    reviewer.page.locator("summary", has_text="取消推送").click()
    reviewer.page.fill("[name=number]", "20260101-01")
    reviewer.page.get_by_role("button", name="确定取消").click()
    expect(reviewer.page.locator("#number-fault")).to_contain_text(number)
    assert reviewer.fits()
    reviewer.page.fill("[name=number]", number)
    reviewer.page.fill("details[open] [name=reason]", "内容有误")
    reviewer.page.get_by_role("button", name="确定取消").click()
    reviewer.page.get_by_role("button", name="不取消了").click()
    expect(reviewer.page.locator("h1 + .state")).to_have_text("已暂停")
    reviewer.page.locator("summary", has_text="取消推送").click()
    reviewer.page.fill("[name=number]", number)
    reviewer.page.fill("details[open] [name=reason]", "内容有误")
    reviewer.page.get_by_role("button", name="确定取消").click()
    expect(reviewer.page.locator("details[open]")).to_contain_text("秒可以反悔")
    assert reviewer.fits()
    reviewer.page.get_by_role("button", name="现在就取消").click()
    expect(reviewer.page.locator("h1 + .state")).to_have_text("已取消")
    expect(reviewer.page.locator("main")).to_contain_text("取消原因：内容有误")


def test_faults_keep_what_was_typed(desks: Desks) -> None:
    writer = desks().sign_in("writer")
    page = writer.open("/alerts/new").page
    page.fill("[name=body]", "只写了正文")
    page.click("text=提交审核")
    expect(page.locator("#title-fault")).to_have_text("请填写标题")
    expect(page.locator("#severity-fault")).to_have_text("请选择预警级别")
    expect(page.locator("[name=body]")).to_have_value("只写了正文")
    assert writer.fits()


def test_the_audience_is_picked_by_searching(desks: Desks) -> None:
    writer = desks().sign_in("writer")
    write(writer, "只给基湖村")
    page = writer.page
    page.check("[name=scope][value=some]")
    expect(page.locator("#outcome")).to_contain_text("请至少选择一个单位")
    page.fill("[data-name=unit]", "基湖")
    page.get_by_role("button", name="基湖村").click()
    expect(page.locator("#outcome .tile").first).to_contain_text("2群")
    page.locator("summary", has_text="更多条件").click()
    page.fill("[data-name=exclude_group]", "家长")
    page.get_by_role("button", name="基湖家长群").click()
    expect(page.locator("#outcome .tile").first).to_contain_text("1群")
    assert writer.fits()
    page.click("text=存为草稿")
    expect(page.locator("main")).to_contain_text("基湖家长群")
    page.get_by_role("link", name="修改").click()
    expect(page.locator(".picked")).to_have_count(2)


def test_a_large_photograph_is_made_to_fit_and_shown(desks: Desks, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    noise = Image.effect_noise((2400, 1800), 90).convert("RGB")
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    photo.write_bytes(buffer.getvalue())
    assert photo.stat().st_size > 2 * 1024 * 1024
    writer = desks().sign_in("writer")
    write(writer, "带图片的预警")
    page = writer.page
    page.check("[name=kind][value=picture]")
    page.set_input_files("[name=picture]", photo)
    expect(page.locator("[data-preview=picture]")).to_have_attribute("src", re.compile("^blob:"))
    page.click("text=存为草稿")
    picture = page.locator("main .wechat-picture")
    expect(picture).to_have_attribute("src", re.compile("^/pictures/"))
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 1920


def test_an_import_with_faults_and_then_without(desks: Desks, tmp_path: Path) -> None:
    columns = ("编码", "名称", "类型", "上级编码", "标签", "联络员")
    writer = desks().sign_in("writer")
    page = writer.open("/registry").page
    name = f"新村{'宽' if (page.viewport_size or {}).get('width') == 1280 else '窄'}"
    code = f"3301{ord(name[-1])}"
    file = tmp_path / "units.xlsx"
    for kind in ("村子", "村"):
        file.write_bytes(write_xlsx([("单位", columns, [(code, name, kind, "3301", "", "")])]))
        page.set_input_files("[name=file]", file)
        page.get_by_role("button", name="上传并预览").click()
        assert writer.fits()
        if kind == "村子":
            expect(page.locator("main")).to_contain_text("请修改这些地方")
            expect(page.locator("tbody tr")).to_contain_text("类型")
    expect(page.locator("main")).to_contain_text("还没有写入任何内容")
    page.get_by_role("button", name="确认导入").click()
    expect(page.locator(".notice.done")).to_have_text("导入完成")
    page.goto(f"{writer.address}/units?q={name}")
    expect(page.locator("main")).to_contain_text(f"找到“{name}”")
    page.get_by_role("link", name=name).click()
    expect(page.locator("h1")).to_have_text(name)


def test_a_new_user_changes_the_one_time_password_first(desks: Desks) -> None:
    admin = desks().sign_in("admin")
    page = admin.open("/users").page
    username = f"new{(page.viewport_size or {}).get('width')}"
    page.fill("[name=username]", username)
    page.fill("[name=name]", "新同事")
    page.check("[name=role][value=reviewer]")
    page.get_by_role("button", name="添加，并生成一次性密码").click()
    password = page.locator(".password").inner_text()
    assert admin.fits()
    newcomer = desks().sign_in(username, password)
    expect(newcomer.page.locator("main")).to_contain_text("您正在使用一次性密码")
    newcomer.page.fill("[name=old]", password)
    newcomer.page.fill("[name=new]", "my-own-password-1")
    newcomer.page.fill("[name=again]", "my-own-password-1")
    newcomer.page.locator("form button.primary").click()
    expect(newcomer.page.locator(".notice.done")).to_contain_text("密码已修改")
    newcomer.open("/alerts")
    expect(newcomer.page.locator("h1")).to_have_text("预警")


def test_a_liaison_is_kept_to_the_own_subtree(desks: Desks) -> None:
    liaison = desks().sign_in("liaison")
    expect(liaison.page.locator("h1")).to_have_text("菜园镇")
    liaison.open("/alerts")
    expect(liaison.page.locator("main")).to_contain_text("联络员没有此项权限")
    liaison.open("/units?q=洋山")
    expect(liaison.page.locator("main")).to_contain_text("没有找到")
    assert liaison.fits()


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/alerts",
        "/alerts/new",
        "/units",
        "/questions",
        "/questions/all",
        "/registry",
        "/audit",
        "/users",
        "/account",
    ],
)
def test_every_page_fits_and_says_nothing_in_the_console(desks: Desks, path: str) -> None:
    desk = desks().sign_in("admin").open(path)
    expect(desk.page.locator("h1")).to_be_visible()
    assert desk.fits()


def test_the_phone_reaches_every_page_by_its_menu(desks: Desks) -> None:
    desk = desks().sign_in("admin")
    if (desk.page.viewport_size or {}).get("width") == 1280:
        desk.page.locator(".side-nav").get_by_role("link", name="审计日志").click()
    else:
        desk.page.locator(".tabs summary").click()
        desk.page.locator(".more-menu").get_by_role("link", name="审计日志").click()
    expect(desk.page.locator("h1")).to_have_text("审计日志")


def test_signing_out_by_the_button(desks: Desks) -> None:
    desk = desks().sign_in("writer")
    if (desk.page.viewport_size or {}).get("width") == 390:
        desk.page.locator(".tabs summary").click()
    desk.page.get_by_role("button", name="退出登录").locator("visible=true").click()
    expect(desk.page.locator("h1")).to_have_text("心防")
    desk.open("/alerts")
    assert "/login" in desk.page.url


def test_pages_work_without_scripts(desks: Desks) -> None:
    desk = desks()
    context = desk.page.context.browser.new_context(java_script_enabled=False)  # type: ignore[union-attr]
    plain = Desk(context, desk.address).sign_in("writer")
    write(plain, "没有脚本也能写", "blue")
    plain.page.check("[name=scope][value=some]")
    plain.page.get_by_label("洋山镇").check()
    plain.page.click("text=提交审核")
    expect(plain.page.locator("h1")).to_have_text("没有脚本也能写")
    expect(plain.page.locator(".facts").first).to_contain_text("洋山镇")
    context.close()


def test_the_first_start_shows_a_password_that_opens_the_console(desks: Desks, tmp_path: Path) -> None:
    with running(tmp_path) as address:
        printed = (tmp_path / "output.txt").read_text(encoding="utf-8")
        password = re.search(r"一次性密码 (\S+?)（", printed)
        assert password is not None
        desk = desks(address).sign_in("admin", password[1])
        expect(desk.page.locator("main")).to_contain_text("您正在使用一次性密码")
        desk.page.close()
