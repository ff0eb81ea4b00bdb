"""The alerts of the database as the running bot compares them, for `match`."""

from __future__ import annotations

from bot.clock import SystemClock
from bot.forwarding import LiveAlerts
from bot.settings import Settings
from content.fingerprints import Explanation
from db.forwards import Standing
from handlers.cli.common import open_database

LABELS = {Standing.LIVE: "识别期内", Standing.OUTDATED: "已更正或取消", Standing.OLD: "已过识别期"}


async def explain_live(settings: Settings, message: str) -> tuple[Explanation, dict[str, str], dict[str, str]]:
    """The explanation; by alert id, how people call the alert; and by alert id, live, outdated or old."""
    async with open_database(settings) as database:
        live = LiveAlerts(settings, database, SystemClock())
        await live.refresh()
    found = live.explain(message)
    names, standings = {}, {}
    for alert_id in {candidate.alert_id for candidate in found.candidates}:
        standing = live.standing(int(alert_id))
        words = live.words(int(alert_id))
        names[alert_id] = f"{words.number}《{words.text.partition(chr(10))[0]}》（{LABELS[standing]}）"
        standings[alert_id] = standing.name.lower()
    return found, names, standings
