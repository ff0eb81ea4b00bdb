"""`backup` and `restore` as people and scripts call them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db import migrating
from db.models import AuditEntry, Unit
from handlers.cli.alert import alert_app
from handlers.cli.backup import backup, restore
from handlers.cli.init import init
from handlers.cli.user import user_app
from tests.factories import make_account, make_group, make_unit
from tests.offices import call, line, refused, set_up, shown, write


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(tmp_path, monkeypatch)
    call(init)


def add_unit(code: str) -> None:
    async def add(session: AsyncSession) -> None:
        unit = await make_unit(session, code=code, name=f"县{code}")
        await make_group(session, unit=unit, account=await make_account(session))

    write(add)


def codes() -> list[str]:
    async def read(session: AsyncSession) -> list[str]:
        return list(await session.scalars(sa.select(Unit.code).order_by(Unit.id)))

    return write(read)


def test_there_and_back(tmp_path: Path) -> None:
    add_unit("a")
    shown(call(backup), "已备份到", "已核对")
    (file,) = (tmp_path / "data" / "backups").glob("xinfang-*.db")
    add_unit("b")
    asked = call(restore, str(file), answer="n\n")
    shown(asked, str(file), f"版本 {migrating.HEAD}", "已取消，未改动任何内容")
    assert codes() == ["a", "b"]
    shown(call(restore, str(file), "--yes"), "已恢复", ".before-restore.db", "重新登录")
    assert codes() == ["a"]


def test_scripts_get_one_line(tmp_path: Path) -> None:
    add_unit("a")
    made = line(call(backup, "b.db", "--json"))
    assert (made["file"], made["rows"]["units"]) == (str(tmp_path / "b.db"), 1)
    assert made["size"] == (tmp_path / "b.db").stat().st_size
    asked = call(restore, "b.db", "--json")
    assert asked.exit_code == 2
    assert "--yes" in line(asked)["error"]
    done = line(call(restore, "b.db", "--yes", "--json"))
    assert done["rows"] == sum(made["rows"].values())
    assert Path(done["kept"]).exists()


def test_refusals_are_explained() -> None:
    shown(call(backup, "b.db"))
    refused(call(backup, "b.db"), "已存在", "--overwrite")
    shown(call(backup, "b.db", "--overwrite"))
    refused(call(restore, "nowhere.db", "--yes"), "找不到备份文件")
    Path("letter.db").write_text("a letter")
    refused(call(restore, "letter.db", "--yes"), "不是心防的备份")
    with closing(sqlite3.connect("data/xinfang.db")) as other:
        other.execute("SELECT * FROM units").fetchall()
        refused(call(restore, "b.db", "--yes"), "程序正在运行", "请先停止")


def test_what_was_going_out_is_named_and_logged() -> None:
    add_unit("a")
    for user, role in (("wang", "publisher"), ("li", "reviewer")):
        shown(call(user_app, "add", user, "--name", user, "--role", role))
    written = ("--title", "骗局", "--body", "正文", "--severity", "red", "--submit")
    number = line(call(alert_app, "new", *written, "--as", "wang", "--json"))["number"]
    shown(call(alert_app, "release", number, "--as", "li"))
    shown(call(backup, "b.db"))
    shown(call(restore, "b.db", "--yes"), f"预警 {number}：备份时正在推送，现已暂停")
    assert line(call(alert_app, "status", number, "--json"))["state"] == "paused"

    async def entry(session: AsyncSession) -> AuditEntry:
        return (await session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "backup.restore"))).one()

    found = write(entry)
    assert (found.subject, found.origin, found.detail["paused"]) == ("b.db", "命令行", [number])
