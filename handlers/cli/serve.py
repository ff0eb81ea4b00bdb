"""`run`: the engine and the console in one process, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from aiohttp import web

from bot.app import Engine
from bot.background import leave
from bot.channels.local_people import sync_rooms
from bot.clock import SystemClock
from bot.database import open_ready
from bot.errors import UserError
from bot.logs import set_up_logs
from bot.metrics import watch_database
from bot.settings import Settings, load_settings
from bot.short_pages import prepare
from bot.users import ensure_first_admin
from handlers.cli.common import shown_errors
from handlers.compose import build_engine
from handlers.web.app import create_web


@contextlib.asynccontextmanager
async def running(
    settings: Settings, *, show_password: bool = True, stop: asyncio.Event | None = None
) -> AsyncIterator[tuple[Engine, str]]:
    """The engine and the console, started; gives the console's address. Ends both in order. `stop` breaks a start
    off: whoever is told to stop does not wait for it first."""
    clock = SystemClock()
    database = await open_ready(settings, now=clock.now())
    watch_database(database)
    try:
        engine = build_engine(settings, database, clock)
        async with database.write() as session:
            await sync_rooms(session)
            await prepare(session)
            password = await ensure_first_admin(session, clock.now())
        if password is not None and show_password:
            _show_password(password)
        async with _console(engine) as address:
            try:
                await _unless(stop or asyncio.Event(), engine.start())
                yield engine, address
            finally:
                await engine.stop()
    finally:
        await database.close()


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
    runner = web.AppRunner(create_web(engine), shutdown_timeout=1.0, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, settings.host, settings.port).start()
        except OSError as error:
            message = (
                f"无法在 {settings.host}:{settings.port} 打开网页服务（{error.strerror}）；端口可用 XINFANG_PORT 更改"
            )
            raise UserError(message) from error
        port = runner.addresses[0][1]
        yield f"http://{settings.host}:{port}"
    finally:
        await runner.cleanup()


def _show_password(password: str) -> None:
    print(f"首次启动：已建立管理员 admin，一次性密码 {password}（只显示这一次，登录后须修改）", flush=True)


async def serve(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(settings, stop=stop) as (_, address):
        if not stop.is_set():
            print(f"心防已启动：{address}", flush=True)
        await stop.wait()
    print("已停止", file=sys.stderr, flush=True)


def run() -> None:
    """启动机器人和控制台（Ctrl-C 停止）。"""
    with shown_errors(), new_runner() as runner:
        settings = load_settings()
        set_up_logs(settings)
        runner.run(serve(settings))
    leave()


def new_runner() -> asyncio.Runner:
    """A runner on the quickest event loop there is."""
    return asyncio.Runner(loop_factory=_loop_factory())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it exists (not on Windows)."""
    with contextlib.suppress(ImportError):
        import uvloop

        return uvloop.new_event_loop
    return None
