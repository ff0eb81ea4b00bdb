"""`alert status`: how far an alert is, once or until it ends."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.live import Live

from bot.estimate import expected_finish
from bot.settings import Settings
from db.alerts import count_deliveries
from db.backlog import count_waiting
from db.figures import get_figures
from db.session import Database
from db.states import AlertState
from db.units import find_root
from handlers.cli.acting import Desk, Json, Number, get_numbered
from handlers.cli.alert_new import finish_words
from handlers.cli.alert_views import Snapshot, snapshot_json, snapshot_view
from handlers.cli.common import open_database, out, print_json, run_command

ENDED = (AlertState.FINISHED, AlertState.CANCELLED, AlertState.EXPIRED)
SECONDS = 0.5  # between looks


def status_command(
    number: Number,
    watch: Annotated[bool, typer.Option("--watch", help="持续显示，直到推送结束（Ctrl-C 退出）")] = False,
    as_json: Json = False,
) -> None:
    """推送进度：各状态的投递数、触达的群和人。与 --json 同用，或输出不是终端时，--watch 等到结束才输出。"""

    async def work(settings: Settings) -> None:
        async with open_database(settings) as database:
            snapshot = await _look(database, settings, number)
            drawn = watch and not as_json and out.is_terminal
            if watch:
                snapshot = await _watch(database, settings, number, snapshot, quiet=not drawn)
            if not as_json and not drawn:
                out.print(snapshot_view(snapshot), soft_wrap=True)
        if as_json:
            print_json(snapshot_json(snapshot, settings.zone))

    run_command(work, as_json=as_json)


async def _watch(database: Database, settings: Settings, number: str, snapshot: Snapshot, *, quiet: bool) -> Snapshot:
    """Look again until the alert has ended, drawing what is seen; what is drawn last stays on the screen."""
    live = Live(snapshot_view(snapshot), console=out, auto_refresh=False)
    with contextlib.nullcontext() if quiet else live:
        while snapshot.alert.state not in ENDED:
            await asyncio.sleep(SECONDS)
            snapshot = await _look(database, settings, number)
            live.update(snapshot_view(snapshot), refresh=not quiet)
    return snapshot


async def _look(database: Database, settings: Settings, number: str) -> Snapshot:
    async with database.read() as session:
        desk = Desk(session, settings, datetime.now(UTC))
        alert = await get_numbered(desk, number)
        counts = (await count_deliveries(session, [alert.id]))[alert.id]
        root = await find_root(session)
        figures = None if root is None else await get_figures(session, alert.id, root.id)
        if alert.state is not AlertState.RUNNING or not counts.waiting:
            return Snapshot(alert, counts, figures)
        waiting = await count_waiting(session, alert.id)
        finish = await expected_finish(
            session, waiting, severity=alert.severity, start=desk.now, settings=settings, apart_from=alert.id
        )
        return Snapshot(alert, counts, figures, finish, finish_words(desk.now, finish, settings.zone))
