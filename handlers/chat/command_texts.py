"""What the commands answer: short lines for a phone, never more than `ROOM` characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

from bot.clock import duration_text
from content.messages import MAX_TEXT
from db.figures import Figures, MissingGroup
from db.models import Alert, Group, Person, Unit
from db.reach import ReachState
from db.states import AlertState, Way

ROOM: Final = MAX_TEXT - 22  # "@" and the longest name that stands before it in a group
LISTED: Final = 15
_COMMANDS = """转发统计：看所辖群收到了多少、多快
未转发：看哪些群还没收到最近一条预警
已转发 群名 人数：报告您转到了机器人不在的群（人数可不写）
明细 预警编号：看一条预警在各下级单位的情况
链接：打开手机页，复制正文、点一下就能报告"""


def help_text(person: Person, unit: Unit) -> str:
    return (
        f"{person.name}，您是{unit.name}的{person.role.label}，可以发：\n{_COMMANDS}\n\n"
        "转发到机器人所在的群会自动记录，不用报告。\n也可以直接问我反诈问题。"
    )


def bound_text(person: Person, unit: Unit) -> str:
    return (
        f"绑定成功：{person.name}，{unit.name}{person.role.label}。\n\n现在可以发：\n{_COMMANDS}\n帮助：再看一遍这些命令\n\n"
        "收到预警请转发到所辖群；机器人所在的群会自动记录，不用报告。"
    )


def unbound_text(office: str, *, private: bool) -> str:
    where = "然后在这里发" if private else "然后加我为好友，私聊发"
    return (
        f"这个命令只供已绑定的联络员使用。请向{office}领取 8 位绑定码，{where}：\n绑定 您的绑定码\n\n"
        "居民咨询不用绑定，直接把遇到的事告诉我就行。"
    )


def code_wanted_text(office: str) -> str:
    return f"请在“绑定”后面写上 8 位绑定码，例如：\n绑定 ABCD2345\n还没有绑定码，请向{office}领取。"


def code_shown_text(office: str) -> str:
    return (
        f"绑定码请不要发在群里。这个码已被大家看到，已经作废，请向{office}换一个新的，"
        "然后加我为好友，私聊发：绑定 新绑定码"
    )


def totals_text(unit: Unit, records: Sequence[tuple[Alert, Figures]], zone: ZoneInfo) -> str:
    if not records:
        return f"{unit.name}还没有收到过需要转发的预警。"
    lines = [f"{unit.name} 转发统计（最近 {len(records)} 条）"]
    for alert, figures in records:
        lines += ["", *_heading(alert, zone), *figures_lines(figures)]
    if records[0][1].missing_groups:
        lines += ["", f"最近一条还差 {records[0][1].missing_groups} 个群，发“未转发”看名单。"]
    return "\n".join(lines)


def figures_lines(figures: Figures) -> list[str]:
    """Reached ÷ expected, by which way, how soon."""
    counted = [
        f"群 {_share(figures.reached_groups, figures.expected_groups)}",
        f"人 {_share(figures.reached_members, figures.expected_members)}",
    ]
    if not figures.reached_groups:
        return [*counted, "还没有群收到"]
    ways = (
        (Way.PUSH, figures.pushed_groups),
        (Way.FORWARD, figures.forwarded_groups),
        (Way.REPORT, figures.reported_groups),
    )
    by_way = " ".join(f"{way.label} {groups}" for way, groups in ways)
    times = f"最快 {duration_text(figures.first_s)}，中位 {duration_text(figures.median_s)}"
    return [*counted, f"其中 {by_way}，按时 {figures.ontime_groups}", times]


def missing_text(unit: Unit, alert: Alert, groups: Sequence[MissingGroup], total: int) -> str:
    """`groups` are the first of `total`."""
    title = f"{_title(alert)}（{alert.number}）"
    if not total:
        return f"{title}\n{unit.name}所辖的群都已收到，辛苦了！"
    ending = ["", "机器人不在的群，转好后请发：", "已转发 群名 人数"]
    lines = [title, f"{unit.name}还有 {total} 个群没收到："]
    names = [f"· {group.name} {group.members} 人{_pushed(group)}" for group in groups[:LISTED]]
    return _fit(lines, names, total, ending)


def _pushed(group: MissingGroup) -> str:
    """Groups that the bot has still to push into need nobody; where a push failed, somebody has to forward."""
    return "（由机器人推送）" if group.coming else ""


def detail_text(alert: Alert, figures: Figures, children: Sequence[Figures], zone: ZoneInfo) -> str:
    """Children that are behind come first, the furthest behind at the top: those are what somebody has to do."""
    lines = [*_heading(alert, zone), "", figures.unit.name, *figures_lines(figures)]
    concerned = [child for child in children if child.expected_groups]
    if not concerned:
        return "\n".join(lines)
    behind = [child for child in concerned if child.missing_groups]
    behind.sort(key=lambda child: (child.coverage_groups or 0.0, -child.missing_groups))
    done = [child for child in concerned if not child.missing_groups]
    rows = [f"{child.unit.name} {_share(child.reached_groups, child.expected_groups)}" for child in (*behind, *done)]
    empty = len(children) - len(concerned)
    ending = [f"另有 {empty} 个单位不在这条预警的范围或没有群"] if empty else []
    heading = f"下级单位（群），{len(behind)} 个没有收齐，差得多的在前" if behind else "下级单位（群），全部收齐"
    return _fit([*lines, "", heading], rows, len(rows), ending)


def reported_text(alert: Alert, group: Group, members: int | None, took: float, left: int, scope: Unit) -> str:
    """`took`: seconds since the release; `left`: groups of the liaison's own that are still missing."""
    count = f"，{members} 人" if members is not None else ""
    rest = f"{scope.name}还差 {left} 个群，发“未转发”看名单。" if left else f"{scope.name}所辖的群都已收到，辛苦了！"
    return f"已记录：{group.name}{count}\n预警 {alert.number}《{alert.title}》\n发布后 {duration_text(took)}转到。\n{rest}"


def known_text(alert: Alert, group: Group, state: ReachState, zone: ZoneInfo) -> str:
    way = {Way.PUSH: "由机器人推送", Way.FORWARD: "有人转发到群里", Way.REPORT: "已报告过"}[state.way or Way.REPORT]
    at = state.reached_at.astimezone(zone).strftime("%m-%d %H:%M") if state.reached_at else ""
    return f"{group.name}已经有记录了：{at} {way}，不用再报。\n预警 {alert.number}《{alert.title}》"


def no_alert_text(group: Group, days: int, number: str) -> str:
    if number:
        return f"最近 {days} 天没有编号为 {number}、需要“{group.name}”转发的预警，请核对编号。"
    return f"最近 {days} 天没有需要“{group.name}”转发的预警，不用报告。"


def report_usage_text() -> str:
    return "请写上群名或群编号，人数可以不写，例如：\n已转发 海滨社区三网格群 86"


def members_text(most: int) -> str:
    return f"人数请写 1 到 {most} 之间的数字，也可以不写。"


def no_group_text(unit: Unit, name: str) -> str:
    return f"在{unit.name}所辖的群里没有找到“{name[:40]}”。请核对群名或群编号，发“未转发”可以看名单。"


def many_groups_text(name: str, groups: Sequence[Group]) -> str:
    """More than one group may be meant."""
    which = "有几个群都像" if len(groups) > 1 else "没有完全一样的群名，可能是下面这个；您写的是"
    lines = [f"{which}“{name[:40]}”，请用编号再报一次："]
    ending = [f"例如：已转发 {groups[0].code}"]
    return _fit(lines, [f"· {group.name}（{group.code}）" for group in groups[:8]], len(groups), ending)


def link_text(url: str, days: int, office: str, *, renewed: bool) -> str:
    """`url` is empty while the office has not said where its pages are reached from outside."""
    old = "旧链接已作废。\n" if renewed else ""
    if not url:
        return f"{old}手机页还没有开通，请联系{office}。可以先用“未转发”和“已转发 群名”。"
    return f"{old}您的手机页（{days} 天内有效，只供您本人，请勿转发）：\n{url}\n\n点开可以复制预警正文，转好的群点一下就报上了。换手机或外传了，发：链接 换新"


def no_detail_text(number: str) -> str:
    if not number:
        return "还没有发给您单位的预警。"
    return f"没有编号为 {number} 的预警，或它不涉及您的单位。发“转发统计”可以看最近的编号。"


def _heading(alert: Alert, zone: ZoneInfo) -> list[str]:
    at = alert.released_at.astimezone(zone).strftime("%m-%d %H:%M") if alert.released_at else "—"
    ended = "，已取消" if alert.state is AlertState.CANCELLED else ""
    return [_title(alert), f"{alert.number}　{at} 发布{ended}"]


def _title(alert: Alert) -> str:
    kind = alert.relation or alert.severity
    return f"【{kind.label}】{alert.title}"


def _share(reached: int, expected: int) -> str:
    """Rounded down, so that 100% means all."""
    if not expected:
        return f"{reached:,}/0"
    percent = reached * 100 // expected
    return f"{reached:,}/{expected:,}（{'<1' if reached and not percent else percent}%）"


def _fit(head: list[str], rows: list[str], total: int, ending: list[str]) -> str:
    """As many rows as there is room for, at most `LISTED`, and how many there are when some are left out."""
    rest = f"……等共 {total} 个"
    shown: list[str] = []
    for row in rows[:LISTED]:
        if len("\n".join([*head, *shown, row, rest, *ending])) > ROOM:
            break
        shown.append(row)
    return "\n".join([*head, *shown, *([rest] if len(shown) < total else []), *ending])
