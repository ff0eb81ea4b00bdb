"""The question dialog on web pages: the same answers, for visitors of whom nothing is known and nothing is kept.

A dialog is a random number that the page makes up and forgets when it is closed; only its hash is stored, so that an
answer and an officer's reply find the page again while it is open.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering import PORTAL, Answered, answer
from bot.clock import Clock
from bot.errors import Invalid, UserError
from bot.events import Events
from bot.knowledge import Knowledge
from bot.messages import Incoming
from bot.settings import Settings
from content.answers import short_name
from db.leads import count_dialog_undone, list_dialog_answers
from db.session import Database
from db.states import AnswerKind, ContentKind

LONGEST_MESSAGE: Final = 1000  # characters; what is longer is cut by nobody but refused, so that nothing is misread
MINUTE: Final = 60.0
LOOKS_PER_QUESTION: Final = 10  # a page that waits for an officer looks that much more often than somebody asks

_TOKEN = re.compile(r"[0-9a-f]{32}")
_PRESS = re.compile(r"请回复数字[^：]*：")
_CHOICE_LINE = re.compile(r"[1-9]\. ")
_BEYOND = "问题已经记下，会有反诈民警来看。您问得有点快，请稍等一分钟再问。\n已经转了钱、给了验证码：马上打110。"


class TooManyQuestions(UserError):
    """Somebody, or everybody together, asks too fast."""

    def __init__(self) -> None:
        super().__init__("问得太快了，请过一分钟再问。情况紧急请直接打110，拿不准打96110。")


@dataclass(frozen=True)
class Choice:
    number: int
    name: str
    summary: str


@dataclass(frozen=True)
class PortalReply:
    """What the page shows. `waiting`: an officer has been asked, so the page looks for an answer now and then."""

    kind: AnswerKind
    text: str
    choices: tuple[Choice, ...]
    waiting: bool


@dataclass(frozen=True)
class OfficerAnswer:
    lead_id: int
    asked: str
    answer: str


class RateLimit:
    """At most so many a minute per address, and of all together. Addresses are remembered for a minute, as hashes with
    a salt that lives as long as the process."""

    def __init__(self, per_address: int, in_all: int, monotonic: Callable[[], float]) -> None:
        self._per_address = per_address
        self._in_all = in_all
        self._monotonic = monotonic
        self._salt = secrets.token_bytes(16)
        self._of_address: dict[bytes, deque[float]] = {}
        self._all: deque[float] = deque()

    def take(self, address: str) -> bool:
        """False when it is too much; what is refused is not counted, so that nobody can lock others out for long."""
        now = self._monotonic()
        _forget(self._all, now)
        if not self._all:
            self._of_address.clear()
        key = hashlib.blake2s(address.encode(), key=self._salt, digest_size=16).digest()
        own = self._of_address.setdefault(key, deque())
        _forget(own, now)
        if len(own) >= self._per_address or len(self._all) >= self._in_all:
            if not own:
                del self._of_address[key]
            return False
        own.append(now)
        self._all.append(now)
        if len(self._of_address) > len(self._all):  # whoever is silent for a minute is forgotten
            self._of_address = {one: times for one, times in self._of_address.items() if times[-1] > now - MINUTE}
        return True


def _forget(times: deque[float], now: float) -> None:
    while times and times[0] <= now - MINUTE:
        times.popleft()


class Portal:
    """What `/ask` calls."""

    def __init__(
        self, settings: Settings, database: Database, knowledge: Knowledge, clock: Clock, events: Events
    ) -> None:
        self._settings = settings
        self._database = database
        self._knowledge = knowledge
        self._clock = clock
        self._events = events
        per_address, in_all = settings.portal_per_minute, settings.portal_total_per_minute
        self._asking = RateLimit(per_address, in_all, clock.monotonic)
        self._looking = RateLimit(per_address * LOOKS_PER_QUESTION, in_all * LOOKS_PER_QUESTION, clock.monotonic)

    async def say(self, token: str, text: str, address: str) -> PortalReply:
        """Answer what was typed. Raises `TooManyQuestions`, and `Invalid` for what no page of ours sends."""
        room = _room(token)
        text = text.strip()
        if not 0 < len(text) <= LONGEST_MESSAGE:
            raise Invalid({"text": f"请写 1–{LONGEST_MESSAGE} 个字"})
        if not self._asking.take(address):
            raise TooManyQuestions
        message = self._message(room, text)

        async def work(session: AsyncSession) -> Answered | None:
            return await answer(
                session,
                self._knowledge,
                message=message,
                group=None,
                settings=self._settings,
                now=message.at,
            )

        answered = await self._database.batched(work)
        if answered is None:
            raise TooManyQuestions
        self._events.publish("questions", *(("leads",) if answered.lead else ()))
        return PortalReply(answered.kind, _page_text(answered), self._choices(answered), await self._is_waiting(room))

    async def news(self, token: str, address: str) -> tuple[list[OfficerAnswer], bool]:
        """What officers answered in the dialog so far, and whether another answer is to be expected."""
        room = _room(token)
        if not self._looking.take(address):
            raise TooManyQuestions
        async with self._database.read() as session:
            rows = await list_dialog_answers(session, channel=PORTAL, room_id=room)
        return [OfficerAnswer(*row) for row in rows], await self._is_waiting(room)

    async def _is_waiting(self, room: str) -> bool:
        async with self._database.read() as session:
            return await count_dialog_undone(session, channel=PORTAL, room_id=room) > 0

    def _message(self, room: str, text: str) -> Incoming:
        return Incoming(
            channel=PORTAL,
            account="",
            message_id="",
            room_id=room,
            private=True,
            sender_id="",
            sender_name="",
            kind=ContentKind.TEXT,
            text=text,
            at=self._clock.now(),
        )

    def _choices(self, answered: Answered) -> tuple[Choice, ...]:
        if answered.kind is not AnswerKind.CHOICES:
            return ()
        types = self._knowledge.library.types
        known = [types[each] for each in answered.types if each in types]
        return tuple(Choice(place, short_name(each), each.summary) for place, each in enumerate(known, 1))


def _room(token: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise Invalid({"dialog": "请刷新页面后重试"})
    return hashlib.blake2s(token.encode(), digest_size=16).hexdigest()


def _page_text(answered: Answered) -> str:
    """On a page choices are buttons, so their lines and the word about numbers go."""
    if not answered.text:
        return _BEYOND
    if answered.kind is not AnswerKind.CHOICES:
        return answered.text
    lines = [line for line in answered.text.split("\n") if not _CHOICE_LINE.match(line)]
    return _PRESS.sub("请点一个：", "\n".join(lines))
