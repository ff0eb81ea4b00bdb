"""`doctor`: every fault is found and named with how to mend it; a healthy office gets no ✗."""

from __future__ import annotations

import shutil
import socket
import sqlite3
from collections import namedtuple
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import Result

from bot.doctor import examine
from bot.findings import Finding, Verdict
from bot.settings import load_settings
from content import library
from db import migrating
from db.models import Account, AuditEntry, Delivery, User
from db.states import AccountState, AlertState, DeliveryState, Role, UserState
from handlers.cli.backup import backup
from handlers.cli.doctor import doctor
from handlers.cli.init import init
from handlers.cli.serve import running
from tests.factories import make_account, make_alert, make_group, make_unit, make_user
from tests.offices import call, line, set_up, shown, write

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up(tmp_path, monkeypatch)
    monkeypatch.setenv("XINFANG_PORT", str(free_port()))


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def checks(result: Result) -> dict[str, dict[str, Any]]:
    """Name → what was found; the last one of a name."""
    return {check["name"]: check for check in line(result)["checks"]}


def found(name: str, *options: str) -> tuple[str, str, str]:
    check = checks(call(doctor, "--json", *options))[name]
    return check["status"], check["text"], check["mend"]


def test_a_healthy_office() -> None:
    call(init)

    async def registry(session: AsyncSession) -> None:
        await make_group(session, account=await make_account(session))

    write(registry)
    shown(call(backup))
    result = call(doctor, "--full")
    shown(result, "✓ 设置", "✓ 数据库", "✓ 逐行核对", "✓ 备份")
    assert "!" not in result.stdout
    assert "✗" not in result.stdout
    answer = line(call(doctor, "--json"))
    assert answer["ok"] is True
    assert all(check["status"] == "ok" and check["mend"] == "" for check in answer["checks"])


def test_a_fresh_machine_is_told_what_to_do() -> None:
    result = call(doctor)
    assert result.exit_code == 1
    assert "✗ 数据库：还没有数据库" in result.stdout
    assert "→ 运行 python bot.py init" in result.stdout
    assert line(call(doctor, "--json"))["ok"] is False
    assert not Path("data").exists(), "it only looks"


def test_a_wrong_setting_ends_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFANG_PORT", "x")
    result = call(doctor, "--json")
    assert result.exit_code == 1
    ((name, check),) = checks(result).items()
    assert (name, check["status"]) == ("设置", "fail")
    assert "XINFANG_PORT" in check["text"]
    assert "docs/settings.md" in check["mend"]


def test_the_data_folder_and_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    call(init)
    for free, status in ((2**40, "ok"), (2**29, "warn"), (2**20, "fail")):
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder, free=free: Usage(2**41, 0, free))
        assert found("磁盘")[0] == status
    Path("file").touch()
    monkeypatch.setenv("XINFANG_DATA_DIR", "file/data")
    status, text, mend = found("数据目录")
    assert (status, "不能写入" in text, "XINFANG_DATA_DIR" in mend) == ("fail", True, True)


def test_a_damaged_or_foreign_or_newer_database() -> None:
    call(init)
    file = Path("data/xinfang.db")
    good = file.read_bytes()
    with closing(sqlite3.connect(file)) as connection:
        page = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'rollup'").fetchone()[0] - 1
    file.write_bytes(good[: page * 4096] + b"\xff" * 100 + good[page * 4096 + 100 :])
    status, _, mend = found("完整性")
    assert (status, "restore" in mend) == ("fail", True)
    file.write_bytes(b"no database " * 1000)
    status, text, mend = found("数据库")
    assert (status, "已损坏或不是数据库" in text, "restore" in mend) == ("fail", True, True)
    file.write_bytes(good)

    async def newer(session: AsyncSession) -> None:
        await session.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))

    write(newer)
    assert found("数据库") == ("fail", f"版本 9999 比本程序认识的 {migrating.HEAD} 新", "升级本程序")


@pytest.fixture
async def empty_postgresql(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    postgres = request.getfixturevalue("postgres")
    url = await postgres.create_empty()
    monkeypatch.setenv("XINFANG_DATABASE_URL", url)
    yield url
    await postgres.drop(url)


async def examined(*, full: bool = False) -> dict[str, Finding]:
    return {finding.name: finding for finding in await examine(now=datetime.now(UTC), full=full)}


async def test_postgresql_empty_ready_and_away(empty_postgresql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    empty = (await examined())["数据库"]
    assert (empty.verdict, empty.mend) == (Verdict.FAIL, "运行 python bot.py init")
    await asyncio.to_thread(call, init)
    ready = await examined(full=True)
    assert (ready["数据库"].verdict, ready["逐行核对"].verdict) == (Verdict.OK, Verdict.OK)
    monkeypatch.setenv("XINFANG_DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x")
    away = (await examined())["数据库"]
    assert away.verdict is Verdict.FAIL
    assert "连接不上" in away.text
    assert "secret" not in away.text


def test_a_clock_that_was_set_back() -> None:
    call(init)

    async def tomorrow(session: AsyncSession) -> None:
        await session.execute(sa.update(AuditEntry).values(at=datetime.now(UTC) + timedelta(days=1, minutes=1)))

    write(tomorrow)
    status, text, mend = found("时间先后")
    assert (status, "系统时钟比它慢 1 天" in text, "NTP" in mend) == ("fail", True, True)


async def test_a_clock_that_stands_at_the_beginning() -> None:
    findings = {finding.name: finding for finding in await examine(now=datetime(1970, 1, 1, tzinfo=UTC))}
    assert findings["时钟"].verdict is Verdict.FAIL


def test_faults_of_the_library_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call(init)
    folder = tmp_path / "types"
    folder.mkdir()
    (folder / "bad.yaml").write_text("name: [", encoding="utf-8")
    monkeypatch.setattr(library, "DEFAULT_FOLDER", folder)
    status, text, mend = found("反诈知识库")
    assert (status, "bad.yaml" in text, "content/fraud_types" in mend) == ("fail", True, True)


def test_a_port_that_somebody_else_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    call(init)
    with socket.socket() as other:
        other.bind(("127.0.0.1", load_settings().port))
        other.listen(0)
        monkeypatch.setattr("bot.doctor.ANSWER_SECONDS", 0.2)
        status, text, mend = found("网页端口")
    assert (status, "被别的程序占用" in text, "XINFANG_PORT" in mend) == ("fail", True, True)
    monkeypatch.setenv("XINFANG_HOST", "203.0.113.9")  # an address for documentation: not ours
    assert found("网页端口")[0] == "fail"


async def test_the_running_program_is_recognised() -> None:
    async with running(load_settings()):
        answered = await examined()
    assert answered["网页端口"].verdict is Verdict.OK
    assert "正在" in answered["网页端口"].text
    assert answered["账号"].verdict is Verdict.WARN


def test_administrators() -> None:
    write(lambda session: make_unit(session))
    assert found("管理员")[0] == "warn"
    write(lambda session: make_user(session, role=Role.ADMIN))
    assert found("管理员")[0] == "ok"

    async def disable(session: AsyncSession) -> None:
        await session.execute(sa.update(User).values(state=UserState.DISABLED))

    write(disable)
    status, _, mend = found("管理员")
    assert (status, "--role admin" in mend) == ("fail", True)


def test_accounts_that_are_not_well_while_the_program_runs() -> None:
    call(init)
    assert found("账号")[1] == "还没有账号，不能推送"

    async def accounts(session: AsyncSession) -> None:
        lease = {"lease_owner": "pc:1:x", "lease_until": datetime.now(UTC) + timedelta(minutes=5)}
        until = datetime.now(UTC) + timedelta(hours=2)
        for state in AccountState:
            await make_account(
                session, name=state.label, state=state, blocked_until=until, state_reason="原因", **lease
            )
        await make_account(session, name="旧通道", channel="pigeon")

    write(accounts)
    checked = [check for check in line(call(doctor, "--json"))["checks"] if check["name"] == "账号"]
    texts = " ".join(check["text"] for check in checked)
    assert [word in texts for word in ("待扫码", "离线", "受限", "pigeon 没有启用")] == [True] * 4
    assert len(checked) == 4, "online ones and those that a person switched off are well"
    assert any("扫码" in check["mend"] for check in checked)

    async def stopped(session: AsyncSession) -> None:
        await session.execute(sa.update(Account).values(lease_owner="", lease_until=None, channel="local"))

    write(stopped)
    assert found("账号")[0] == "ok", "when nothing runs, nobody is online"


def test_alerts_that_somebody_must_look_at() -> None:
    call(init)

    async def alerts(session: AsyncSession) -> None:
        now = datetime.now(UTC)
        unit = await make_unit(session)
        group = await make_group(session, unit=unit, account=await make_account(session))
        for index in range(7):
            await make_alert(session, number=f"R-{index}", state=AlertState.IN_REVIEW)
        late = {"scheduled_at": now - timedelta(hours=1), "expires_at": now + timedelta(hours=1)}
        await make_alert(session, number="L-1", state=AlertState.SCHEDULED, **late)
        soon = {"scheduled_at": now - timedelta(minutes=1), "expires_at": now + timedelta(hours=1)}
        await make_alert(session, number="S-1", state=AlertState.SCHEDULED, **soon)
        ran = await make_alert(session, number="U-1", state=AlertState.FINISHED, released_at=now, deliveries=1)
        session.add(
            Delivery(
                alert_id=ran.id,
                group_id=group.id,
                account_id=group.account_id,
                rank=0,
                level=1,
                state=DeliveryState.UNKNOWN,
            )
        )

    write(alerts)
    assert found("待审核")[1].endswith("R-3、R-2 等 7 条")
    assert found("定时预警")[1] == "错过了时间：L-1"
    status, text, mend = found("待确认的投递")
    assert (status, text, mend) == ("warn", "1 条：U-1（1）", "python bot.py alert unknown U-1")
    assert call(doctor).exit_code == 0, "to look at, not broken"


def test_full_reads_every_row() -> None:
    call(init)

    async def lost(session: AsyncSession) -> None:
        await make_alert(session, state=AlertState.FINISHED, released_at=datetime.now(UTC), deliveries=3)

    write(lost)
    assert "逐行核对" not in checks(call(doctor, "--json"))
    result = call(doctor, "--full", "--json")
    assert result.exit_code == 1
    assert "nothing_lost" in checks(result)["逐行核对"]["text"]


def test_an_old_backup_is_pointed_out() -> None:
    call(init)
    assert found("备份")[:2] == ("warn", "还没有备份")
    shown(call(backup))
    assert found("备份")[0] == "ok"
    (file,) = Path("data/backups").iterdir()
    made = datetime.now(ZoneInfo("Asia/Shanghai")) - timedelta(days=3)
    file.rename(file.with_name(f"xinfang-{made:%Y%m%dT%H%M%S}-auto.db"))
    status, text, _ = found("备份")
    assert (status, "3 天前" in text) == ("warn", True)
