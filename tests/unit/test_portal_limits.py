"""How often one address, and everybody together, may ask; and that addresses are not kept."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.portal import RateLimit


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_an_address_waits_a_minute_and_others_do_not() -> None:
    hand = Hand()
    limit = RateLimit(2, 100, hand)
    assert [limit.take("10.0.0.1") for _ in range(3)] == [True, True, False]
    assert limit.take("10.0.0.2")
    hand.seconds += 59.9
    assert not limit.take("10.0.0.1")
    hand.seconds += 0.2
    assert limit.take("10.0.0.1")


def test_all_together_have_a_limit_too() -> None:
    limit = RateLimit(5, 3, Hand())
    assert [limit.take(f"10.0.0.{host}") for host in range(5)] == [True, True, True, False, False]


def test_addresses_are_hashed_and_forgotten() -> None:
    hand = Hand()
    limit = RateLimit(5, 1000, hand)
    for host in range(200):
        limit.take(f"10.0.0.{host}")
    assert "10.0.0." not in repr(vars(limit))
    assert len(limit._of_address) == 200
    hand.seconds += 61
    limit.take("10.0.0.1")
    assert len(limit._of_address) == 1
    other = RateLimit(5, 1000, hand)
    other.take("10.0.0.1")
    assert set(other._of_address) != set(limit._of_address)  # another process cannot tell it is the same


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 30)), max_size=60))
@settings(deadline=None, max_examples=150)
def test_no_minute_ever_has_more(steps: list[tuple[int, float]]) -> None:
    hand = Hand()
    limit = RateLimit(3, 7, hand)
    taken: list[tuple[float, int]] = []
    for host, pause in steps:
        hand.seconds += pause
        recent = [one for one in taken if one[0] > hand.seconds - 60]
        possible = len(recent) < 7 and sum(one[1] == host for one in recent) < 3
        assert limit.take(str(host)) is possible
        if possible:
            taken.append((hand.seconds, host))
    assert len(limit._of_address) <= max(1, sum(one[0] > hand.seconds - 120 for one in taken))
