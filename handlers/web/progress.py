"""How far alerts are: the same figures for pages, their live updates and the dashboard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import duration_text, local_text
from bot.estimate import expected_finish
from bot.settings import Settings
from db.alerts import DeliveryCounts, count_deliveries
from db.backlog import count_waiting
from db.figures import Figures, get_figures
from db.models import Alert
from db.states import AlertState, DeliveryState
from handlers.web.views import count_text, percent_text


@dataclass(frozen=True)
class Progress:
    """An alert, its deliveries, and its coverage in one unit's subtree (None before anything is known)."""

    alert: Alert
    counts: DeliveryCounts
    figures: Figures | None
    finish: datetime | None = None  # expected, while it runs


async def list_progress(session: AsyncSession, alerts: Sequence[Alert], unit_id: int | None) -> list[Progress]:
    counts = await count_deliveries(session, [alert.id for alert in alerts])
    return [
        Progress(alert, counts[alert.id], None if unit_id is None else await get_figures(session, alert.id, unit_id))
        for alert in alerts
    ]


async def get_progress(
    session: AsyncSession, alert: Alert, unit_id: int | None, *, settings: Settings, now: datetime
) -> Progress:
    """With the expected finish while it runs."""
    (progress,) = await list_progress(session, [alert], unit_id)
    finish = None
    if alert.state is AlertState.RUNNING and progress.counts.waiting:
        waiting = await count_waiting(session, alert.id)
        finish = await expected_finish(
            session, waiting, severity=alert.severity, start=now, settings=settings, apart_from=alert.id
        )
    return Progress(alert, progress.counts, progress.figures, finish)


def progress_json(progress: Progress, *, zone: ZoneInfo, now: datetime) -> dict[str, Any]:
    """For scripts in pages: the numbers, and the texts that stand beside them."""
    alert, counts, figures = progress.alert, progress.counts, progress.figures
    return {
        "id": alert.id,
        "state": alert.state.value,
        "state_label": alert.state.label,
        "audience": counts.audience,
        "done": counts.done,
        "counts": {state.value: getattr(counts, state.value) for state in DeliveryState},
        "finish": finish_text(progress.finish, now=now, zone=zone),
        "reach": None if figures is None else reach_json(figures),
    }


def reach_json(figures: Figures) -> dict[str, Any]:
    return {
        "share": figures.coverage_groups,
        "percent": percent_text(figures.coverage_groups),
        "groups": f"{count_text(figures.reached_groups)} / {count_text(figures.expected_groups)}",
        "members": f"{count_text(figures.reached_members)} / {count_text(figures.expected_members)}",
        "members_percent": percent_text(figures.coverage_members),
        "pushed": figures.pushed_groups,
        "forwarded": figures.forwarded_groups,
        "reported": figures.reported_groups,
        "missing": figures.missing_groups,
        "first": duration_text(figures.first_s),
        "median": duration_text(figures.median_s),
    }


def finish_text(finish: datetime | None, *, now: datetime, zone: ZoneInfo, start: datetime | None = None) -> str:
    """ "约 11 分钟，预计 09:42 完成"; with the date when it is another day. Empty when there is nothing to wait for."""
    if finish is None:
        return ""
    span = max(0.0, (finish - (start or now)).total_seconds())
    local, today = finish.astimezone(zone), now.astimezone(zone).date()
    when = f"{local:%H:%M}" if local.date() == today else local_text(finish, zone)[5:]
    return f"{_rough(span)}，预计 {when} 完成"


def _rough(seconds: float) -> str:
    """Minutes are enough for an estimate: nobody plans by its seconds."""
    if seconds < 60:
        return "不到 1 分钟"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"约 {minutes} 分钟"
    hours, rest = divmod(minutes, 60)
    if hours < 24:
        return f"约 {hours} 小时" + (f" {rest} 分钟" if rest else "")
    return f"约 {hours // 24} 天" + (f" {hours % 24} 小时" if hours % 24 else "")
