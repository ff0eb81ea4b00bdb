"""The bot's own messages coming back: the proof that deliveries were made."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

import sqlalchemy as sa

from bot.alert_texts import AlertTexts
from bot.clock import Clock
from bot.messages import Incoming
from bot.short_pages import without_link
from db import echoes, incoming
from db.echoes import Unconfirmed

log = logging.getLogger(__name__)


class Echoes:
    """Platforms give no id to match by, so the text decides: the same alert is sent into a group once, so at most
    one delivery can have it."""

    def __init__(self, texts: AlertTexts, clock: Clock) -> None:
        self._texts = texts
        self._clock = clock

    def take(self, connection: sa.Connection, messages: Sequence[Incoming]) -> list[bool]:
        """Take messages of the bot's own, each once; True for those that confirm something that we sent."""
        now = self._clock.now()
        new = incoming.take(connection, [_key(message) for message in messages], at=now, outcome="echo")
        waiting = self._waiting(connection, messages)
        confirmed: list[tuple[Unconfirmed, str]] = []
        results = []
        for message in messages:
            if _key(message) not in new:
                results.append(False)
                continue
            new.discard(_key(message))
            delivery = self._find(connection, waiting[message.channel, message.room_id], message)
            if delivery is not None:
                confirmed.append((delivery, message.message_id))
            results.append(
                delivery is not None
                or echoes.confirm_reply(connection, message.channel, message.room_id, message.text, now)
            )
        echoes.confirm(connection, confirmed, now)
        for delivery, message_id in confirmed:
            what = {"delivery": delivery.id, "alert": delivery.alert_id, "group": delivery.group_id}
            log.info("echo", extra=what | {"message_id": message_id})
        return results

    def _waiting(
        self, connection: sa.Connection, messages: Sequence[Incoming]
    ) -> dict[tuple[str, str], list[Unconfirmed]]:
        """(channel, room) → deliveries without an echo."""
        rooms: dict[str, set[str]] = defaultdict(set)
        for message in messages:
            if not message.private:
                rooms[message.channel].add(message.room_id)
        found: dict[tuple[str, str], list[Unconfirmed]] = defaultdict(list)
        for channel, room_ids in rooms.items():
            listed = echoes.list_unconfirmed(connection, channel, room_ids, self._clock.now())
            found |= {(channel, room_id): deliveries for room_id, deliveries in listed.items()}
        return found

    def _find(self, connection: sa.Connection, waiting: list[Unconfirmed], message: Incoming) -> Unconfirmed | None:
        said = {
            _squeeze(message.text),
            _squeeze(without_link(message.text)),
        }  # texts may end with a link of their own
        for place, delivery in enumerate(waiting):
            if _squeeze(self._texts.get(connection, delivery.alert_id).text) in said:
                return waiting.pop(place)
        return None


def _key(message: Incoming) -> tuple[str, str]:
    return message.channel, message.message_id


def _squeeze(text: str) -> str:
    """Platforms change white space at will."""
    return "".join(text.split())
