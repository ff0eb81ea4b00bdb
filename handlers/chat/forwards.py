"""People passing an alert on in a group that the bot hears: recorded, and nothing is said."""

from __future__ import annotations

from datetime import timedelta

from bot.app import Services
from bot.forwarding import credited, record_forward
from bot.routing import Context, Outcome
from content.fingerprints import ForwardMatch
from db.forwards import find_live_showing


async def forwards(context: Context[Services]) -> Outcome | None:
    message, group = context.message, context.group
    text = "\n".join(part for part in (message.link_title, message.text) if part)
    if group is None:
        return None
    match = context.services.live_alerts.match(text) if text else ForwardMatch(None, 0.0)
    alert_ids = credited(match) or await _shown(context)
    for alert_id in alert_ids:
        await record_forward(
            context.session,
            alert_id=alert_id,
            group=group,
            person=context.person,
            at=min(message.at, context.now),
            score=match.score or 1.0,
        )
    return Outcome("forward", changed=("reach",)) if alert_ids else None


async def _shown(context: Context[Services]) -> list[int]:
    """A picture or a card passed on without the words: the alert that shows it."""
    message = context.message
    if message.picture_id is None and not message.link_url:
        return []
    since = context.now - timedelta(days=context.services.settings.forward_days)
    alert_id = await find_live_showing(
        context.session, since, picture_id=message.picture_id, link_url=message.link_url
    )
    return [alert_id] if alert_id is not None else []
