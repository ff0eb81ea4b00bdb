"""Residents' questions, and what they say after an answer."""

from __future__ import annotations

from bot.answering import answer, may_answer
from bot.app import Services
from bot.messages import Incoming
from bot.routing import Context, Outcome


def may_question(message: Incoming, services: Services) -> bool:
    return may_answer(services.knowledge, message)


async def questions(context: Context[Services]) -> Outcome | None:
    answered = await answer(
        context.session,
        context.services.knowledge,
        message=context.message,
        group=context.group,
        settings=context.services.settings,
        account_id=context.account.id,
        now=context.now,
    )
    if answered is None:
        return None
    return Outcome("question", answered.text, ("questions", "leads") if answered.lead else ("questions",))
