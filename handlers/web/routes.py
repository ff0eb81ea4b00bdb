"""Every address of the console, with the permission it needs on the same line."""

from __future__ import annotations

from bot.permissions import Permission
from handlers.web import auth, home
from handlers.web.local_chat import local_chat_routes
from handlers.web.rights import PUBLIC, SIGNED_IN, Route

ROUTES: list[Route] = [
    Route("GET", "/login", auth.login_page, PUBLIC),
    Route("POST", "/login", auth.login, PUBLIC),
    Route("POST", "/logout", auth.logout, SIGNED_IN, before_password=True),
    Route("GET", "/account", auth.account_page, SIGNED_IN, before_password=True),
    Route("GET", "/account/password", auth.account_page, SIGNED_IN, before_password=True),
    Route("POST", "/account/password", auth.save_password, SIGNED_IN, before_password=True),
    #
    Route("GET", "/", home.dashboard, Permission.SEE),
    #
    *local_chat_routes(),
]
