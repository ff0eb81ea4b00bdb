"""Six weeks in the sample county: five alerts of different severity, bots that push, liaisons of different zeal.

Rows are written as the engine would have written them, at the times of the story: what takes weeks cannot be played.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.alerts import AlertContent
from bot.forwarding import record_forward, record_report
from bot.identity import Actor, member_hash
from bot.settings import Settings
from db import rollup
from db.models import Alert, Delivery, Group, Person, Unit
from db.reach import record_reach
from db.seen import record_visit
from db.session import Database
from db.states import AlertState, DeliveryState, GroupMode, Role, Severity, Way
from db.units import list_units

RELEASES: tuple[tuple[datetime, Severity, str, str], ...] = (
    (
        datetime(2026, 10, 9, 1, 30, tzinfo=UTC),
        Severity.BLUE,
        "国庆返程谨防退改签诈骗",
        "长假返程，有人收到“航班因天气取消，改签补偿300元”的短信，姓名、航班号都对。电话打过去，对方要您下载会议软件、共享屏幕领补偿。"
        "改签只看航空公司官方App，短信里的号码不要打。",
    ),
    (
        datetime(2026, 10, 23, 6, 0, tzinfo=UTC),
        Severity.YELLOW,
        "双十一前冒充客服退款增多",
        "本周接到六起报警，来电都自称网店客服，报得出买了什么，说衣服甲醛超标给三倍赔偿，再引到备用金、借呗里借钱转走。退款只在购物平台里办，要您借钱的客服都是假的。",
    ),
    (
        datetime(2026, 11, 4, 2, 15, tzinfo=UTC),
        Severity.ORANGE,
        "冒充公安要求共享屏幕",
        "一位退休教师接到“通管局”来电，转给“外地公安”后被要求独自进房间开视频做笔录，看着她把养老钱归到一张卡上。公安不会在网上办案，也没有安全账户，家里老人请多问一句。",
    ),
    (
        datetime(2026, 11, 12, 8, 0, tzinfo=UTC),
        Severity.YELLOW,
        "刷单返利群又拉人",
        "菜场、码头有人送鸡蛋拉人进群，先点赞返几块钱，再派“福利单”叫人垫付八百、三千、两万，垫得越多越提不出来。凡是要先垫钱的兼职都是诈骗，进了群的请退出并告诉网格员。",
    ),
    (
        datetime(2026, 11, 20, 1, 0, tzinfo=UTC),
        Severity.RED,
        "本县正在发生：冒充领导借钱",
        "今早两名干部收到镇领导头像的好友申请，先问工作，再说亲戚急用、自己不便转账，发来已转账的截图，要求马上垫付到指定账户。打领导原来的电话问一声，没问清楚一分钱不转。",
    ),
)
ZEAL = {"菜园镇": 0.97, "洋山镇": 0.85, "嵊山镇": 0.7, "枸杞乡": 0.55, "五龙乡": 0.9, "黄龙乡": 0.35, "花鸟乡": 0.2}
"""How likely the people of a town pass an alert on; departments and their units 0.6."""


@dataclass(frozen=True)
class Place:
    group: Group
    unit: Unit
    zeal: float
    liaison: Person | None


async def tell(
    database: Database,
    settings: Settings,
    writer: Actor,
    reviewer: Actor,
    *,
    later: timedelta = timedelta(),
    releases: int = len(RELEASES),
) -> list[Alert]:
    """The story in the imported sample county; everything is folded at the end. The same rows at every call, but for
    the days: `later` moves all of them."""
    chance = random.Random(330922)  # nosec B311 # the same story each time; nothing secret
    async with database.write() as session:
        places = await _places(session)
    told = []
    for released_at, severity, title, body in RELEASES[:releases]:
        async with database.write() as session:
            alert = await _release(
                session, (writer, reviewer), AlertContent(title, body, severity), released_at + later, settings
            )
            await _spread(session, alert, places, chance)
            await _look_at_pages(session, alert, places, chance)
        told.append(alert)
    async with database.write() as session:
        await rollup.lead(session, wait=True)
        while await rollup.fold_step(session, zone=settings.zone):
            pass
    return told


async def _places(session: AsyncSession) -> list[Place]:
    units = {unit.id: unit for unit in await list_units(session)}
    names = {unit.path: unit.name for unit in units.values()}
    liaisons = {unit.id: _liaison(unit) for unit in units.values() if unit.liaison and unit.level >= 2}
    session.add_all(liaisons.values())
    await session.flush()
    groups = (await session.scalars(sa.select(Group).order_by(Group.id))).all()
    return [_place(group, units, names, liaisons) for group in groups]


def _liaison(unit: Unit) -> Person:
    hashed = member_hash("local", f"liaison-{unit.code}")
    return Person(
        name=unit.liaison,
        role=Role.LIAISON,
        unit_id=unit.id,
        channel="local",
        member_hash=hashed,
        bound_at=RELEASES[0][0],
    )


def _place(group: Group, units: dict[int, Unit], names: dict[str, str], liaisons: dict[int, Person]) -> Place:
    unit = units[group.unit_id]
    town = names.get("/".join(unit.path.split("/")[:2]) + "/", "")
    nearest: Unit | None = unit
    while nearest is not None and nearest.id not in liaisons:  # a building's liaison is the grid's
        nearest = units.get(nearest.parent_id or 0)
    return Place(group, unit, ZEAL.get(town, 0.6), liaisons[nearest.id] if nearest else None)


async def _release(
    session: AsyncSession,
    people: tuple[Actor, Actor],
    content: AlertContent,
    at: datetime,
    settings: Settings,
) -> Alert:
    alert = await alerts.create(session, people[0], content, settings=settings, now=at)
    await alerts.submit(session, people[0], alert.id, now=at)
    alert = await alerts.release(session, people[1], alert.id, settings=settings, now=at, version=alert.version)
    alert.state, alert.finished_at = AlertState.FINISHED, at + timedelta(hours=1)
    return alert


async def _spread(session: AsyncSession, alert: Alert, places: Sequence[Place], chance: random.Random) -> None:
    """The bot pushes where it can; people pass on, report, or do nothing. In the order of time, as it would happen."""
    assert alert.released_at is not None
    pushes: dict[int, datetime | None] = {}
    for place in places:
        pushed_at = passed_at = None
        push = place.group.mode is GroupMode.PUSH
        if push and place.group.account_id is not None:
            if chance.random() < 0.96:
                pushed_at = alert.released_at + timedelta(seconds=3 + chance.random() * 600)
            pushes[place.group.id] = pushed_at
        if chance.random() < place.zeal * (0.25 if push else 1):
            after = min(chance.lognormvariate(2.5 + 3 * (1 - place.zeal), 1.1), 20 * 60)
            passed_at = alert.released_at + timedelta(minutes=after)
        for at in sorted(at for at in (pushed_at, passed_at) if at is not None):
            if at is pushed_at:
                await record_reach(session, alert_id=alert.id, group=place.group, way=Way.PUSH, at=at)
            else:
                await _pass_on(session, alert, place, at, chance)
    await _settle(session, alert, pushes)


async def _settle(session: AsyncSession, alert: Alert, pushes: dict[int, datetime | None]) -> None:
    """The deliveries as the senders would have left them."""
    table: Any = Delivery.__table__
    values: dict[str, Any] = {
        name: sa.bindparam(f"new_{name}") for name in ("state", "reason", "sending_at", "sent_at", "echo_at")
    }
    update = sa.update(table).where(table.c.alert_id == alert.id, table.c.group_id == sa.bindparam("group"))
    rows = [
        {
            "group": group_id,
            "new_state": DeliveryState.SENT if at else DeliveryState.FAILED,
            "new_reason": "" if at else "群不存在，或账号已不在群里",
            "new_sending_at": at,
            "new_sent_at": at,
            "new_echo_at": at,
        }
        for group_id, at in pushes.items()
    ]
    await session.execute(update.values(attempts=1, **values), rows)


async def _pass_on(session: AsyncSession, alert: Alert, place: Place, at: datetime, chance: random.Random) -> None:
    group, liaison = place.group, place.liaison
    if liaison is not None and chance.random() < 0.3:
        members = group.members - 3
        await record_report(session, alert_id=alert.id, group=group, person=liaison, members=members, at=at)
        return
    person = liaison if chance.random() < 0.7 else None
    await record_forward(session, alert_id=alert.id, group=group, person=person, at=at)


async def _look_at_pages(session: AsyncSession, alert: Alert, places: Sequence[Place], chance: random.Random) -> None:
    """Some residents open the short page of their unit."""
    assert alert.released_at is not None
    for place in places:
        for visitor in range(chance.choice((0, 0, 0, 1)) if place.unit.level >= 3 else 0):
            name, day = f"v{place.group.id}-{visitor}", alert.released_at.date()
            await record_visit(session, alert_id=alert.id, unit_id=place.unit.id, visitor=name, day=day)
