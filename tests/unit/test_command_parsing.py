"""Commands as people type them on a phone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.chat.command_parsing import Command, looks_like_code, parse_command, parse_report


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("转发统计", Command("转发统计")),
        (" 转发统计。", Command("转发统计")),
        ("统计", Command("转发统计")),
        ("未转发", Command("未转发")),
        ("未转发名单", Command("未转发")),
        ("帮助！", Command("帮助")),
        ("明细", Command("明细")),
        ("明细 20261121-01", Command("明细", "20261121-01", spaced=True)),
        ("明细20261121-01", Command("明细", "20261121-01")),
        ("明细：3", Command("明细", "3", spaced=True)),
        ("已转发", Command("已转发")),
        ("已转发 海滨社区群 86", Command("已转发", "海滨社区群 86", spaced=True)),
        ("已转发 <海滨社区群> 86人", Command("已转发", "海滨社区群 86人", spaced=True)),
        ("已转发　“海滨社区群”　８６", Command("已转发", "海滨社区群 86", spaced=True)),
        ("已转发到各群", Command("已转发", "到各群")),
        ("绑定 ABCD2345", Command("绑定", "ABCD2345", spaced=True)),
        ("绑定ABCD2345", Command("绑定", "ABCD2345")),
    ],
)
def test_commands_are_read_forgivingly(text: str, command: Command) -> None:
    assert parse_command(text) == command


@pytest.mark.parametrize(
    "text",
    ["转发统计在哪里看", "未转发的请抓紧", "帮助一下我", "明细表发我", "请大家已转发的回复", "", "转发", "统\n计"],
)
def test_sentences_are_not_commands(text: str) -> None:
    assert parse_command(text) is None


@pytest.mark.parametrize(
    ("argument", "readings", "number"),
    [
        ("海滨群", (("海滨群", None),), ""),
        ("海滨群 86", (("海滨群", 86), ("海滨群 86", None)), ""),
        ("海滨群 86人", (("海滨群", 86), ("海滨群 86人", None)), ""),
        ("海滨群86", (("海滨群86", None), ("海滨群", 86)), ""),
        ("海滨群86人", (("海滨群", 86), ("海滨群86人", None)), ""),
        ("HB02", (("HB02", None), ("HB", 2)), ""),
        ("HB02 40", (("HB02", 40), ("HB02 40", None)), ""),
        ("20261121-01 海滨群 86", (("海滨群", 86), ("海滨群 86", None)), "20261121-01"),
        ("330922", (("330922", None),), ""),
    ],
)
def test_a_report_names_a_group_and_maybe_members(
    argument: str, readings: tuple[tuple[str, int | None], ...], number: str
) -> None:
    report = parse_report(argument)
    assert report.readings == readings
    assert report.alert_number == number


def test_codes() -> None:
    assert looks_like_code("ABCD2345")
    assert looks_like_code("abcd-2345")
    assert looks_like_code(" ABCD 2345 ")
    assert not looks_like_code("ABCD234")
    assert not looks_like_code("手机号")


@given(st.text(max_size=200))
def test_any_text_is_read_without_error(text: str) -> None:
    command = parse_command("已转发 " + text)
    if command is not None:
        assert parse_report(command.argument).readings
