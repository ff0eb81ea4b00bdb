"""Who asks, and whether the way to us is encrypted: what a reverse proxy says is believed if we know the proxy."""

from __future__ import annotations

import ipaddress

from aiohttp import web

from bot.settings import Settings


def visitor_address(request: web.Request, settings: Settings) -> str:
    """The address of whoever asks: the last one in X-Forwarded-For that is no proxy of ours."""
    address = request.remote or ""
    told = request.headers.get("X-Forwarded-For", "").split(",")
    while address in settings.trusted_proxies and told:
        given = told.pop().strip()
        if not _is_address(given):
            break
        address = given
    return address


def is_encrypted(request: web.Request, settings: Settings) -> bool:
    """Did the browser speak TLS, with us or with a proxy of ours?"""
    if request.secure:
        return True
    proxied = (request.remote or "") in settings.trusted_proxies
    return proxied and request.headers.get("X-Forwarded-Proto", "").strip().lower() == "https"


def is_local(request: web.Request) -> bool:
    """From this very machine and through no proxy: a proxy on the same machine would make everybody local."""
    if any(name in request.headers for name in ("X-Forwarded-For", "X-Real-IP", "Forwarded")):
        return False
    return _is_address(request.remote or "") and ipaddress.ip_address(request.remote or "").is_loopback


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
