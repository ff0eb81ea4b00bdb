"""Question → answer, put on record: what was asked, what was answered, and what a person must look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.addressing import Call, addressed_to, is_certain, may_be_certain, read_call
from bot.conversation import Act, Past, Said, Turn, asked_before, read_turn, respond, said_uncalled
from bot.conversation_texts import with_hint
from bot.duty import tell_of_emergency
from bot.identity import member_hash
from bot.knowledge import Knowledge
from bot.messages import Incoming
from bot.metrics import MATCH_TIME, QUESTIONS
from bot.settings import Settings
from content.asking import Reply
from db import leads as lead_store
from db import questions as store
from db.models import Group, Lead, Question
from db.states import AnswerKind, ContentKind, Feedback, LeadReason

MINUTE: Final = timedelta(minutes=1)
KEPT_TEXT: Final = 1000  # characters of a question that are kept
PORTAL: Final = "portal"  # the channel of the dialog on web pages: a dialog is all that is known of the visitor

_ONLY_TEXT = (
    "我现在还看不懂图片、语音和文件。请用文字说说：对方是谁、让您做什么、有没有转账或给验证码。\n"
    "已经转账请马上拨打 110；拿不准请拨打反诈专线 96110。"
)
_OF_DIALOGS = (LeadReason.EMERGENCY, LeadReason.PERSON, LeadReason.USELESS, LeadReason.UNANSWERED)
_CLOSED_BY_THANKS = (LeadReason.USELESS, LeadReason.UNANSWERED)
_LEADS = {AnswerKind.NONE: LeadReason.UNANSWERED, AnswerKind.EMERGENCY: LeadReason.EMERGENCY}


@dataclass(frozen=True)
class Answered:
    """What to say (nothing beyond the limits per minute), and whether a lead was made or changed."""

    text: str
    kind: AnswerKind
    types: tuple[str, ...] = ()
    lead: bool = False


@dataclass(frozen=True)
class _Dialog:
    """What this person said here lately, newest first."""

    questions: Sequence[Question]
    lead: Lead | None  # which already waits for an officer

    @property
    def last(self) -> Question | None:
        return self.questions[0] if self.questions else None

    @property
    def told(self) -> Question | None:
        """The last thing told in own words: numbers and 那怎么办 tell an officer nothing."""
        return next((one for one in self.questions if read_turn(one.text) is None), None)

    @property
    def past(self) -> Past | None:
        last = self.last
        if last is None:
            return None
        seen: set[str] = set()
        for one in self.questions:
            seen.update(one.types if one.kind is AnswerKind.CHOICES else one.types[:1])
            if one is self.told:
                break
        return Past(last.kind, tuple(last.types), self.lead is not None, frozenset(seen))


async def answer(
    session: AsyncSession,
    knowledge: Knowledge,
    *,
    message: Incoming,
    group: Group | None,
    settings: Settings,
    now: datetime,
    account_id: int | None = None,
) -> Answered | None:
    """The reply to a question that is meant for the bot; None: stay silent.

    Chat that is not meant for the bot is not kept. Beyond the limits per minute the bot falls silent, but a cry for
    help still becomes a lead.
    """
    call = read_call(message)
    text = _asked(call, message)
    if not text and message.kind is not ContentKind.TEXT:
        return Answered(_ONLY_TEXT, AnswerKind.TALK) if message.private else None
    turn = read_turn(text)
    wanted = turn is not None or call.called
    dialog = await _find_dialog(session, message, settings, now) if wanted else _Dialog((), None)
    uncalled = timedelta(minutes=settings.uncalled_minutes)
    said = _in_conversation(knowledge, call, turn, dialog, now, uncalled) or _as_question(
        knowledge, call, turn, dialog, text
    )
    if said is None:
        return None
    limited = await _over_limit(session, message, settings, now)
    if limited and said.kind is not AnswerKind.EMERGENCY:
        return None
    QUESTIONS.add(outcome=said.kind.value)
    question = await store.add_question(session, _question(message, group, text, said, now))
    lead = await _record(session, dialog, question, said, message, account_id, settings, now)
    return Answered("" if limited else _shown(message, said), said.kind, said.types, lead)


def may_answer(knowledge: Knowledge, message: Incoming) -> bool:
    """False when `answer` certainly stays silent, which needs no row: nearly everything that is said in groups."""
    call = read_call(message)
    text = _asked(call, message)
    if not text and message.kind is not ContentKind.TEXT:
        return message.private
    if call.called or read_turn(text) is not None:
        return True
    asker = knowledge.asker
    # Most of what people say is let go before it is compared with any example, and nearly all of the rest before it is
    # read for a loss, which takes longer than all else.
    if not may_be_certain(call, round(asker.matcher.outlook(text).fraud, 4)):
        return False
    with MATCH_TIME.timed():
        match = asker.matcher.match(text)
        if not may_be_certain(call, round(match.best[1], 4)):
            return False
        reply = asker.reply(text, match)
    return _speaks_up(knowledge, call, reply)


def _asked(call: Call, message: Incoming) -> str:
    return "\n".join(part for part in (call.text, message.link_title) if part)


def _in_conversation(
    knowledge: Knowledge, call: Call, turn: Turn | None, dialog: _Dialog, now: datetime, uncalled: timedelta
) -> Said | None:
    """The reply to words that only make sense after the answer before; ``uncalled``: how long they need no name."""
    if turn is None or call.to_other:
        return None
    last = dialog.last
    if not call.called:
        fresh = last is not None and (turn.act is Act.NUMBER or now - last.asked_at <= uncalled)
        if not fresh or not said_uncalled(turn, dialog.past):
            return None
    return respond(knowledge.library, turn, dialog.past)


def _as_question(knowledge: Knowledge, call: Call, turn: Turn | None, dialog: _Dialog, text: str) -> Said | None:
    greeting = turn is not None and turn.act is Act.GREETING
    with MATCH_TIME.timed():
        reply = knowledge.asker.ask("" if greeting and call.called else text)
    if not (call.called or _speaks_up(knowledge, call, reply)):
        return None
    kind = AnswerKind(reply.kind)
    known = asked_before(knowledge.library, text, dialog.past, kind) if call.called else None
    if known is not None:
        return known
    return Said(kind, reply.text, reply.types, lead=_LEADS.get(kind), score=reply.score)


def _shown(message: Incoming, said: Said) -> str:
    """In chat an answer says what can be replied to it; on a page there are buttons."""
    hinted = said.kind is AnswerKind.ANSWER and message.channel != PORTAL
    return addressed_to(message, with_hint(said.text) if hinted else said.text)


def _speaks_up(knowledge: Knowledge, call: Call, reply: Reply) -> bool:
    """Whether to answer in a group without having been called. A scam is for a person to look at, not for an answer."""
    return is_certain(call, AnswerKind(reply.kind), reply.score) and not knowledge.screener.screen(call.text).alarm


def _member(message: Incoming) -> str:
    return "" if message.channel == PORTAL else member_hash(message.channel, message.sender_id)


async def _find_dialog(session: AsyncSession, message: Incoming, settings: Settings, now: datetime) -> _Dialog:
    questions = await _list_dialog(session, message, settings, now)
    lead = await lead_store.find_dialog_lead(session, [one.id for one in questions], reasons=_OF_DIALOGS)
    return _Dialog(questions, lead)


async def _list_dialog(
    session: AsyncSession, message: Incoming, settings: Settings, now: datetime
) -> Sequence[Question]:
    return await store.list_dialog(
        session,
        now - timedelta(minutes=settings.context_minutes),
        channel=message.channel,
        room_id=message.room_id,
        member_hash=_member(message),
    )


def kept_text(text: str) -> str:
    """What of a text is kept: neither a zero character nor half a pair of surrogates can be stored everywhere."""
    return text[:KEPT_TEXT].replace("\0", "").encode("utf-8", "replace").decode()


def _question(message: Incoming, group: Group | None, text: str, said: Said, now: datetime) -> Question:
    return Question(
        channel=message.channel,
        room_id=message.room_id,
        group_id=group.id if group is not None else None,
        member_hash=_member(message),
        text=kept_text(text),
        kind=said.kind,
        types=list(said.types),
        score=said.score,
        asked_at=now,
    )


# ── what a person must look at ──────────────────────────────────────────────


async def _record(
    session: AsyncSession,
    dialog: _Dialog,
    question: Question,
    said: Said,
    message: Incoming,
    account_id: int | None,
    settings: Settings,
    now: datetime,
) -> bool:
    """Feedback goes to the answer it is about; True when a lead was made, changed or closed."""
    if said.feedback is not None and dialog.last is not None:
        await store.set_feedback(session, dialog.last.id, said.feedback)
    waits = dialog.lead
    if said.lead is LeadReason.EMERGENCY and await _said_more(session, message, question, settings, now):
        return True
    if said.feedback is Feedback.USEFUL and waits is not None and waits.reason in _CLOSED_BY_THANKS:
        return await lead_store.close_lead(session, waits.id, user_id=None, at=now)  # helped after all
    if said.lead is None:
        return False
    about_dialog = said.lead in (LeadReason.USELESS, LeadReason.PERSON)
    if about_dialog and waits is not None:  # one dialog, one lead: the strongest reason counts
        if said.lead.rank < waits.reason.rank:
            waits.reason = said.lead
        return True
    about = dialog.told or question if about_dialog else question
    lead = Lead(
        question_id=about.id,
        reason=said.lead,
        group_id=about.group_id,
        text=about.text,
        account_id=account_id,
        asker="" if message.private else message.sender_name[:40],
        created_at=now,
    )
    await lead_store.add_lead(session, lead)
    if said.lead is LeadReason.EMERGENCY:
        where = "门户网页上" if message.channel == PORTAL else "私聊里" if message.private else "群里"
        await tell_of_emergency(session, lead, where, settings, now)
    return True


async def _said_more(
    session: AsyncSession, message: Incoming, question: Question, settings: Settings, now: datetime
) -> bool:
    """Somebody in danger says more: one person is one alarm, and whoever takes care of it reads all of it."""
    questions = await _list_dialog(session, message, settings, now)
    alarm = await lead_store.find_dialog_lead(session, [one.id for one in questions], reasons=(LeadReason.EMERGENCY,))
    if alarm is None:
        return False
    if question.text not in alarm.text.split("\n"):
        alarm.text = f"{alarm.text}\n{question.text}"[:KEPT_TEXT]
    return True


async def _over_limit(session: AsyncSession, message: Incoming, settings: Settings, now: datetime) -> bool:
    in_room, of_member = await store.count_asked(
        session,
        now - MINUTE,
        channel=message.channel,
        room_id=message.room_id,
        member_hash=_member(message),
    )
    if message.private:
        return in_room >= settings.answers_private
    return in_room >= settings.answers_per_group or of_member >= settings.answers_per_person
