"""Alerts, their audience, deliveries and progress."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Base64Bytes, Field, StringConstraints

from db.states import (
    AccountState,
    AlertState,
    ContentKind,
    DeliveryState,
    Relation,
    Severity,
    UnitKind,
)
from handlers.web.api.models.common import Id, Ids, In, Instant, Line, Listing, Number, Out, Paragraph, Search

ShortUrl = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
Title = Annotated[str, StringConstraints(max_length=60, pattern=r"^[^\x00]*$")]
Tag = Annotated[str, StringConstraints(max_length=40, pattern=r"^[^\x00]*$")]


class AlertListing(Listing):
    state: AlertState | None = None
    search: Search = Field("", description="在编号、标题和正文中查找")


class DeliveryListing(Listing):
    state: DeliveryState | None = None


class AudienceRule(In):
    """Which groups; empty lists do not restrict, conditions of different kinds all apply."""

    units: Ids = Field([], description="子树的根：单位的编号；空表示全部单位")
    levels: list[Annotated[int, Field(ge=-1, le=5)]] = Field([], max_length=7, description="层级：1 县 … 5 楼组")
    kinds: list[UnitKind] = Field([], max_length=20)
    tags: list[Tag] = Field([], max_length=50)
    exclude_units: Ids = Field([])
    exclude_groups: Ids = Field([])


class AlertWrite(In):
    """What a publisher writes. With `relation`, the audience is whoever had the earlier alert."""

    title: Title = Field(description="最多 40 个字")
    body: Paragraph
    severity: Severity
    kind: ContentKind = ContentKind.TEXT
    picture_id: Id | None = None
    link_url: ShortUrl = ""
    link_title: Title = ""
    audience: AudienceRule = AudienceRule()
    relation: Relation | None = None
    related_id: Id | None = Field(None, description="要更正或撤销的预警")
    scheduled_at: Instant | None = Field(None, description="空表示审核后立即发布")
    expires_at: Instant | None = Field(None, description="空表示按系统设置")


class AudienceAsk(In):
    audience: AudienceRule
    severity: Severity = Severity.BLUE
    scheduled_at: Instant | None = None


class AccountLoad(Out):
    name: str
    state: AccountState
    groups: int


class LeftOut(Out):
    name: str
    reason: str


class AudienceOutcome(Out):
    """What a release at this moment would freeze."""

    groups: int
    members: int
    pushed: int
    relayed: int
    loads: list[AccountLoad]
    left_out: list[LeftOut] = Field(description="不会被推送到的单位和群，最多 60 个")
    left_out_count: int
    finish: str = Field(description="预计何时发完，给人看的文字")
    warnings: list[str]


class AlertSummary(Out):
    id: int
    number: str
    title: str
    severity: Severity
    kind: ContentKind
    state: AlertState
    version: int
    relation: Relation | None
    related_id: int | None
    scheduled_at: datetime | None
    expires_at: datetime
    created_at: datetime
    released_at: datetime | None
    finished_at: datetime | None
    expected_groups: int
    expected_members: int
    deliveries: int


class Rule(Out):
    """The audience as it was written, and in words."""

    units: list[int]
    levels: list[int]
    kinds: list[UnitKind]
    tags: list[str]
    exclude_units: list[int]
    exclude_groups: list[int]
    heard_alert: int | None
    words: list[str]


class AlertFull(AlertSummary):
    body: str
    text: str = Field(description="群里看到的整条消息")
    picture_id: int | None
    link_url: str
    link_title: str
    note: str = Field(description="退回或取消的原因")
    audience: Rule
    created_by: str
    reviewed_by: str
    reviewed_at: datetime | None
    steps: list[str] = Field(description="现在的状态允许的下一步")
    overdue: bool = Field(description="错过了发布时间，须由人决定")


class Release(In):
    version: Number = Field(description="审核时看到的版本；之后有改动则不发布")


class Cancel(In):
    reason: Line = ""
    number: Title = Field("", description="已发布的预警须写出编号以确认")


class Decision(In):
    decision: Literal["resend", "leave"] = Field(description="resend 重发，leave 不再重发")


class DeliveryRow(Out):
    id: int
    group_name: str
    group_code: str
    unit_name: str
    account_name: str
    level: int
    state: DeliveryState
    reason: str
    attempts: int
    sending_at: datetime | None
    sent_at: datetime | None
    echo_at: datetime | None


class DeliveryCounts(Out):
    audience: int
    waiting: int
    sending: int
    sent: int
    failed: int
    unknown: int
    skipped: int
    cancelled: int


class Progress(Out):
    alert_id: int
    state: AlertState
    done: int
    counts: DeliveryCounts
    finish_at: datetime | None = Field(description="预计发完的时间")
    reached_groups: int
    expected_groups: int
    reached_members: int
    expected_members: int


class RemindAsk(In):
    unit_id: Id = Field(description="落后的单位")


class Reminded(Out):
    message: str
    sent: list[str] = Field(description="已提醒的人")
    not_sent: dict[str, str] = Field(description="没能提醒的人，和原因")


class PictureUpload(In):
    data: Base64Bytes = Field(description="图片的 Base64，原图最大 2 MB；会重新编码", max_length=2 * 1024 * 1024)


class Picture(Out):
    id: int
    media_type: str
    width: int
    height: int
