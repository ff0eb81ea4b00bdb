"""The audit log as a file, for an inspector: what the page's filter shows, newest first. That it left is in the log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from urllib.parse import quote

from aiohttp import web

from bot.app import Engine
from bot.audit import audit
from bot.errors import NotFound
from bot.identity import Actor
from bot.permissions import Permission, require
from bot.sheets import XLSX_TYPE, write_csv, write_xlsx
from db.console import list_audit_page
from db.models import AuditEntry
from handlers.web.audit import AuditFilter, filter_of
from handlers.web.audit_words import action_label
from handlers.web.keys import ENGINE

MOST = 200_000  # entries of a file; three years of a busy office
COLUMNS = ("编号", "时间", "人员", "操作", "代码", "对象", "来自", "详情")
FILES = {"audit.xlsx": XLSX_TYPE, "audit.csv": "text/csv"}
_MORE = "更早的记录没有导出，请按日期分几次导出"


async def export(engine: Engine, actor: Actor, name: str, wanted: AuditFilter) -> bytes:
    """The file of this name. Raises `Forbidden`, and `NotFound` for a name that there is not."""
    require(actor, Permission.AUDIT)
    if name not in FILES:
        raise NotFound("没有这个文件")
    async with engine.database.read() as session:
        entries = await list_audit_page(session, **vars(wanted), limit=MOST + 1)
    data = await asyncio.to_thread(_written, engine, name, entries)
    async with engine.database.write() as session:
        detail = {"file": name, "rows": min(len(entries), MOST), **wanted.noted()}
        await audit(session, actor, engine.clock.now(), "audit.export", "审计日志", detail)
    return data


def _written(engine: Engine, name: str, entries: Sequence[AuditEntry]) -> bytes:
    """In a thread: a long log takes seconds."""
    zone = engine.settings.zone
    rows = [
        (
            entry.id,
            entry.at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
            entry.actor,
            action_label(entry.action),
            entry.action,
            entry.subject,
            entry.origin,
            json.dumps(entry.detail, ensure_ascii=False, default=str) if entry.detail else "",
        )
        for entry in entries[:MOST]
    ]
    if len(entries) > MOST:
        rows.append((0, "", "", _MORE, "", "", "", ""))
    return write_csv(COLUMNS, rows) if name.endswith(".csv") else write_xlsx([("审计日志", COLUMNS, rows)])


async def audit_file(request: web.Request, actor: Actor) -> web.StreamResponse:
    name = request.match_info["name"]
    wanted, _ = filter_of(request)
    data = await export(request.app[ENGINE], actor, name, wanted)
    response = web.Response(body=data, content_type=FILES[name])
    shown = f"审计日志-{request.app[ENGINE].clock.now().astimezone(request.app[ENGINE].settings.zone):%Y%m%d}"
    suffix = name.rpartition(".")[2]
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(shown)}.{suffix}"
    return response
