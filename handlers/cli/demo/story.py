"""The story, step by step. Each step ends when the rows show that it happened, or the demo has failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import sqlalchemy as sa
from rich.table import Table

from bot import alerts
from bot.clock import duration_text
from bot.errors import Forbidden
from bot.invariants import check_invariants
from db.alerts import count_deliveries
from db.figures import Figures, count_missing_groups, get_figures, list_child_figures
from db.groups import count_groups
from db.models import Alert, Delivery, Forward, Group, Lead, Question, Reach, Reply, Unit
from db.rollup import count_unfolded
from db.states import LEVEL_LABELS, AlertState, AnswerKind, DeliveryState, LeadReason
from db.units import count_units, find_root
from handlers.cli.demo.script import ALERT, CHATTER, FORWARD_PREFIX, RESIDENTS, Line
from handlers.cli.demo.stage import (
    DemoFailed,
    Liaison,
    Stage,
    bind_liaison,
    import_county,
    list_heard_groups,
    list_relay_groups,
    make_logins,
    remove_bot_from_one_room,
    until,
)
from handlers.cli.demo.town import Seen
from handlers.cli.demo.view import View

Result = dict[str, Any]


async def play(stage: Stage, view: View) -> Result:
    """Everything, in order; returns the counts. Raises `DemoFailed` when the story leaves its path."""
    result: Result = {}
    view.begin("import")
    await import_county(stage)
    await make_logins(stage)
    result |= await _count_registry(stage)
    view.done(
        "import",
        f"{result['units']} 个单位、{result['groups']} 个群、{result['members']} 人",
    )
    alert = await _write_and_release(stage, view, result)
    await _watch_push(stage, view, alert, result)
    await _ask(stage, view, result)
    await _pass_on(stage, view, alert, result)
    await _show_figures(stage, view, alert, result)
    await _check(stage, view, result)
    return result


async def _count_registry(stage: Stage) -> Result:
    async with stage.engine.database.read() as session:
        groups, members = await count_groups(session)
        return {"units": await count_units(session), "groups": groups, "members": members}


async def _write_and_release(stage: Stage, view: View, result: Result) -> Alert:
    view.begin("write")
    assert stage.writer is not None
    assert stage.reviewer is not None
    engine = stage.engine
    async with engine.database.write() as session:
        alert = await alerts.create(session, stage.writer, ALERT, settings=engine.settings, now=stage.now)
        await alerts.submit(session, stage.writer, alert.id, now=stage.now)
    try:
        async with engine.database.write() as session:
            await alerts.release(session, stage.writer, alert.id, settings=engine.settings, now=stage.now)
    except Forbidden:
        result["release_by_author_refused"] = True
    else:
        raise DemoFailed("编写人自己也能发布")
    view.said(stage.writer.name, f"提交预警 {alert.number}：{alert.title}")
    async with engine.database.write() as session:
        alert = await alerts.release(
            session, stage.reviewer, alert.id, settings=engine.settings, now=stage.now, version=alert.version
        )
    await remove_bot_from_one_room(stage, alert)
    engine.events.publish("alerts")
    view.said(stage.reviewer.name, f"审核通过，发布 {alert.number}")
    result |= {"expected_groups": alert.expected_groups, "deliveries": alert.deliveries}
    view.done(
        "write",
        f"{alert.number} 受众 {alert.expected_groups} 群 {alert.expected_members} 人，其中推送 {alert.deliveries} 群",
    )
    return alert


async def _watch_push(stage: Stage, view: View, alert: Alert, result: Result) -> None:
    view.begin("push")

    async def finished() -> bool:
        async with stage.engine.database.read() as session:
            rows = await session.execute(
                sa.select(Delivery.level, sa.func.count(), sa.func.count(Delivery.sent_at))
                .where(Delivery.alert_id == alert.id)
                .group_by(Delivery.level)
                .order_by(Delivery.level)
            )
            for level, total, sent in rows:
                view.bar(LEVEL_LABELS[level], sent, total)
            state = await session.scalar(sa.select(Alert.state).where(Alert.id == alert.id))
            unconfirmed = sa.select(sa.func.count()).where(
                Delivery.alert_id == alert.id, Delivery.state == DeliveryState.SENT, Delivery.echo_at.is_(None)
            )
            return state is AlertState.FINISHED and not await session.scalar(unconfirmed)

    await until(finished, "推送完成并全部得到回显", 90)
    async with stage.engine.database.read() as session:
        counts = (await count_deliveries(session, [alert.id]))[alert.id]
        first, last = (
            await session.execute(
                sa.select(sa.func.min(Delivery.sending_at), sa.func.max(Delivery.sent_at)).where(
                    Delivery.alert_id == alert.id
                )
            )
        ).one()
        in_order = await _levels_in_order(session, alert.id)
    result |= {state.value: getattr(counts, state.value) for state in DeliveryState}
    result["push_seconds"] = round((last - first).total_seconds(), 1)
    result["levels_in_order"] = in_order
    view.done(
        "push",
        f"送达 {counts.sent} 群，失败 {counts.failed}，待确认 {counts.unknown}，用时 {duration_text(last - first)}",
    )


async def _levels_in_order(session: Any, alert_id: int) -> bool:
    """Did each account serve upper levels before lower ones?"""
    rows = await session.execute(
        sa.select(Delivery.account_id, Delivery.level)
        .where(Delivery.alert_id == alert_id, Delivery.sending_at.is_not(None))
        .order_by(Delivery.account_id, Delivery.sending_at, Delivery.id)
    )
    last: dict[int, int] = {}
    for account_id, level in rows:
        if level < last.get(account_id, level):
            return False
        last[account_id] = level
    return True


async def _ask(stage: Stage, view: View, result: Result) -> None:
    view.begin("ask")
    groups = await list_heard_groups(stage, len(RESIDENTS) + len(CHATTER))
    said: list[tuple[Line, str]] = []
    for line, group in zip([*RESIDENTS, *CHATTER], groups, strict=True):
        await stage.people.ensure_person(line.person, line.name)
        said.append((line, await stage.people.say(line.person, str(group.room_id), line.text)))
        view.said(f"{line.name}@{group.name}", line.text)
    seconds = await _replies(stage, view, said)
    async with stage.engine.database.read() as session:
        kinds = Counter(await session.scalars(sa.select(Question.kind)))
        leads = Counter(await session.scalars(sa.select(Lead.reason)))
    answered = kinds[AnswerKind.ANSWER] + kinds[AnswerKind.CHOICES]  # a choice of two close types answers as well
    found = {AnswerKind.ANSWER: answered, **{kind: kinds[kind] for kind in (AnswerKind.NONE, AnswerKind.EMERGENCY)}}
    if found != Counter(line.wanted for line in RESIDENTS):
        raise DemoFailed(f"答复的种类不对：{dict(kinds)}")
    if not (leads[LeadReason.EMERGENCY] and leads[LeadReason.UNANSWERED]):
        raise DemoFailed("没有为紧急求助和未答出的咨询建立线索")
    result["questions"] = {kind.value: count for kind, count in kinds.items()}
    result["leads"] = {reason.value: count for reason, count in leads.items()}
    result["slowest_reply_seconds"] = round(max(seconds), 2)
    view.done(
        "ask", f"{len(RESIDENTS)} 问：答复 {answered}，紧急 1，未答出 1 转人工；闲聊不答；最慢 {max(seconds):.2f} 秒"
    )


async def _replies(stage: Stage, view: View, said: list[tuple[Line, str]]) -> list[float]:
    """Wait for the reply that each resident is owed; how long each took. Chatter must be met with silence."""
    owed = {message_id: line for line, message_id in said if line in RESIDENTS}

    async def answered() -> bool:
        async with stage.engine.database.read() as session:
            sent = sa.select(sa.func.count()).where(Reply.message_id.in_(owed), Reply.state == DeliveryState.SENT)
            return await session.scalar(sent) == len(owed)

    await until(answered, "每位居民得到答复", 20)
    async with stage.engine.database.read() as session:
        replies = (await session.scalars(sa.select(Reply).where(Reply.message_id.in_(owed)).order_by(Reply.id))).all()
        spoken = [message_id for line, message_id in said if line in CHATTER]
        if await session.scalar(sa.select(sa.func.count()).where(Reply.message_id.in_(spoken))):
            raise DemoFailed("机器人插嘴了与它无关的闲聊")
    for reply in replies:
        view.said("心防", reply.text)
    return [(reply.sent_at - reply.created_at).total_seconds() for reply in replies if reply.sent_at]


async def _pass_on(stage: Stage, view: View, alert: Alert, result: Result) -> None:
    """Of the liaisons with relay-only groups, most forward, one reports by command, the others do nothing."""
    view.begin("forward")
    heard, unheard = await list_relay_groups(stage, heard=True), await list_relay_groups(stage, heard=False)
    seen = await _somebody_saw(stage, alert)
    zealous = heard[: len(heard) * 2 // 3]
    for group, unit in zealous:
        person_id = f"l-{unit.code}"
        await stage.people.ensure_person(person_id, f"{unit.name}{unit.liaison}"[:12])
        await stage.people.forward(person_id, seen, str(group.room_id))
        view.said(f"{unit.liaison}@{group.name}", f"[转发] {alert.title}")
    copier_group, copier_unit = heard[len(zealous)]
    await stage.people.ensure_person(f"l-{copier_unit.code}", copier_unit.liaison)
    half = seen.text[: len(seen.text) // 2]
    await stage.people.say(f"l-{copier_unit.code}", str(copier_group.room_id), FORWARD_PREFIX + half)
    view.said(f"{copier_unit.liaison}@{copier_group.name}", "[复制了一半的预警]")
    result["foreign_report_refused"] = await _report(stage, view, alert, own=unheard[0], foreign=unheard[-1][0])
    result["forwards"], result["reports"] = await _await_forwards(stage, alert, len(zealous) + 1)
    idle = len(heard) - len(zealous) - 1 + len(unheard) - 1
    view.done(
        "forward", f"听到转发 {result['forwards']} 群，口令报告 {result['reports']} 群，{idle} 个群的联络员没有动静"
    )


async def _somebody_saw(stage: Stage, alert: Alert) -> Seen:
    """The alert as it stands in some group: what a liaison long-presses."""
    seen = await stage.people.find_seen(alert.number)
    if seen is None:
        raise DemoFailed("群里看不到预警")
    return seen


async def _report(stage: Stage, view: View, alert: Alert, *, own: tuple[Group, Unit], foreign: Group) -> bool:
    """A liaison reports the own group, then tries one of another unit: was that refused?"""
    group, unit = own
    liaison = await bind_liaison(stage, unit, "心防一号")
    await _talk(stage, view, liaison, f"已转发 {group.code} {max(group.members - 3, 1)}")
    await _talk(stage, view, liaison, f"已转发 {foreign.code}")
    await _talk(stage, view, liaison, "转发统计")
    async with stage.engine.database.read() as session:
        reach = await session.get(Reach, (alert.id, foreign.id))
    return reach is not None and reach.reached_at is None


async def _talk(stage: Stage, view: View, liaison: Liaison, text: str) -> None:
    """Say it in the private chat and wait for the bot's reply."""
    message_id = await stage.people.say(liaison.person_id, liaison.private_room, text)
    view.said(f"{liaison.name}（私聊）", text)

    async def replied() -> bool:
        async with stage.engine.database.read() as session:
            query = sa.select(Reply).where(Reply.message_id == message_id, Reply.state == DeliveryState.SENT)
            reply = await session.scalar(query)
        if reply is not None:
            view.said("心防（私聊）", reply.text)
        return reply is not None

    await until(replied, f"对“{text}”的答复", 20)


async def _await_forwards(stage: Stage, alert: Alert, wanted: int) -> tuple[int, int]:
    async def counted() -> Counter[str]:
        async with stage.engine.database.read() as session:
            rows = await session.scalars(sa.select(Forward.way).where(Forward.alert_id == alert.id))
            return Counter(way.value for way in rows)

    async def all_heard() -> bool:
        counts = await counted()
        return counts["forward"] >= wanted and counts["report"] >= 1

    await until(all_heard, f"{wanted} 次转发和 1 次报告入账", 20)
    counts = await counted()
    return counts["forward"], counts["report"]


async def _show_figures(stage: Stage, view: View, alert: Alert, result: Result) -> None:
    view.begin("figures")

    async def folded() -> bool:
        async with stage.engine.database.read() as session:
            rolled_up = await session.scalar(sa.select(Alert.rolled_up).where(Alert.id == alert.id))
            return bool(rolled_up) and not await count_unfolded(session)

    await until(folded, "触达汇总", 20)
    async with stage.engine.database.read() as session:
        root = await find_root(session)
        assert root is not None
        county = await get_figures(session, alert.id, root.id)
        children = await list_child_figures(session, alert.id, root.id)
        missing = await count_missing_groups(session, alert.id, "")
        reached = await session.scalar(
            sa.select(sa.func.count()).where(
                Reach.alert_id == alert.id, Reach.reached_at.is_not(None), Reach.expected
            )
        )
    view.table(_figures_table(alert, county, children))
    result |= {
        "reached_groups": county.reached_groups,
        "reached_members": county.reached_members,
        "missing_groups": missing,
        "coverage": round(county.coverage_groups or 0, 4),
        "figures_equal_rows": county.reached_groups == reached and missing == alert.expected_groups - (reached or 0),
    }
    view.done("figures", f"触达 {county.reached_groups}/{county.expected_groups} 群，{missing} 个群还没有")


def _figures_table(alert: Alert, county: Figures, children: list[Figures]) -> Table:
    table = Table(
        "单位",
        "群 触达/应达",
        "人数 触达/应达",
        "覆盖率",
        "最早",
        "中位",
        title=f"预警 {alert.number} 各单位触达",
        header_style="bold",
    )
    for figures in [county, *children]:
        coverage = figures.coverage_groups
        table.add_row(
            figures.unit.name,
            f"{figures.reached_groups}/{figures.expected_groups}",
            f"{figures.reached_members}/{figures.expected_members}",
            "无群" if coverage is None else f"{coverage:.0%}",
            duration_text(figures.first_s),
            duration_text(figures.median_s),
        )
    return table


async def _check(stage: Stage, view: View, result: Result) -> None:
    view.begin("check")
    async with stage.engine.database.snapshot() as session:
        checks = await check_invariants(session, stage.engine.settings)
    held = {check.name: check.holds for check in checks}
    held["never_twice"] &= not await stage.people.list_twice(ALERT.body.splitlines()[0])  # replies name the title too
    held["second_person"] = result.pop("release_by_author_refused", False)
    held["levels_in_order"] = result.pop("levels_in_order")
    held["figures_equal_rows"] = result.pop("figures_equal_rows")
    held["one_bad_group_alone"] = _one_bad_group(result)
    held["own_subtree_only"] = result.pop("foreign_report_refused")
    result["invariants"] = held
    faults = [fault for check in checks for fault in check.faults]
    broken = [name for name, holds in held.items() if not holds]
    view.done("check", f"全部成立（{len(held)} 项）" if not broken else f"不成立：{'、'.join(broken)} {faults[:3]}")


def _one_bad_group(result: Result) -> bool:
    """Somebody removed the bot from one room: that group failed alone, every other one was served."""
    return bool(result["failed"] == 1 and result["sent"] == result["deliveries"] - 1)
