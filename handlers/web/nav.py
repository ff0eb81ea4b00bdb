"""The navigation: what this visitor may open, and how much waits for them there."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from bot.permissions import Permission, allowed
from db.console import count_waiting
from handlers.web.keys import ENGINE, Visitor


@dataclass(frozen=True)
class NavItem:
    """`badge` is how many things wait behind the link; 0 shows nothing."""

    path: str
    label: str
    icon: str
    here: bool
    badge: int = 0


_ITEMS: tuple[tuple[str, str, str, Permission], ...] = (
    ("/", "首页", "home", Permission.SEE),
    ("/alerts", "预警", "alert", Permission.SEE_ALERTS),
    ("/units", "单位与触达", "tree", Permission.SEE),
    ("/questions", "咨询与线索", "question", Permission.QUESTIONS),
    ("/reach", "触达排名", "chart", Permission.SEE),
    ("/library", "知识库", "book", Permission.LIBRARY),
    ("/accounts", "账号", "phone", Permission.SEE_ALERTS),
    ("/registry", "单位导入", "table", Permission.REGISTRY),
    ("/people", "人员", "people", Permission.PEOPLE),
    ("/chat", "训练群聊", "chat", Permission.TRAINING),
    ("/audit", "审计日志", "log", Permission.AUDIT),
    ("/users", "用户", "user", Permission.USERS),
    ("/settings", "设置", "settings", Permission.USERS),
)


async def nav_items(request: web.Request, visitor: Visitor | None) -> list[NavItem]:
    if visitor is None or visitor.must_change:
        return []
    role = visitor.actor.role
    async with request.app[ENGINE].database.glance() as session:
        waiting = await count_waiting(session)
    badges: dict[str, int] = {}
    if allowed(role, Permission.REVIEW_ALERT):
        badges["/alerts"] = waiting.alerts
    if allowed(role, Permission.REVIEW_LIBRARY):
        badges["/library"] = waiting.edits
    if allowed(role, Permission.QUESTIONS):
        badges["/questions"] = waiting.leads
    return [
        NavItem(path, label, icon, _is_here(request.path, path), badges.get(path, 0))
        for path, label, icon, needs in _ITEMS
        if allowed(role, needs)
    ]


def _is_here(path: str, item: str) -> bool:
    return path == item if item == "/" else path == item or path.startswith(f"{item}/")
