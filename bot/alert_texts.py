"""What is said into the groups, alert by alert. Frozen at release, so kept once it was put together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import sqlalchemy as sa

from bot.alerts import rendered_text
from bot.errors import NotFound
from bot.messages import Outgoing
from bot.settings import Settings
from bot.short_pages import read_key, with_link
from db import echoes
from db.states import ContentKind

KEPT: Final = 500


class AlertTexts:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: OrderedDict[int, Outgoing] = OrderedDict()
        self._key: bytes | None = None  # of the links

    def find(self, alert_id: int) -> Outgoing | None:
        """If it was asked for before."""
        return self._kept.get(alert_id)

    def for_unit(self, message: Outgoing, alert_id: int, unit_id: int | None) -> Outgoing:
        """As it is said into a unit's groups: with that unit's link, so that views count for it. A card has a link of
        its own, and a picture without words stays without."""
        linkable = message.kind is not ContentKind.LINK and message.text.strip()
        if unit_id is None or not linkable or not self._settings.push_links:
            return message
        return replace(message, text=with_link(message.text, self._settings, self._key, alert_id, unit_id))

    def load(self, connection: sa.Connection, alert_ids: Sequence[int]) -> list[Outgoing]:
        return [self.get(connection, alert_id) for alert_id in alert_ids]

    def get(self, connection: sa.Connection, alert_id: int) -> Outgoing:
        """Raises `NotFound`."""
        if alert_id not in self._kept:
            self._kept[alert_id] = self._render(connection, alert_id)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[alert_id]

    def _render(self, connection: sa.Connection, alert_id: int) -> Outgoing:
        alert = echoes.find_content(connection, alert_id)
        if alert is None:
            raise NotFound(f"没有编号为 {alert_id} 的预警")
        self._key = self._key or read_key(connection)
        text = rendered_text(alert, self._settings, alert.related_number or "")
        return Outgoing(alert.kind, text, alert.picture_id, alert.link_url, alert.link_title)
