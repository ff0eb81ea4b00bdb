"""`demo --reach`: the story of six weeks, its league table, and one unit reconciled line by line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text
from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import duration_text, local_text
from db.figures import Figures, get_figures
from db.leagues import read_league
from db.models import Alert, Delivery, Forward, Group, PageVisit, Reach, Unit
from db.periods import Span
from db.rollup import verify_rollup
from db.seen import count_seen
from db.states import DeliveryState, UnitKind, Way
from db.units import in_subtree
from handlers.cli.demo.reach_story import RELEASES, tell
from handlers.cli.demo.stage import DemoFailed, Stage, import_county, make_logins

Result = dict[str, Any]
UNIT = "黄龙乡"  # where people are slow: every way and every fault is in its log


async def play_reach(stage: Stage) -> Result:
    """Everything, on the terminal; returns what `--exit` prints."""
    console = Console(stderr=True, highlight=False)
    await import_county(stage)
    await make_logins(stage)
    assert stage.writer is not None
    assert stage.reviewer is not None
    later = timedelta(days=(stage.now - RELEASES[-1][0]).days - 1)  # the last alert was released a day ago
    engine = stage.engine
    told = await tell(engine.database, engine.settings, stage.writer, stage.reviewer, later=later)
    engine.events.publish("alerts", "figures")
    async with engine.database.snapshot() as session:
        span = Span(alert_ids=tuple(alert.id for alert in told))
        league = await read_league(session, span, level=2, kinds=[UnitKind.TOWN])
        console.print(_league_table(league.rows, len(told)))
        unit = await session.scalar(sa.select(Unit).where(Unit.name == UNIT))
        if unit is None:
            raise DemoFailed(f"登记表里没有{UNIT}")
        ledger = await read_ledger(session, told[-1], unit)
        figures = await get_figures(session, told[-1].id, unit.id)
        seen = await count_seen(session, told[-1].id, unit.path)
        differences = await verify_rollup(session)
    console.print(_ledger_table(ledger, told[-1], unit, stage))
    pairs = compare(ledger, figures, seen)
    console.print(_pairs_table(pairs, unit))
    console.print(f"全部单位、全部预警重新清点：{f'{len(differences)} 处不一致' if differences else '完全一致'}")
    held = {
        "log_equals_rollup": all(counted == kept for _, counted, kept in pairs),
        "figures_agree": not differences,
    }
    return {
        "alerts": len(told),
        "groups": told[-1].expected_groups,
        "league": [[row.rank, row.unit.name, round(row.coverage_groups or 0, 4)] for row in league.rows],
        "unit": unit.name,
        "reconciled": {name: [counted, kept] for name, counted, kept in pairs},
        "invariants": held,
    }


# ── the log ─────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Line:
    """One expected group, and when it had the alert by which way, as the logs say."""

    code: str
    name: str
    members: int
    times: dict[Way, datetime]

    def note(self, way: Way, at: datetime) -> None:
        self.times[way] = min(at, self.times.get(way, at))

    @property
    def way(self) -> Way | None:
        """The first one counts."""
        return min(self.times, key=self.times.__getitem__) if self.times else None

    @property
    def at(self) -> datetime | None:
        return min(self.times.values(), default=None)


@dataclass(frozen=True)
class Ledger:
    lines: list[Line]
    deadline_at: datetime | None
    visits: int  # rows of visitors of this unit's short pages


async def read_ledger(session: AsyncSession, alert: Alert, unit: Unit) -> Ledger:
    """From the deliveries, the log of forwards and the visits; nothing of it from the roll-up."""
    expected = await session.execute(
        sa.select(Group.id, Group.code, Group.name, Reach.members)
        .join(Reach, Reach.group_id == Group.id)
        .join(Unit, Unit.id == Reach.unit_id)
        .where(Reach.alert_id == alert.id, Reach.expected, in_subtree(unit.path))
        .order_by(Unit.path, Group.code)
    )
    lines = {row.id: Line(row.code, row.name, row.members, {}) for row in expected}
    sent = sa.select(Delivery.group_id, sa.literal(Way.PUSH.value), Delivery.sent_at)
    pushed = sent.where(Delivery.alert_id == alert.id, Delivery.state == DeliveryState.SENT)
    said = sa.select(Forward.group_id, Forward.way, Forward.at)
    passed = said.where(Forward.alert_id == alert.id, Forward.outdated.is_(False))
    queries: tuple[Any, ...] = (pushed, passed)
    for query in queries:
        for group_id, way, at in (await session.execute(query)).all():
            if group_id in lines:
                lines[group_id].note(Way(way), at)
    visits = sa.select(sa.func.count()).select_from(PageVisit).join(Unit, Unit.id == PageVisit.unit_id)
    counted = await session.scalar(visits.where(PageVisit.alert_id == alert.id, in_subtree(unit.path)))
    return Ledger(list(lines.values()), alert.deadline_at, counted or 0)


def compare(ledger: Ledger, figures: Figures, seen: int) -> list[tuple[str, int, int]]:
    """(name, counted from the log, read from the roll-up)."""
    groups: Counter[Way | None] = Counter(line.way for line in ledger.lines)
    members: Counter[Way | None] = Counter()
    for line in ledger.lines:
        members[line.way] += line.members
    deadline = ledger.deadline_at
    ontime = [line for line in ledger.lines if line.at and (deadline is None or line.at <= deadline)]
    return [
        ("应触达群", len(ledger.lines), figures.expected_groups),
        ("应触达人数", sum(members.values()), figures.expected_members),
        ("推送群", groups[Way.PUSH], figures.pushed_groups),
        ("推送人数", members[Way.PUSH], figures.pushed_members),
        ("转发群", groups[Way.FORWARD], figures.forwarded_groups),
        ("转发人数", members[Way.FORWARD], figures.forwarded_members),
        ("报告群", groups[Way.REPORT], figures.reported_groups),
        ("报告人数", members[Way.REPORT], figures.reported_members),
        ("按时群", len(ontime), figures.ontime_groups),
        ("浏览", ledger.visits, seen),
    ]


# ── tables ──────────────────────────────────────────────────────────────────


def _share(value: float | None) -> str:
    return "无群" if value is None else f"{value:.1%}"


def _league_table(rows: list[Figures], alerts: int) -> Table:
    table = Table("名次", "乡镇", "群覆盖率", "群 触达/应达", "人数覆盖率", "按时率", "中位用时", header_style="bold")
    table.title = f"{alerts} 条预警的乡镇排名"
    for row in rows:
        table.add_row(
            str(row.rank or "—"),
            row.unit.name,
            _share(row.coverage_groups),
            f"{row.reached_groups}/{row.expected_groups}",
            _share(row.coverage_members),
            _share(row.ontime_share),
            duration_text(row.median_s),
        )
    return table


def _ledger_table(ledger: Ledger, alert: Alert, unit: Unit, stage: Stage) -> Table:
    zone = stage.engine.settings.zone
    first = Column("群", overflow="fold")
    table = Table(first, "人数", "推送", "转发", "报告", "计为", header_style="bold")
    table.title = f"{unit.name}：{alert.number}【{alert.severity.label}】{alert.title}"
    table.caption = (
        f"发布 {local_text(alert.released_at, zone, seconds=True)}，"
        f"{local_text(ledger.deadline_at, zone, seconds=True)} 前为按时；各列为发布后多久"
    )
    for line in ledger.lines:
        late = line.at is not None and ledger.deadline_at is not None and line.at > ledger.deadline_at
        times = [_after(alert, line.times.get(way)) for way in (Way.PUSH, Way.FORWARD, Way.REPORT)]
        counted = "未触达" if line.way is None else line.way.label + ("，超时" if late else "")
        table.add_row(Text(line.name), str(line.members), *times, counted)
    return table


def _after(alert: Alert, at: datetime | None) -> str:
    return duration_text(at - alert.released_at) if at is not None and alert.released_at is not None else ""


def _pairs_table(pairs: list[tuple[str, int, int]], unit: Unit) -> Table:
    table = Table("口径", "逐条清点", "汇总读出", "", header_style="bold", title=f"{unit.name} 对账")
    for name, counted, kept in pairs:
        table.add_row(name, str(counted), str(kept), "一致" if counted == kept else "不一致")
    return table
