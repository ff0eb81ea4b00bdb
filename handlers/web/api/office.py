"""The caller's own desk, the audit log, and the users of the console."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from bot.permissions import PERMISSIONS, Permission
from bot.second_factor import turn_off_for
from bot.settings_view import list_settings
from bot.sheets import XLSX_TYPE
from bot.tokens import revoke_token
from bot.users import (
    create_user,
    disable_user,
    enable_user,
    get_user,
    reset_password,
    unlock_addresses,
    unlock_user,
)
from db.accounts import list_accounts
from db.alerts import count_alerts
from db.console import find_top_unit, list_alerts_around, list_audit_page
from db.figures import latest_released, list_child_figures
from db.leads import get_figures as lead_figures
from db.library import count_in_review
from db.listing import page_users
from db.models import Alert, ApiToken, Unit, User
from db.states import AlertState, TokenScope
from db.tokens import list_tokens
from handlers.web.api.definitions import Call, File
from handlers.web.api.models import desk as shapes
from handlers.web.api.models.alerts import AlertSummary
from handlers.web.api.models.common import Found, Id, Listing, Named, Page, page_of
from handlers.web.audit import AuditFilter
from handlers.web.audit_files import export

LAGGARDS = 8


async def overview(call: Call, session: AsyncSession) -> shapes.Overview:
    settings = call.engine.settings
    midnight = call.now.astimezone(settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    alerts = await list_alerts_around(session, midnight, midnight + timedelta(days=1))
    latest = next(iter(await latest_released(session, 1)), None)
    leads = await lead_figures(session)
    return shapes.Overview(
        alerts=[AlertSummary.model_validate(alert) for alert in alerts],
        in_review=await count_alerts(session, states=[AlertState.IN_REVIEW]),
        library_in_review=await count_in_review(session),
        open_leads=leads.open,
        alarms=leads.alarms,
        accounts=[
            shapes.AccountNow(id=one.id, name=one.name, state=one.state.value) for one in await list_accounts(session)
        ],
        latest=latest.id if latest else None,
        laggards=await _laggards(session, latest),
    )


async def _laggards(session: AsyncSession, alert: Alert | None) -> list[shapes.Laggard]:
    top = await find_top_unit(session, "")
    if alert is None or top is None:
        return []
    behind = [one for one in await list_child_figures(session, alert.id, top.id) if one.missing_groups > 0]
    worst = sorted(behind, key=lambda one: (one.coverage_groups or 0, -one.missing_groups))[:LAGGARDS]
    return [
        shapes.Laggard(
            unit=Named.model_validate(one.unit),
            missing_groups=one.missing_groups,
            coverage_groups=one.coverage_groups,
        )
        for one in worst
    ]


async def audit(call: Call, session: AsyncSession, query: shapes.AuditListing) -> Page[shapes.AuditEntry]:
    """Newest first. `cursor` is the number of the last entry that was read: a log only grows."""
    found = await list_audit_page(
        session, **vars(_filter(query)), before_id=query.cursor or None, limit=query.limit + 1
    )
    shown = [shapes.AuditEntry.model_validate(entry) for entry in found[: query.limit]]
    return Page(items=shown, total=None, next=shown[-1].id if len(found) > query.limit else None)


def _filter(query: shapes.AuditListing | shapes.AuditExport) -> AuditFilter:
    return AuditFilter(group=query.group, search=query.search, since=query.since, until=query.until)


async def audit_xlsx(call: Call, query: shapes.AuditExport) -> File:
    data = await export(call.engine, call.actor, "audit.xlsx", _filter(query))
    return File(data, XLSX_TYPE, "审计日志.xlsx")


async def audit_csv(call: Call, query: shapes.AuditExport) -> File:
    data = await export(call.engine, call.actor, "audit.csv", _filter(query))
    return File(data, "text/csv", "审计日志.csv")


async def settings(call: Call) -> Found[shapes.Setting]:
    """As they are in force; what is secret shows only whether it is set."""
    return Found(items=[shapes.Setting.model_validate(row) for row in list_settings(call.engine.settings)])


# ── the caller ──────────────────────────────────────────────────────────────


async def me(call: Call) -> shapes.Me:
    actor = call.actor
    return shapes.Me(
        user_id=actor.user_id,
        name=actor.name,
        role=actor.role,
        scope=actor.scope,
        permissions=[each for each in Permission if each in PERMISSIONS[actor.role]],
        token_scopes=[scope for scope in TokenScope if scope in call.scopes],
    )


async def my_tokens(call: Call, session: AsyncSession) -> Found[shapes.Token]:
    found: list[ApiToken] = list(await list_tokens(session, call.actor.user_id or 0))
    return Found(items=[shapes.Token.model_validate(token) for token in found])


async def end_token(call: Call, session: AsyncSession, id: Id) -> None:
    user = await get_user(session, call.actor.user_id or 0)
    await revoke_token(session, call.actor, user, id, now=call.now)


# ── users ───────────────────────────────────────────────────────────────────


async def list_users(call: Call, session: AsyncSession, query: Listing) -> Page[shapes.User]:
    rows, total = await page_users(session, limit=query.limit, offset=query.cursor)
    return page_of([_user(user, unit) for user, unit in rows], total=total, query=query)


async def read_user(call: Call, session: AsyncSession, id: Id) -> shapes.User:
    return await _whole(session, await get_user(session, id))


async def add_user(call: Call, session: AsyncSession, body: shapes.UserWrite) -> shapes.UserWithPassword:
    user, password = await create_user(
        session,
        call.actor,
        username=body.username,
        name=body.name,
        role=body.role,
        unit_id=body.unit_id,
        now=call.now,
    )
    return shapes.UserWithPassword(user=await _whole(session, user), password=password)


async def reset_user(call: Call, session: AsyncSession, id: Id) -> shapes.UserWithPassword:
    user, password = await reset_password(session, call.actor, id, now=call.now)
    return shapes.UserWithPassword(user=await _whole(session, user), password=password)


async def disable(call: Call, session: AsyncSession, id: Id) -> shapes.User:
    return await _whole(session, await disable_user(session, call.actor, id, now=call.now))


async def enable(call: Call, session: AsyncSession, id: Id) -> shapes.User:
    return await _whole(session, await enable_user(session, call.actor, id, now=call.now))


async def unlock(call: Call, session: AsyncSession, id: Id) -> shapes.User:
    return await _whole(session, await unlock_user(session, call.actor, id, now=call.now))


async def unlock_all(call: Call, session: AsyncSession) -> None:
    """Forget failed sign-ins of addresses: a whole office may share one."""
    await unlock_addresses(session, call.actor, now=call.now)


async def end_second_factor(call: Call, session: AsyncSession, id: Id) -> shapes.User:
    return await _whole(session, await turn_off_for(session, call.actor, id, now=call.now))


async def _whole(session: AsyncSession, user: User) -> shapes.User:
    unit = await session.get(Unit, user.unit_id) if user.unit_id is not None else None
    return _user(user, unit.name if unit else "")


def _user(user: User, unit: str) -> shapes.User:
    names = ("id", "username", "name", "role", "unit_id", "state", "must_change", "created_at")
    return shapes.User(**{name: getattr(user, name) for name in names}, unit=unit)
