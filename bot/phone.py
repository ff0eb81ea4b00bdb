"""What the phone page of a liaison shows: the newest alert, their own groups, where their unit stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.liaison_links import Holder
from bot.settings import Settings
from bot.short_pages import text_to_share
from db.checklist import Counts, ListedGroup, count_groups_of, list_groups_of
from db.figures import Figures, get_figures, latest_released, list_child_figures
from db.forwards import Standing, list_compared
from db.held_reports import list_held
from db.models import Alert, Unit
from db.states import UnitKind

SHOWN: Final = 40  # groups of each kind: the page stays small on a slow network
ALERTS: Final = 6
MANY: Final = 3000  # groups from which on counts come from the roll-up, a second behind


@dataclass(frozen=True)
class Place:
    """Of how many units of the same kind under the same parent this is which. Nothing of the others is shown."""

    number: int
    of: int
    kind: UnitKind


@dataclass(frozen=True)
class Record:
    """An alert and the figures of the own subtree."""

    alert: Alert
    figures: Figures


@dataclass(frozen=True)
class Sheet:
    """One alert on the page."""

    alert: Alert
    live: bool  # can still be passed on and reported
    text: str
    counts: Counts
    missing: Sequence[ListedGroup]  # and those just reported, which stay in their places while that can be undone
    reached: Sequence[ListedGroup]
    undo: dict[int, int]  # group id → seconds for which the own report can be taken back
    place: Place | None
    late: bool  # the deadline is over


@dataclass(frozen=True)
class PhonePage:
    sheet: Sheet | None  # None: nothing has been sent to this unit
    others: Sequence[Record]  # the other latest alerts


async def load_phone_page(
    session: AsyncSession,
    settings: Settings,
    holder: Holder,
    *,
    alert_id: int | None,
    offset: int = 0,
    now: datetime,
) -> PhonePage:
    """`alert_id`: one of the latest alerts for this unit; anything else shows the newest that is live."""
    alerts = await latest_released(session, ALERTS, unit_id=holder.unit.id)
    live = await list_live(session, settings, [alert.id for alert in alerts], now)
    chosen = next((alert for alert in alerts if alert.id == alert_id), None)
    chosen = chosen or next((alert for alert in alerts if alert.id in live), next(iter(alerts), None))
    records = [Record(alert, await get_figures(session, alert.id, holder.unit.id)) for alert in alerts]
    if chosen is None:
        return PhonePage(None, records)
    figures = next(record.figures for record in records if record.alert is chosen)
    records = [record for record in records if record.alert is not chosen]
    sheet = await _sheet(session, settings, holder, chosen, figures, live=chosen.id in live, offset=offset, now=now)
    return PhonePage(sheet, records)


async def list_live(session: AsyncSession, settings: Settings, alert_ids: Sequence[int], now: datetime) -> set[int]:
    """Those of the alerts that can still be passed on."""
    since = now - timedelta(days=settings.forward_days)
    standing = await list_compared(session, since, since, alert_ids)
    return {alert_id for alert_id, what in standing.items() if what is Standing.LIVE}


async def _sheet(
    session: AsyncSession,
    settings: Settings,
    holder: Holder,
    alert: Alert,
    figures: Figures,
    *,
    live: bool,
    offset: int,
    now: datetime,
) -> Sheet:
    scope = holder.unit.path
    held = await list_held(session, alert_id=alert.id, person_id=holder.person.id, now=now)
    return Sheet(
        alert=alert,
        live=live,
        text=await text_to_share(session, settings, alert, holder.unit.id),
        counts=await _counts(session, alert, scope, figures),
        missing=await list_groups_of(session, alert.id, scope, reached=False, kept=held, limit=SHOWN, offset=offset),
        reached=await list_groups_of(session, alert.id, scope, reached=True, kept=held, limit=SHOWN),
        undo={group_id: max(1, round((until - now).total_seconds())) for group_id, until in held.items()},
        place=await find_place(session, alert.id, holder.unit),
        late=alert.deadline_at is not None and alert.deadline_at <= now,
    )


async def _counts(session: AsyncSession, alert: Alert, scope: str, figures: Figures) -> Counts:
    if figures.expected_groups <= MANY:
        return await count_groups_of(session, alert.id, scope)
    return Counts(figures.expected_groups, figures.pushed_groups, figures.forwarded_groups, figures.reported_groups)


async def find_place(session: AsyncSession, alert_id: int, unit: Unit) -> Place | None:
    """Among units of the same kind under the same parent that the alert expects something of; None when there is
    nobody to compare with."""
    if unit.parent_id is None:
        return None
    ranked = await list_child_figures(session, alert_id, unit.parent_id)
    peers = {row.unit.id: row.rank for row in ranked if row.unit.kind is unit.kind and row.rank}
    rank = peers.get(unit.id)
    return Place(rank, len(peers), unit.kind) if rank and len(peers) > 1 else None
