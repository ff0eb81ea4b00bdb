"""People passing an alert on in a group that the bot hears: recorded, and nothing is said."""

from __future__ import annotations

from bot.app import Services
from bot.forwarding import credited, record_forward
from bot.routing import Context, Outcome


async def forwards(context: Context[Services]) -> Outcome | None:
    message, group = context.message, context.group
    text = "\n".join(part for part in (message.link_title, message.text) if part)
    if group is None or not text:
        return None
    match = context.services.live_alerts.match(text)
    alert_ids = credited(match)
    for alert_id in alert_ids:
        await record_forward(
            context.session,
            alert_id=alert_id,
            group=group,
            person=context.person,
            at=min(message.at, context.now),
            score=match.score,
        )
    return Outcome("forward", changed=("reach",)) if alert_ids else None
