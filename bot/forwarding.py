"""Message → forward → reach: recognising what people pass on, and putting it on record."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import Clock
from bot.events import Events, wait_for
from bot.messages import Incoming
from bot.picture_matching import UNKNOWN_PICTURE, KnownPictures
from bot.settings import Settings
from content.fingerprints import AlertIndex, Explanation, ForwardMatch
from db import forwards as store
from db.forwards import Standing, Words
from db.models import Group, Person
from db.pictures import find_picture
from db.reach import ReachState, find_reach, record_reach
from db.session import Database
from db.states import Way

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0  # another process may have released an alert, and windows end without an event


class LiveAlerts:
    """The alerts that people may be forwarding now, ready to be compared with every message.

    Memory of the rows, nothing more: it is brought in step by `refresh` and may be thrown away at any time. An
    alert is compared by its title and body; the frame that all alerts share (`content.messages`) says nothing. Of
    alerts with the same words only the latest is compared: it is the one that people have just been sent.

    What is over or has been corrected stays in the comparison for a while: a forward of it is recognised as that,
    instead of as the live alert that resembles it most.
    """

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._window = timedelta(days=settings.forward_days)
        self._database = database
        self._clock = clock
        self._index = AlertIndex()
        self.pictures = KnownPictures(database)
        self._kept = self._window + timedelta(days=settings.outdated_days)
        self._words: dict[int, Words] = {}
        self._standing: dict[int, Standing] = {}
        self._compared: set[int] = set()
        self._refreshing = asyncio.Lock()
        self._stopping = asyncio.Event()
        self._nudged = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many alerts are live."""
        return sum(standing is Standing.LIVE for standing in self._standing.values())

    async def start(self, events: Events) -> None:
        """Returns when everything that is live now is known; then keeps in step."""
        self._stopping.clear()
        await self.refresh()
        self._task = asyncio.create_task(self._run(events), name="live-alerts")

    async def stop(self) -> None:
        self._stopping.set()
        self._nudged.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def refresh(self) -> None:
        """Take in alerts that have gone live and drop those that are over; the others are not touched."""
        async with self._refreshing, self._database.read() as session:
            now = self._clock.now()
            standing = await store.list_compared(session, now - self._window, now - self._kept)
            new = standing.keys() - self._words.keys()
            words = {alert_id: known for alert_id, known in self._words.items() if alert_id in standing}
            words |= await store.list_words(session, new) if new else {}
            self._words, self._standing = words, standing
        by_rank = sorted(words, key=lambda alert_id: (standing[alert_id] is Standing.LIVE, alert_id))
        wanted = set({words[alert_id].text: alert_id for alert_id in by_rank}.values())
        for alert_id in self._compared - wanted:
            self._index.remove(str(alert_id))
        for alert_id in sorted(wanted - self._compared):
            self._index.add(str(alert_id), *words[alert_id])
        self._compared = wanted

    async def look(self, message: Incoming) -> Incoming:
        """The message with the alert's picture that it shows, where the channel keeps what people send and so names
        their own file. Takes a quarter of a second: call it outside of any transaction."""
        if message.picture_id is None or message.private:
            return message
        async with self._database.read() as session:
            known = await store.find_showing(session, self.kept_since, picture_id=message.picture_id, link_url="")
            sent = await find_picture(session, message.picture_id) if known is None else None
        if known is not None:
            return message  # an alert's own file
        match = UNKNOWN_PICTURE if sent is None else await self.pictures.match(sent.data, since=self.kept_since)
        return replace(message, picture_id=match.picture_id, picture_doubts=match.doubts)

    def match(self, text: str) -> ForwardMatch:
        return self._index.match(text)

    def standing(self, alert_id: int) -> Standing:
        return self._standing.get(alert_id, Standing.OLD)

    async def find_standings(self, session: AsyncSession, alert_ids: Sequence[int]) -> dict[int, Standing]:
        """What the alerts are by the rows of this moment, in the given order; the memory may be seconds behind."""
        now = self._clock.now()
        found = await store.list_compared(session, now - self._window, now - self._kept, alert_ids)
        return {alert_id: found.get(alert_id, Standing.OLD) for alert_id in alert_ids}

    @property
    def kept_since(self) -> datetime:
        """Alerts released since then are compared, live or not."""
        return self._clock.now() - self._kept

    def explain(self, text: str) -> Explanation:
        return self._index.explain(text)

    def words(self, alert_id: int) -> Words:
        """What a compared alert is recognised by."""
        return self._words[alert_id]

    async def _run(self, events: Events) -> None:
        with events.listen("alerts") as self._nudged:
            while not self._stopping.is_set():
                try:
                    await self.refresh()
                except Exception:
                    log.exception("live alerts could not be read; trying again")
                await wait_for(self._nudged, POLL_SECONDS)


def credited(match: ForwardMatch, live: Callable[[int], bool] = lambda _: True) -> list[int]:
    """Ids of the alerts that a message passes on: none, one, or several when notices were merged into one message.

    When alerts explain the message equally well (a correction that changes a word elsewhere), it is the latest that
    people have just been sent; one that is `live` before one that is not.
    """
    tied = sorted(map(int, match.tied), key=lambda alert_id: (live(alert_id), alert_id))
    best = [int(match.alert_id)] if match.alert_id is not None else tied[-1:]
    return list(dict.fromkeys((*best, *map(int, match.also)))) if best else []


async def record_forward(
    session: AsyncSession,
    *,
    alert_id: int,
    group: Group,
    person: Person | None,
    at: datetime,
    way: Way = Way.FORWARD,
    members: int | None = None,
    score: float = 1.0,
) -> bool:
    """Put a forward (or a liaison's report of one) on record. True when it is what reached the group first.

    Every forward is logged, also those that came later. `person` is someone bound; residents stay unnamed. A clock
    that runs behind ours cannot make a forward older than the alert.
    """
    released_at = await store.find_release_time(session, alert_id)
    if released_at is not None:
        at = max(at, released_at)
    first = await record_reach(session, alert_id=alert_id, group=group, way=way, at=at)
    await store.add_forward(
        session,
        alert_id=alert_id,
        group_id=group.id,
        way=way,
        person_id=person.id if person is not None else None,
        members=members,
        score=score,
        at=at,
    )
    return first


async def record_report(
    session: AsyncSession, *, alert_id: int, group: Group, person: Person, members: int | None, at: datetime
) -> ReachState | None:
    """A liaison says that the group had the alert. None when it now counts as reached by this report; otherwise how
    and when it had been reached before. Saying it again adds nothing; confirming a push or a forward is logged."""
    before = await find_reach(session, alert_id=alert_id, group_id=group.id)
    reached = before is not None and before.reached_at is not None
    if reached and await store.was_reported(session, alert_id=alert_id, group_id=group.id):
        return before
    first = await record_forward(
        session, alert_id=alert_id, group=group, person=person, at=at, way=Way.REPORT, members=members
    )
    return None if first else await find_reach(session, alert_id=alert_id, group_id=group.id)
