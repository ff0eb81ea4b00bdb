"""Reach as a report: one set of columns and definitions for the page's downloads, the command line and the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chart_specs import Spec, table_picture
from bot.clock import duration_text, local_text
from bot.settings import Settings
from bot.sheets import write_csv, write_xlsx
from db.figures import Figures, get_figures, list_child_figures, list_ranked
from db.leagues import get_span_figures, read_league
from db.models import Alert, Unit
from db.periods import Period, Span, find_span
from db.ranking import Among
from db.seen import count_seen_each
from db.states import LEVEL_LABELS, Severity, UnitKind

SHEET = "触达"
DEFINITIONS_SHEET = "说明"
PICTURE_ROWS = 30  # more cannot be read on a phone
MOST_ROWS = 50_000

COLUMNS = (
    "名次", "单位", "编码", "类型", "预警数", "应触达群", "已触达群", "群覆盖率(%)", "应触达人数", "已触达人数",
    "人数覆盖率(%)", "推送群", "转发群", "报告群", "按时群", "按时率(%)", "首个用时(秒)", "中位用时(秒)", "九成用时(秒)", "浏览次数",
)  # fmt: skip
RULE = "先比群覆盖率，再比人数覆盖率，再比按时率；都相同时应触达人数多的在前；仍相同的并列。没有群的单位不排名。"


@dataclass(frozen=True)
class Report:
    """Figures of a unit and of others below or beside it. `seen` holds views by unit id where they were counted."""

    title: str
    notes: tuple[str, ...]
    whole: Figures | None
    rows: list[Figures]
    made_at: str  # in the office's zone
    deadlines: tuple[str, ...]
    seen: dict[int, int] = field(default_factory=dict)


async def alert_report(
    session: AsyncSession, alert: Alert, unit: Unit, *, settings: Settings, now: datetime
) -> Report:
    """One alert in a unit and its children."""
    whole = await get_figures(session, alert.id, unit.id)
    children = await list_child_figures(session, alert.id, unit.id)
    seen = await count_seen_each(session, alert.id, [unit.path, *(child.unit.path for child in children)])
    notes = (
        f"{alert.number}【{alert.severity.label}】{alert.title}",
        f"{local_text(alert.released_at, settings.zone)} 发布，{local_text(alert.deadline_at, settings.zone)} 前触达为按时",
    )
    views = {one.unit.id: seen[one.unit.path] for one in (whole, *children)}
    return _report(f"{unit.name}触达情况", notes, whole, children, settings, now, seen=views)


async def period_report(
    session: AsyncSession, period: Period, unit: Unit, *, settings: Settings, now: datetime
) -> Report:
    """All alerts of a period in a unit and its children."""
    span = await find_span(session, period, settings.zone)
    whole = await get_span_figures(session, span, unit.id)
    children = await list_ranked(session, span, Among(parent_id=unit.id))
    return _report(f"{unit.name}触达情况", (f"{period_text(period)}发布的全部预警",), whole, children, settings, now)


async def league_report(
    session: AsyncSession,
    span: Span,
    parent: Unit,
    level: int,
    kinds: Sequence[UnitKind],
    what: str,
    *,
    settings: Settings,
    now: datetime,
) -> Report:
    """A whole league table; `what` says over which alerts."""
    league = await read_league(session, span, level=level, scope=parent.path, kinds=kinds, limit=MOST_ROWS)
    name = "、".join(kind.label for kind in kinds) or LEVEL_LABELS.get(level, "单位")
    return _report(f"{parent.name}{name}触达排名", (what,), None, league.rows, settings, now)


def period_text(period: Period) -> str:
    """2026年10月, 2026年10月至11月, or days."""
    first, last = period.first, period.last
    if not period.is_months:
        return f"{first:%Y-%m-%d} 至 {last:%Y-%m-%d} "
    if len(period.months) == 1:
        return f"{first.year}年{first.month}月"
    end = f"{last.month}月" if last.year == first.year else f"{last.year}年{last.month}月"
    return f"{first.year}年{first.month}月至{end}"


def _report(
    title: str,
    notes: tuple[str, ...],
    whole: Figures | None,
    rows: list[Figures],
    settings: Settings,
    now: datetime,
    *,
    seen: dict[int, int] | None = None,
) -> Report:
    deadlines = tuple(f"{level.label} {settings.deadline_minutes(level)} 分钟" for level in Severity)
    return Report(title, notes, whole, rows, local_text(now, settings.zone), deadlines, seen or {})


# ── files ───────────────────────────────────────────────────────────────────


def to_xlsx(report: Report) -> bytes:
    """Figures, then what they mean. Takes a second for 10,000 rows: call it in a thread."""
    return write_xlsx(
        [
            (SHEET, COLUMNS, list_cells(report)),
            (DEFINITIONS_SHEET, ("项目", "含义"), definitions(report)),
        ]
    )


def to_csv(report: Report) -> bytes:
    return write_csv(COLUMNS, list_cells(report))


def list_cells(report: Report) -> list[list[object]]:
    """The unit itself first, then the others, as `COLUMNS`."""
    return [
        _cells(one, report.seen.get(one.unit.id)) for one in ([report.whole] if report.whole else []) + report.rows
    ]


def _cells(figures: Figures, seen: int | None) -> list[object]:
    unit = figures.unit
    if not figures.expected_groups:
        return ["", unit.name, unit.code, unit.kind.label, 0, 0, 0, "没有群", *[""] * (len(COLUMNS) - 9), seen or 0]
    return [
        figures.rank or "",
        unit.name,
        unit.code,
        unit.kind.label,
        figures.alerts,
        figures.expected_groups,
        figures.reached_groups,
        _percent(figures.coverage_groups),
        figures.expected_members,
        figures.reached_members,
        _percent(figures.coverage_members),
        figures.pushed_groups,
        figures.forwarded_groups,
        figures.reported_groups,
        figures.ontime_groups,
        _percent(figures.ontime_share),
        *(_seconds(span) for span in (figures.first_s, figures.median_s, figures.p90_s)),
        "" if seen is None else seen,
    ]


def _percent(share: float | None) -> object:
    """Cut off, not rounded: 100 only when everything is there."""
    return "" if share is None else int(share * 1000) / 10


def _seconds(span: float | None) -> object:
    return "" if span is None else round(span)


def definitions(report: Report) -> list[tuple[str, str]]:
    """What every figure means, and when they were read."""
    return [
        ("报表", report.title),
        *(("范围", note) for note in report.notes),
        ("生成时间", report.made_at),
        ("应触达", "预警发布时冻结的受众：当时在用的群和当时的人数；以后新建或停用的群不改变旧数字"),
        ("已触达", "群里第一次出现这条预警：机器人推送、有人转发、或联络员报告；每个群只算一次，以最先的方式计"),
        ("推送、转发、报告", "各自单列；联络员口头或手机页报告的算“报告”，不算“转发”"),
        ("浏览次数", "预警短页面被打开的次数，每人每天计一次，不记是谁；与触达分开，不计入覆盖率"),
        ("覆盖率", "已触达 ÷ 应触达；群和人数分别计算"),
        ("按时", f"在发布时定下的时限前触达；现行时限：{'、'.join(report.deadlines)}；按时率 = 按时群 ÷ 应触达群"),
        ("用时", "从发布到触达；首个为精确值，中位和九成误差不超过 7.5%；一条预警以上不列首个"),
        ("名次", f"{'与同类的单位比：' if report.whole else ''}{RULE}"),
    ]


def to_picture(report: Report) -> Spec:
    """The table for a chat: the first rows of a long one, and how many there are."""
    shown = report.rows[:PICTURE_ROWS]
    more = len(report.rows) - len(shown)
    notes = [
        *report.notes,
        f"{report.made_at} 统计" + (f"；共 {len(report.rows)} 个单位，列前 {len(shown)} 个" if more else ""),
    ]
    body = _sections(report, shown) or [["", "没有单位"]]
    whole = [_short(report.whole, rank="合计")] if report.whole and report.whole.expected_groups else []
    header = ("名次", "单位", "群", "群覆盖率", "人数覆盖率", "按时率", "中位用时")
    rows = [[*row, *[""] * (len(header) - len(row))] for row in whole + body]
    return table_picture(report.title, notes, header, rows)


def _sections(report: Report, shown: Sequence[Figures]) -> list[list[str]]:
    """Children of several kinds are ranked kind by kind, so each kind has a line above it."""
    rows: list[list[str]] = []
    mixed = report.whole is not None and len({one.unit.kind for one in shown if one.expected_groups}) > 1
    above: UnitKind | None = None
    for one in shown:
        if mixed and one.expected_groups and one.unit.kind is not above:
            above = one.unit.kind
            rows.append(["", f"【{above.label}】"])
        rows.append(_short(one))
    return rows


def _short(figures: Figures, rank: str = "") -> list[str]:
    if not figures.expected_groups:
        return ["—", figures.unit.name, "没有群"]
    return [
        rank or str(figures.rank or ""),
        figures.unit.name,
        f"{figures.reached_groups}/{figures.expected_groups}",
        *(
            f"{_percent(share)}%"
            for share in (figures.coverage_groups, figures.coverage_members, figures.ontime_share)
        ),
        duration_text(figures.median_s),
    ]


def to_json(report: Report) -> dict[str, Any]:
    """For scripts."""
    whole = report.whole.to_json() | {"seen": report.seen.get(report.whole.unit.id)} if report.whole else {}
    children = [row.to_json() | {"seen": report.seen.get(row.unit.id)} for row in report.rows]
    return whole | {"children": children}
