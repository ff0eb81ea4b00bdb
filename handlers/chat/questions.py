"""Residents' questions."""

from __future__ import annotations

from bot.answering import answer
from bot.app import Services
from bot.routing import Context, Outcome


async def questions(context: Context[Services]) -> Outcome | None:
    answered = await answer(
        context.session,
        context.services.knowledge,
        message=context.message,
        group=context.group,
        now=context.now,
    )
    if answered is None:
        return None
    text, lead = answered
    return Outcome("question", text, ("questions", "leads") if lead else ("questions",))
