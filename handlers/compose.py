"""Puts the engine together: which channels, which chat handlers. Everybody who needs an engine builds it here."""

from __future__ import annotations

from collections.abc import Callable, Collection

from bot.app import Engine
from bot.channels.base import Channel
from bot.channels.local import LocalChannel
from bot.channels.wechaty import WechatyChannel
from bot.clock import Clock, SystemClock
from bot.roles import ALL, Part
from bot.settings import Settings
from db.session import Database
from handlers.chat import chat_handlers, may_act


def build_engine(
    settings: Settings, database: Database, clock: Clock | None = None, parts: Collection[Part] = ALL
) -> Engine:
    clock = clock or SystemClock()
    makers: dict[str, Callable[[], Channel]] = {
        "local": lambda: LocalChannel(database, clock),
        "wechaty": lambda: WechatyChannel(database, clock, settings),
    }
    channels = [makers[name]() for name in settings.channels]
    return Engine(settings, database, channels, chat_handlers(), clock=clock, parts=parts, may_act=may_act)
