"""Messages as the engine sees them, the same on every channel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from db.states import ContentKind


@dataclass(frozen=True)
class Outgoing:
    """What the bot says. `text` is also the caption of a picture and the note of a link card.

    `mention_ids` are the platform's ids of people whom a text points at: it has their "@name" in words as well, for
    platforms and people that see only these.
    """

    kind: ContentKind
    text: str
    picture_id: int | None = None  # a row of `pictures`
    link_url: str = ""
    link_title: str = ""
    mention_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Incoming:
    """What somebody said, or the bot's own message coming back (`is_self`, the echo).

    `message_id` is unique per channel. `sender_id` is the platform's id: hash it before keeping it
    (`bot.identity.member_hash`). `mentions_bot` is true when the bot is @-mentioned or answered.
    """

    channel: str
    account: str
    message_id: str
    room_id: str
    private: bool
    sender_id: str
    sender_name: str
    kind: ContentKind
    text: str
    at: datetime
    is_self: bool = False
    mentions_bot: bool = False
    picture_id: int | None = None
    picture_doubts: tuple[int, ...] = ()  # alert pictures of whose template the picture is, though maybe none of them
    link_url: str = ""
    link_title: str = ""
