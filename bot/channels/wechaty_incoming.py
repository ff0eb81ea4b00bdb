"""What a gateway tells of a message, as the engine sees messages."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.channels.wechaty_errors import NOTICE
from bot.messages import Incoming
from db.states import ContentKind

CHANNEL = "wechaty"

# The numbers of wechaty-puppet 1.20 (types.Message), which gateways send. The SDK's own enum numbers them otherwise
# and its table ends before the newest, so it is not asked.
UNKNOWN, CHAT_HISTORY, IMAGE, TEXT, GROUP_NOTE, URL = 0, 4, 6, 7, 10, 14
WANTED = {CHAT_HISTORY, IMAGE, TEXT, URL}
SYSTEM_SENDERS = {"", "weixin", "system", "notifymessage", "newsapp"}

# 「王芳：原话」 and a line of dashes is how WeChat writes a quotation into a text.
_QUOTATION = re.compile(
    r"\s*「(?P<name>[^：:」\n]{1,60})[：:](?P<quoted>.*?)」\s*\n[\s—–-]{5,}\n(?P<answer>.*)", re.DOTALL
)
_XML_QUOTED = re.compile(r"<refermsg>.*?</refermsg>", re.DOTALL)
_XML_TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)
_XML_NAME = re.compile(r"<displayname>(.*?)</displayname>", re.DOTALL)
_XML_ENTRY = re.compile(r"<(?:datadesc|desc)>(.*?)</(?:datadesc|desc)>", re.DOTALL)
_CDATA = re.compile(r"^\s*<!\[CDATA\[(.*)\]\]>\s*$", re.DOTALL)
MAX_HISTORY = 20_000  # characters of a merged history that are looked at


@dataclass(frozen=True)
class Quotation:
    """`answer` is what was said; `name` is whose words were quoted."""

    name: str
    answer: str


def is_notice(payload: Any) -> bool:
    """Is this the platform's notice that we send too fast? Residents write such words too, so a text counts only
    from the system itself."""
    from_system = int(payload.type) in (UNKNOWN, GROUP_NOTE) or payload.from_id in SYSTEM_SENDERS
    return from_system and NOTICE.search(payload.text or "") is not None


def as_incoming(payload: Any, *, account: str, self_id: str, self_name: str, sender_name: str) -> Incoming | None:
    """The message without its picture or link; None for what the engine has no use for."""
    if int(payload.type) not in WANTED or not payload.from_id:
        return None
    is_self = payload.from_id == self_id
    # In a private chat the room is the other person, whoever of the two speaks.
    room_id = payload.room_id or (payload.to_id if is_self else payload.from_id)
    message = Incoming(
        channel=CHANNEL,
        account=account,
        message_id=payload.id,
        room_id=room_id,
        private=not payload.room_id,
        sender_id=payload.from_id,
        sender_name=sender_name,
        kind=ContentKind.TEXT,
        text="",
        at=_time(payload.timestamp),
        is_self=is_self,
    )
    if int(payload.type) == TEXT:
        return message if is_self and not payload.text else _text(message, payload, self_id, self_name)
    if int(payload.type) == CHAT_HISTORY:
        return replace(message, text=read_history(payload.text))
    return replace(message, kind=ContentKind.PICTURE if int(payload.type) == IMAGE else ContentKind.LINK)


def _text(message: Incoming, payload: Any, self_id: str, self_name: str) -> Incoming:
    if message.is_self:
        return replace(message, text=payload.text)  # an echo is compared as it is
    quotation = read_quotation(payload.text)
    text = quotation.answer if quotation else payload.text
    named = bool(self_name) and re.search(rf"@{re.escape(self_name)}(?!\w)", text) is not None
    answered = quotation is not None and bool(self_name) and quotation.name == self_name
    mentioned = not message.private and (self_id in payload.mention_ids or named or answered)
    return replace(message, text=text, mentions_bot=mentioned)


def read_quotation(text: str) -> Quotation | None:
    """A text that quotes an earlier one, in either of the two ways in which puppets give it: as WeChat writes it, or
    as the XML that WeChat sends."""
    if "<refermsg>" in text:
        around = _XML_QUOTED.sub("", text)
        title, name = _XML_TITLE.search(around), _XML_NAME.search(text)
        if title is not None:
            return Quotation(_plain(name[1]) if name else "", _plain(title[1]))
    match = _QUOTATION.fullmatch(text)
    return Quotation(match["name"].strip(), match["answer"].strip()) if match else None


def read_history(text: str) -> str:
    """What was said in a merged history, one line each, as far as the puppet shows it: XML within XML, or a text."""
    text = text[:MAX_HISTORY]
    if "<" not in text and "&lt;" not in text:
        return text.strip()
    unpacked = html.unescape(text) if "<datadesc>" not in text and "<desc>" not in text else text
    entries = [_plain(entry) for entry in _XML_ENTRY.findall(unpacked)]
    return "\n".join(dict.fromkeys(entry for entry in entries if entry))


def _plain(text: str) -> str:
    match = _CDATA.match(text)
    return html.unescape(match[1] if match else text).strip()


def _time(stamp: int) -> datetime:
    """Puppets give seconds or milliseconds; none is now."""
    seconds = stamp / 1000 if stamp > 100_000_000_000 else float(stamp)
    try:
        return datetime.fromtimestamp(seconds, UTC) if seconds > 0 else datetime.now(UTC)
    except (OverflowError, OSError, ValueError):
        return datetime.now(UTC)
