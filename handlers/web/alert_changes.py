"""What changed in an alert since its reviewer sent it back, or since the alert that it corrects: side by side."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import local_text
from bot.library_diff import FieldDiff, Row, compare_texts
from db.alerts import find_alert
from db.audience import Audience
from db.audit import list_audit_of
from db.models import Alert, AuditEntry
from db.states import ContentKind, Relation, Severity
from handlers.web.audience import describe, find_chosen
from handlers.web.audit_words import KEYS

_OF_RELATED = ("title", "body", "severity", "kind", "link_title", "link_url")
_WRITTEN = ("title", "body", "link_title", "link_url")
_ENUMS = {"severity": Severity, "kind": ContentKind, "relation": Relation}


async def find_changes(session: AsyncSession, alert: Alert, zone: ZoneInfo) -> tuple[str, list[FieldDiff]]:
    """What the older side is called, and every field that differs from it; nothing for an alert's first review."""
    entries = await list_audit_of(session, f"预警 {alert.number}", since=alert.created_at)
    before = _since_sent_back(entries)
    label = "退回时"
    if before is None:
        related = await find_alert(session, alert.related_id) if alert.related_id else None
        if related is None:
            return "", []
        before, label = {column: getattr(related, column) for column in _OF_RELATED}, f"原预警 {related.number}"
    found = []
    for column, old in before.items():
        texts = [await _text(session, column, value, zone) for value in (old, getattr(alert, column, None))]
        if texts[0] != texts[1]:
            found.append(_diff(column, *texts))
    return label, found


def _diff(column: str, old: str, new: str) -> FieldDiff:
    """Word by word where somebody wrote; a choice is another one as a whole."""
    label = KEYS.get(column, column)
    if column in _WRITTEN:
        return compare_texts(column, label, old, new)
    sides = [((text, True),) if text else () for text in (old, new)]
    return FieldDiff(column, label, (Row("changed", *sides),))


def _since_sent_back(entries: list[AuditEntry]) -> dict[str, Any] | None:
    """The columns edited since the last return, as they were then; None when it was never returned."""
    returned = [place for place, entry in enumerate(entries) if entry.action == "alert.send_back"]
    if not returned:
        return None
    before: dict[str, Any] = {}
    for entry in entries[returned[-1] :]:
        if entry.action == "alert.edit":
            before = entry.detail.get("before", {}) | before
    return before


async def _text(session: AsyncSession, column: str, value: Any, zone: ZoneInfo) -> str:
    if value in (None, ""):
        return ""
    if column == "audience":
        audience = Audience.from_json(value)
        return "；".join(
            f"{what} {which}" for what, which in describe(audience, await find_chosen(session, audience))
        )
    if column in _ENUMS:
        return _ENUMS[column](value).label
    if column in ("scheduled_at", "expires_at"):
        return local_text(datetime.fromisoformat(value) if isinstance(value, str) else value, zone)
    return f"第 {value} 号" if isinstance(value, int) else str(value)
