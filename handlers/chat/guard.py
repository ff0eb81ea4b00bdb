"""Scams said in a group: a person must look; the group is warned if it allows that."""

from __future__ import annotations

from bot.app import Services
from bot.guarding import watch
from bot.routing import Context, Outcome


async def guard(context: Context[Services]) -> Outcome | None:
    seen = await watch(
        context.session,
        context.services.knowledge,
        message=context.message,
        group=context.group,
        settings=context.services.settings,
        now=context.now,
    )
    return Outcome("guard", seen.text, ("leads",) if seen.lead else ()) if seen is not None else None
