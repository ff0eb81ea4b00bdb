"""What is said into the groups, alert by alert. Frozen at release, so kept once it was put together."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from bot.alerts import rendered_text
from bot.errors import NotFound
from bot.messages import Outgoing
from bot.settings import Settings
from db import echoes

KEPT: Final = 500


class AlertTexts:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._kept: OrderedDict[int, Outgoing] = OrderedDict()

    def find(self, alert_id: int) -> Outgoing | None:
        """If it was asked for before."""
        return self._kept.get(alert_id)

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
        text = rendered_text(alert, self._settings, alert.related_number or "")
        return Outgoing(alert.kind, text, alert.picture_id, alert.link_url, alert.link_title)
