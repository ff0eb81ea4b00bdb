"""What the engine needs of a channel. Every channel passes the same contract suite (tests/contract)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from bot.messages import Incoming, Outgoing
from db.states import AccountState

Deliver = Callable[[Incoming], Awaitable[None]]
"""Given by the engine: takes one message. When it returns, the message is recorded and need not be given again;
when it raises, the channel gives the message again later (the engine takes each message id once)."""

AccountChanged = Callable[[str, AccountState, str], Awaitable[None]]
"""Given by the engine: account name, its new state, and why (Chinese, may be empty)."""


@dataclass(frozen=True)
class Capabilities:
    echoes: bool  # the bot's own messages come back, which proves delivery
    hears_all: bool  # hears every message of its rooms, not only those that mention it
    pictures: bool
    links: bool
    max_text: int  # characters per message
    captions: bool = True  # a picture or link carries the text; else the text is a message of its own
    counts_arrivals: bool = False  # limits hold where messages arrive, and the way there takes a varying time
    remembers: bool = True  # what was said while nobody listened is heard later


class Channel(Protocol):
    name: str
    capabilities: Capabilities

    async def start(self, deliver: Deliver, account_changed: AccountChanged) -> None:
        """Begin to listen and report the state of every account. Returns at once; connecting goes on behind."""

    async def stop(self) -> None:
        """Stop listening; a message being handed over is finished first."""

    async def hold(self, account: str) -> None:
        """This process serves the account from now on, perhaps before `start`. A channel whose accounts one program at
        a time can listen to listens to those that are held, and to no others."""

    async def let_go(self, account: str) -> None:
        """Another process may serve the account when this returns."""

    async def send(self, account: str, room_id: str, message: Outgoing) -> str | None:
        """Say `message` in the room; returns the platform's message id where it gives one.

        Raises a `bot.errors.SendError`; its class says what became of the message. Anything else that is
        raised, and a time-out, counts as `OutcomeUnknown`.
        """

    async def forward(self, account: str, room_id: str, message_id: str) -> str | None:
        """Pass on into the room, as it is, a text, picture or link that the account heard or said: `message_id` is
        that of its `Incoming`. It mentions nobody there.

        Raises as `send` does; `MessageRefused` when the account knows no such message or cannot pass on its kind.
        """
