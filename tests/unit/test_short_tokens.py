"""Tokens of short pages: they name an alert and a unit, and nobody can make or change one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.short_pages import make_token, read_token

KEY, OTHER = b"k" * 32, b"o" * 32
ids = st.integers(1, 2**40)


@given(ids, ids)
def test_a_token_says_what_it_was_made_for_and_only_to_us(alert_id: int, unit_id: int) -> None:
    token = make_token(KEY, alert_id, unit_id)
    assert read_token(KEY, token) == (alert_id, unit_id)
    assert read_token(OTHER, token) is None
    assert 14 <= len(token) <= 32


@settings(max_examples=300)
@given(ids, ids, st.integers(0, 31), st.sampled_from("ABCxyz019-_"))
def test_a_changed_token_is_refused(alert_id: int, unit_id: int, at: int, letter: str) -> None:
    token = make_token(KEY, alert_id, unit_id)
    changed = token[: at % len(token)] + letter + token[at % len(token) + 1 :]
    assert read_token(KEY, changed) == ((alert_id, unit_id) if changed == token else None)
    assert read_token(KEY, token[:-1]) is None


@given(st.text(max_size=40))
def test_anything_else_is_refused(token: str) -> None:
    assert read_token(KEY, token) is None


def test_tokens_of_neighbours_have_nothing_in_common_that_could_be_counted_through() -> None:
    tails = {make_token(KEY, 7, unit_id)[-12:] for unit_id in range(1, 2000)}
    assert len(tails) == 1999
