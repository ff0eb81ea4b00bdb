"""What many look at is read once, until it is old or may have changed."""

from __future__ import annotations

from bot.events import Events
from bot.recent import KEPT, Recent
from tests.fakes import FakeClock


class Counted:
    """Gives the number of its calls."""

    def __init__(self) -> None:
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        return self.calls


async def test_what_is_recent_is_not_read_again() -> None:
    clock, events, read = FakeClock(), Events(), Counted()
    recent = Recent(clock, events)
    assert [await recent.look("one", read) for _ in range(3)] == [1, 1, 1]
    assert await recent.look("other", read) == 2
    clock.advance(KEPT.total_seconds())
    assert [await recent.look("one", read) for _ in range(2)] == [3, 3]


async def test_a_change_of_the_registry_is_seen_at_once() -> None:
    events, read = Events(), Counted()
    recent = Recent(FakeClock(), events)
    await recent.look("one", read)
    events.publish("accounts")
    assert await recent.look("one", read) == 2
    recent.close()


async def test_what_was_read_during_a_change_is_read_again() -> None:
    events, calls = Events(), Counted()
    recent = Recent(FakeClock(), events)

    async def changed_meanwhile() -> int:
        events.publish("accounts")
        return await calls()

    assert [await recent.look("one", changed_meanwhile) for _ in range(2)] == [1, 2]
    assert await recent.look("one", calls) == 3


async def test_another_look_during_a_change_does_not_hide_it() -> None:
    events, calls = Events(), Counted()
    recent = Recent(FakeClock(), events)

    async def changed_and_looked_at_meanwhile() -> int:
        read_before = await calls()
        events.publish("accounts")
        await recent.look("other", calls)
        return read_before

    assert await recent.look("one", changed_and_looked_at_meanwhile) == 1
    assert await recent.look("one", calls) == 3
