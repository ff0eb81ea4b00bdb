"""Who is told at once of an emergency: the officers on duty today, in private, behind every answer that is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.notices import Notice, notify
from bot.permissions import PERMISSIONS, Permission
from bot.settings import Settings
from db.models import Lead, Person
from db.people import list_of_roles

_DAYS: Final = "一二三四五六日"
_SHOWN: Final = 80  # characters of the message that an officer sees in the notice


def on_duty(people: Sequence[Person], turns: Sequence[str], now: datetime) -> list[Person]:
    """Those of ``people`` whose turn it is at ``now`` (the office's time); everybody where no turn fits anyone.

    A turn is a name (every day) or a weekday and a name, see the setting ``on_duty``.
    """
    today = f"周{_DAYS[now.weekday()]}"
    named = {name for day, _, name in (turn.rpartition(" ") for turn in turns) if day in ("", today)}
    return [person for person in people if person.name in named] or list(people)


async def tell_of_emergency(session: AsyncSession, lead: Lead, where: str, settings: Settings, now: datetime) -> int:
    """Queue a notice of a new emergency ``lead`` for every officer on duty; returns how many can be reached."""
    roles = [role for role, may in PERMISSIONS.items() if Permission.QUESTIONS in may]
    people = on_duty(await list_of_roles(session, roles), settings.on_duty, now.astimezone(settings.zone))
    text = f"【紧急线索】{where}有人可能正在被骗：\n{lead.text[:_SHOWN]}\n机器人已告知先停手、打110。请马上在控制台“线索”页处理。"
    told = [await notify(session, each, text, Notice.ALARM, now, key=f"lead:{lead.id}:{each.id}") for each in people]
    return sum(reply is not None for reply in told)
