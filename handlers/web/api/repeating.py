"""Requests that may be sent again when no answer came: done once, answered alike every time, for a day.

The key, what was done and what was answered are one transaction: there is no instant at which one exists without
the others. Only what succeeded is kept; what was refused may be mended and sent again under the same key.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid
from db import tokens as store
from handlers.web.api.definitions import Call
from handlers.web.problems import KeyReused

KEY_HEADER = "Idempotency-Key"
KEPT = timedelta(hours=24)
PATTERN = r"^[\x21-\x7e]{1,80}$"
_KEY = re.compile(PATTERN)


@dataclass(frozen=True)
class Once:
    """The answer, and whether it was given before."""

    status: int
    text: str
    replayed: bool


async def do_once(
    call: Call, key: str, fingerprint: str, status: int, work: Callable[[AsyncSession], Awaitable[BaseModel]]
) -> Once:
    """Do it, or answer what was answered before. Raises `KeyReused` when the key belongs to something else."""
    if not _KEY.fullmatch(key):
        raise Invalid({KEY_HEADER: "应是 1–80 个可见的 ASCII 字符"})
    async with call.engine.database.write() as session:
        await store.forget_requests(session, call.now - KEPT)
        if await store.begin_request(session, call.owner, key, fingerprint, call.now):
            text = (await work(session)).model_dump_json()
            await store.record_answer(session, call.owner, key, status=status, answer=text)
            return Once(status, text, replayed=False)
        before = await store.find_request(session, call.owner, key)
    if before is None or before.fingerprint != fingerprint:
        raise KeyReused("这个 Idempotency-Key 已用于另一个请求，请换一个")
    return Once(before.status, before.answer, replayed=True)
