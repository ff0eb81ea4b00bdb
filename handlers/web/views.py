"""What every page has: the template environment, the frame around the page, numbers and times as people read them."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from jinja2.bccache import Bucket

from bot.clock import duration_text, local_text
from bot.permissions import Permission, allowed
from bot.settings import Settings
from db import states
from handlers.web.keys import ENGINE, NOBODY_CSRF, VISITOR, Visitor
from handlers.web.nav import nav_items

_HERE = Path(__file__).parent
STATIC = _HERE / "static"
_ENUMS = (
    states.AccountState,
    states.AlertState,
    states.AnswerKind,
    states.ContentKind,
    states.DeliveryState,
    states.Feedback,
    states.GroupMode,
    states.GroupState,
    states.LeadReason,
    states.LeadState,
    states.Relation,
    states.RevisionKind,
    states.RevisionState,
    states.Role,
    states.Severity,
    states.UnitKind,
    states.UnitState,
    states.UserState,
)


class _Compiled(jinja2.BytecodeCache):
    """Compiled templates, kept while the program runs: an application that is made anew need not compile them again."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Any] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._known.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._known[bucket.key, bucket.checksum] = bucket.code


_COMPILED = _Compiled()


def setup_templates(app: web.Application, settings: Settings) -> None:
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
    )
    env.globals.update({kind.__name__: kind for kind in _ENUMS}, LEVELS=states.LEVEL_LABELS)
    env.globals.update(office=settings.office, portal=settings.portal, Permission=Permission)
    env.globals.update(release_code=settings.release_code, version=static_version())
    env.filters.update(
        time=partial(local_text, zone=settings.zone),
        clock=partial(clock_text, zone=settings.zone),
        duration=duration_text,
        percent=percent_text,
        count=count_text,
        input_time=partial(input_time, zone=settings.zone),
    )


@cache
def static_version() -> str:
    """Changes with any script or style. It is part of their addresses, so browsers need not ask for them again."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(STATIC.iterdir()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def percent_text(share: float | None) -> str:
    """0.9234 → 92.3%; never 100% unless everything is there."""
    if share is None:
        return "—"
    floored = int(share * 1000) / 10
    return "100%" if share >= 1 else f"{floored:.1f}%"


def count_text(number: int | None) -> str:
    return "—" if number is None else f"{number:,}"


def clock_text(at: datetime | None, zone: Any) -> str:
    """The time of day: 09:42:07."""
    return "—" if at is None else at.astimezone(zone).strftime("%H:%M:%S")


def input_time(at: datetime | None, zone: Any) -> str:
    """The value of a `datetime-local` field."""
    return "" if at is None else at.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def ago_text(at: datetime | None, now: datetime) -> str:
    """How long ago, for hints beside a time."""
    if at is None:
        return "—"
    span = now - at
    if span < timedelta(0):
        return f"{duration_text(-span)}后"
    return "刚刚" if span < timedelta(seconds=10) else f"{duration_text(span)}前"


async def page(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.Response:
    """A page inside the frame."""
    visitor = request.get(VISITOR)
    now = request.app[ENGINE].clock.now()
    frame: dict[str, Any] = {
        "visitor": visitor,
        "actor": visitor.actor if visitor else None,
        "csrf": visitor.csrf if visitor else request.get(NOBODY_CSRF, ""),
        "can": partial(_can, visitor),
        "nav": await nav_items(request, visitor),
        "path": request.path,
        "now": now,
        "ago": partial(ago_text, now=now),
    }
    response = aiohttp_jinja2.render_template(template, request, frame | context)
    response.set_status(status)
    return response


def fragment(request: web.Request, template: str, **context: Any) -> web.Response:
    """A piece of a page that a script puts in its place."""
    visitor = request.get(VISITOR)
    now = request.app[ENGINE].clock.now()
    frame = {
        "can": partial(_can, visitor),
        "csrf": visitor.csrf if visitor else "",
        "now": now,
        "ago": partial(ago_text, now=now),
    }
    return aiohttp_jinja2.render_template(template, request, frame | context)


def _can(visitor: Visitor | None, permission: Permission) -> bool:
    return visitor is not None and allowed(visitor.actor.role, permission)
