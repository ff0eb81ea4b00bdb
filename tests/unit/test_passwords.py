"""What a password must be: long, and not what is guessed first."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.passwords import MIN_LENGTH, one_time_password, password_fault, worst_passwords

WORDS = ("王海波", "嵊泗县反诈中心", "菜园镇")


@pytest.mark.parametrize(
    "password",
    [
        "heart-guard-2026",
        "brand-new-words",
        "渔船灯塔海风早饭的味道",
        "correct horse battery",
        "Tr4wler&Lighthouse",
        "admin of a lighthouse",
    ],
)
def test_own_words_are_taken(password: str) -> None:
    assert password_fault("wanghaibo", password, words=WORDS) == ""


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "至少 10"),
        ("abababababab", "不同的字符"),
        ("abcdabcdabcd", "不同的字符"),
        ("1234567890", "相邻"),
        ("qwertyuiop12", "相邻"),
        ("poiuytrewq!1", "相邻"),
        ("1qaz2wsx3edc", "相邻"),
        ("abcdefgh1234", "相邻"),
        ("Password123!", "太常见"),
        ("p@$$w0rd2026", "太常见"),
        ("WoAiNi13145", "太常见"),
        ("Administrator1", "太常见"),
        ("wanghaibo2026", "用户名"),
        ("WangHaiBo@110", "用户名"),
        ("嵊泗县反诈中心2026", "用户名"),
        ("王海波王海波110110", "用户名"),
        ("xinfang-fanzha-96110", "用户名"),
    ],
)
def test_what_is_guessed_first_is_refused(password: str, why: str) -> None:
    assert why in password_fault("wanghaibo", password, words=WORDS)


def test_the_list_is_our_own_and_clean() -> None:
    words = worst_passwords()
    assert len(words) > 200
    assert all(word == word.casefold() and len(word) >= 4 for word in words)


@given(st.sampled_from(sorted(worst_passwords())), st.text("0123456789!@#.", max_size=8))
@settings(deadline=None, max_examples=60)
def test_digits_and_signs_do_not_save_a_bad_word(word: str, decoration: str) -> None:
    assert password_fault("lijing", word.capitalize() + decoration)


@given(st.text(max_size=200))
@settings(deadline=None, max_examples=100)
def test_any_text_gets_an_answer(password: str) -> None:
    fault = password_fault("lijing", password, words=WORDS)
    assert fault or len(password) >= MIN_LENGTH


def test_one_time_passwords_pass_and_differ() -> None:
    made = {one_time_password() for _ in range(50)}
    assert len(made) == 50
    assert not any(password_fault("lijing", each) for each in made)
