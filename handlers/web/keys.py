"""What the application and a request carry, by typed keys."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

from bot.identity import Actor

if TYPE_CHECKING:
    from bot.app import Engine


@dataclass(frozen=True)
class Visitor:
    """Whoever is signed in, and the session through which they are."""

    actor: Actor
    username: str
    csrf: str
    token_hash: str
    must_change: bool  # has to choose a password before anything else


ENGINE: web.AppKey[Engine] = web.AppKey("engine")
STOPPING: web.AppKey[asyncio.Event] = web.AppKey("stopping", asyncio.Event)  # live pages end when it is set
VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor", Visitor)
NOBODY_CSRF: web.RequestKey[str] = web.RequestKey("nobody_csrf", str)  # of a form that is shown before signing in
FRAME_ANCESTORS: web.RequestKey[str] = web.RequestKey("frame_ancestors", str)  # sites that may frame this page
