"""What stands in the audit log can be read: every action that the program writes has a word, and so has its group."""

from __future__ import annotations

import re
from pathlib import Path
from zoneinfo import ZoneInfo

from handlers.web.audit_words import ACTIONS, GROUPS, detail_lines

ZONE = ZoneInfo("Asia/Shanghai")
ROOT = Path(__file__).parents[2]
_WRITTEN = re.compile(r'(?:action=|now, |actor, |session, user, |                )"([a-z]+\.[a-z_]+)"')


def written() -> set[str]:
    """The dotted words in calls of the engine that add an entry."""
    found = set()
    for path in ROOT.glob("bot/**/*.py"):
        text = path.read_text(encoding="utf-8")
        if "audit" in text:
            found |= set(_WRITTEN.findall(text))
    return found


def test_every_action_has_a_word() -> None:
    assert {"lead.claim", "backup.restore", "group.warns", "database.move", "user.second_factor_key"} <= written()
    assert written() - set(ACTIONS) == set()
    assert {action.partition(".")[0] for action in ACTIONS} == set(GROUPS)


def test_details_are_lines_for_people() -> None:
    detail = {"before": {"severity": "blue", "note": ""}, "groups": {"added": 0, "codes": ["G1", "G2"]}, "他": None}
    assert detail_lines(detail, ZONE) == [
        ("之前 · 级别", "蓝色"),
        ("群 · 新增", "0"),
        ("群 · 编码", "G1、G2"),
    ]
    (line,) = detail_lines({"body": "字" * 400}, ZONE)
    assert line == ("正文", "字" * 300 + "…")
    times = {"since": "2026-11-18T16:00:00+00:00", "until": "2026-13-39T16:00", "note": "2026-11-18"}
    assert detail_lines(times, ZONE) == [
        ("从", "2026-11-19 00:00"),
        ("到", "2026-13-39T16:00"),
        ("说明", "2026-11-18"),
    ]
