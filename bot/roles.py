"""What a process does: the same program in one or several parts."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A role of `python bot.py run --role …`."""

    WEB = "web"  # console, interface, phone pages, portal
    SENDER = "sender"  # holds accounts: hears, answers, sends
    SCHEDULER = "scheduler"  # what happens by the clock, and the roll-up

    @property
    def label(self) -> str:
        return {"web": "网页", "sender": "发送", "scheduler": "定时"}[self.value]


ALL = frozenset(Part)
