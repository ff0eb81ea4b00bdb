"""The state of the installation, for the administrator: does it work, what is backed up, what is kept for how long."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from bot.backups import BackupFile, last_due, list_backups
from bot.database import shown_url, sqlite_path
from bot.doctor import OLD_AUTO_BACKUP, OLD_BACKUP
from bot.identity import Actor
from bot.roles import Part
from bot.second_factor import has_second_factor
from bot.settings import Settings
from db import migrating
from db.metrics import read_metrics
from db.processes import list_alive
from db.states import Role, UserState
from db.users import list_users
from handlers.web.keys import ENGINE
from handlers.web.views import page

SHOWN_BACKUPS = 8
CLOCK_LIMIT = 2000  # milliseconds by which a machine's clock may be wrong before the page says so


@dataclass(frozen=True)
class Kept:
    """What is kept for how long, and the setting that says so."""

    what: str
    days: int
    then: str
    setting: str


async def system_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    settings, now = engine.settings, engine.clock.now()
    async with engine.database.read() as session:
        readings = await read_metrics(session, now)
        alive = await list_alive(session)
        users = [user for user, _ in await list_users(session) if user.state is UserState.ACTIVE]
    backups = await asyncio.to_thread(list_backups, settings)
    path = sqlite_path(engine.database)
    reviewers = [user for user in users if user.role in (Role.ADMIN, Role.REVIEWER)]
    return await page(
        request,
        "system.html",
        started=engine.started,
        database="PostgreSQL" if path is None else "内置 SQLite",
        where=shown_url(engine.database),
        size=path.stat().st_size if path is not None and path.exists() else None,
        revision=migrating.HEAD,
        readings=readings,
        processes=alive,
        parts=Part,
        clock_limit=CLOCK_LIMIT,
        backups=backups[:SHOWN_BACKUPS],
        more=max(0, len(backups) - SHOWN_BACKUPS),
        late=_is_late(backups, settings, now.timestamp()),
        next_backup=last_due(settings, now) + timedelta(days=1) if settings.backup_daily else None,
        settings=settings,
        kept=_kept(settings),
        reviewers=reviewers,
        without=[user for user in reviewers if not has_second_factor(user)],
        folder=settings.data_dir / "backups",
    )


def _is_late(backups: list[BackupFile], settings: Settings, now: float) -> bool:
    limit = OLD_AUTO_BACKUP if settings.backup_daily else OLD_BACKUP
    return not backups or now - backups[0].made_at.timestamp() > limit


def _kept(settings: Settings) -> list[Kept]:
    return [
        Kept("咨询原文、已发答复、训练群聊", settings.question_days, "只留统计", "question_days"),
        Kept("线索原文和答复", settings.lead_days, "只留处理记录", "lead_days"),
        Kept("消息编号（去重用）", settings.incoming_days, "删除", "incoming_days"),
        Kept("结束的预警各群推送明细", settings.delivery_days, "只留合计", "delivery_days"),
        Kept("审计日志", settings.audit_days, "删除，并记一条", "audit_days"),
    ]
