"""Somebody who is losing money now is told so at once; everybody else is not frightened."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from content.emergencies import Emergency, find_emergency, instructions
from content.normalising import normalise
from tests.unit.content.voices import ANY_TEXT, CHAT_LIKE, asker, emergencies, library


@pytest.mark.parametrize("text", emergencies("+"))
def test_told_losses_are_emergencies(text: str) -> None:
    assert find_emergency(normalise(text)) is not None
    assert asker().ask(text).kind == "emergency"


@pytest.mark.parametrize("text", emergencies("-"))
def test_questions_denials_old_cases_and_payments_are_not(text: str) -> None:
    assert find_emergency(normalise(text)) is None
    assert asker().ask(text).kind != "emergency"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("我刚转了钱", "paid"),
        ("验证码给他了", "code"),
        ("正在共享屏幕", "sharing"),
        ("我下载了他发的软件", "app"),
        ("他不让我挂电话", "call"),
    ],
)
def test_what_happened_is_told_apart(text: str, kind: str) -> None:
    found = find_emergency(normalise(text))
    assert found is not None
    assert kind in found.kinds


def test_the_library_itself_raises_no_alarm_in_the_scammers_voice() -> None:
    spoken = [text for each in library().types.values() for text in each.scammer]
    alarms = [text for text in spoken if asker().ask(text).kind == "emergency"]
    assert len(alarms) <= 0.005 * len(spoken), alarms


def test_instructions_say_110_before_the_bank_and_96110_last() -> None:
    for kinds in (
        ("paid",),
        ("code",),
        ("sharing",),
        ("call",),
        ("app",),
        ("sharing", "code", "paid", "call", "app"),
    ):
        text = instructions(Emergency(kinds, ()))
        assert len(text) <= 600
        assert text.index("110") < text.index("银行") < text.index("96110")
        for kept in ("户名", "账号", "金额", "时间", "聊天", "别责怪自己"):
            assert kept in text
        assert "输错密码" not in text


def test_a_shared_screen_is_closed_before_anything_else() -> None:
    lines = instructions(Emergency(("paid", "sharing"), ())).splitlines()
    assert "屏幕共享" in lines[1]


@settings(deadline=None, max_examples=300)
@given(ANY_TEXT | CHAT_LIKE)
def test_any_text_is_judged(text: str) -> None:
    found = find_emergency(normalise(text), 1.0)
    assert found is None or (found.kinds and all(found.words))
