"""Leads: what a person must look at, who does, and what the asker is told.

A table of steps, each guarded by the state that it leaves, each with its audit entry:
open → claimed → answered → closed, and from anywhere but the end straight to closed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from bot.audit import audit
from bot.conversation_texts import officer_text
from bot.errors import Invalid, NotFound, WrongState
from bot.identity import Actor
from bot.permissions import Permission, allowed, require
from content.messages import MAX_TEXT
from db import leads as store
from db.models import Group, Lead, Question, Reply, User
from db.states import DeliveryState, LeadState, UserState

LONGEST_ANSWER: Final = 400  # with the heading and the quoted question it stays one readable message
_RESENDABLE: Final = (DeliveryState.FAILED, DeliveryState.SKIPPED, DeliveryState.CANCELLED)


async def claim_lead(session: AsyncSession, actor: Actor, lead_id: int, *, now: datetime) -> None:
    """The actor takes care of it. Raises `WrongState` when a colleague was quicker."""
    require(actor, Permission.QUESTIONS)
    await _hand(session, lead_id, (LeadState.OPEN,), actor.user_id, now)
    await audit(session, actor, now, "lead.claim", f"线索 {lead_id}")


async def assign_lead(session: AsyncSession, actor: Actor, lead_id: int, *, user_id: int, now: datetime) -> None:
    """Somebody else takes care of it, also when a third person had it before. Raises `Invalid` for who cannot."""
    require(actor, Permission.QUESTIONS)
    user = await session.get(User, user_id)
    if user is None or user.state is not UserState.ACTIVE or not allowed(user.role, Permission.QUESTIONS):
        raise Invalid({"user": "请选择一位可以处理线索的在用用户"})
    await _hand(session, lead_id, store.UNDONE, user.id, now)
    await audit(session, actor, now, "lead.assign", f"线索 {lead_id}", {"给": user.name})


async def _hand(
    session: AsyncSession, lead_id: int, when: tuple[LeadState, ...], user_id: int | None, now: datetime
) -> None:
    await _step(session, lead_id, when, state=LeadState.CLAIMED, claimed_by=user_id, claimed_at=now)


async def answer_lead(
    session: AsyncSession, actor: Actor, lead_id: int, text: str, *, office: str, now: datetime
) -> None:
    """The officer's answer goes back to where the question was asked, ahead of every broadcast.

    In the portal's dialog nothing is sent: the page shows it while it is open. Raises `Invalid` for an empty or too
    long answer, `WrongState` when there is nobody to answer or it has been answered already.
    """
    require(actor, Permission.QUESTIONS)
    text = text.strip()
    if not 0 < len(text) <= LONGEST_ANSWER:
        raise Invalid({"answer": f"请写 1–{LONGEST_ANSWER} 个字的答复"})
    lead = await _get(session, lead_id)
    question = await session.get(Question, lead.question_id) if lead.question_id is not None else None
    if question is None:
        raise WrongState("这条线索没有提问人，不能答复；处理后请直接标为处理完毕")
    when = (*store.UNDONE, LeadState.ANSWERED) if await _undelivered(session, lead) else store.UNDONE
    values: dict[str, Any] = {"answer": text, "answered_by": actor.user_id, "answered_at": now}
    await _step(session, lead_id, when, state=LeadState.ANSWERED, **values)
    account_id = await _speaker(session, lead)
    if account_id is not None:
        reply = _reply(lead, account_id, question, officer_text(text, asked=lead.text, office=office), now)
        session.add(reply)
        await session.flush()
        await store.change_lead(session, lead_id, when=(LeadState.ANSWERED,), reply_id=reply.id)
    await audit(session, actor, now, "lead.answer", f"线索 {lead_id}")


async def _speaker(session: AsyncSession, lead: Lead) -> int | None:
    """The account that is in the room now: a group may have been handed over since. None in the portal."""
    group = await session.get(Group, lead.group_id) if lead.group_id is not None else None
    return lead.account_id if group is None or lead.account_id is None else group.account_id or lead.account_id


def _reply(lead: Lead, account_id: int, question: Question, text: str, now: datetime) -> Reply:
    named = f"@{lead.asker} {text}" if lead.asker else text
    return Reply(
        channel=question.channel,
        account_id=account_id,
        room_id=question.room_id,
        message_id=f"lead:{lead.id}:{now.timestamp():.3f}",  # one reply to a message; this one answers a lead
        text=named if len(named) <= MAX_TEXT else text,
        state=DeliveryState.WAITING,
        created_at=now,
    )


async def _undelivered(session: AsyncSession, lead: Lead) -> bool:
    """The answer certainly did not arrive, so it may be given again. In doubt it may not: nobody hears it twice."""
    reply = await session.get(Reply, lead.reply_id, populate_existing=True) if lead.reply_id is not None else None
    return reply is not None and reply.state in _RESENDABLE


async def close_lead(session: AsyncSession, actor: Actor, lead_id: int, *, now: datetime) -> None:
    """Somebody has dealt with it. Raises `WrongState` when a colleague was quicker."""
    require(actor, Permission.QUESTIONS)
    if not await store.close_lead(session, lead_id, user_id=actor.user_id, at=now):
        await _get(session, lead_id)
        raise WrongState("这条线索已经由同事处理")
    await audit(session, actor, now, "lead.close", f"线索 {lead_id}")


async def _step(session: AsyncSession, lead_id: int, when: tuple[LeadState, ...], **values: Any) -> None:
    if not await store.change_lead(session, lead_id, when=when, **values):
        lead = await _get(session, lead_id)
        raise WrongState(
            f"这条线索{lead.state.label}，已经由同事接手" if lead.claimed_by else "这条线索已经由同事处理"
        )


async def _get(session: AsyncSession, lead_id: int) -> Lead:
    lead = await session.get(Lead, lead_id, populate_existing=True)
    if lead is None:
        raise NotFound("没有这条线索")
    return lead
