"""The invariants of the design, checked from the rows: for the demo, `doctor`, and the tests that kill processes."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.alerts import related_number, rendered_text
from bot.delivery import account_limits
from bot.pacing import Limits
from bot.quiet import in_quiet_hours
from bot.settings import Settings
from bot.short_pages import LINK_LABEL
from db.alerts import count_deliveries
from db.models import Account, Alert, Delivery, Group, LocalMessage, PastDelivery, Person, Question, Send
from db.rollup import verify_rollup
from db.states import AlertState, DeliveryState

TOLERANCE = timedelta(milliseconds=1)  # clocks and databases round to microseconds and milliseconds


@dataclass(frozen=True)
class Check:
    """One invariant: its name, and what breaks it (empty when it holds)."""

    name: str
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.faults


async def check_invariants(session: AsyncSession, settings: Settings) -> list[Check]:
    """Every invariant that rows can show, on whatever is in the database now. While the program runs, ask it in a
    `Database.snapshot`."""
    return [
        Check("nothing_lost", tuple(await _lost(session))),
        Check("never_twice", tuple(await _twice(session, settings))),
        Check("never_stale", tuple(await _stale(session, settings))),
        Check("never_too_fast", tuple(await _too_fast(session, settings))),
        Check("little_personal_data", tuple(await _personal(session))),
        Check("figures_agree", tuple(str(difference) for difference in await verify_rollup(session))),
    ]


async def _lost(session: AsyncSession) -> list[str]:
    released = list(await session.scalars(sa.select(Alert.id).where(Alert.released_at.is_not(None))))
    counts = await count_deliveries(session, released)
    return [
        f"预警 {alert_id}：受众 {count.audience}，各状态合计 {count.total}"
        for alert_id, count in counts.items()
        if count.audience != count.total
    ]


async def _twice(session: AsyncSession, settings: Settings) -> list[str]:
    """What the local channel's own record says: each group at most once, and once where we say `sent`."""
    faults = []
    past = sa.select(PastDelivery.alert_id)  # what arrived can be compared with nothing any more
    alerts = await session.scalars(sa.select(Alert).where(Alert.released_at.is_not(None), Alert.id.not_in(past)))
    for alert in alerts.all():
        text = rendered_text(alert, settings, await related_number(session, alert))
        arrived = await local_arrivals(session, text)
        rows = await session.execute(
            sa.select(Group.room_id, Delivery.state)
            .join(Group, Group.id == Delivery.group_id)
            .where(Delivery.alert_id == alert.id, Group.channel == "local")
        )
        for room_id, state in rows:
            count = arrived.pop(str(room_id), 0)
            wanted = {DeliveryState.SENT: (1,), DeliveryState.UNKNOWN: (0, 1), DeliveryState.SENDING: (0, 1)}
            if count not in wanted.get(state, (0,)):
                faults.append(f"预警 {alert.number}：{room_id} 到达 {count} 次，记录为{state.label}")
        faults += [f"预警 {alert.number}：{room_id} 不在受众内却到达" for room_id in arrived]
    return faults


async def local_arrivals(session: AsyncSession, text: str) -> Counter[str]:
    """room id → how often the bot said `text` there, by the local channel's own record; also with a unit's link."""
    linked = LocalMessage.text.startswith(f"{text}\n{LINK_LABEL}", autoescape=True)
    rows = await session.execute(
        sa.select(LocalMessage.room_id, sa.func.count())
        .where(LocalMessage.sender_id.startswith("bot:"), sa.or_(LocalMessage.text == text, linked))
        .group_by(LocalMessage.room_id)
    )
    return Counter(dict(rows.all()))


async def _stale(session: AsyncSession, settings: Settings) -> list[str]:
    rows = await session.execute(
        sa.select(Delivery.id, Delivery.sending_at, Alert)
        .join(Alert, Alert.id == Delivery.alert_id)
        .where(Delivery.sending_at.is_not(None))
    )
    faults = []
    for delivery_id, at, alert in rows:
        assert at is not None
        if at >= alert.expires_at:
            faults.append(f"投递 {delivery_id} 在有效期之后发送")
        if (
            alert.state is AlertState.CANCELLED
            and alert.finished_at is not None
            and at > alert.finished_at + TOLERANCE
        ):
            faults.append(f"投递 {delivery_id} 在取消之后发送")
        if alert.severity not in settings.quiet_exempt and in_quiet_hours(at, settings):
            faults.append(f"投递 {delivery_id} 在免打扰时段发送")
    return faults


async def _too_fast(session: AsyncSession, settings: Settings) -> list[str]:
    faults: list[str] = []
    for account in (await session.scalars(sa.select(Account))).all():
        starts = list(
            await session.scalars(sa.select(Send.at).where(Send.account_id == account.id).order_by(Send.at))
        )
        problems = too_fast(starts, account_limits(account, settings), settings)
        faults += [f"账号 {account.name}：{problem}" for problem in problems]
    return faults


def too_fast(starts: list[datetime], limits: Limits, settings: Settings) -> list[str]:
    """Which starts break a limit; `starts` in order of time."""
    faults = []
    minute: deque[datetime] = deque()
    days: Counter[str] = Counter()
    for number, at in enumerate(starts):
        if number and at - starts[number - 1] < timedelta(seconds=limits.gap) - TOLERANCE:
            faults.append(f"{at:%H:%M:%S.%f} 距上一次不足 {limits.gap} 秒")
        while minute and minute[0] <= at - timedelta(seconds=60) + TOLERANCE:
            minute.popleft()
        minute.append(at)
        if len(minute) > limits.per_minute:
            faults.append(f"{at:%H:%M:%S} 前一分钟超过 {limits.per_minute} 条")
        day = f"{at.astimezone(settings.zone):%Y-%m-%d}"
        days[day] += 1
        if days[day] == limits.per_day + 1:
            faults.append(f"{day} 超过每日 {limits.per_day} 条")
    return faults


async def _personal(session: AsyncSession) -> list[str]:
    """Member ids are kept as hashes only."""
    hashes = [
        *await session.scalars(sa.select(Person.member_hash)),
        *await session.scalars(sa.select(Question.member_hash).where(Question.channel != "portal")),  # keeps none
    ]
    plain = [value for value in hashes if len(value) != 32 or not set(value) <= set("0123456789abcdef")]
    return [f"未加密的成员编号 {value[:6]}…" for value in plain]
