"""Scams said in a group: a person must look; the bot says nothing."""

from __future__ import annotations

from bot.answering import watch
from bot.app import Services
from bot.routing import Context, Outcome


async def guard(context: Context[Services]) -> Outcome | None:
    lead = await watch(
        context.session,
        context.services.knowledge,
        message=context.message,
        group=context.group,
        now=context.now,
    )
    return Outcome("guard", changed=("leads",)) if lead else None
