"""What reminders say: polite, short, with everything needed to do it at once. Never more than one screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bot.clock import duration_text
from content.messages import MAX_TEXT
from db.models import Alert
from db.reminders import Missing

LISTED: Final = 10


def reminder_text(
    name: str, alert: Alert, groups: Sequence[Missing], *, now: datetime, link: str, room: int = MAX_TEXT
) -> str:
    """To the liaison of the groups. The alert's text follows as a message of its own, to be copied."""
    head = [f"{name}，您好！", f"{_about(alert, now)}，还有 {len(groups)} 个群没有转发记录："]
    rows = [f"· {group.name}" for group in groups]
    tail = [
        "",
        "辛苦方便时转发一下，正文在下一条，长按即可复制。机器人在的群转发后自动记录，不在的群转好请回复：",
        _example(alert, groups),
    ]
    return _fit(head, rows, len(groups), tail + _linked(link), room)


def parent_text(name: str, alert: Alert, groups: Sequence[Missing], *, now: datetime, link: str) -> str:
    """To the liaison of the unit above, who knows whom to ask."""
    units = Counter(group.unit_name for group in groups)
    head = [f"{name}，您好！", f"{_about(alert, now)}，下级单位还有 {len(groups)} 个群没有转发记录："]
    rows = [f"· {unit}：{count} 个群" for unit, count in units.items()]
    tail = ["", "已提醒过能联系到的联络员，辛苦您帮忙问一下；正文在下一条，长按即可复制。"]
    return _fit(head, rows, len(rows), tail + _linked(link), MAX_TEXT)


def hand_text(name: str, alert: Alert, groups: Sequence[Missing], *, now: datetime, link: str) -> str:
    """When an officer asks for it."""
    return f"反诈中心请您看一下：\n{reminder_text(name, alert, groups, now=now, link=link, room=MAX_TEXT - 11)}"


def _about(alert: Alert, now: datetime) -> str:
    kind = alert.relation.label if alert.relation else f"{alert.severity.label}预警"
    since = duration_text(now - alert.released_at) if alert.released_at else ""
    return f"{kind}《{alert.title}》（{alert.number}）发布已 {since}"


def _example(alert: Alert, groups: Sequence[Missing]) -> str:
    """With the alert's number: another one may have been released by the time of the answer."""
    return f"已转发 {alert.number} {groups[0].code if groups else '群名'}"


def _linked(link: str) -> list[str]:
    return [f"也可以点开勾选（只供您本人，请勿转发）：\n{link}"] if link else []


def _fit(head: list[str], rows: list[str], total: int, tail: list[str], room: int) -> str:
    """As many rows as there is room for, at most `LISTED`, and how many there are when some are left out."""
    rest = f"……等共 {total} 个"
    shown: list[str] = []
    for row in rows[:LISTED]:
        if len("\n".join([*head, *shown, row, rest, *tail])) > room:
            break
        shown.append(row)
    return "\n".join([*head, *shown, *([rest] if len(shown) < total else []), *tail])
