"""Who is told of an emergency at once: the officers of today, and never nobody."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.duty import on_duty
from bot.errors import SettingsError
from bot.settings import load_settings
from db.models import Person

SATURDAY = datetime(2026, 11, 21, 9, tzinfo=UTC)
SUNDAY = datetime(2026, 11, 22, 9, tzinfo=UTC)
PEOPLE = [Person(name="张三"), Person(name="李四"), Person(name="王五")]


@pytest.mark.parametrize(
    ("turns", "now", "told"),
    [
        ([], SUNDAY, "张三李四王五"),
        (["张三"], SUNDAY, "张三"),
        (["张三", "周六 李四"], SATURDAY, "张三李四"),
        (["张三", "周六 李四"], SUNDAY, "张三"),
        (["周六 李四"], SUNDAY, "张三李四王五"),
        (["周日 赵六"], SUNDAY, "张三李四王五"),
    ],
)
def test_the_officers_of_the_day_are_told(turns: list[str], now: datetime, told: str) -> None:
    assert "".join(person.name for person in on_duty(PEOPLE, turns, now)) == told


def test_turns_are_written_as_names_with_or_without_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XINFANG_ON_DUTY", "张三, 周六 李四")
    assert load_settings().on_duty == ["张三", "周六 李四"]
    monkeypatch.setenv("XINFANG_ON_DUTY", "星期八 李四")
    with pytest.raises(SettingsError, match="周六"):
        load_settings()
