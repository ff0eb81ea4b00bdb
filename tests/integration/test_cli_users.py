"""`init` and `user`: the first administrator, and everybody after."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.passwords import verify_password
from bot.throttle import account_key
from db.models import AuditEntry, LoginFailure, User
from db.states import UserState
from db.users import find_user
from handlers.cli.init import init
from handlers.cli.user import user_app
from tests.factories import make_unit
from tests.offices import call, line, refused, set_up, shown, write


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(tmp_path, monkeypatch)


def password_is_right(username: str, password: str) -> bool:
    async def work(session: AsyncSession) -> bool:
        user = await find_user(session, username)
        return user is not None and await verify_password(user.password_hash, password)

    return write(work)


def test_init_shows_the_first_password_once() -> None:
    first = call(init)
    shown(first, "已建立数据库", "管理员 admin", "只显示这一次")
    password = first.stdout.split("一次性密码：")[1].split()[0]
    assert password_is_right("admin", password)
    again = call(init)
    shown(again, "没有需要做的")
    assert "密码：" not in again.stdout
    nothing = line(call(init, "--json"))
    assert (nothing["password"], nothing["before"], nothing["after"]) == (None, None, None)


def test_init_answers_scripts(tmp_path: Path) -> None:
    answer = line(call(init, "--json"))
    assert answer["database"] == str(tmp_path / "data" / "xinfang.db")
    assert (answer["admin"], answer["before"]) == ("admin", None)
    assert password_is_right("admin", answer["password"])


def test_a_user_is_added_with_a_password_shown_once() -> None:
    added = line(call(user_app, "add", "wang", "--name", "王警官", "--role", "publisher", "--json"))
    assert (added["role"], added["must_change"]) == ("publisher", True)
    assert password_is_right("wang", added["password"])
    shown(call(user_app, "add", "li", "--name", "李审核", "--role", "reviewer"), "一次性密码", "只显示这一次")
    (first, second) = line(call(user_app, "list", "--json"))
    assert {first["username"], second["username"]} == {"wang", "li"}
    assert "password" not in first
    shown(call(user_app, "list"), "王警官", "编写员", "待改密码")


def test_a_liaison_needs_a_unit_that_exists() -> None:
    async def town(session: AsyncSession) -> None:
        await make_unit(session, code="330922", name="嵊泗县")

    write(town)
    liaison = ("add", "zhao", "--name", "赵联络", "--role", "liaison")
    refused(call(user_app, *liaison), "联络员必须选择所属单位")
    refused(call(user_app, *liaison, "--unit", "33"), "没有编码为 33 的单位")
    shown(call(user_app, *liaison, "--unit", "330922"))
    shown(call(user_app, "list"), "嵊泗县")
    assert line(call(user_app, *liaison, "--unit", "330922", "--json"))["faults"][0]["column"] == "username"
    refused(call(user_app, "add", "x", "--name", "甲", "--role", "boss"), "boss")


def test_reset_disable_and_enable() -> None:
    old = line(call(user_app, "add", "wang", "--name", "王警官", "--role", "publisher", "--json"))["password"]
    new = line(call(user_app, "reset", "wang", "--json"))["password"]
    assert not password_is_right("wang", old)
    assert password_is_right("wang", new)
    shown(call(user_app, "disable", "wang"), "停用")
    refused(call(user_app, "disable", "wang"), "已经停用")
    assert line(call(user_app, "enable", "wang", "--json"))["state"] == UserState.ACTIVE
    refused(call(user_app, "reset", "nobody"), "没有用户 nobody")


def test_what_the_command_line_did_is_in_the_audit_log_without_the_password() -> None:
    added = line(call(user_app, "add", "wang", "--name", "王警官", "--role", "publisher", "--json"))

    async def entries(session: AsyncSession) -> list[AuditEntry]:
        return list(await session.scalars(sa.select(AuditEntry)))

    (entry,) = write(entries)
    assert (entry.action, entry.subject, entry.origin) == ("user.create", "用户 wang", "命令行")
    assert added["password"] not in f"{entry.detail}"

    async def stored(session: AsyncSession) -> str:
        return (await session.scalars(sa.select(User.password_hash))).one()

    assert write(stored).startswith("$argon2id$")


def test_an_administrator_who_is_locked_out_helps_themselves() -> None:
    call(user_app, "add", "wang", "--name", "王警官", "--role", "admin")
    now = datetime.now(UTC)

    async def shut_out(session: AsyncSession) -> None:
        user = await find_user(session, "wang")
        assert user is not None
        user.totp_secret, user.totp_since, user.recovery = "A" * 32, now, "x"
        session.add_all(LoginFailure(key=key, at=now) for key in (account_key("wang"), "address:x", "user:other"))

    async def left(session: AsyncSession) -> list[str]:
        return list(await session.scalars(sa.select(LoginFailure.key)))

    write(shut_out)
    assert line(call(user_app, "unlock", "wang", "--json"))["second_factor"] is True
    assert write(left) == ["user:other"]
    assert line(call(user_app, "second-factor-off", "wang", "--json"))["second_factor"] is False
    refused(call(user_app, "unlock", "nobody"), "没有用户 nobody")
