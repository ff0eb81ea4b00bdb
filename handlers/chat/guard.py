"""Scams said in a group: a person must look; the group is warned if it allows that."""

from __future__ import annotations

from bot.app import Services
from bot.guarding import may_watch, watch
from bot.messages import Incoming
from bot.routing import Context, Outcome


def may_guard(message: Incoming, services: Services) -> bool:
    return may_watch(services.knowledge, message)


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
