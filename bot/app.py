"""The composition: what the engine is made of, and how it starts and stops.

`handlers` bring the ways in: the chat handlers are given to the router here by whoever builds the engine
(`handlers.compose.build_engine`), the console and the command line hold the `Engine` itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from bot.alert_texts import AlertTexts
from bot.channels.base import AccountChanged, Channel, Deliver
from bot.clock import Clock, SystemClock
from bot.database import is_away
from bot.delivery import Delivery
from bot.events import Events
from bot.folding import Folding
from bot.forwarding import LiveAlerts
from bot.gap_watch import GapWatch
from bot.knowledge import Knowledge
from bot.ledger import RETRY_SECONDS
from bot.library_live import LibraryWatch
from bot.mentions import Mentions
from bot.messages import Incoming
from bot.presence import Presence
from bot.recent import Recent
from bot.relay import Relay
from bot.roles import ALL, Part
from bot.routing import Handler, MayAct, Router, always
from bot.scheduler import Scheduler
from bot.settings import Settings
from db.groups import count_all_groups
from db.session import Database
from db.states import AccountState

log = logging.getLogger(__name__)

IN_PLACE = 5_000
"""Groups up to which pages read in place. At that size the longest statement, the groups that still miss an alert, takes
16 ms, and most take less than one."""


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
        parts: Collection[Part] = ALL,
        may_act: MayAct[Services] = always,
    ) -> None:
        self.settings = settings
        self.parts = frozenset(parts)
        self.database = database
        self.clock: Clock = clock or SystemClock()
        self.events = Events()
        self.channels = {channel.name: channel for channel in channels}
        self.knowledge = Knowledge()
        self.library = LibraryWatch(database, self.knowledge)
        self.live_alerts = LiveAlerts(settings, database, self.clock)
        self._handlers = handlers
        self._may_act = may_act
        self._texts = AlertTexts(settings)
        self._mentions = Mentions()
        self.presence = Presence(settings, database, self.parts, self.clock)
        self.relay = None if database.is_sqlite else Relay(database, self.events, self.presence.owner)
        self.delivery = Delivery(
            settings, database, self.channels, self.clock, self.events, self._texts, self._mentions, self.presence
        )
        self.scheduler = Scheduler(settings, database, self.clock, self.events)
        self.folding = Folding(database, self.events, settings.zone)
        self.recent = Recent(self.clock, self.events)
        self.gaps = GapWatch(database, self.clock, self.recent)
        self.started = False  # everything runs: what /readyz answers

    @contextlib.asynccontextmanager
    async def browse(self) -> AsyncIterator[AsyncSession]:
        """A session to read a page with, which looks through the groups of a few alerts at most. While these are not
        many it reads in place (`Database.glance`): a page is some twenty statements, and each takes the way to a
        thread and back behind everything else that is going on."""
        async with self.database.glance() as session:
            groups = await self.recent.look("groups", lambda: count_all_groups(session))
            if groups <= IN_PLACE or not self.database.is_sqlite:
                yield session
                return
        async with self.database.read() as session:
            yield session

    async def start(self) -> None:
        """Load what is known and live, then listen, send and tick, as far as that is this process's part. Returns
        when everything runs."""
        await self.presence.start()
        if self.relay is not None:
            await self.relay.start()
        if Part.SENDER in self.parts:
            await self._start_sending()
        if Part.SCHEDULER in self.parts:
            await self.folding.start()
            await self.scheduler.start()
        if self.parts & {Part.WEB, Part.SENDER}:
            # Half a second of reckoning: broadcasts go on and pages are served meanwhile, only questions wait for it.
            await self.library.start(self.events)
        self.started = True

    async def _start_sending(self) -> None:
        await self.live_alerts.start(self.events)
        services = Services(self.settings, self.knowledge, self.live_alerts)
        router = Router(
            self.database,
            self.clock,
            self.events,
            self._handlers,
            services,
            self._texts,
            self._mentions,
            self.live_alerts.look,
            self._may_act,
        )
        await self.delivery.start()
        for channel in self.channels.values():
            await channel.start(_patient(router.take), self._reporter(channel.name))

    async def stop(self) -> None:
        """Stop taking, then sending; what is in flight is finished and recorded. Takes at most 5 s."""
        self.started = False
        await self.scheduler.stop()
        await asyncio.gather(*(channel.stop() for channel in self.channels.values()))
        await self.presence.stop()
        await self.delivery.stop()
        await self.folding.stop()
        await self.gaps.stop()
        self.recent.close()
        await self.library.stop()
        await self.live_alerts.stop()
        if self.relay is not None:
            await self.relay.stop()

    def _reporter(self, channel: str) -> AccountChanged:
        async def changed(name: str, state: AccountState, reason: str) -> None:
            await self.delivery.report(channel, name, state, reason)

        return changed


def _patient(take: Deliver) -> Deliver:
    """While the database is away a message waits: channels give up after some tries, and it would be lost."""

    async def wait(message: Incoming) -> None:
        while True:
            try:
                return await take(message)
            except Exception as error:
                if not is_away(error):
                    raise
            await asyncio.sleep(RETRY_SECONDS)

    return wait
