"""Question → answer, put on record: what was asked, what was answered, and what a person must look at."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.addressing import Call, addressed_to, is_certain, read_call
from bot.identity import member_hash
from bot.knowledge import Knowledge
from bot.messages import Incoming
from content.answers import render_answer
from content.asking import Reply
from db import questions as store
from db.models import Group, Lead, Question
from db.states import AnswerKind, ContentKind, LeadReason

MINUTE: Final = timedelta(minutes=1)
PER_PERSON: Final = 6  # answers a minute that one person gets in groups: the rest of the group is reading, too
PER_GROUP: Final = 20
PER_PRIVATE: Final = 20  # to one person in the private chat; the account's sending budget is everybody's
KEPT_TEXT: Final = 1000  # characters of a question that are kept
SAME_SCAM: Final = timedelta(hours=1)  # the same words in the same group make one lead

CHOICE_STANDS: Final = timedelta(minutes=10)  # a bare number chooses among what was offered so long ago

_NUMBER = re.compile(r"([1-9])[\s.。、]*")
_ONLY_TEXT = (
    "我现在还看不懂图片、语音和文件。请用文字说说：对方是谁、让您做什么、有没有转账或给验证码。\n"
    "已经转账请马上拨打 110；拿不准请拨打反诈专线 96110。"
)
_LEADS = {AnswerKind.NONE: LeadReason.UNANSWERED, AnswerKind.EMERGENCY: LeadReason.EMERGENCY}


async def answer(
    session: AsyncSession, knowledge: Knowledge, *, message: Incoming, group: Group | None, now: datetime
) -> tuple[str, bool] | None:
    """The reply to a question that is meant for the bot, and whether it made a lead; None: stay silent.

    Chat that is not meant for the bot is not kept. Beyond the limits per minute the bot falls silent, but a cry for
    help still becomes a lead.
    """
    call = read_call(message)
    text = "\n".join(part for part in (call.text, message.link_title) if part)
    if not text and message.kind is not ContentKind.TEXT:
        return (_ONLY_TEXT, False) if message.private else None
    chosen = await _chosen(session, knowledge, message, text, now)
    reply = chosen or knowledge.asker.ask(text)
    kind = AnswerKind(reply.kind)
    if not (call.called or chosen or _speaks_up(knowledge, call, reply)):
        return None
    limited = await _over_limit(session, message, now)
    if limited and kind is not AnswerKind.EMERGENCY:
        return None
    question = _question(message, group, text, reply, now)
    await store.add_question(session, question)
    reason = _LEADS.get(kind)
    if reason is not None:
        await store.add_lead(session, _lead(question, reason))
    return ("" if limited else addressed_to(message, reply.text)), reason is not None


async def watch(
    session: AsyncSession, knowledge: Knowledge, *, message: Incoming, group: Group | None, now: datetime
) -> bool:
    """Look whether a message in a group is itself a scam; True when that made a lead. Nothing is said."""
    if message.private or not knowledge.screener.screen(message.text).alarm:
        return False
    text = message.text[:KEPT_TEXT]
    group_id = group.id if group is not None else None
    since = now - SAME_SCAM
    if await store.has_lead(session, reason=LeadReason.SCAM, group_id=group_id, text=text, since=since):
        return False
    lead = Lead(reason=LeadReason.SCAM, group_id=group_id, text=text, created_at=now)
    await store.add_lead(session, lead)
    return True


def _speaks_up(knowledge: Knowledge, call: Call, reply: Reply) -> bool:
    """Whether to answer in a group without having been called. A scam is for a person to look at, not for an answer."""
    return is_certain(call, AnswerKind(reply.kind), reply.score) and not knowledge.screener.screen(call.text).alarm


async def _chosen(
    session: AsyncSession, knowledge: Knowledge, message: Incoming, text: str, now: datetime
) -> Reply | None:
    """The answer to a bare number after the bot has offered a numbered choice."""
    number = _NUMBER.fullmatch(text)
    if number is None:
        return None
    member = member_hash(message.channel, message.sender_id)
    last = await store.find_last_question(
        session, now - CHOICE_STANDS, channel=message.channel, room_id=message.room_id, member_hash=member
    )
    place = int(number[1]) - 1
    if last is None or last.kind is not AnswerKind.CHOICES or place >= len(last.types):
        return None
    chosen = knowledge.library.types.get(last.types[place])
    return Reply("answer", (chosen.id,), 1.0, render_answer(chosen)) if chosen is not None else None


def _question(message: Incoming, group: Group | None, text: str, reply: Reply, now: datetime) -> Question:
    return Question(
        channel=message.channel,
        room_id=message.room_id,
        group_id=group.id if group is not None else None,
        member_hash=member_hash(message.channel, message.sender_id),
        text=text[:KEPT_TEXT],
        kind=AnswerKind(reply.kind),
        types=list(reply.types),
        score=reply.score,
        asked_at=now,
    )


def _lead(question: Question, reason: LeadReason) -> Lead:
    return Lead(
        question_id=question.id,
        reason=reason,
        group_id=question.group_id,
        text=question.text,
        created_at=question.asked_at,
    )


async def _over_limit(session: AsyncSession, message: Incoming, now: datetime) -> bool:
    since, channel, room = now - MINUTE, message.channel, message.room_id
    in_room = await store.count_asked(session, since, channel=channel, room_id=room)
    if message.private:
        return in_room >= PER_PRIVATE
    member = member_hash(channel, message.sender_id)
    return (
        in_room >= PER_GROUP
        or await store.count_asked(session, since, channel=channel, member_hash=member) >= PER_PERSON
    )
