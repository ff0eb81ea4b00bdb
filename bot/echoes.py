"""The bot's own message coming back: the proof that a delivery was made."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from bot.alert_texts import AlertTexts
from bot.messages import Incoming
from db import incoming, marks


def take_echo(connection: sa.Connection, texts: AlertTexts, message: Incoming, now: datetime) -> bool:
    """Take a message of the bot's own, once; True when it confirms something that we sent.

    Platforms give no id to match by, so the text decides: the same alert is sent into a group once, so at most
    one delivery can have it.
    """
    if not incoming.take(connection, message.channel, message.message_id, at=now, outcome="echo"):
        return False
    said = _squeeze(message.text)
    if not message.private:
        for delivery in marks.list_unconfirmed(connection, message.channel, message.room_id):
            if _squeeze(texts.get(connection, delivery.alert_id).text) == said:
                marks.confirm(connection, delivery, message_id=message.message_id, at=now)
                return True
    return marks.confirm_reply(connection, message.channel, message.room_id, message.text, now)


def _squeeze(text: str) -> str:
    """Platforms change white space at will."""
    return "".join(text.split())
