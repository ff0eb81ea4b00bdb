"""Alerts in the database. Rules about who may do what when are in `bot.alerts`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from db.dml import affected, upsert
from db.models import Alert, DayNumber, Delivery, PastDelivery, Reply
from db.states import AlertState, DeliveryState

LIVE = (AlertState.RUNNING, AlertState.PAUSED, AlertState.FINISHED)
"""States in which people may be forwarding the alert."""

EXPIRED_REASON = "已过有效期"
"""Why what waited for an alert past its time is not sent."""


@dataclass(frozen=True)
class DeliveryCounts:
    """Deliveries of one alert by state; invariant 1: they always add up to `audience`."""

    audience: int
    waiting: int
    sending: int
    sent: int
    failed: int
    unknown: int
    skipped: int
    cancelled: int

    @property
    def total(self) -> int:
        return self.waiting + self.sending + self.sent + self.failed + self.unknown + self.skipped + self.cancelled

    @property
    def done(self) -> int:
        return self.total - self.waiting - self.sending


async def find_alert(session: AsyncSession, alert_id: int) -> Alert | None:
    return await session.get(Alert, alert_id, populate_existing=True)


async def find_alert_by_number(session: AsyncSession, number: str) -> Alert | None:
    alert: Alert | None = await session.scalar(sa.select(Alert).where(Alert.number == number))
    return alert


async def list_alerts(
    session: AsyncSession,
    *,
    states: Collection[AlertState] = (),
    search: str = "",
    limit: int = 50,
    offset: int = 0,
) -> Sequence[Alert]:
    """Newest first; `search` looks in number, title and body."""
    query = _filtered(sa.select(Alert), states, search).order_by(Alert.id.desc()).limit(limit).offset(offset)
    return (await session.scalars(query)).all()


async def count_alerts(session: AsyncSession, *, states: Collection[AlertState] = (), search: str = "") -> int:
    query = _filtered(sa.select(sa.func.count()).select_from(Alert), states, search)
    return int(await session.scalar(query) or 0)


def _filtered(query: sa.Select[Any], states: Collection[AlertState], search: str) -> sa.Select[Any]:
    if states:
        query = query.where(Alert.state.in_(states))
    if search:
        fields = (Alert.number, Alert.title, Alert.body)
        query = query.where(sa.or_(*(column.contains(search, autoescape=True) for column in fields)))
    return query


async def list_live(session: AsyncSession, since: datetime) -> Sequence[Alert]:
    """Released alerts that people may still forward: released after `since`, oldest first."""
    query = sa.select(Alert).where(Alert.released_at >= since, Alert.state.in_((*LIVE, AlertState.EXPIRED)))
    return (await session.scalars(query.order_by(Alert.id))).all()


async def next_number(session: AsyncSession, day: date) -> str:
    """The next alert number of the day, e.g. 20261121-03."""
    insert = upsert(session, DayNumber).values(day=day, last=1)
    insert = insert.on_conflict_do_update(index_elements=["day"], set_={"last": DayNumber.last + 1})
    last = await session.scalar(insert.returning(DayNumber.last))
    return f"{day:%Y%m%d}-{last:02d}"


async def set_state(
    session: AsyncSession, alert_id: int, *, allowed: Collection[AlertState], to: AlertState, **values: Any
) -> bool:
    """Move the alert to `to` if it is in one of `allowed`; False when somebody else was quicker."""
    update = sa.update(Alert).where(Alert.id == alert_id, Alert.state.in_(allowed)).values(state=to, **values)
    return bool(await affected(session, update))


async def hold_state(session: AsyncSession, alert_id: int) -> tuple[AlertState, str]:
    """The alert's state and note, which nobody changes until this transaction ends."""
    query = sa.select(Alert.state, Alert.note).where(Alert.id == alert_id)
    row = (await session.execute(query.with_for_update(read=True))).one()
    return row.state, row.note


async def is_through(session: AsyncSession, alert_id: int) -> bool:
    """Nothing is left to send, and nobody can add to it until this transaction ends."""
    lock = sa.select(Alert.id).where(Alert.id == alert_id).with_for_update()
    await session.execute(lock)  # waits for whoever holds its state: the next statement sees what they did
    return not await session.scalar(sa.select(_something_left()).where(Alert.id == alert_id))


def _something_left() -> sa.Exists:
    open_states = (DeliveryState.WAITING, DeliveryState.SENDING)
    return sa.exists().where(Delivery.alert_id == Alert.id, Delivery.state.in_(open_states))


async def cancel_waiting(session: AsyncSession, alert_id: int, reason: str) -> int:
    """Cancel what has not been sent yet of an alert that is over; returns how many deliveries. It ends with the last
    message that was already begun when that took hold, not before."""
    update = (
        sa.update(Delivery)
        .where(Delivery.alert_id == alert_id, Delivery.state == DeliveryState.WAITING)
        .values(state=DeliveryState.CANCELLED, reason=reason)
    )
    cancelled = await affected(session, update)  # from here on nothing can be begun any more
    last = sa.select(sa.func.max(Delivery.sending_at)).where(Delivery.alert_id == alert_id).scalar_subquery()
    later = sa.update(Alert).where(Alert.id == alert_id, Alert.finished_at < last).values(finished_at=last)
    await session.execute(later, execution_options={"synchronize_session": False})
    return cancelled


async def cancel_if_over(session: AsyncSession, alert_id: int) -> None:
    """For whoever has made deliveries wait again: those of an alert that is over would wait for ever."""
    state, note = await hold_state(session, alert_id)
    if state is AlertState.CANCELLED:
        await cancel_waiting(session, alert_id, note)
    elif state is AlertState.EXPIRED:
        await cancel_waiting(session, alert_id, EXPIRED_REASON)


_ALERTS: sa.BindParameter[Collection[int]] = sa.bindparam("alerts", expanding=True)
_AUDIENCES = sa.select(Alert.id, Alert.deliveries).where(Alert.id.in_(_ALERTS))
_COUNTS = (
    sa.select(Delivery.alert_id, Delivery.state, sa.func.count().label("number"))
    .where(Delivery.alert_id.in_(_ALERTS))
    .group_by(Delivery.alert_id, Delivery.state)
    .union_all(
        sa.select(PastDelivery.alert_id, PastDelivery.state, PastDelivery.number).where(
            PastDelivery.alert_id.in_(_ALERTS)
        )
    )
)


async def count_deliveries(session: AsyncSession, alert_ids: Collection[int]) -> dict[int, DeliveryCounts]:
    """Counts by state for each of the alerts, in two queries; with those whose time was over (`PastDelivery`)."""
    wanted = {"alerts": alert_ids}
    audiences = await session.execute(_AUDIENCES, wanted)
    found: Counter[tuple[int, DeliveryState]] = Counter()
    for alert_id, state, count in await session.execute(_COUNTS, wanted):
        found[alert_id, state] += count
    return {
        alert_id: DeliveryCounts(
            audience=audience, **{state.value: found[alert_id, state] for state in DeliveryState}
        )
        for alert_id, audience in audiences
    }


async def list_finished(session: AsyncSession) -> list[int]:
    """Running alerts with nothing left to send."""
    rows = await session.scalars(sa.select(Alert.id).where(Alert.state == AlertState.RUNNING, ~_something_left()))
    return list(rows)


async def list_due(session: AsyncSession, now: datetime) -> Sequence[Alert]:
    """Scheduled alerts whose time has come, most urgent first."""
    query = sa.select(Alert).where(Alert.state == AlertState.SCHEDULED, Alert.scheduled_at <= now)
    return sorted((await session.scalars(query)).all(), key=lambda alert: (alert.severity.rank, alert.id))


async def list_overripe(session: AsyncSession, now: datetime) -> list[int]:
    """Alerts past their expiry that have not come to an end."""
    states = (AlertState.SCHEDULED, AlertState.RUNNING, AlertState.PAUSED)
    rows = await session.scalars(sa.select(Alert.id).where(Alert.state.in_(states), Alert.expires_at <= now))
    return list(rows)


async def list_coming(session: AsyncSession, after: datetime) -> list[datetime]:
    """The times of scheduled alerts later than `after`."""
    query = sa.select(Alert.scheduled_at).where(Alert.state == AlertState.SCHEDULED, Alert.scheduled_at > after)
    return [at for at in await session.scalars(query) if at is not None]


async def has_stale_replies(session: AsyncSession, before: datetime) -> bool:
    query = sa.select(Reply.id).where(Reply.state == DeliveryState.WAITING, Reply.created_at <= before).limit(1)
    return await session.scalar(query) is not None
