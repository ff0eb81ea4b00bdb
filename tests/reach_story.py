"""Two months in the sample county: five alerts of different severity, bots that push, liaisons of different zeal.

For tests of the reach pages, and to check by hand: `python -m tests.reach_story FOLDER [UNIT]` makes the database of
the story in a folder (with the demo's users) and prints one unit's log of forwards beside its figures.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot import alerts
from bot.alerts import AlertContent
from bot.clock import local_text
from bot.database import open_ready
from bot.forwarding import record_forward, record_report
from bot.identity import SYSTEM, Actor, member_hash
from bot.passwords import hash_password
from bot.registry import apply_import, plan_import
from bot.sample_county import build_tables
from bot.settings import Settings, load_settings
from db import rollup
from db.figures import Figures, get_figures
from db.models import Alert, Forward, Group, Person, Reach, Unit
from db.reach import record_reach
from db.session import Database
from db.states import AlertState, GroupMode, Role, Severity, Way
from db.units import find_root, in_subtree, list_units
from tests.factories import make_user

PASSWORD = "xinfang-demo"
RELEASES: tuple[tuple[datetime, Severity, str], ...] = (
    (datetime(2026, 10, 9, 1, 30, tzinfo=UTC), Severity.BLUE, "国庆返程谨防退改签诈骗"),
    (datetime(2026, 10, 23, 6, 0, tzinfo=UTC), Severity.YELLOW, "双十一前冒充客服退款增多"),
    (datetime(2026, 11, 4, 2, 15, tzinfo=UTC), Severity.ORANGE, "冒充公安要求共享屏幕"),
    (datetime(2026, 11, 12, 8, 0, tzinfo=UTC), Severity.YELLOW, "刷单返利群又拉人"),
    (datetime(2026, 11, 20, 1, 0, tzinfo=UTC), Severity.RED, "本县正在发生：冒充领导借钱"),
)
ZEAL = {"菜园镇": 0.97, "洋山镇": 0.85, "嵊山镇": 0.7, "枸杞乡": 0.55, "五龙乡": 0.9, "黄龙乡": 0.35, "花鸟乡": 0.2}
"""How likely the people of a town pass an alert on; departments and their units 0.6."""


@dataclass(frozen=True)
class Place:
    group: Group
    unit: Unit
    zeal: float
    liaison: Person | None


async def tell(database: Database, settings: Settings, *, releases: int = len(RELEASES)) -> list[Alert]:
    """The story into an empty database; everything is folded at the end. The same rows at every call."""
    chance = random.Random(330922)
    async with database.write() as session:
        await apply_import(session, await plan_import(session, build_tables()), SYSTEM, RELEASES[0][0])
        writer = await make_user(session, username="story-writer", role=Role.PUBLISHER)
        reviewer = await make_user(session, username="story-reviewer", role=Role.REVIEWER)
        people = [Actor(name=one.name, role=one.role, user_id=one.id) for one in (writer, reviewer)]
        places = await _places(session, chance)
    told = []
    for released_at, severity, title in RELEASES[:releases]:
        async with database.write() as session:
            alert = await _release(session, people, severity, title, released_at, settings)
            for place in places:
                await _spread(session, alert, place, chance)
        told.append(alert)
    async with database.write() as session:
        while await rollup.fold_step(session):
            pass
    return told


async def _places(session: AsyncSession, chance: random.Random) -> list[Place]:
    units = {unit.id: unit for unit in await list_units(session)}
    names = {unit.path: unit.name for unit in units.values()}
    liaisons: dict[int, Person] = {}
    for unit in units.values():
        if unit.liaison and unit.level >= 2:
            sender = f"liaison-{unit.code}"
            hashed = member_hash("local", sender)
            liaisons[unit.id] = Person(
                name=unit.liaison, role=Role.LIAISON, unit_id=unit.id, channel="local", member_hash=hashed, bound_at=RELEASES[0][0]
            )  # fmt: skip
    session.add_all(liaisons.values())
    await session.flush()
    groups = (await session.scalars(sa.select(Group).order_by(Group.id))).all()
    return [_place(group, units, names, liaisons) for group in groups]


def _place(group: Group, units: dict[int, Unit], names: dict[str, str], liaisons: dict[int, Person]) -> Place:
    unit = units[group.unit_id]
    town = names.get("/".join(unit.path.split("/")[:2]) + "/", "")
    nearest: Unit | None = unit
    while nearest is not None and nearest.id not in liaisons:  # a building's liaison is the grid's
        nearest = units.get(nearest.parent_id or 0)
    return Place(group, unit, ZEAL.get(town, 0.6), liaisons[nearest.id] if nearest else None)


async def _release(
    session: AsyncSession,
    people: Sequence[Actor],
    severity: Severity,
    title: str,
    at: datetime,
    settings: Settings,
) -> Alert:
    content = AlertContent(
        title=title, body=f"{title}。凡是要求转账、共享屏幕、提供验证码的都是诈骗。", severity=severity
    )
    alert = await alerts.create(session, people[0], content, settings=settings, now=at)
    await alerts.submit(session, people[0], alert.id, now=at)
    alert = await alerts.release(session, people[1], alert.id, settings=settings, now=at, version=alert.version)
    alert.state, alert.finished_at = AlertState.FINISHED, at + timedelta(hours=1)
    return alert


async def _spread(session: AsyncSession, alert: Alert, place: Place, chance: random.Random) -> None:
    """The bot pushes where it can; people pass on, report, or do nothing."""
    assert alert.released_at is not None
    if place.group.mode is GroupMode.PUSH and place.group.account_id is not None and chance.random() < 0.96:
        pushed = alert.released_at + timedelta(seconds=3 + chance.random() * 600)
        await record_reach(session, alert_id=alert.id, group=place.group, way=Way.PUSH, at=pushed)
    if chance.random() >= place.zeal * (0.25 if place.group.mode is GroupMode.PUSH else 1):
        return
    at = alert.released_at + timedelta(minutes=chance.lognormvariate(2.5 + 3 * (1 - place.zeal), 1.1))
    if place.liaison is not None and chance.random() < 0.3:
        await record_report(
            session,
            alert_id=alert.id,
            group=place.group,
            person=place.liaison,
            members=place.group.members - 3,
            at=at,
        )
        return
    person = place.liaison if chance.random() < 0.7 else None
    await record_forward(session, alert_id=alert.id, group=place.group, person=person, at=at)


# ── by hand ─────────────────────────────────────────────────────────────────


async def print_unit(database: Database, alert: Alert, unit: Unit, settings: Settings) -> None:
    """One alert in one unit: every group with how it was reached, every line of the log, and then the figures."""
    zone = settings.zone
    async with database.read() as session:
        rows = await session.execute(
            sa.select(Group.code, Group.name, Reach.members, Reach.way, Reach.reached_at)
            .join(Group, Group.id == Reach.group_id)
            .join(Unit, Unit.id == Reach.unit_id)
            .where(Reach.alert_id == alert.id, Reach.expected, in_subtree(unit.path))
            .order_by(Reach.reached_at.is_(None), Reach.reached_at)
        )
        print(f"{alert.number}【{alert.severity.label}】{alert.title}  {unit.name}")
        print(
            f"发布 {local_text(alert.released_at, zone, seconds=True)}  时限 {local_text(alert.deadline_at, zone, seconds=True)}"
        )
        for number, (code, name, members, way, at) in enumerate(rows, start=1):
            late = " 超时" if at and alert.deadline_at and at > alert.deadline_at else ""
            after = f"+{(at - alert.released_at).total_seconds():,.1f} 秒" if at and alert.released_at else ""
            print(f"{number:>3} {code} {members:>4} 人 {way.label if way else '未触达'} {after}{late}  {name}")
        log = await session.execute(
            sa.select(Forward.at, Forward.way, Group.code, Person.name, Forward.members)
            .join(Group, Group.id == Forward.group_id)
            .join(Unit, Unit.id == Group.unit_id)
            .outerjoin(Person, Person.id == Forward.person_id)
            .where(Forward.alert_id == alert.id, in_subtree(unit.path))
            .order_by(Forward.at)
        )
        print("转发记录")
        for at, way, code, name, members in log:
            print(f"  {local_text(at, zone, seconds=True)} {way.label} {code} {name or '群众'} {members or ''}")
        print_figures(await get_figures(session, alert.id, unit.id))


def print_figures(figures: Figures) -> None:
    print("统计")
    for name, value in figures.to_json().items():
        if name != "unit":
            print(f"  {name} = {value}")


async def _main(folder: Path, name: str) -> None:
    settings = load_settings(data_dir=folder)
    database = await open_ready(settings, now=RELEASES[0][0])
    try:
        told = await tell(database, settings)
        hashed = await hash_password(PASSWORD)
        async with database.write() as session:
            root = await find_root(session)
            assert root is not None
            town = await session.scalar(sa.select(Unit).where(Unit.name == "菜园镇"))
            assert town is not None
            for username, role, unit_id in (
                ("admin2", Role.ADMIN, None),
                ("caiyuan", Role.LIAISON, town.id),
            ):
                await make_user(
                    session, username=username, name=role.label, role=role, unit_id=unit_id, password_hash=hashed
                )
            unit = (await session.scalars(sa.select(Unit).where(Unit.name == name))).one()
        await print_unit(database, told[-1], unit, settings)
    finally:
        await database.close()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "黄龙乡"))
