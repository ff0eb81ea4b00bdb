"""What a liaison's command says: its name and what follows, written however people write it on a phone."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

BIND: Final = "绑定"
TOTALS: Final = "转发统计"
MISSING: Final = "未转发"
REPORT: Final = "已转发"
DETAIL: Final = "明细"
HELP: Final = "帮助"
LINK: Final = "链接"

MAX_MEMBERS: Final = 5000  # of one group; WeChat ends at 500, WeCom's internal groups at 2,000
_ALIASES = {
    "统计": TOTALS,
    "转发情况": TOTALS,
    "未转发名单": MISSING,
    "没转发": MISSING,
    "命令": HELP,
    "详情": DETAIL,
    "手机页": LINK,
    "手机页链接": LINK,
}
RENEW: Final = frozenset({"换新", "更换", "换一个", "重新生成", "作废"})
_WORDS = sorted([BIND, TOTALS, MISSING, REPORT, DETAIL, HELP, LINK, *_ALIASES], key=len, reverse=True)
_COMMAND = re.compile(rf"\s*(?P<name>{'|'.join(_WORDS)})(?P<space>[\s:：,，]*)(?P<rest>[^\n]{{0,120}}?)\s*")
_ENDING = "。.!！~～"
_QUOTES = str.maketrans("", "", "<>《》〈〉「」『』[]【】\"“”'‘’")
_NUMBER = re.compile(r"#?\d[\d-]{0,18}")
_CODE = re.compile(r"[A-Za-z0-9]{4}[\s-]?[A-Za-z0-9]{4}")
_MEMBERS = re.compile(r"(?P<name>.*?\D)(?P<space>[\s:：,，]*)(?P<count>\d{1,7})\s*(?P<unit>[人名个]?)")
_ALERT_FIRST = re.compile(r"#?(?P<number>\d{8}-\d{1,4})[\s:：,，]+(?P<rest>.+)")


@dataclass(frozen=True)
class Command:
    """`spaced`: the argument is set apart, as people do who mean a command and not a sentence."""

    name: str
    argument: str = ""
    spaced: bool = False


@dataclass(frozen=True)
class Report:
    """`已转发 [预警编号] 群名或编号 [人数]`. `readings` are (group, members) as it may be meant, likeliest first."""

    readings: tuple[tuple[str, int | None], ...]
    alert_number: str = ""


def parse_command(text: str) -> Command | None:
    """None when the text is not a command. Words after a command that takes none make it a sentence."""
    match = _COMMAND.fullmatch(unicodedata.normalize("NFKC", text).translate(_QUOTES).rstrip(_ENDING))
    if match is None:
        return None
    name = _ALIASES.get(match["name"], match["name"])
    command = Command(name, match["rest"].strip(), bool(match["space"]))
    if name in (TOTALS, MISSING, HELP) and command.argument:
        return None
    if name == LINK and command.argument and command.argument not in RENEW:
        return None
    if name == DETAIL and command.argument and not _NUMBER.fullmatch(command.argument):
        return None
    return command


def looks_like_code(text: str) -> bool:
    return _CODE.fullmatch(text.strip()) is not None


def parse_report(argument: str) -> Report:
    """A number at the end is the members, unless it may belong to the name: then both readings are tried."""
    number = ""
    first = _ALERT_FIRST.fullmatch(argument)
    if first is not None:
        number, argument = first["number"], first["rest"]
    whole: tuple[str, int | None] = (argument.strip(), None)
    match = _MEMBERS.fullmatch(argument.strip())
    if match is None:
        return Report((whole,), number)
    split = (match["name"].strip(" :：,，"), int(match["count"]))
    apart = match["space"] or match["unit"] or match["name"][-1].isspace()
    return Report((split, whole) if apart else (whole, split), number)
