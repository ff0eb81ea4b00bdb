"""Reports from the phone page: a tap counts at once, and can be taken back for a minute.

Until the minute is over the report is held out of the roll-up, so taking it back leaves no trace in any figure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, NotFound, WrongState
from bot.forwarding import record_report
from db import held_reports as store
from db.audit import record_audit
from db.forwards import Standing, list_compared
from db.models import Alert, Group, Person, Unit
from db.reach import ReachState
from db.session import Database
from db.states import GroupState
from db.units import within

UNDO: Final = timedelta(minutes=1)
MAX_MEMBERS: Final = 5000  # of one group; WeChat ends at 500, WeCom's internal groups at 2,000


async def report_group(
    session: AsyncSession,
    person: Person,
    unit: Unit,
    *,
    alert_id: int,
    group_id: int,
    members: int | None,
    since: datetime,
    now: datetime,
) -> ReachState | None:
    """The liaison of `unit` says that the group had the alert. None when that is what counts now, and it can be taken
    back; otherwise how it was reached before. Raises `NotFound` for a group or an alert that is none of theirs."""
    if members is not None and not 0 < members <= MAX_MEMBERS:
        raise Invalid({"members": f"人数请写 1 到 {MAX_MEMBERS} 之间的数字，也可以不写"})
    group = await _own_group(session, unit, group_id)
    await _check_alert(session, alert_id, group, since)
    known = await record_report(session, alert_id=alert_id, group=group, person=person, members=members, at=now)
    if known is None:
        held = {"alert_id": alert_id, "group_id": group_id, "person_id": person.id}
        await store.hold(session, **held, at=now, until=now + UNDO)
    return known


async def undo_report(
    session: AsyncSession, person: Person, unit: Unit, *, alert_id: int, group_id: int, now: datetime
) -> None:
    """Take the own report back within the minute. Raises `WrongState` when it is too late."""
    group = await _own_group(session, unit, group_id)
    if not await store.take_back(session, alert_id=alert_id, group_id=group_id, person_id=person.id, now=now):
        raise WrongState("已经超过一分钟，不能撤回了；确实报错了请联系反诈中心")
    await record_audit(
        session,
        at=now,
        actor=person.name,
        origin="手机页",
        action="report.undo",
        subject=group.name,
        detail={"alert": alert_id, "group": group_id},
    )


async def settle_reports(database: Database, now: datetime) -> bool:
    """Let reports count whose minute is over; True when there were any."""
    async with database.read() as session:
        if not await store.has_over(session, now):
            return False
    async with database.write() as session:
        return bool(await store.let_go(session, now))


async def _own_group(session: AsyncSession, unit: Unit, group_id: int) -> Group:
    group = await session.get(Group, group_id)
    of = await session.get(Unit, group.unit_id) if group is not None else None
    if group is None or of is None or group.state is GroupState.RETIRED or not within(of.path, unit.path):
        raise NotFound("没有这个群，或不在您的管辖范围内")
    return group


async def _check_alert(session: AsyncSession, alert_id: int, group: Group, since: datetime) -> None:
    standing = await list_compared(session, since, since, [alert_id])
    expected = await store.is_expected(session, alert_id=alert_id, group_id=group.id)
    if standing.get(alert_id) is not Standing.LIVE or not expected or await session.get(Alert, alert_id) is None:
        raise NotFound("这条预警已经结束，或不用这个群转发")
