"""Links to the phone page of a liaison: `/m/<token>`. Signed, for some days, and ended by a new version.

The token names the person, the version of their links and the day on which it ends. Whoever has it can do what that
liaison can do on the page, nothing else; what they see is looked up anew each time, never taken from the address.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.errors import NotFound
from bot.identity import Actor
from bot.permissions import Permission, require
from bot.settings import Settings
from db.models import Person, Unit
from db.people import end_links
from db.seen import find_secret, make_secret
from db.states import Role, UnitState
from db.units import within

_KEY: Final = "phone pages"
_TOKEN: Final = re.compile(r"([0-9a-f]{1,16})-([0-9a-f]{1,8})-([0-9a-f]{1,9})-([A-Za-z0-9_-]{22})")
_SIGNATURE: Final = 16  # bytes


@dataclass(frozen=True)
class Link:
    """What a token says, once its signature is known to be ours."""

    person_id: int
    version: int
    ends_at: datetime


@dataclass(frozen=True)
class Holder:
    """Whose page it is. `csrf` proves that a form was made by this page."""

    person: Person
    unit: Unit
    link: Link
    csrf: str


def make_token(key: bytes, link: Link) -> str:
    names = f"{link.person_id:x}-{link.version:x}-{int(link.ends_at.timestamp()):x}"
    return f"{names}-{_signature(key, 'link', names)}"


def read_token(key: bytes, token: str) -> Link | None:
    """None for anything that we did not sign, also for another spelling of what we did."""
    match = _TOKEN.fullmatch(token)
    if match is None:
        return None
    person_id, version, ends = (int(match[number], 16) for number in (1, 2, 3))
    if person_id >= 2**63:
        return None
    link = Link(person_id, version, datetime.fromtimestamp(ends, UTC))
    return link if hmac.compare_digest(make_token(key, link), token) else None


def form_secret(key: bytes, token: str) -> str:
    """For the forms of the page behind the token: nobody can make it without the key."""
    return _signature(key, "form", token)


def _signature(key: bytes, purpose: str, text: str) -> str:
    digest = hmac.digest(key, f"{purpose} {text}".encode(), "sha256")[:_SIGNATURE]
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


async def make_link(session: AsyncSession, settings: Settings, person: Person, *, now: datetime) -> str:
    """The path of a new link. Needs a session that may write."""
    key = await find_secret(session, _KEY) or await make_secret(session, _KEY)
    ends_at = now.replace(microsecond=0) + timedelta(days=settings.phone_days)
    return f"/m/{make_token(key, Link(person.id, person.link_version, ends_at))}"


async def link_for(session: AsyncSession, settings: Settings, person: Person, *, now: datetime) -> str:
    """The whole address, or "" while the office has not said where its pages are reached from outside, and for staff,
    who have the console."""
    if not settings.public_url or person.role is not Role.LIAISON:
        return ""
    return settings.public_url + await make_link(session, settings, person, now=now)


async def find_holder(session: AsyncSession, token: str, *, now: datetime) -> Holder | None:
    """Whose link it is; None when it is not ours, too old, ended, or its person is no liaison of a unit any more."""
    key = await find_secret(session, _KEY)
    link = read_token(key, token) if key is not None else None
    if key is None or link is None or link.ends_at <= now:
        return None
    person = await session.get(Person, link.person_id)
    if person is None or person.link_version != link.version or person.role is not Role.LIAISON:
        return None
    unit = await session.get(Unit, person.unit_id)
    if unit is None or unit.state is not UnitState.ACTIVE:
        return None
    return Holder(person, unit, link, form_secret(key, token))


async def renew_link(session: AsyncSession, settings: Settings, person: Person, *, now: datetime) -> str:
    """End every link of the person, and give a new one."""
    person.link_version = await end_links(session, person.id)
    return await link_for(session, settings, person, now=now)


async def revoke_links(session: AsyncSession, actor: Actor, person_id: int, *, now: datetime) -> None:
    """An officer ends every link of a person. Raises `NotFound` for nobody, or nobody of the actor's."""
    require(actor, Permission.PEOPLE)
    person = await session.get(Person, person_id)
    unit = await session.get(Unit, person.unit_id) if person is not None else None
    if person is None or unit is None or not within(unit.path, actor.scope):
        raise NotFound("没有这位联络员")
    await end_links(session, person_id)
    await audit(session, actor, now, "people.links", person.name)
