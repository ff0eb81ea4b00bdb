"""How fast one account may send: a gap from start to start, a budget per minute and one per day.

The next start is computed from the last ones, not by sleeping after each send, so that the time a send takes
costs nothing; it is never earlier than any limit allows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from bot.clock import Clock

MINUTE = 60.0
SAME_INSTANT = 0.0002  # seconds between two looks at clocks that count as one
LOOKS = 50
SET_BACK = timedelta(seconds=1)  # a clock that is set back by more was wrong; less is put right now and then


@dataclass(frozen=True)
class Limits:
    gap: float  # seconds from start to start
    per_minute: int  # starts in any 60 s
    per_day: int  # starts in a day of the office's calendar
    cards_per_day: int = 1_000_000  # link cards among them


class Pacer:
    """Pacing of one account.

    `history` are the starts of the last minute before this process took the account over (any order),
    `today` how many it had today and `cards` how many of those were link cards. A start is written down as it is
    planned, and the real one may have been a little later: `margin` seconds are added to what another process wrote.
    """

    def __init__(
        self,
        limits: Limits,
        clock: Clock,
        zone: ZoneInfo,
        *,
        history: Sequence[datetime] = (),
        today: int = 0,
        cards: int = 0,
        margin: float = 1.0,
    ) -> None:
        self.limits = limits
        self._clock = clock
        self._zone = zone
        self._epoch = datetime.min.replace(tzinfo=UTC)  # the time of day at which the monotonic clock was zero
        self._look_at_clocks()
        mono = clock.monotonic()
        now = self._epoch + timedelta(seconds=mono)
        past = sorted(mono - (now - at).total_seconds() for at in history)
        # Clamped to the present, unless it was planned for later than that.
        starts = (min(start + margin, max(start, mono)) for start in past)
        self._starts: deque[float] = deque(starts, maxlen=limits.per_minute)
        self._day = self._day_of(now)
        self._today = today
        self._cards = cards

    def next_start(self) -> float:
        """The earliest allowed start, on the monotonic clock, in seconds; may be in the past."""
        earliest = self._clock.monotonic() if self._budget_left() else self._tomorrow()
        if self._starts:
            earliest = max(earliest, self._starts[-1] + self.limits.gap)
        if len(self._starts) == self.limits.per_minute:
            earliest = max(earliest, self._starts[0] + MINUTE)
        return earliest

    def delay(self) -> float:
        """Seconds until the earliest allowed start; 0 when it may be now."""
        return max(0.0, self.next_start() - self._clock.monotonic())

    def planned(self) -> datetime:
        """The earliest allowed start as a time of day, to be written down before the send. However the time of day is
        put right meanwhile, what is on record never lies closer together than the starts were allowed."""
        self._look_at_clocks()
        return self._epoch + timedelta(seconds=self.next_start())

    def _look_at_clocks(self) -> None:
        """Both at one instant: a process that is held up in between would be wrong by as much."""
        for _ in range(LOOKS):
            mono = self._clock.monotonic()
            now = self._clock.now()
            if self._clock.monotonic() - mono <= SAME_INSTANT:
                break
        epoch = now - timedelta(seconds=mono)
        if not timedelta() <= self._epoch - epoch < SET_BACK:
            self._epoch = epoch

    async def wait(self, lead: float = 0.0) -> None:
        """Sleep until `lead` seconds before the earliest allowed start."""
        while (left := self.delay() - lead) > 0:
            await self._clock.sleep(left)

    def card_allowed(self) -> bool:
        """May a link card be sent today?"""
        self._budget_left()
        return self._cards < self.limits.cards_per_day

    def started(self, *, card: bool = False) -> None:
        """A send begins now."""
        self._budget_left()
        self._today += 1
        self._cards += card
        self._starts.append(self._clock.monotonic())

    def arrived(self) -> None:
        """What was begun last has reached the channel, or the other side, now at the latest: the limits count from
        here. A message that was long on its way and one that was quick would otherwise arrive closer together than
        they were begun."""
        if self._starts:
            self._starts[-1] = self._clock.monotonic()

    def _budget_left(self) -> bool:
        now = self._clock.now()
        begin, end = self._day
        if not begin <= now < end:
            self._day, self._today, self._cards = self._day_of(now), 0, 0
        return self._today < self.limits.per_day

    def _tomorrow(self) -> float:
        return self._clock.monotonic() + (self._day[1] - self._clock.now()).total_seconds()

    def _day_of(self, now: datetime) -> tuple[datetime, datetime]:
        """Its two midnights by the office's calendar, as instants: wall times would miss a change of summer time."""
        local = now.astimezone(self._zone)
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        return midnight.astimezone(UTC), (midnight + timedelta(days=1)).astimezone(UTC)
