"""Questions and leads, audit, users, tokens, and the caller's own desk."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from bot.leads import LONGEST_ANSWER
from bot.permissions import Permission
from db.states import (
    AnswerKind,
    DeliveryState,
    Feedback,
    LeadReason,
    LeadState,
    Role,
    TokenScope,
    UserState,
)
from handlers.web.api.models.alerts import AlertSummary
from handlers.web.api.models.common import Id, Ids, In, Instant, Listing, Named, Out, Paragraph, Search
from handlers.web.api.models.registry import Word


class QuestionListing(Listing):
    kind: AnswerKind | None = None
    search: Search = ""


class Question(Out):
    """What somebody asked; nobody's name is kept."""

    id: int
    asked_at: datetime
    text: str = Field(description="过了保留期为空")
    kind: AnswerKind
    types: list[str]
    score: float
    channel: str
    feedback: Feedback | None
    group_name: str
    unit_name: str


class QuestionFigures(Out):
    days: int
    asked: int
    answered: int
    emergencies: int
    unanswered: int
    useful: int
    useless: int


class LeadListing(Listing):
    state: LeadState | None = Field(LeadState.OPEN, description="默认只列待处理的")


class Lead(Out):
    id: int
    created_at: datetime
    reason: LeadReason
    text: str
    state: LeadState
    claimer_id: int | None
    claimer: str
    claimed_at: datetime | None
    answer: str
    answerer: str
    answered_at: datetime | None
    reply_state: DeliveryState | None = Field(description="答复发到了哪一步")
    closed_at: datetime | None
    channel: str
    types: list[str]
    group_name: str
    unit_name: str


class LeadFigures(Out):
    open: int
    alarms: int = Field(description="正在被骗、还没有人处理的")


class LeadGroup(Out):
    """Leads about the same thing; `undone` are those that still have to be done."""

    text: str
    lead_ids: list[int]
    undone: list[int]
    scam: bool


class Assign(In):
    user_id: Id


class LeadAnswer(In):
    answer: Paragraph = Field(description=f"1–{LONGEST_ANSWER} 个字")
    also: Ids = Field([], description="同样答复这些相似的线索，最多 50 条", max_length=50)


class Example(In):
    type: Word = Field(description="诈骗类型的编号")


class ExampleKept(Out):
    revision_id: int


# ── audit ───────────────────────────────────────────────────────────────────


class AuditListing(Listing):
    group: Search = Field("", description="操作的第一段，如 alert")
    search: Search = Field("", description="在操作人和对象中查找")
    since: Instant | None = Field(None, description="从这一刻起")
    until: Instant | None = Field(None, description="到这一刻之前")


class AuditExport(In):
    group: Search = Field("", description="操作的第一段，如 alert")
    search: Search = Field("", description="在操作人和对象中查找")
    since: Instant | None = Field(None, description="从这一刻起")
    until: Instant | None = Field(None, description="到这一刻之前")


class Setting(Out):
    name: str
    variable: str = Field(description="环境变量的名称")
    value: str
    default: str
    changed: bool
    meaning: str


class AuditEntry(Out):
    id: int
    at: datetime
    actor: str
    origin: str
    action: str
    subject: str
    detail: dict[str, Any]


# ── users ───────────────────────────────────────────────────────────────────


class User(Out):
    id: int
    username: str
    name: str
    role: Role
    unit_id: int | None
    unit: str
    state: UserState
    must_change: bool
    created_at: datetime


class UserWrite(In):
    username: Word
    name: Word
    role: Role
    unit_id: Id | None = Field(None, description="联络员必填")


class UserWithPassword(Out):
    user: User
    password: str = Field(description="一次性密码，只显示这一次")


# ── the caller ──────────────────────────────────────────────────────────────


class Me(Out):
    user_id: int | None
    name: str
    role: Role
    scope: str = Field(description="可见子树的路径；空表示全部")
    permissions: list[Permission]
    token_scopes: list[TokenScope]


class Token(Out):
    id: int
    name: str
    hint: str = Field(description="令牌的最后四位")
    scopes: list[TokenScope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="精确到一分钟")
    used_from: str


class AccountNow(Out):
    id: int
    name: str
    state: str


class Laggard(Out):
    unit: Named
    missing_groups: int
    coverage_groups: float | None


class Overview(Out):
    """What is going on today, and what waits for somebody."""

    alerts: list[AlertSummary] = Field(description="今天发布、到期发布或仍在推送的")
    in_review: int
    library_in_review: int
    open_leads: int
    alarms: int
    accounts: list[AccountNow]
    latest: int | None = Field(description="最近发布的预警")
    laggards: list[Laggard] = Field(description="最近一条预警落后的下级单位")
