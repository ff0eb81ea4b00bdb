"""The ways in by chat. The order is the order in which a message is offered; the first that acts ends it."""

from __future__ import annotations

from bot.app import Services
from bot.routing import Handler
from handlers.chat.commands import commands
from handlers.chat.forwards import forwards
from handlers.chat.guard import guard
from handlers.chat.questions import questions


def chat_handlers() -> list[Handler[Services]]:
    return [commands, forwards, questions, guard]
