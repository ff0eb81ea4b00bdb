"""The composition: what the engine is made of, and how it starts and stops.

`handlers` bring the ways in: the chat handlers are given to the router here by whoever builds the engine
(`handlers.compose.build_engine`), the console and the command line hold the `Engine` itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from bot.alert_texts import AlertTexts
from bot.channels.base import AccountChanged, Channel
from bot.clock import Clock, SystemClock
from bot.delivery import Delivery
from bot.events import Events
from bot.folding import Folding
from bot.forwarding import LiveAlerts
from bot.gap_watch import GapWatch
from bot.knowledge import Knowledge
from bot.library_live import LibraryWatch
from bot.mentions import Mentions
from bot.routing import Handler, Router
from bot.scheduler import Scheduler
from bot.settings import Settings
from db.accounts import report_account_state
from db.session import Database
from db.states import AccountState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """What chat handlers may use."""

    settings: Settings
    knowledge: Knowledge
    live_alerts: LiveAlerts


class Engine:
    """Everything that runs by itself, around one database."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        channels: Sequence[Channel],
        handlers: Sequence[Handler[Services]],
        *,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.clock: Clock = clock or SystemClock()
        self.events = Events()
        self.channels = {channel.name: channel for channel in channels}
        self.knowledge = Knowledge()
        self.library = LibraryWatch(database, self.knowledge)
        self.live_alerts = LiveAlerts(settings, database, self.clock)
        self._handlers = handlers
        self._texts = AlertTexts(settings)
        self._mentions = Mentions()
        self.delivery = Delivery(
            settings, database, self.channels, self.clock, self.events, self._texts, self._mentions
        )
        self.scheduler = Scheduler(settings, database, self.clock, self.events)
        self.folding = Folding(database, self.events, settings.zone)
        self.gaps = GapWatch(database, self.clock)
        self.started = False  # everything runs: what /readyz answers

    async def start(self) -> None:
        """Load what is known and live, then listen, send and tick. Returns when everything runs."""
        await self.live_alerts.start(self.events)
        services = Services(self.settings, self.knowledge, self.live_alerts)
        router = Router(self.database, self.clock, self.events, self._handlers, services, self._texts, self._mentions)
        await self.delivery.start()
        for channel in self.channels.values():
            await channel.start(router.take, self._reporter(channel.name))
        await self.folding.start()
        await self.scheduler.start()
        # Half a second of reckoning: broadcasts go on and pages are served meanwhile, only questions wait for it.
        await self.library.start(self.events)
        self.started = True

    async def stop(self) -> None:
        """Stop taking, then sending; what is in flight is finished and recorded. Takes at most 5 s."""
        self.started = False
        await self.scheduler.stop()
        await asyncio.gather(*(channel.stop() for channel in self.channels.values()))
        await self.delivery.stop()
        await self.folding.stop()
        await self.gaps.stop()
        await self.library.stop()
        await self.live_alerts.stop()

    def _reporter(self, channel: str) -> AccountChanged:
        async def changed(name: str, state: AccountState, reason: str) -> None:
            async with self.database.write() as session:
                await report_account_state(session, channel, name, state, at=self.clock.now(), reason=reason)
            self.events.publish("accounts")

        return changed
