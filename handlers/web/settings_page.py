"""The settings in force, for administrators: read only, because they are changed where the program is started."""

from __future__ import annotations

from aiohttp import web

from bot.identity import Actor
from bot.settings_view import config_path, list_settings
from handlers.web.forms import text_of
from handlers.web.keys import ENGINE
from handlers.web.views import page


async def settings_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    rows = list_settings(request.app[ENGINE].settings)
    search = text_of(request.query, "q")[:60]
    only_changed = text_of(request.query, "view") == "changed"
    shown = [
        row
        for row in rows
        if (row.changed or not only_changed) and search.lower() in f"{row.name} {row.variable} {row.meaning}".lower()
    ]
    return await page(
        request,
        "settings.html",
        rows=shown,
        total=len(rows),
        changed=sum(row.changed for row in rows),
        search=search,
        only_changed=only_changed,
        config=config_path(),
        has_config=config_path().is_file(),
    )
