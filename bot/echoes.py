"""The bot's own message coming back: the proof that a delivery was made."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from bot.alerts import related_number, rendered_text
from bot.messages import Incoming
from bot.settings import Settings
from db import deliveries as store
from db.models import Group


async def confirm_echo(
    session: AsyncSession, settings: Settings, group: Group | None, message: Incoming, now: datetime
) -> bool:
    """Match the echo to what was sent into its room; False when it is nothing of ours.

    Platforms give no id to match by, so the text decides: the same alert is sent into a group once, so at most
    one delivery can have it.
    """
    if group is not None:
        for delivery, alert in await store.list_unconfirmed(session, group.id):
            text = rendered_text(alert, settings, await related_number(session, alert))
            if _squeeze(text) == _squeeze(message.text):
                await store.confirm(session, delivery, message_id=message.message_id, at=now)
                return True
    return await store.confirm_reply(session, message.channel, message.room_id, message.text, now)


def _squeeze(text: str) -> str:
    """Platforms change white space at will."""
    return "".join(text.split())
