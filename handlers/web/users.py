"""Users of the console, for the administrator."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Invalid, UserError
from bot.identity import Actor
from bot.second_factor import turn_off_for
from bot.throttle import PER_ADDRESS, WINDOW, account_key
from bot.users import create_user, disable_user, enable_user, reset_password, unlock_addresses, unlock_user
from db.models import User
from db.states import Role
from db.users import count_login_failures, list_users
from handlers.web.forms import choice_of, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.middlewares import status_of
from handlers.web.unit_field import unit_of_text
from handlers.web.views import page

_DONE = {
    "disable": "已停用，该用户的登录已全部退出",
    "enable": "已启用",
    "unlock": "已解除锁定，可以马上再登录",
    "unlock_addresses": "已解除地址限制",
    "second_factor_off": "两步验证已关闭，该用户现在只用密码登录；请提醒本人重新开启",
}


@dataclass
class UserForm:
    username: str = ""
    name: str = ""
    role: Role | None = None
    unit: str = ""  # a name or a code, as typed
    faults: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NewPassword:
    """Shown on one page, once."""

    user: User
    password: str


async def users_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    return await _show(request, UserForm(), done=_DONE.get(request.query.get("done", ""), ""))


async def add_user(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    post = await request.post()
    form = UserForm(
        text_of(post, "username"), text_of(post, "name"), choice_of(Role, post, "role"), text_of(post, "unit")
    )
    try:
        async with engine.database.write() as session:
            unit_id = await _unit_id(session, form)
            if form.role is None:
                form.faults["role"] = "请选择角色"
            user, password = await create_user(
                session,
                actor,
                username=form.username,
                name=form.name,
                role=form.role or Role.PUBLISHER,
                unit_id=unit_id,
                now=engine.clock.now(),
            )
            if form.faults:
                raise Invalid({})  # roll back: the engine was only asked for its own faults
    except Invalid as error:
        form.faults = error.faults | form.faults
        return await _show(request, form, status=422)
    return await _show(request, UserForm(), new=NewPassword(user, password), status=201)


async def _unit_id(session: AsyncSession, form: UserForm) -> int | None:
    """The unit that is meant by what was typed. A fault names the candidates."""
    if not form.unit:
        return None
    try:
        return (await unit_of_text(session, form.unit, field="unit_id")).id
    except Invalid as error:
        form.faults |= error.faults
        return None


async def disable(request: web.Request, actor: Actor) -> web.StreamResponse:
    user_id, now = path_id(request), request.app[ENGINE].clock.now()
    return await _change(request, "disable", lambda session: disable_user(session, actor, user_id, now=now))


async def enable(request: web.Request, actor: Actor) -> web.StreamResponse:
    user_id, now = path_id(request), request.app[ENGINE].clock.now()
    return await _change(request, "enable", lambda session: enable_user(session, actor, user_id, now=now))


async def unlock(request: web.Request, actor: Actor) -> web.StreamResponse:
    user_id, now = path_id(request), request.app[ENGINE].clock.now()
    return await _change(request, "unlock", lambda session: unlock_user(session, actor, user_id, now=now))


async def unlock_all_addresses(request: web.Request, actor: Actor) -> web.StreamResponse:
    now = request.app[ENGINE].clock.now()
    return await _change(request, "unlock_addresses", lambda session: unlock_addresses(session, actor, now=now))


async def second_factor_off(request: web.Request, actor: Actor) -> web.StreamResponse:
    user_id, now = path_id(request), request.app[ENGINE].clock.now()
    return await _change(request, "second_factor_off", lambda session: turn_off_for(session, actor, user_id, now=now))


async def reset(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine = request.app[ENGINE]
    async with engine.database.write() as session:
        user, password = await reset_password(session, actor, path_id(request), now=engine.clock.now())
    return await _show(request, UserForm(), new=NewPassword(user, password))


async def _change(
    request: web.Request, name: str, change: Callable[[AsyncSession], Awaitable[object]]
) -> web.StreamResponse:
    try:
        async with request.app[ENGINE].database.write() as session:
            await change(session)
    except UserError as error:
        return await _show(request, UserForm(), message=str(error), status=status_of(error))
    raise web.HTTPSeeOther(f"/users?done={name}")


async def _show(
    request: web.Request,
    form: UserForm,
    *,
    done: str = "",
    message: str = "",
    new: NewPassword | None = None,
    status: int = 200,
) -> web.StreamResponse:
    engine = request.app[ENGINE]
    async with engine.database.read() as session:
        users = await list_users(session)
        failures = await count_login_failures(session, engine.clock.now() - WINDOW)
    limit = engine.settings.login_attempts
    return await page(
        request,
        "users.html",
        status=status,
        users=users,
        locked={user.id for user, _ in users if failures.get(account_key(user.username), 0) >= limit},
        locked_addresses=sum(
            key.startswith("address:") and count >= limit * PER_ADDRESS for key, count in failures.items()
        ),
        form=form,
        done=done,
        message=message,
        new=new,
    )
