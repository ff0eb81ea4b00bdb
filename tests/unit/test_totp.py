"""One-time codes: the vectors of the RFCs, a clock that is a little wrong, and no code twice."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot import totp

SECRET = base64.b32encode(b"12345678901234567890").decode()  # of RFC 6238, appendix B


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_rfcs_vectors(seconds: int, code: str) -> None:
    """RFC 6238, appendix B, of whose eight digits the last six are shown."""
    at = datetime.fromtimestamp(seconds, UTC)
    assert totp.code_of(SECRET, totp.step_at(at)) == code
    assert totp.find_step(SECRET, code, at) == seconds // 30


@given(st.integers(0, 4_000_000_000), st.integers(-90, 90))
@settings(deadline=None, max_examples=100)
def test_a_clock_may_be_one_step_wrong_and_no_more(seconds: int, wrong: int) -> None:
    at = datetime.fromtimestamp(seconds + 100, UTC)
    step = totp.step_at(at + timedelta(seconds=wrong))
    found = totp.find_step(SECRET, totp.code_of(SECRET, step), at)
    near = abs(step - totp.step_at(at)) <= 1
    assert (found == step) if near else (found is None or totp.code_of(SECRET, found) == totp.code_of(SECRET, step))


def test_a_code_works_once() -> None:
    at = datetime.fromtimestamp(1234567890, UTC)
    step = totp.find_step(SECRET, "005 924", at)
    assert step is not None
    assert totp.find_step(SECRET, "005924", at, after=step) is None


@given(st.text(max_size=12))
@settings(deadline=None, max_examples=100)
def test_what_is_no_code_matches_nothing(text: str) -> None:
    at = datetime.fromtimestamp(1234567890, UTC)
    valid = {totp.code_of(SECRET, totp.step_at(at) + drift) for drift in (-1, 0, 1)}
    assert (totp.find_step(SECRET, text, at) is not None) == ("".join(text.split()) in valid)


def test_the_address_of_the_qr_code() -> None:
    address = totp.app_address("ABC", account="李静", issuer="心防 嵊泗")
    assert address.startswith(
        "otpauth://totp/%E5%BF%83%E9%98%B2%20%E5%B5%8A%E6%B3%97:%E6%9D%8E%E9%9D%99?secret=ABC&issuer="
    )
    assert "+" not in address  # apps show it


def test_secrets_differ_and_can_be_typed() -> None:
    secrets = {totp.new_secret() for _ in range(20)}
    assert len(secrets) == 20
    assert all(len(base64.b32decode(each)) == 20 for each in secrets)
    assert totp.spoken_secret("ABCDEFGH") == "ABCD EFGH"
