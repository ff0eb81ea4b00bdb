"""People passing an alert on in a group that the bot hears: recorded, and nothing is said unless it is outdated."""

from __future__ import annotations

from bot.app import Services
from bot.forwarding import credited, record_forward
from bot.messages import Incoming
from bot.outdated import take_outdated
from bot.picture_doubts import ask_a_person
from bot.routing import Context, Outcome
from bot.short_pages import has_link, linked_alerts
from content.fingerprints import ForwardMatch
from db.forwards import Standing, find_showing
from db.models import Group


def may_forward(message: Incoming, services: Services) -> bool:
    if message.private:
        return False
    text = _words(message)
    shows = message.picture_id is not None or message.picture_doubts or message.link_url
    return bool(shows or has_link(text) or (text and credited(services.live_alerts.match(text))))


def _words(message: Incoming) -> str:
    return "\n".join(part for part in (message.link_title, message.text) if part)


async def forwards(context: Context[Services]) -> Outcome | None:
    message, group = context.message, context.group
    text = _words(message)
    if group is None:
        return None
    live = context.services.live_alerts
    match = live.match(text) if text else ForwardMatch(None, 0.0)
    linked = await linked_alerts(context.session, f"{message.text}\n{message.link_url}")
    copied = credited(match, lambda alert_id: live.standing(alert_id) is Standing.LIVE)
    alert_ids = list(dict.fromkeys((*linked, *copied))) or await _shown(context)
    if not alert_ids:
        return None
    standings = await live.find_standings(context.session, alert_ids)
    replies = [
        await _take(context, group, alert_id, standing, match.score or 1.0)
        for alert_id, standing in standings.items()
    ]
    reply = next(filter(None, replies), "")
    passed_on = set(standings.values()) - {Standing.OLD}
    return Outcome("forward" if passed_on else "old_forward", reply, changed=("reach",) if passed_on else ())


async def _take(context: Context[Services], group: Group, alert_id: int, standing: Standing, score: float) -> str:
    """Record one alert that the message passes on; returns what the group must be told, "" for nothing."""
    at = min(context.message.at, context.now)
    if standing is Standing.LIVE:
        await record_forward(
            context.session, alert_id=alert_id, group=group, person=context.person, at=at, score=score
        )
    if standing is not Standing.OUTDATED:
        return ""
    return await take_outdated(
        context.session,
        context.services.settings,
        alert_id=alert_id,
        message=context.message,
        group=group,
        person=context.person,
        at=at,
        score=score,
    )


async def _shown(context: Context[Services]) -> list[int]:
    """A picture or a card passed on without the words: the alert that shows it. When the picture may as well be another
    poster of an alert's template, a person must look."""
    message, live = context.message, context.services.live_alerts
    if message.picture_id is None and not message.link_url and not message.picture_doubts:
        return []
    shown, doubts = message.picture_id, message.picture_doubts  # compared before (`LiveAlerts.look`)
    found = None
    if shown is not None or message.link_url:
        found = await find_showing(context.session, live.kept_since, picture_id=shown, link_url=message.link_url)
    if found is None and doubts and context.group is not None:
        await ask_a_person(context.session, doubts, group=context.group, since=live.kept_since, now=context.now)
    return [found] if found is not None else []
