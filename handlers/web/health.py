"""For supervisors and monitoring: does the process live, can it work, and how does it do."""

from __future__ import annotations

import asyncio
import hmac
import logging
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from aiohttp import web

from bot import metrics
from bot.app import Engine
from bot.backups import list_backups
from bot.database import sqlite_path
from bot.doctor import NO_SPACE
from bot.errors import Forbidden
from db import migrating
from db.metrics import Readings, read_metrics
from handlers.web.keys import ENGINE
from handlers.web.proxies import is_local

log = logging.getLogger(__name__)

PATIENCE = 3.0  # seconds for the database to answer
FRESH = 5.0  # seconds for which one reading of the rows serves whoever asks


@dataclass
class Kept:
    """The last reading, and when it was made."""

    at: float = float("-inf")
    text: str = ""


KEPT: web.AppKey[Kept] = web.AppKey("metrics", Kept)


async def healthz(request: web.Request) -> web.StreamResponse:
    """The process lives: it answers."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.StreamResponse:
    """The process can work: its database answers and is at the program's version, and everything is started."""
    engine = request.app[ENGINE]
    checks = {
        **await _database_checks(engine),
        "disk": await asyncio.to_thread(_disk, engine.settings.data_dir),
        "channels": "ok" if engine.started else "starting",
    }
    ready = all(state == "ok" for state in checks.values())
    return web.json_response({"ready": ready, "checks": checks}, status=200 if ready else 503)


def _disk(folder: Path) -> str:
    """Before the last byte: what cannot be written down is not sent."""
    return "ok" if shutil.disk_usage(folder).free >= NO_SPACE else "full"


async def _database_checks(engine: Engine) -> dict[str, str]:
    try:
        async with asyncio.timeout(PATIENCE):
            revision = await migrating.current_revision(engine.database)
    except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
        log.warning("not ready", extra={"why": str(error)})
        return {"database": "unreachable", "migrations": "unknown"}
    # A newer program may have prepared the tables for itself: what runs goes on until it is replaced (docs/scaling.md).
    fits = revision is not None and revision >= migrating.HEAD
    return {"database": "ok", "migrations": "ok" if fits else "behind"}


async def metrics_text(request: web.Request) -> web.StreamResponse:
    """For whoever has the token; without a token in the settings, for this machine."""
    engine = request.app[ENGINE]
    token = engine.settings.metrics_token
    given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if not (hmac.compare_digest(given.encode(), token.encode()) if token else is_local(request)):
        raise Forbidden("只有本机或持有令牌的监控程序可以读取")
    kept, now = request.app[KEPT], engine.clock.monotonic()
    if now - kept.at >= FRESH:
        kept.at, kept.text = now, metrics.rendered([*metrics.COUNTED, *await _gauges(engine)])
    return web.Response(body=kept.text.encode(), headers={"Content-Type": metrics.CONTENT_TYPE})


async def _gauges(engine: Engine) -> list[metrics.Metric]:
    now = engine.clock.now()
    async with engine.database.read() as session:
        readings = await read_metrics(session, now)
    return [*_from_rows(readings), *await asyncio.to_thread(_from_files, engine, now)]


def _from_rows(read: Readings) -> list[metrics.Metric]:
    accounts: dict[metrics.Labels, float] = {
        (("channel", channel), ("state", state)): count for (channel, state), count in read.accounts.items()
    }
    return [
        _by_state("xinfang_deliveries", "Deliveries of alerts that run or are paused.", read.deliveries),
        _by_state("xinfang_alerts", "Alerts.", read.alerts),
        metrics.Gauge("xinfang_accounts", "Accounts by channel and state.", accounts),
        _one("xinfang_delivery_queue_age_seconds", "Since the oldest release that still waits.", read.delivery_age),
        _one("xinfang_replies_waiting", "Answers that wait to be sent.", read.replies),
        _one("xinfang_reply_queue_age_seconds", "Age of the oldest answer that waits.", read.reply_age),
        _one("xinfang_echo_latency_mean_seconds", "From sent to echo, of live alerts.", read.echo_mean),
        _one("xinfang_echo_latency_max_seconds", "The longest of them.", read.echo_max),
        _one("xinfang_echo_missing", "Sent deliveries of live alerts without an echo.", read.echo_missing),
        _one("xinfang_leads_open", "Leads that nobody has taken.", read.leads),
        _one("xinfang_alarms_open", "Those in which somebody is being defrauded.", read.alarms),
    ]


def _from_files(engine: Engine, now: datetime) -> list[metrics.Metric]:
    found = [_one("process_start_time_seconds", "When the process started.", metrics.STARTED)]
    backups = list_backups(engine.settings)
    if backups:
        age = (now - backups[0].made_at).total_seconds()
        found.append(_one("xinfang_backup_age_seconds", "Age of the newest backup.", age))
    path = sqlite_path(engine.database)
    if path is not None and path.exists():
        found.append(_one("xinfang_database_bytes", "Size of the embedded database.", path.stat().st_size))
    return found


def _one(name: str, text: str, value: float) -> metrics.Metric:
    return metrics.Gauge(name, text, {(): value})


def _by_state(name: str, text: str, counts: dict[str, int]) -> metrics.Metric:
    return metrics.Gauge(name, text, {(("state", state),): count for state, count in counts.items()})
