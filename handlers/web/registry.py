"""Importing the registry: upload, preview, confirm; and what is missing in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from aiohttp import web

from bot.channels.local_people import sync_rooms
from bot.errors import ImportRefused, UserError, WrongState
from bot.identity import Actor
from bot.registry import apply_import, plan_import
from bot.registry_export import export_groups_csv, export_registry, export_units_csv, registry_template
from bot.registry_gaps import GAP_LABELS, find_gaps
from bot.registry_plan import ImportPlan
from bot.sheets import XLSX_TYPE, Table, read_tables
from db.units import count_units
from handlers.web.forms import text_of
from handlers.web.keys import ENGINE, VISITOR
from handlers.web.middlewares import status_of
from handlers.web.views import page

SHOWN_ROWS = 100  # of each table of the preview
SHOWN_FAULTS = 200
SHOWN_GAPS = 30
KEEP = timedelta(minutes=30)
MOST_UPLOADS = 8  # at once in memory; the oldest goes first


@dataclass(frozen=True)
class Upload:
    """What somebody uploaded and looked at, until they confirm it."""

    name: str
    tables: list[Table]
    retire_missing: bool
    basis: str  # the registry that the preview was made from
    at: datetime


UPLOADS: web.AppKey[dict[str, Upload]] = web.AppKey("uploads", dict)


async def registry_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show(request, done="导入完成" if request.query.get("done") == "import" else "")


async def _show(
    request: web.Request,
    *,
    done: str = "",
    message: str = "",
    faults: list[Any] | None = None,
    status: int = 200,
) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        gaps = await find_gaps(session)
        units = await count_units(session)
    return await page(
        request,
        "registry.html",
        status=status,
        units=units,
        gaps=gaps,
        shown_gaps=SHOWN_GAPS,
        done=done,
        message=message,
        faults=(faults or [])[:SHOWN_FAULTS],
        fault_count=len(faults or []),
        gap_labels=GAP_LABELS,
    )


async def preview(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Read the file and show what it would change; nothing is written."""
    engine = request.app[ENGINE]
    form = await request.post()
    upload = form.get("file")
    try:
        if not isinstance(upload, web.FileField) or not upload.filename:
            raise UserError("请选择要导入的文件")
        tables = await asyncio.to_thread(read_tables, upload.file.read())
        retire = text_of(form, "retire_missing") == "yes"
        async with engine.database.read() as session:
            plan = await plan_import(session, tables, retire_missing=retire)
    except ImportRefused as error:
        return await _show(request, message=str(error), faults=error.faults, status=status_of(error))
    except UserError as error:
        return await _show(request, message=str(error), status=status_of(error))
    kept = Upload(upload.filename, tables, retire, plan.basis, engine.clock.now())
    _keep(request, kept)
    return await _preview(request, kept, plan)


async def _preview(request: web.Request, upload: Upload, plan: ImportPlan) -> web.StreamResponse:
    return await page(request, "registry_preview.html", upload=upload, plan=plan, shown=SHOWN_ROWS)


def _keep(request: web.Request, upload: Upload) -> None:
    """One per session; whoever goes away without confirming leaves nothing for long."""
    uploads = request.app[UPLOADS]
    for key in [key for key, one in uploads.items() if upload.at - one.at > KEEP]:
        del uploads[key]
    uploads.pop(request[VISITOR].token_hash, None)
    while len(uploads) >= MOST_UPLOADS:
        del uploads[next(iter(uploads))]
    uploads[request[VISITOR].token_hash] = upload


async def confirm(request: web.Request, actor: Actor) -> web.StreamResponse:
    """Import what was previewed: planned anew in the same transaction, all of it or nothing."""
    engine = request.app[ENGINE]
    upload = request.app[UPLOADS].pop(request[VISITOR].token_hash, None)
    try:
        if upload is None or engine.clock.now() - upload.at > KEEP:
            raise WrongState("预览已过期，请重新上传文件")
        async with engine.database.write() as session:
            plan = await plan_import(session, upload.tables, retire_missing=upload.retire_missing)
            if plan.basis != upload.basis:
                raise WrongState("登记表在预览之后有变动，未导入任何内容，请重新上传并预览")
            await apply_import(session, plan, actor, engine.clock.now())
            if "local" in engine.settings.channels:
                await sync_rooms(session)
    except ImportRefused as error:
        return await _show(request, message=str(error), faults=error.faults, status=status_of(error))
    except UserError as error:
        return await _show(request, message=str(error), status=status_of(error))
    engine.events.publish("accounts")
    raise web.HTTPSeeOther("/registry?done=import")


# ── files ───────────────────────────────────────────────────────────────────


async def template(request: web.Request, actor: Actor) -> web.StreamResponse:
    return _download(await asyncio.to_thread(registry_template), "单位与群-模板.xlsx", XLSX_TYPE)


async def export_xlsx(request: web.Request, actor: Actor) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        return _download(await export_registry(session), "单位与群.xlsx", XLSX_TYPE)


async def export_units(request: web.Request, actor: Actor) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        return _download(await export_units_csv(session), "单位.csv", "text/csv")


async def export_groups(request: web.Request, actor: Actor) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        return _download(await export_groups_csv(session), "群.csv", "text/csv")


def _download(data: bytes, name: str, media_type: str) -> web.Response:
    response = web.Response(body=data, content_type=media_type)
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name)}"
    return response
