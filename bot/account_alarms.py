"""When an account does not send, bound officers are told in private through another one that does."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from bot.clock import duration_text
from bot.notices import Notice, notify
from bot.permissions import PERMISSIONS, Permission
from bot.settings import Settings
from db.dml import affected
from db.models import Account
from db.people import list_of_roles
from db.session import Database
from db.states import AccountState

APART: Final = timedelta(hours=1)  # between two notices about one account, however often it fails


async def tell_officers(database: Database, settings: Settings, now: datetime) -> int:
    """Tell of every account that is throttled, or has been away for longer than the setting; returns how many notices
    were queued. Once per trouble, and at most once an hour per account."""
    async with database.read() as session:
        if not (await session.scalars(sa.select(Account.id).where(_in_trouble(settings, now)).limit(1))).first():
            return 0
    async with database.write() as session:
        accounts = (await session.scalars(sa.select(Account).where(_in_trouble(settings, now)))).all()
        return sum([await _tell_of(session, account, settings, now) for account in accounts])


def _in_trouble(settings: Settings, now: datetime) -> sa.ColumnElement[bool]:
    away_since = now - timedelta(minutes=settings.account_alarm_minutes)
    away = sa.and_(
        Account.state.in_((AccountState.OFFLINE, AccountState.WAITING_SCAN)), Account.state_since <= away_since
    )
    told = sa.and_(Account.alarmed_at < Account.state_since, Account.alarmed_at <= now - APART)
    return sa.and_(sa.or_(away, Account.state == AccountState.BLOCKED), sa.or_(Account.alarmed_at.is_(None), told))


async def _tell_of(session: AsyncSession, account: Account, settings: Settings, now: datetime) -> int:
    """Nothing is marked unless somebody can be told: another account may come back later."""
    if not await _claim(session, account, settings, now):
        return 0
    roles = [role for role, may in PERMISSIONS.items() if Permission.RUN_ALERT in may]
    text = _text(account, settings, now)
    told = 0
    for person in await list_of_roles(session, roles):
        key = f"{account.id}:{person.id}:{now.timestamp():.3f}"
        told += await notify(session, person, text, Notice.ALARM, now, key=key) is not None
    if not told:
        await affected(
            session, sa.update(Account).where(Account.id == account.id).values(alarmed_at=account.alarmed_at)
        )
    return told


async def _claim(session: AsyncSession, account: Account, settings: Settings, now: datetime) -> bool:
    """False when another scheduler has just told of it."""
    mine = sa.update(Account).where(Account.id == account.id, _in_trouble(settings, now)).values(alarmed_at=now)
    return bool(await affected(session, mine))


def _text(account: Account, settings: Settings, now: datetime) -> str:
    since = duration_text(max(0.0, (now - account.state_since).total_seconds()))
    reason = f"（{account.state_reason}）" if account.state_reason else ""
    if account.state is AccountState.BLOCKED:
        until = account.blocked_until
        when = f"，{until.astimezone(settings.zone):%H:%M} 恢复" if until is not None else ""
        return f"【账号受限】{account.name} 被平台限制发送{reason}{when}。\n能转给其他账号的已经转走，其余等它恢复。请留意控制台“账号”页。"
    return f"【账号离线】{account.name} 已{account.state.label} {since}{reason}，它的群收不到推送。\n请在控制台“账号”页查看，需要时重新扫码登录。"
