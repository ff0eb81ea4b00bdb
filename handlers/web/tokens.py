"""My account: personal tokens for programs that use the API. Making one asks for the password, like every way in."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from bot.errors import Invalid, NotFound
from bot.identity import Actor
from bot.second_factor import prove_password
from bot.throttle import TooManyAttempts
from bot.tokens import MAX_DAYS, create_token, revoke_token, scopes_of
from bot.users import get_user
from db.models import ApiToken
from db.states import TokenScope
from db.tokens import list_tokens
from handlers.web.forms import choices_of, int_of, path_id, text_of
from handlers.web.keys import ENGINE
from handlers.web.problems import status_of
from handlers.web.views import page

USUAL_DAYS = 90


@dataclass
class TokenForm:
    name: str = ""
    scopes: tuple[TokenScope, ...] = (TokenScope.READ,)
    days: int = USUAL_DAYS
    faults: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NewToken:
    """Shown on one page, once."""

    token: ApiToken
    text: str


async def tokens_page(request: web.Request, actor: Actor) -> web.StreamResponse:
    done = "令牌已吊销，用它的程序不能再访问" if request.query.get("done") == "revoke" else ""
    return await _show(request, actor, TokenForm(), done=done)


async def add_token(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, post = request.app[ENGINE], await request.post()
    form = TokenForm(text_of(post, "name"), choices_of(TokenScope, post, "scope"), int_of(post, "days") or 0)
    try:
        await prove_password(
            engine.database,
            actor.user_id or 0,
            str(post.get("password", "")),
            address=actor.origin,
            settings=engine.settings,
            now=engine.clock.now(),
        )
        async with engine.database.write() as session:
            user = await get_user(session, actor.user_id or 0)
            token, text = await create_token(
                session, actor, user, name=form.name, scopes=form.scopes, days=form.days, now=engine.clock.now()
            )
    except Invalid as error:
        form.faults = error.faults
        return await _show(request, actor, form, status=status_of(error))
    except TooManyAttempts as error:
        return await _show(request, actor, form, message=str(error), status=status_of(error))
    return await _show(request, actor, TokenForm(), new=NewToken(token, text), status=201)


async def end_token(request: web.Request, actor: Actor) -> web.StreamResponse:
    engine, token_id = request.app[ENGINE], path_id(request)
    try:
        async with engine.database.write() as session:
            user = await get_user(session, actor.user_id or 0)
            await revoke_token(session, actor, user, token_id, now=engine.clock.now())
    except NotFound as error:
        return await _show(request, actor, TokenForm(), message=str(error), status=status_of(error))
    raise web.HTTPSeeOther("/account/tokens?done=revoke")


async def _show(
    request: web.Request,
    actor: Actor,
    form: TokenForm,
    *,
    done: str = "",
    message: str = "",
    new: NewToken | None = None,
    status: int = 200,
) -> web.StreamResponse:
    async with request.app[ENGINE].database.read() as session:
        tokens = await list_tokens(session, actor.user_id or 0)
    return await page(
        request,
        "tokens.html",
        status=status,
        tokens=tokens,
        form=form,
        new=new,
        done=done,
        message=message,
        scopes=list(TokenScope),
        scopes_of=scopes_of,
        max_days=MAX_DAYS,
    )
