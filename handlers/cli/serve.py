"""`run`: the engine and the console, in one process or in several with a role each, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from typing import Annotated, Any

import typer
from aiohttp import web

from bot.app import Engine
from bot.background import leave
from bot.channels.local_people import sync_rooms
from bot.clock import Clock, SystemClock
from bot.database import open_ready
from bot.database_clock import DatabaseClock
from bot.errors import UserError
from bot.logs import set_up_logs
from bot.memory import give_back_now_and_then, share_arenas, spare_what_is_loaded
from bot.metrics import watch_database
from bot.presence import process_name, require_alone
from bot.roles import ALL, Part
from bot.second_factor import seal_secrets
from bot.settings import Settings, load_settings
from bot.short_pages import prepare
from bot.users import ensure_first_admin
from db.session import Database
from handlers.cli.common import shown_errors
from handlers.compose import build_engine
from handlers.web.app import create_web
from handlers.web.status import create_status

# How long the event loop keeps Python to itself while a thread of SQLite waits to hand over what it has read. With Python's
# 5 ms a page of thirty statements waited 150 ms and more as soon as the loop was busy.
SWITCH_SECONDS = 0.0005


@contextlib.asynccontextmanager
async def running(
    settings: Settings,
    *,
    parts: Collection[Part] = ALL,
    show_password: bool = True,
    stop: asyncio.Event | None = None,
) -> AsyncIterator[tuple[Engine, str]]:
    """The engine and the console, started; gives the console's address, or the one where a process without the console
    tells its health. Ends both in order. `stop` breaks a start off: whoever is told to stop does not wait for it."""
    database = await open_ready(settings, now=SystemClock().now())
    watch_database(database)
    try:
        engine = build_engine(settings, database, await _clock_for(database), parts)
        await require_alone(engine.presence, settings, database, stop or asyncio.Event())
        await _prepare(database, engine, show_password=show_password)
        async with _console(engine) as address:
            engine.presence.address = address
            try:
                await _unless(stop or asyncio.Event(), engine.start())
                yield engine, address
            finally:
                await engine.stop()
    finally:
        await database.close()


async def _clock_for(database: Database) -> Clock:
    """Machines that share a PostgreSQL share its time."""
    if database.is_sqlite:
        return SystemClock()
    clock = DatabaseClock()
    await clock.measure(database)
    return clock


async def _prepare(database: Database, engine: Engine, *, show_password: bool) -> None:
    async with database.write() as session:
        await sync_rooms(session)
        await prepare(session)
        await seal_secrets(session, engine.settings)
        password = await ensure_first_admin(session, engine.clock.now()) if Part.WEB in engine.parts else None
    if password is not None and show_password:
        _show_password(password)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do `work`, but break it off when told to stop."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


@contextlib.asynccontextmanager
async def _console(engine: Engine) -> AsyncIterator[str]:
    settings = engine.settings
    with_pages = Part.WEB in engine.parts
    wanted, name = (settings.port, "XINFANG_PORT") if with_pages else (settings.status_port, "XINFANG_STATUS_PORT")
    app = create_web(engine) if with_pages else create_status(engine)
    runner = web.AppRunner(app, shutdown_timeout=1.0, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, wanted).start()
        except OSError as error:
            message = f"无法在 {settings.host}:{wanted} 打开网页服务（{error.strerror}）；端口可用 {name} 更改"
            raise UserError(message) from error
        port = runner.addresses[0][1]
        yield f"http://{settings.host}:{port}"
    finally:
        await runner.cleanup()


def _show_password(password: str) -> None:
    print(f"首次启动：已建立管理员 admin，一次性密码 {password}（只显示这一次，登录后须修改）", flush=True)


async def serve(settings: Settings, parts: Collection[Part] = ALL) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, parts=parts, stop=stop) as (engine, address):
        if not stop.is_set():
            spare_what_is_loaded()
            print(_greeting(engine, address), flush=True)
        giving_back = asyncio.create_task(give_back_now_and_then(), name="memory")
        await stop.wait()
        giving_back.cancel()
    print("已停止", file=sys.stderr, flush=True)


def _greeting(engine: Engine, address: str) -> str:
    if engine.parts == ALL:
        return f"心防已启动：{address}"
    labels = "、".join(part.label for part in Part if part in engine.parts)
    where = address if Part.WEB in engine.parts else f"{address}/readyz"
    return f"心防已启动（{labels}）：{where}"


def run(
    role: Annotated[
        list[str] | None,
        typer.Option(
            "--role", help="这个进程做什么：web 网页、sender 发送、scheduler 定时、all 全部（默认）；可写多次"
        ),
    ] = None,
) -> None:
    """启动机器人和控制台（Ctrl-C 停止）。"""
    with shown_errors(), new_runner() as runner:
        parts = parts_of(role or [])
        settings = load_settings()
        set_up_logs(settings, process_name())
        sys.setswitchinterval(SWITCH_SECONDS)
        share_arenas()
        runner.run(serve(settings, parts))
    leave()


def parts_of(roles: Sequence[str]) -> frozenset[Part]:
    """What `--role` asks for. Raises `UserError` for a role that does not exist."""
    unknown = [role for role in roles if role not in ("all", *Part)]
    if unknown:
        raise UserError(f"没有这样的角色：{unknown[0]}；只能是 web、sender、scheduler 或 all（--role 可写多次）")
    return ALL if not roles or "all" in roles else frozenset(Part(role) for role in roles)


def new_runner() -> asyncio.Runner:
    """A runner on the quickest event loop there is."""
    return asyncio.Runner(loop_factory=_loop_factory())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists (not on Windows)."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None
