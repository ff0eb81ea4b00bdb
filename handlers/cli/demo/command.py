"""`python bot.py demo`: sets up a folder of its own, plays the story, and leaves the console open."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
import sys
import time
import webbrowser
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from bot.errors import UserError
from bot.logs import set_up_logs
from bot.settings import Settings, load_settings
from handlers.cli.common import shown_errors
from handlers.cli.demo.gateway_town import TOKEN, Gate, GatewayTown, running_gates
from handlers.cli.demo.reach import play_reach
from handlers.cli.demo.script import PASSWORD
from handlers.cli.demo.stage import DemoFailed, Stage, set_stage
from handlers.cli.demo.story import play
from handlers.cli.demo.town import LocalTown
from handlers.cli.demo.view import View
from handlers.cli.serve import new_runner, running

FOLDER = Path("data/demo")
ACCOUNTS = ["心防一号", "心防二号", "心防三号"]  # of the sample's registry
GAP = 0.1  # seconds; a real account keeps 3


class DemoChannel(StrEnum):
    LOCAL = "local"
    WECHATY = "wechaty"


def demo(
    leave: Annotated[
        bool, typer.Option("--exit", help="演示结束后退出，打印一行 JSON；不变量不成立时退出码为 1")
    ] = False,
    channel: Annotated[
        DemoChannel, typer.Option(help="在哪个通道上演示；wechaty 用真实网关和模拟的微信，需要 Node")
    ] = DemoChannel.LOCAL,
    reach: Annotated[
        bool, typer.Option("--reach", help="改为演示触达统计：六周、五条预警、各乡镇排名，一个单位逐条对账")
    ] = False,
) -> None:
    """演示整个流程：导入嵊泗县登记表，推送红色预警，答复居民，统计转发。"""
    with shown_errors(), new_runner() as runner:
        if reach and channel is not DemoChannel.LOCAL:
            raise UserError("--reach 只在内置通道上演示")
        code = runner.run(_demo(channel, leave=leave, reach=reach))
    raise typer.Exit(code)


def _settings(gates: list[Gate], *, leave: bool) -> Settings:
    """Accounts thirty times as fast as real ones, no quiet hours."""
    changes: dict[str, Any] = {"port": 0} if leave else {}
    if gates:
        changes["channels"] = ["wechaty"]
        changes["wechaty_gateways"] = [
            {"name": gate.account, "endpoint": f"127.0.0.1:{gate.port}", "token": TOKEN} for gate in gates
        ]
    settings = load_settings()
    return load_settings(
        public_url=settings.public_url or f"http://127.0.0.1:{settings.port}",  # so that messages show their links
        data_dir=FOLDER,
        database_url="",
        gap_seconds=GAP,
        per_minute=1000,
        per_day=100_000,
        quiet_start="00:00",
        quiet_end="00:00",
        **changes,
    )


async def _demo(channel: DemoChannel, *, leave: bool, reach: bool) -> int:
    """In a fresh folder each time."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    async with running_gates(ACCOUNTS if channel is DemoChannel.WECHATY else [], FOLDER) as gates:
        settings = _settings(gates, leave=leave)
        set_up_logs(settings)
        logging.getLogger("apscheduler").setLevel(logging.ERROR)  # six weeks of rows keep the writer from its ticks
        logging.getLogger("bot").setLevel(logging.CRITICAL)  # the story breaks a group on purpose; the view tells
        return await _play(settings, gates, leave=leave, reach=reach)


async def _play(settings: Settings, gates: list[Gate], *, leave: bool, reach: bool) -> int:
    started = time.monotonic()
    note = f"演示加速：每个账号间隔 {GAP} 秒（实际默认 3 秒）；数据在 {FOLDER}/"
    async with running(settings, show_password=False) as (engine, address):
        stage = set_stage(engine, GatewayTown(engine, gates) if gates else LocalTown(engine))
        try:
            result = await _told(stage, f"{note}；控制台 {address}", reach=reach)
        except (DemoFailed, UserError) as error:
            print(f"演示失败：{error}", file=sys.stderr)
            return 1
        result["seconds"] = round(time.monotonic() - started, 1)
        holds = all(result["invariants"].values())
        if leave:
            print(orjson.dumps({"ok": holds, **result}).decode(), flush=True)
        else:
            _show_logins(stage, address)
            with contextlib.suppress(webbrowser.Error):
                webbrowser.open(address)
            await _until_interrupted()
    return 0 if holds else 1


async def _told(stage: Stage, note: str, *, reach: bool) -> dict[str, Any]:
    if reach:
        return await play_reach(stage)
    with View(note) as view:
        return await play(stage, view)


def _show_logins(stage: Stage, address: str) -> None:
    print(f"\n控制台  {address}\n训练群聊  {address}/chat\n登录（密码都是 {PASSWORD}）：")
    for username, label in stage.logins:
        print(f"  {username:<10}{label}")
    print("按 Ctrl-C 结束", flush=True)


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
