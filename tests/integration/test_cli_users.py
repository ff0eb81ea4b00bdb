"""`init` and `user`: the first administrator, and everybody after."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot import second_factor
from bot.passwords import verify_password
from bot.sealing import seal
from bot.settings import load_settings
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


def _with_secrets(*names: str) -> dict[str, str]:
    """Users whose second factor is on; gives what is stored."""
    for name in names:
        call(user_app, "add", name, "--name", "王警官", "--role", "admin")

    async def offered(session: AsyncSession) -> None:
        for name in names:
            user = await find_user(session, name)
            assert user is not None
            await second_factor.offer(session, user.id, settings=load_settings())

    write(offered)
    return _stored()


def _stored() -> dict[str, str]:
    async def work(session: AsyncSession) -> dict[str, str]:
        return {user.username: user.totp_secret for user in await session.scalars(sa.select(User))}

    return write(work)


def _opened() -> list[str]:
    async def work(session: AsyncSession) -> list[str]:
        users = await session.scalars(sa.select(User).order_by(User.id))
        return [second_factor.secret_of(user, load_settings()) for user in users]

    return write(work)


def test_the_key_of_the_second_factor_is_changed_with_the_file(tmp_path: Path) -> None:
    sealed = _with_secrets("wang", "li")
    secrets, file = _opened(), tmp_path / "data" / "secret.key"
    before = file.read_text()
    answer = line(call(user_app, "second-factor-key", "--json"))
    assert answer == {"secrets": 2, "key": str(file)}
    assert file.read_text() != before
    assert len(file.read_text().split()) == 1
    assert not set(_stored().values()) & set(sealed.values())
    assert _opened() == secrets
    old = tmp_path / "old.key"  # a backup from before comes back, with its secrets
    old.write_text(before)

    async def restored(session: AsyncSession) -> None:
        for user in await session.scalars(sa.select(User)):
            user.totp_secret = sealed[user.username]

    write(restored)
    now = file.read_text()
    shown(call(user_app, "second-factor-key", "--old-file", str(old)), "2 个用户", "secret.key", "原来的密钥")
    assert file.read_text() == now
    assert _opened() == secrets


def test_the_key_of_the_second_factor_moves_into_the_settings_and_changes_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _with_secrets("wang")
    secrets = _opened()
    monkeypatch.setenv("XINFANG_SECRET_KEY", "the first words of the settings")
    assert line(call(user_app, "second-factor-key", "--json")) == {"secrets": 1, "key": "XINFANG_SECRET_KEY"}
    assert _opened() == secrets
    monkeypatch.setenv("XINFANG_SECRET_KEY", "the second words of the settings")
    changed = call(user_app, "second-factor-key", "--old-file", "-", answer="the first words of the settings\n")
    shown(changed, "XINFANG_SECRET_KEY")
    assert _opened() == secrets

    async def entries(session: AsyncSession) -> list[AuditEntry]:
        return list(await session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "user.second_factor_key")))

    assert [(entry.origin, entry.detail) for entry in write(entries)] == [("命令行", {"secrets": 1})] * 2


def test_one_secret_that_does_not_open_leaves_all_as_they_were(tmp_path: Path) -> None:
    _with_secrets("wang", "li")

    async def foreign(session: AsyncSession) -> None:
        user = await find_user(session, "li")
        assert user is not None
        user.totp_secret = seal(load_settings(secret_key="of another machine"), bytes(20), f"totp:{user.id}")

    write(foreign)
    before, file = _stored(), tmp_path / "data" / "secret.key"
    key = file.read_text()
    refused(call(user_app, "second-factor-key"), "用户 li", "什么都没有改", "--old-file", "second-factor-off li")
    assert _stored() == before
    assert file.read_text() == key
    call(user_app, "second-factor-off", "li")
    assert line(call(user_app, "second-factor-key", "--json"))["secrets"] == 1
