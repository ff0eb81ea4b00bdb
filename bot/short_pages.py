"""Short pages of alerts: `/a/<token>`. A token names an alert and the unit that shares it, and cannot be made up.

A link with a token in a message is a forward of that alert, whatever is written around it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.alerts import related_number, rendered_text
from bot.settings import Settings
from content.messages import MAX_TEXT
from db import seen as store
from db.alerts import find_alert
from db.forwards import find_successor
from db.models import Alert
from db.states import AlertState, Relation

SIGNATURE: Final = 9  # bytes; 72 bits cannot be guessed over a network
_KEY: Final = "short pages"
_TOKEN: Final = re.compile(r"/a/([A-Za-z0-9_-]{14,32})(?![A-Za-z0-9_-])")
LINK_LABEL: Final = "核对真伪："
_LINK_LINE: Final = re.compile(rf"\s*{LINK_LABEL}\s*\S+/a/[A-Za-z0-9_-]{{14,32}}\s*\Z")
_MOST_LINKS: Final = 10  # in one message


class Force(Enum):
    """Whether what the page says still holds; the value is what people read."""

    IN_FORCE = "仍然有效"
    EXPIRED = "已过有效期，供参考"
    CORRECTED = "已更正，请看新的一条"
    CANCELLED = "已撤销，请不要再转发"


@dataclass(frozen=True)
class ShortPage:
    """What a page shows. `successor` is the alert that took its place."""

    alert: Alert
    force: Force
    successor: Alert | None
    unit_id: int


def make_token(key: bytes, alert_id: int, unit_id: int) -> str:
    """Both ids and a signature, some 16 characters."""
    names = _packed(alert_id) + _packed(unit_id)
    return base64.urlsafe_b64encode(names + _signature(key, names)).rstrip(b"=").decode()


def read_token(key: bytes, token: str) -> tuple[int, int] | None:
    """(alert id, unit id), or None for anything that we did not sign."""
    try:
        data = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None
    names, given = data[:-SIGNATURE], data[-SIGNATURE:]
    if not names or not hmac.compare_digest(given, _signature(key, names)):
        return None
    numbers = _unpacked(names)
    # A second spelling of the same token (spare bits at its end) is refused, too.
    known = len(numbers) == 2 and make_token(key, numbers[0], numbers[1]) == token
    return (numbers[0], numbers[1]) if known else None


def _signature(key: bytes, names: bytes) -> bytes:
    return hmac.digest(key, names, "sha256")[:SIGNATURE]


def _packed(number: int) -> bytes:
    """Seven bits a byte, lowest first; the top bit says that more follow."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def _unpacked(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(number)
            number, shift = 0, 0
    return numbers


async def short_path(session: AsyncSession, alert_id: int, unit_id: int) -> str:
    """The address of the unit's page of the alert, without the host. Needs a session that may write."""
    return f"/a/{make_token(await store.make_secret(session, _KEY), alert_id, unit_id)}"


async def short_url(session: AsyncSession, settings: Settings, alert_id: int, unit_id: int) -> str:
    """The whole address for a group, or "" while the office has not said where its pages are reached from outside."""
    if not settings.public_url:
        return ""
    return settings.public_url.rstrip("/") + await short_path(session, alert_id, unit_id)


async def prepare(session: AsyncSession) -> None:
    """Make the key of the links, once. Needs a session that may write; everything else may read."""
    await store.make_secret(session, _KEY)


async def text_to_share(session: AsyncSession, settings: Settings, alert: Alert, unit_id: int) -> str:
    """The alert as a liaison of the unit passes it on: with the unit's link, where there is one and room for it."""
    text = rendered_text(alert, settings, await related_number(session, alert))
    return with_link(text, settings, await store.find_secret(session, _KEY), alert.id, unit_id)


def with_link(text: str, settings: Settings, key: bytes | None, alert_id: int, unit_id: int) -> str:
    """The text, and the unit's link as its last line, where pages are reached from outside and there is room."""
    if not settings.public_url or key is None:
        return text
    linked = f"{text}\n{LINK_LABEL}{settings.public_url.rstrip('/')}/a/{make_token(key, alert_id, unit_id)}"
    return linked if len(linked) <= MAX_TEXT else text


def without_link(text: str) -> str:
    """What was said without that last line; platforms change the white space around it at will."""
    return _LINK_LINE.sub("", text)


def read_key(connection: sa.Connection) -> bytes | None:
    return store.read_secret(connection, _KEY)


def has_link(message_text: str) -> bool:
    """Whether a message may link to a short page."""
    return "/a/" in message_text and _TOKEN.search(message_text) is not None


async def linked_alerts(session: AsyncSession, text: str) -> list[int]:
    """Ids of the alerts whose short pages a message links to, in its order; links that we did not sign are ignored."""
    if not has_link(text):
        return []
    tokens = [match[1] for match in _TOKEN.finditer(text)][:_MOST_LINKS]
    key = await store.find_secret(session, _KEY) if tokens else None
    if key is None:
        return []
    found = [read_token(key, token) for token in tokens]
    return list(dict.fromkeys(names[0] for names in found if names is not None))


async def find_page(session: AsyncSession, token: str, *, now: datetime) -> ShortPage | None:
    """None for a token that is not ours, and for an alert that nobody has released."""
    key = await store.find_secret(session, _KEY)
    names = read_token(key, token) if key is not None else None
    alert = await find_alert(session, names[0]) if names is not None else None
    if names is None or alert is None or alert.released_at is None:
        return None
    successor = await find_successor(session, alert.id)
    return ShortPage(alert, _force(alert, successor, now), successor, names[1])


def _force(alert: Alert, successor: Alert | None, now: datetime) -> Force:
    if successor is not None:
        return Force.CANCELLED if successor.relation is Relation.CANCEL else Force.CORRECTED
    if alert.state is AlertState.CANCELLED:
        return Force.CANCELLED
    return Force.IN_FORCE if now < alert.expires_at else Force.EXPIRED


async def count_view(
    session: AsyncSession, settings: Settings, page: ShortPage, *, visitor: str, now: datetime
) -> bool:
    """Count that `visitor` (address and browser) opened the page; False when counted today. Only a hash with the
    day's salt is kept, and that for the day."""
    day = now.astimezone(settings.zone).date()
    salt = await store.make_salt(session, day)
    digest = hashlib.blake2s(visitor.encode(), key=salt, digest_size=12).hexdigest()
    return await store.record_visit(session, alert_id=page.alert.id, unit_id=page.unit_id, visitor=digest, day=day)
