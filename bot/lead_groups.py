"""Which leads are about the same thing: words that resemble each other, however they are spelt or punctuated."""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.settings import Settings
from content.ngrams import fold, grams
from db.leads import UNDONE, list_recent_texts
from db.states import LeadReason

ALIKE: Final = 0.34
"""Share of common 3-grams (Dice) from which two messages are about the same thing. Short questions share little more
than the name of the thing they ask about; from a half on only copies would be found."""
COMPARED: Final = 200  # characters of a text: what it is about is said by then
LOOKED_AT: Final = 1000  # leads; the newest tell what is growing
_ASKING: Final = re.compile(
    "是不是|是否|有没有|能不能|可不可以|要不要|骗人|骗子|诈骗|真的假的|真的|假的|可信|靠谱|怎么回事|怎么办|请问|你好|您好|有人|让我|叫我|要我"
    "|收到|接到|一个|这个|那个|今天|刚才|刚刚|我们|我|你|您|他|是|的|了|被|要|说|吗|呢|啊|吧|么"
)
_QUESTIONS: Final = (LeadReason.UNANSWERED, LeadReason.USELESS, LeadReason.PERSON)
_SCAMS: Final = (LeadReason.SCAM,)


@dataclass(frozen=True)
class LeadGroup:
    """Leads about the same thing, oldest first; the first one's words stand for all. `undone`: still to be done."""

    lead_ids: tuple[int, ...]
    text: str
    undone: tuple[int, ...]
    scam: bool

    @property
    def size(self) -> int:
        return len(self.lead_ids)


def group_similar(texts: Sequence[str]) -> list[list[int]]:
    """Places of similar texts, in groups: each text joins the first group whose first text it resembles most.

    Every place is in exactly one group; groups are in the order of their first texts, and texts in their own order.
    """
    groups: list[list[int]] = []
    leaders: dict[str, list[int]] = defaultdict(list)  # gram → groups whose first text has it
    sizes: list[int] = []
    for place, text in enumerate(texts):
        own = _grams(text)
        common = Counter(group for gram in own for group in leaders[gram])
        best = max(common, key=lambda group: (_dice(common[group], len(own), sizes[group]), -group), default=None)
        if best is not None and _dice(common[best], len(own), sizes[best]) >= ALIKE:
            groups[best].append(place)
            continue
        for gram in own:
            leaders[gram].append(len(groups))
        groups.append([place])
        sizes.append(len(own))
    return groups


def _grams(text: str) -> frozenset[str]:
    """Without the words of asking, in which all questions are alike. Texts too short for a gram are compared whole."""
    folded = fold(text[:COMPARED])
    bare = _ASKING.sub("", folded)
    return frozenset(grams(bare)) or frozenset([bare or folded or text])


def _dice(common: int, one: int, other: int) -> float:
    return 2 * common / (one + other)


async def list_lead_groups(session: AsyncSession, settings: Settings, now: datetime) -> list[LeadGroup]:
    """Groups of at least two leads of the last days of which somebody still has to do one, the biggest first.

    Residents' questions and scams posted in groups are compared among themselves.
    """
    since = now - timedelta(days=settings.growing_days)
    found: list[LeadGroup] = []
    for reasons in (_QUESTIONS, _SCAMS):
        rows = await list_recent_texts(session, since, reasons, limit=LOOKED_AT)
        for places in await asyncio.to_thread(group_similar, [text for _, text, _ in rows]):
            ids = tuple(rows[place][0] for place in places)
            undone = tuple(rows[place][0] for place in places if rows[place][2] in UNDONE)
            if len(ids) > 1 and undone:
                found.append(LeadGroup(ids, rows[places[0]][1], undone, scam=reasons == _SCAMS))
    return sorted(found, key=lambda group: -group.size)


def growing(groups: Sequence[LeadGroup], settings: Settings) -> list[LeadGroup]:
    """Those so big that the office should write an alert."""
    return [group for group in groups if group.size >= settings.growing_questions]
