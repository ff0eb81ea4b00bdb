"""Puts the engine together: which channels, which chat handlers. Everybody who needs an engine builds it here."""

from __future__ import annotations

from bot.app import Engine
from bot.channels.base import Channel
from bot.channels.local import LocalChannel
from bot.clock import Clock, SystemClock
from bot.settings import Settings
from db.session import Database
from handlers.chat import chat_handlers


def build_engine(settings: Settings, database: Database, clock: Clock | None = None) -> Engine:
    clock = clock or SystemClock()
    makers = {"local": LocalChannel}
    channels: list[Channel] = [makers[name](database, clock) for name in settings.channels]
    return Engine(settings, database, channels, chat_handlers(), clock=clock)
