"""The doctor: what is well, what is not, and how to mend it. It looks only: whatever it finds, it changes nothing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import shutil
import socket
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bot.backups import list_backups
from bot.clock import duration_text, local_text
from bot.doctor_rows import examine_database
from bot.errors import SettingsError
from bot.findings import Finding, fail, ok, warn
from bot.settings import Settings, load_settings

GB = 1024**3
LITTLE_SPACE = GB  # a county's database with its log and a month of backups is some hundred MB
NO_SPACE = GB // 20
OLD_BACKUP = 7 * 86400.0  # seconds
OLD_AUTO_BACKUP = 2 * 86400.0
ANSWER_SECONDS = 3.0
EARLIEST = 2026  # no office ran this program before


async def examine(
    *, now: datetime, full: bool = False, progress: Callable[[str], None] = lambda _: None
) -> list[Finding]:
    """Everything, in the order in which a person would mend it. `full` also reads every row (minutes on a large one)."""
    progress("设置")
    try:
        settings = load_settings()
    except SettingsError as error:
        return [fail("设置", str(error), "按 docs/settings.md 修改环境变量或 xinfang.toml")]
    findings = [ok("设置", f"{settings.office}，通道 {'、'.join(settings.channels)}")]
    progress("数据目录")
    findings += await asyncio.to_thread(_folder, settings)
    findings.append(_clock(settings, now))
    progress("反诈知识库")
    findings.append(await asyncio.to_thread(_library))
    progress("网页端口")
    port, answering = await _port(settings)
    findings.append(port)
    findings += await examine_database(settings, now=now, running=answering, full=full, progress=progress)
    findings.append(await asyncio.to_thread(_backups, settings, now))
    return findings


def _folder(settings: Settings) -> list[Finding]:
    """May we write there, and is there room?"""
    folder = settings.data_dir.absolute()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=existing):
            pass
    except OSError as error:
        mend = "修改目录权限，或用 XINFANG_DATA_DIR 换一个目录"
        return [fail("数据目录", f"{existing} 不能写入（{error.strerror}）", mend)]
    found = ok("数据目录", f"{folder} 可以写入" if folder.exists() else f"{folder}（首次运行时建立）")
    return [found, _space(existing)]


def _space(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    text = f"剩余 {free / GB:.1f} GB"
    if free < NO_SPACE:
        return fail("磁盘", text, "立即清理磁盘：写满后无法记录投递，推送会停止")
    if free < LITTLE_SPACE:
        return warn("磁盘", text, "清理磁盘，如把旧备份移到另一台机器")
    return ok("磁盘", text)


def _clock(settings: Settings, now: datetime) -> Finding:
    """Is the time plausible? A person compares the rest with a watch; the rows are compared in `bot.doctor_rows`."""
    text = f"现在是 {local_text(now, settings.zone, seconds=True)}（{settings.timezone}）"
    if now.year < EARLIEST:
        return fail("时钟", text, "校准系统时间并开启网络校时（NTP）")
    return ok("时钟", text)


def _library() -> Finding:
    from content.library import LibraryError, load_library  # reading 34 files takes a moment that others need not pay

    try:
        library = load_library()
    except LibraryError as error:
        shown = "；".join(str(fault) for fault in error.faults[:3])
        return fail("反诈知识库", f"{len(error.faults)} 处错误：{shown}", "按所列文件和行号修改 content/fraud_types")
    return ok("反诈知识库", f"{len(library.types)} 种诈骗类型")


async def _port(settings: Settings) -> tuple[Finding, bool]:
    """Is the port free, or do we answer there already? Returns the finding and whether the program runs."""
    where = f"{settings.host}:{settings.port}"
    if settings.port == 0:
        return ok("网页端口", "任选空闲端口"), False
    problem = await asyncio.to_thread(_binding_problem, settings)
    if problem is None:
        return ok("网页端口", f"{where} 空闲，程序没有在运行"), False
    if problem.errno != errno.EADDRINUSE:
        return fail("网页端口", f"不能监听 {where}（{problem.strerror}）", "检查设置 host 和 port"), False
    if await _is_ours(settings):
        return ok("网页端口", f"控制台正在 {where} 应答"), True
    mend = "停止占用端口的程序，或用 XINFANG_PORT 换一个端口"
    return fail("网页端口", f"{where} 被别的程序占用", mend), False


def _binding_problem(settings: Settings) -> OSError | None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM
        )[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        return error
    return None


async def _is_ours(settings: Settings) -> bool:
    """Does the sign-in page of the console answer?"""
    host = settings.host
    with contextlib.suppress(ValueError):  # a name
        address = ipaddress.ip_address(host)
        if address.is_unspecified:  # it listens everywhere, so also here
            host = "127.0.0.1" if address.version == 4 else "::1"
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(host, settings.port)
            with contextlib.closing(writer):
                writer.write(f"GET /login HTTP/1.0\r\nHost: {settings.host}\r\n\r\n".encode())
                answer = await reader.read()
            return "心防" in answer.decode(errors="replace")
    return False


def _backups(settings: Settings, now: datetime) -> Finding:
    files = list_backups(settings)
    by_itself = settings.backup_daily > 0
    mend = "运行 python bot.py backup；" + (
        "自动备份已开启，程序要开着才会备份，失败原因见日志"
        if by_itself
        else "并用设置 backup_daily 开启自动备份（docs/backup.md）"
    )
    if not files:
        return warn("备份", "还没有备份", mend)
    age = max(0.0, (now - files[0].made_at).total_seconds())
    text = f"最近一次在 {duration_text(age)}前：{files[0].path.name}"
    return warn("备份", text, mend) if age > (OLD_AUTO_BACKUP if by_itself else OLD_BACKUP) else ok("备份", text)
