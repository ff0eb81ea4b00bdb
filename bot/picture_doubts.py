"""A picture that is of an alert's template, but may be another alert's: nobody is credited, and a person looks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from db import leads as store
from db.alerts import find_alert
from db.forwards import find_showing
from db.models import Group, Lead
from db.states import LeadReason

SAME_PICTURE = timedelta(days=1)  # the same doubt about the same group makes one lead


async def ask_a_person(
    session: AsyncSession, doubts: Sequence[int], *, group: Group, since: datetime, now: datetime
) -> None:
    """Leave a lead that names the group and the alerts that it may have been."""
    found = [await find_showing(session, since, picture_id=picture_id, link_url="") for picture_id in doubts]
    alerts = [await find_alert(session, alert_id) for alert_id in dict.fromkeys(found) if alert_id is not None]
    named = "、".join(f"{alert.number}《{alert.title}》" for alert in alerts if alert is not None)
    text = (
        f"群“{group.name}”（{group.code}）里有人发了一张图片，版式与预警 {named} 的图片相同，但文字可能不同，没有计入转发。"
        "如确是该预警，请用“已转发”命令登记。"
    )
    seen = {"reason": LeadReason.PICTURE, "group_id": group.id, "text": text}
    if named and not await store.has_lead(session, since=now - SAME_PICTURE, **seen):  # type: ignore[arg-type]
        await store.add_lead(session, Lead(created_at=now, **seen))
