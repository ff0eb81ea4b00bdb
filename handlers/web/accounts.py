"""The bot's accounts: their state, the code that logs them in, and the rooms that they have found."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import segno
from aiohttp import web
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from bot.delivery import account_limits
from bot.errors import Invalid, UserError
from bot.identity import Actor
from bot.rooms import assign_room, hand_over
from db.accounts import NOTHING_SPENT, list_accounts, list_spent
from db.models import Account, Unit
from db.rooms import count_groups_by_account, list_proposed, list_shared
from db.states import AccountState, GroupMode
from db.units import find_unit, list_units_named
from handlers.web.forms import choice_of, int_of, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of
from handlers.web.views import fragment, page

PROPOSED = 100  # new rooms on one page


async def accounts_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    done = {"assign": "已归入单位，之后的预警会发到这个群", "hand_over": "已改由另一账号负责"}
    return await _show(request, done=done.get(request.query.get("done", ""), ""))


async def accounts_now(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The part of the page that changes by itself: states and login codes."""
    async with request.app[ENGINE].database.read() as session:
        shown = await _accounts(request, session)
    return fragment(request, "_accounts.html", **shown)


async def _accounts(request: web.Request, session: AsyncSession) -> dict[str, Any]:
    """What the list of accounts shows: states, login codes, and what each has sent of what it may."""
    engine = request.app[ENGINE]
    now, settings = engine.clock.now(), engine.settings
    midnight = now.astimezone(settings.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    spent = await list_spent(session, minute=now - timedelta(minutes=1), midnight=midnight)
    accounts = await list_accounts(session)
    return {
        "accounts": accounts,
        "groups": await count_groups_by_account(session),
        "budgets": {
            each.id: (spent.get(each.id, NOTHING_SPENT), account_limits(each, settings)) for each in accounts
        },
        "qr": login_picture,
    }


async def assign(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, post = request.app[ENGINE], await request.post()
    typed = text_of(post, "unit")
    try:
        async with engine.database.write() as session:
            await assign_room(
                session,
                actor,
                channel=text_of(post, "channel"),
                room_id=text_of(post, "room_id"),
                unit=await _unit(session, typed),
                mode=choice_of(GroupMode, post, "mode") or GroupMode.PUSH,
                now=engine.clock.now(),
            )
    except UserError as error:
        return await _show(request, message=str(error), status=status_of(error))
    raise web.HTTPSeeOther("/accounts?done=assign")


async def _unit(session: AsyncSession, typed: str) -> Unit | None:
    """The unit with this code, or the only one with this name. Raises `Invalid` naming the candidates."""
    if not typed:
        return None
    exact = await find_unit(session, typed)
    if exact is not None:
        return exact
    alike = list(await list_units_named(session, typed, limit=10))
    named = [unit for unit in alike if unit.name == typed] or alike
    if len(named) == 1:
        return named[0]
    if not named:
        raise Invalid({"unit": f"没有名为“{typed}”的单位，请检查名称"})
    listed = "、".join(f"{unit.name}（{unit.code}）" for unit in named[:5])
    raise Invalid({"unit": f"有 {len(named)} 个单位符合，请填编码：{listed}"})


async def change_account(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, post = request.app[ENGINE], await request.post()
    group_id, account_id = path_id(request), int_of(post, "account") or 0
    try:
        async with engine.database.write() as session:
            await hand_over(session, actor, group_id=group_id, account_id=account_id, now=engine.clock.now())
    except UserError as error:
        return await _show(request, message=str(error), status=status_of(error))
    engine.events.publish("alerts")
    raise web.HTTPSeeOther("/accounts?done=hand_over")


async def _show(request: web.Request, *, done: str = "", message: str = "", status: int = 200) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        shown = await _accounts(request, session)
        proposed = await list_proposed(session, limit=PROPOSED)
        shared = await list_shared(session)
    return await page(
        request,
        "accounts.html",
        status=status,
        **shown,
        proposed=proposed,
        shared=shared,
        done=done,
        message=message,
    )


def login_picture(account: Account) -> Markup | None:
    """The QR code that logs the account in, drawn here: nothing is loaded from elsewhere."""
    if account.state is not AccountState.WAITING_SCAN or not account.login_code:
        return None
    buffer = io.BytesIO()
    segno.make(account.login_code, error="m", micro=False).save(
        buffer, kind="svg", scale=5, border=4, light="#fff", dark="#000", xmldecl=False, svgns=True, omitsize=True
    )
    return Markup(buffer.getvalue().decode())  # nosec B704 # drawn by segno: squares, no text of anybody
