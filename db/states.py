"""The vocabulary of stored values: one enum per column that has a closed set of values.

Values are what the database holds; `label` is what people read (Chinese, the interface's language).
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Labelled(StrEnum):
    """A stored value with a Chinese label."""

    label: str

    def __new__(cls, value: str, label: str = "") -> Labelled:
        member = str.__new__(cls, value)
        member._value_ = value
        member.label = label
        return member


class UnitKind(Labelled):
    """What a unit is; the kind decides its level."""

    PROVINCE = "province", "省"
    CITY = "city", "市"
    COUNTY = "county", "县"
    TOWN = "town", "乡镇"
    DEPARTMENT = "department", "县属部门"
    COMMUNITY = "community", "社区"
    VILLAGE = "village", "村"
    SCHOOL = "school", "学校"
    ENTERPRISE = "enterprise", "企业"
    GRID = "grid", "网格"
    BUILDING = "building", "楼组"

    @property
    def level(self) -> int:
        """1 county … 5 building; a province's upper levels are -1 and 0, so that 1 is always the county."""
        return _LEVELS[self]


_LEVELS = {
    UnitKind.PROVINCE: -1,
    UnitKind.CITY: 0,
    UnitKind.COUNTY: 1,
    UnitKind.TOWN: 2,
    UnitKind.DEPARTMENT: 2,
    UnitKind.COMMUNITY: 3,
    UnitKind.VILLAGE: 3,
    UnitKind.SCHOOL: 3,
    UnitKind.ENTERPRISE: 3,
    UnitKind.GRID: 4,
    UnitKind.BUILDING: 5,
}

LEVEL_LABELS = {-1: "省", 0: "市", 1: "县", 2: "乡镇与部门", 3: "社区村校企", 4: "网格", 5: "楼组"}


class UnitState(Labelled):
    ACTIVE = "active", "在用"
    RETIRED = "retired", "停用"


class GroupMode(Labelled):
    """Whether the bot may push into the group, or people forward into it."""

    PUSH = "push", "推送"
    RELAY = "relay", "转发"


class GroupState(Labelled):
    ACTIVE = "active", "在用"
    LOST = "lost", "失联"  # the account was removed from the room, or the room is gone
    RETIRED = "retired", "停用"


class AccountState(Labelled):
    ONLINE = "online", "在线"
    OFFLINE = "offline", "离线"
    WAITING_SCAN = "waiting_scan", "待扫码"
    BLOCKED = "blocked", "受限"  # the platform throttles; nothing goes out before `blocked_until`
    PAUSED = "paused", "停用"  # switched off by a person


class Severity(Labelled):
    RED = "red", "红色"
    ORANGE = "orange", "橙色"
    YELLOW = "yellow", "黄色"
    BLUE = "blue", "蓝色"

    @property
    def rank(self) -> int:
        """0 is the most urgent; senders work in this order."""
        return list(Severity).index(self)


class ContentKind(Labelled):
    TEXT = "text", "文字"
    PICTURE = "picture", "图片"
    LINK = "link", "链接"


class Relation(Labelled):
    """How an alert relates to an earlier one."""

    UPDATE = "update", "更正"
    CANCEL = "cancel", "撤销"


class AlertState(Labelled):
    DRAFT = "draft", "草稿"
    IN_REVIEW = "in_review", "待审核"
    SCHEDULED = "scheduled", "待发布"  # reviewed; waits for its time
    RUNNING = "running", "推送中"  # audience frozen, deliveries going out
    PAUSED = "paused", "已暂停"
    FINISHED = "finished", "已完成"  # nothing waits any more
    CANCELLED = "cancelled", "已取消"
    EXPIRED = "expired", "已过期"  # the expiry came before every group was served


class DeliveryState(Labelled):
    WAITING = "waiting", "等待"
    SENDING = "sending", "发送中"  # durable before the first byte leaves
    SENT = "sent", "已送达"
    FAILED = "failed", "失败"
    UNKNOWN = "unknown", "待确认"  # may have arrived; only an echo or a person decides
    SKIPPED = "skipped", "略过"  # e.g. the group was retired while waiting
    CANCELLED = "cancelled", "已取消"


class Way(Labelled):
    """How a group first had an alert."""

    PUSH = "push", "推送"
    FORWARD = "forward", "转发"
    REPORT = "report", "报告"


class ReminderStep(Labelled):
    """Who is reminded of an alert that some groups still miss, one step after the other."""

    LIAISON = "liaison", "提醒联络员"
    PARENT = "parent", "提醒上级联络员"
    HAND = "hand", "人工提醒"


class Role(Labelled):
    ADMIN = "admin", "管理员"
    PUBLISHER = "publisher", "编写员"
    REVIEWER = "reviewer", "审核员"
    LIAISON = "liaison", "联络员"


class UserState(Labelled):
    ACTIVE = "active", "在用"
    DISABLED = "disabled", "停用"


class TokenScope(Labelled):
    """What a personal token may be used for, within the rights of whoever made it."""

    READ = "read", "查看"
    WRITE = "write", "编写与处理"  # every change that is none of the following
    RELEASE = "release", "审核发布"  # release an alert, approve an edit of the library
    ADMIN = "admin", "用户管理"


class AnswerKind(Labelled):
    """What a resident got; the first five are the values of `python bot.py ask --jsonl`."""

    ANSWER = "answer", "已答复"
    CHOICES = "choices", "请选择"
    EMERGENCY = "emergency", "紧急"
    MENU = "menu", "菜单"
    NONE = "none", "未答出"
    CONTINUED = "continued", "追问"  # 那怎么办: more about the type that was answered before
    TALK = "talk", "寒暄评价"  # 谢谢, 有用, 转人工: about the conversation itself


class Feedback(Labelled):
    """What somebody said of an answer."""

    USEFUL = "useful", "有用"
    USELESS = "useless", "没用"


class LeadReason(Labelled):
    EMERGENCY = "emergency", "正在被骗"
    SCAM = "scam", "群内疑似诈骗"
    PERSON = "person", "要求人工"
    USELESS = "useless", "答复没用"
    UNANSWERED = "unanswered", "未答出的咨询"
    PICTURE = "picture", "疑似转发的图片"  # of an alert's template, but maybe of another alert

    @property
    def rank(self) -> int:
        """0 must be looked at first."""
        return list(LeadReason).index(self)


class LeadState(Labelled):
    OPEN = "open", "待处理"
    CLAIMED = "claimed", "处理中"
    ANSWERED = "answered", "已回复"
    CLOSED = "closed", "已处理"


class RevisionKind(Labelled):
    """What a revision of a fraud type does to it."""

    CONTENT = "content", "内容"
    RETIRE = "retire", "停用"  # the bot does not know the type any more
    SEED = "seed", "恢复自带"  # what the file of the package says counts again


class RevisionState(Labelled):
    DRAFT = "draft", "草稿"
    IN_REVIEW = "in_review", "待审核"
    LIVE = "live", "使用中"  # the bot answers with it
    SUPERSEDED = "superseded", "已被替换"
    DISCARDED = "discarded", "已放弃"


class ReplyRank(IntEnum):
    """In which order an account says what is not a broadcast; within a rank by age."""

    ANSWER = 0  # somebody waits for it
    NOTICE = 1  # to officers, at any hour
    REMINDER = 2  # never in quiet hours
