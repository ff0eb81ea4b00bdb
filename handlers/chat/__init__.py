"""The ways in by chat. The order is the order in which a message is offered; the first that acts ends it."""

from __future__ import annotations

from bot.app import Services
from bot.messages import Incoming
from bot.routing import Handler
from handlers.chat.commands import commands, may_command
from handlers.chat.forwards import forwards, may_forward
from handlers.chat.guard import guard, may_guard
from handlers.chat.questions import may_question, questions

_MAY_ACT = (may_command, may_question, may_guard, may_forward)


def may_act(message: Incoming, services: Services) -> bool:
    """False when no handler would do anything with the message: it is taken without looking at a row. Private messages
    always matter, as they say where the person can be written to."""
    return message.private or any(may(message, services) for may in _MAY_ACT)


def chat_handlers() -> list[Handler[Services]]:
    return [commands, forwards, questions, guard]
