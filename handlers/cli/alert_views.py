"""How alerts look on the command line: for people and, as JSON, for scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bot.clock import duration_text, local_text
from db.alerts import DeliveryCounts
from db.audience import AudiencePreview
from db.figures import Figures
from db.models import Alert
from db.states import AccountState, DeliveryState, Severity
from handlers.cli.common import out

COLOURS = {Severity.RED: "bold red", Severity.ORANGE: "dark_orange", Severity.YELLOW: "yellow", Severity.BLUE: "blue"}
MAX_LEFT_OUT = 20  # lines shown to people; scripts get what the preview has


def time_json(at: datetime | None, zone: ZoneInfo) -> str | None:
    """ISO 8601 with the office's offset."""
    return None if at is None else at.astimezone(zone).isoformat(timespec="seconds")


def alert_json(alert: Alert, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "number": alert.number,
        "title": alert.title,
        "severity": alert.severity.value,
        "state": alert.state.value,
        "version": alert.version,
        "note": alert.note,
        "scheduled_at": time_json(alert.scheduled_at, zone),
        "released_at": time_json(alert.released_at, zone),
        "expires_at": time_json(alert.expires_at, zone),
    }


def alert_line(alert: Alert) -> Text:
    return Text.assemble(
        (f"预警 {alert.number} ", "bold"),
        (f"【{alert.severity.label}】", COLOURS[alert.severity]),
        alert.title,
        (f"：{alert.state.label}", "bold"),
    )


def alerts_table(alerts: Sequence[Alert], counts: Mapping[int, DeliveryCounts], zone: ZoneInfo) -> Table:
    table = Table("编号", "级别", "标题", "状态", "投递", "发布时间", header_style="bold")
    for alert in alerts:
        count = counts[alert.id]
        when = alert.released_at or alert.scheduled_at
        table.add_row(
            alert.number,
            Text(alert.severity.label, style=COLOURS[alert.severity]),
            Text(alert.title),
            alert.state.label,
            f"{count.done}/{count.audience}" if alert.released_at else "—",
            local_text(when, zone),
        )
    return table


# ── the audience ────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class AudienceForecast:
    """What a release at this moment would do."""

    preview: AudiencePreview
    finish: datetime | None  # None when nothing is pushed
    finish_words: str


def forecast_json(forecast: AudienceForecast, zone: ZoneInfo) -> dict[str, Any]:
    outcome = forecast.preview
    return {
        "groups": outcome.groups,
        "members": outcome.members,
        "pushed": outcome.pushed,
        "relayed": outcome.relayed,
        "accounts": [{"name": load.name, "state": load.state.value, "groups": load.groups} for load in outcome.loads],
        "left_out": [{"name": left.name, "reason": left.reason} for left in outcome.left_out],
        "left_out_count": outcome.left_out_count,
        "finish": time_json(forecast.finish, zone),
    }


def show_forecast(forecast: AudienceForecast) -> None:
    outcome = forecast.preview
    out.print(
        Text.assemble(
            ("受众：", "bold"),
            f"{outcome.groups:,} 个群，{outcome.members:,} 人；",
            f"推送 {outcome.pushed:,} 个群，由联络员转发等 {outcome.relayed:,} 个群",
        )
    )
    if outcome.groups == 0:
        out.print(Text("这个范围里没有任何群，不能发布", style="bold red"))
    if forecast.finish_words:
        out.print(Text(f"推送用时：{forecast.finish_words}"))
    for load in outcome.loads:
        away = load.state is not AccountState.ONLINE
        text = f"账号 {load.name}（{load.state.label}）：{load.groups:,} 个群" + ("，上线后才推送" if away else "")
        out.print(Text(f"  {text}", style="yellow" if away else ""))
    if outcome.left_out_count:
        out.print(Text(f"推送不到的单位和群：{outcome.left_out_count:,}", style="yellow"))
        for left in outcome.left_out[:MAX_LEFT_OUT]:
            out.print(Text(f"  {left.name}：{left.reason}"))
        if outcome.left_out_count > MAX_LEFT_OUT:
            out.print(Text("  ……加 --json 可列出更多"))


# ── progress ────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Snapshot:
    """How far an alert is."""

    alert: Alert
    counts: DeliveryCounts
    figures: Figures | None  # of the whole tree; None in an empty registry
    finish: datetime | None = None
    finish_words: str = ""


def snapshot_json(snapshot: Snapshot, zone: ZoneInfo) -> dict[str, Any]:
    counts = snapshot.counts
    return {
        **alert_json(snapshot.alert, zone),
        "finished_at": time_json(snapshot.alert.finished_at, zone),
        "audience": counts.audience,
        "done": counts.done,
        "counts": {state.value: getattr(counts, state.value) for state in DeliveryState},
        "finish": time_json(snapshot.finish, zone),
        "reach": None if snapshot.figures is None else _reach_json(snapshot.figures),
    }


def _reach_json(figures: Figures) -> dict[str, Any]:
    names = ("expected_groups", "expected_members", "reached_groups", "reached_members", "first_s", "median_s")
    return {name: getattr(figures, name) for name in names}


def snapshot_view(snapshot: Snapshot) -> RenderableType:
    alert, counts = snapshot.alert, snapshot.counts
    lines: list[RenderableType] = [alert_line(alert)]
    if alert.released_at is None:
        return Group(*lines, Text("尚未发布"))
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(total=counts.audience or 1, completed=counts.done if counts.audience else 1, width=40),
        f"{counts.done:,}/{counts.audience:,}",
        snapshot.finish_words,
    )
    lines.append(bar)
    parts = [f"{state.label} {getattr(counts, state.value):,}" for state in DeliveryState]
    lines.append(Padding(Text("  ".join(parts)), (0, 0, 0, 2)))
    if snapshot.figures is not None:
        lines.append(_reach_line(snapshot.figures))
    if counts.unknown:
        lines.append(
            Text(f"有 {counts.unknown} 条待确认，请用 alert unknown {alert.number} 处理", style="bold yellow")
        )
    return Group(*lines)


def _reach_line(figures: Figures) -> Text:
    share = "—" if figures.coverage_groups is None else f"{figures.coverage_groups:.1%}"
    return Text(
        f"  触达 {figures.reached_groups:,}/{figures.expected_groups:,} 个群（{share}），"
        f"{figures.reached_members:,}/{figures.expected_members:,} 人；"
        f"首个 {duration_text(figures.first_s)}，中位 {duration_text(figures.median_s)}"
    )
