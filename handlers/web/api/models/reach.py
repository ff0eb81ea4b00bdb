"""Reach: figures, league tables, records of units, who is missing, who passed alerts on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints

from db.states import GroupMode, Severity, UnitKind
from handlers.web.api.models.common import Id, In, Listing, Named, Out


class ReachAsk(In):
    unit: Id | None = Field(None, description="单位的编号；空表示可见范围的最上级")


class ReachListing(Listing):
    unit: Id | None = Field(None, description="单位的编号；空表示可见范围的最上级")


class Released(Out):
    id: int
    number: str
    title: str
    severity: Severity
    released_at: datetime


class UnitName(Out):
    id: int
    code: str
    name: str
    level: int
    kind: UnitKind


class Figures(Out):
    """One alert in one unit's whole subtree; groups and members as frozen when it was released."""

    unit: UnitName
    expected_groups: int
    expected_members: int
    pushed_groups: int
    pushed_members: int
    forwarded_groups: int
    forwarded_members: int
    reported_groups: int
    reported_members: int
    reached_groups: int
    reached_members: int
    missing_groups: int
    coverage_groups: float | None = Field(description="0–1；没有应达的群时为空")
    coverage_members: float | None
    first_s: float | None = Field(description="发布到第一个群，秒")
    median_s: float | None = Field(description="发布到一半的群，秒")


class Strand(Out):
    """A child of the unit, or with `unit` null the unit's own groups; counted at each step."""

    unit: Named | None
    expected_groups: int
    expected_members: int
    groups: list[int]
    members: list[int]


class Timeline(Out):
    seconds: list[int] = Field(description="各步的终点，从发布起算，秒")
    strands: list[Strand]


class Reach(Out):
    figures: Figures
    children: list[Figures] = Field(description="下一级单位，最好的在前")


PeriodText = Annotated[str, StringConstraints(max_length=24, pattern=r"^[0-9.-]*$")]


class LeagueListing(Listing):
    level: int | None = Field(None, ge=-1, le=5, description="比较哪一级；空表示 parent 的下一级")
    kind: UnitKind | None = Field(None, description="只比较这一类单位")
    parent: Id | None = Field(None, description="只比较这个单位下面的；空表示可见范围的最上级")
    alert: Id | None = Field(None, description="只算这一条预警；空表示 period 内的全部")
    period: PeriodText = Field("", description="2026-10、2026-10..2026-11 或带日；空表示本月")


class RecordAsk(In):
    period: PeriodText = Field("", description="2026-10、2026-10..2026-11 或带日；空表示最近 12 个月")


class RankedFigures(Figures):
    p90_s: float | None = Field(description="发布到十分之九的群，秒")
    rank: int | None = Field(description="在同类中的名次；没有应达的群时为空")
    alerts: int = Field(description="合计了多少条预警")
    ontime_groups: int = Field(description="按时限收到的群")
    ontime_share: float | None


class Relayer(Out):
    """Somebody who passed alerts on; all residents together are one line without a name."""

    person_id: int | None
    name: str
    unit_name: str
    forwards: int
    first: int = Field(description="最先由其送达的群")
    members: int
    first_at: datetime


class MonthFigures(Out):
    month: int = Field(description="如 202611")
    figures: RankedFigures


class Record(Out):
    """A unit over a period."""

    period: str
    figures: RankedFigures
    seen: int = Field(description="短页面被打开的次数，不计入触达")
    months: list[MonthFigures]
    relayers: list[Relayer]


class MissingGroup(Out):
    group_id: int
    code: str
    name: str
    members: int
    mode: GroupMode
    unit_id: int
    unit_name: str
    liaison: str


class Forward(Out):
    at: datetime
    way: str
    group_code: str
    group_name: str
    unit_name: str
    person: str
    members: int | None
    first: bool
