"""What the doctor reads from the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import duration_text, local_text
from bot.database import INIT, database_file, read_revision, shown_url, understood
from bot.errors import UserError
from bot.findings import Finding, Verdict, fail, ok, warn
from bot.invariants import check_invariants
from bot.scheduler import is_overdue
from bot.settings import Settings
from db import migrating
from db.accounts import list_accounts
from db.alerts import list_alerts
from db.health import count_admins, count_unknown, list_live_leases, list_scheduled, newest_time
from db.models import Account
from db.session import Database
from db.states import AccountState, AlertState
from db.users import count_users

AHEAD = timedelta(minutes=2)  # a row may be younger than now by this much; more means that a clock is wrong
NAMED = 5  # names in one line

_HEALTHY = (AccountState.ONLINE, AccountState.PAUSED)


async def examine_database(
    settings: Settings, *, now: datetime, running: bool, full: bool, progress: Callable[[str], None]
) -> list[Finding]:
    """The database and, when it can be read, what is in it. `running`: the console answers on its port."""
    progress("数据库")
    path = database_file(settings)
    if path is not None and not path.exists():
        return [fail("数据库", f"还没有数据库 {path}", f"运行 {INIT}")]
    database = Database(settings.database)
    findings: list[Finding] = []
    try:
        findings.append(await _version(database))
        if findings[-1].verdict is Verdict.OK:
            findings += await _integrity(database, full=full)
        if findings[-1].verdict is not Verdict.FAIL:
            progress("账号与预警")
            async with database.snapshot() as session:
                findings += await _rows(session, settings, now, running=running)
                if full:
                    progress("逐行核对")
                    findings.append(await _invariants(session, settings))
    except sa.exc.DatabaseError as error:
        findings.append(fail("数据库", f"读取出错：{error.orig}", "从备份恢复（python bot.py restore 备份文件）"))
    finally:
        await database.close()
    return findings


async def _version(database: Database) -> Finding:
    try:
        revision = await read_revision(database)
    except UserError as error:
        text, _, mend = str(error).partition("；")  # these errors say what is wrong, and then what to do
        return fail("数据库", text, mend)
    where = shown_url(database)
    if revision == migrating.HEAD:
        return ok("数据库", f"{where}，版本 {revision}")
    if revision is None:
        return fail("数据库", f"{where} 是空的", f"运行 {INIT}")
    if not understood(revision):
        return fail("数据库", f"版本 {revision} 比本程序认识的 {migrating.HEAD} 新", "升级本程序")
    return fail("数据库", f"版本 {revision} 比程序需要的 {migrating.HEAD} 旧", f"停止程序后运行 {INIT}")


async def _integrity(database: Database, *, full: bool) -> list[Finding]:
    """SQLite checks its own pages; PostgreSQL has no such question that a client may ask."""
    if not database.is_sqlite:
        return []
    check = "integrity_check" if full else "quick_check"
    try:
        async with database.engine.connect() as connection:
            answers = list(await connection.scalars(sa.text(f"PRAGMA {check}(5)")))
            mode = await connection.scalar(sa.text("PRAGMA journal_mode"))
    except sa.exc.DatabaseError as error:  # so damaged that the check itself gives up
        answers, mode = [str(error.orig)], None
    if answers != ["ok"]:
        return [fail("完整性", "；".join(answers), "从备份恢复（python bot.py restore 备份文件），并检查磁盘")]
    if mode != "wal":
        text = f"日志模式是 {mode}，不是 WAL：所在的盘不支持（如网络盘）"
        return [warn("完整性", text, "把数据目录放在本机硬盘上（XINFANG_DATA_DIR）")]
    return [ok("完整性", "文件完好")]


async def _rows(session: AsyncSession, settings: Settings, now: datetime, *, running: bool) -> list[Finding]:
    leases = await list_live_leases(session)
    return [
        _agreement(await newest_time(session), now, settings),
        await _admins(session),
        *_accounts(await list_accounts(session), settings, running=running or bool(leases)),
        await _reviews(session),
        await _overdue(session, settings, now),
        await _unknown(session),
    ]


def _agreement(newest: datetime | None, now: datetime, settings: Settings) -> Finding:
    """A clock that was set back would send what is not due and count latencies below zero."""
    if newest is None:
        return ok("时间先后", "还没有记录")
    text = f"最新记录 {local_text(newest, settings.zone, seconds=True)}"
    if newest - now > AHEAD:
        behind = duration_text(newest - now)
        return fail("时间先后", f"{text}，系统时钟比它慢 {behind}", "校准系统时间并开启网络校时（NTP）")
    return ok("时间先后", text)


async def _admins(session: AsyncSession) -> Finding:
    if await count_admins(session):
        return ok("管理员", f"{await count_admins(session)} 位")
    if await count_users(session):
        mend = "python bot.py user enable 用户名，或 user add 用户名 --name 姓名 --role admin"
        return fail("管理员", "没有可以登录的管理员", mend)
    return warn("管理员", "还没有用户", f"运行 {INIT}，会显示一次性密码")


def _accounts(accounts: Sequence[Account], settings: Settings, *, running: bool) -> list[Finding]:
    if not accounts:
        return [warn("账号", "还没有账号，不能推送", "在登记表的群一栏写明账号，再用 units import 导入")]
    findings = []
    for account in accounts:
        if account.channel not in settings.channels:
            text = f"{account.name} 的通道 {account.channel} 没有启用"
            findings.append(warn("账号", text, "在设置 channels 中启用，或在登记表中改用别的账号"))
        elif running and account.state not in _HEALTHY:
            findings.append(_ailing(account, settings))
    if findings:
        return findings
    if not running:
        return [ok("账号", f"{len(accounts)} 个；程序没有在运行，状态未知")]
    return [ok("账号", f"{len(accounts)} 个，都正常")]


def _ailing(account: Account, settings: Settings) -> Finding:
    since = local_text(account.state_since, settings.zone)
    reason = f"，{account.state_reason}" if account.state_reason else ""
    text = f"{account.name}（{account.channel}）{account.state.label}，自 {since}{reason}"
    mends = {
        AccountState.WAITING_SCAN: "用该账号的手机扫码登录",
        AccountState.BLOCKED: f"平台限制发送，{local_text(account.blocked_until, settings.zone)} 自动恢复；可减小 per_minute",
        AccountState.OFFLINE: "检查该账号的登录和网络",
    }
    return warn("账号", text, mends.get(account.state, "检查该账号"))


async def _reviews(session: AsyncSession) -> Finding:
    waiting = await list_alerts(session, states=[AlertState.IN_REVIEW], limit=1000)
    if not waiting:
        return ok("待审核", "没有")
    return warn(
        "待审核", _named([alert.number for alert in waiting]), "python bot.py alert review 编号，或在控制台审核"
    )


async def _overdue(session: AsyncSession, settings: Settings, now: datetime) -> Finding:
    late = [alert.number for alert in await list_scheduled(session) if is_overdue(alert, now, settings)]
    if not late:
        return ok("定时预警", "没有错过的")
    return warn("定时预警", f"错过了时间：{_named(late)}", "决定立即发布（alert release）或取消（alert cancel）")


async def _unknown(session: AsyncSession) -> Finding:
    found = await count_unknown(session)
    if not found:
        return ok("待确认的投递", "没有")
    text = f"{sum(found.values())} 条：{_named([f'{number}（{count}）' for number, count in found.items()])}"
    return warn("待确认的投递", text, f"python bot.py alert unknown {next(iter(found))}")


async def _invariants(session: AsyncSession, settings: Settings) -> Finding:
    broken = [check for check in await check_invariants(session, settings) if not check.holds]
    if not broken:
        return ok("逐行核对", "全部不变量成立")
    shown = "；".join(f"{check.name}：{check.faults[0]}" for check in broken)
    return fail("逐行核对", shown, "保留数据库副本（python bot.py backup），联系开发人员")


def _named(names: list[str]) -> str:
    return "、".join(names[:NAMED]) + (f" 等 {len(names)} 条" if len(names) > NAMED else "")
