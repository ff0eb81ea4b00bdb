"""Time-based one-time codes (RFC 6238 over RFC 4226: SHA-1, six digits, 30 seconds), as authenticator apps show them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

STEP: Final = 30  # seconds
DIGITS: Final = 6
SECRET_BYTES: Final = 20  # RFC 4226, section 4: 160 bits are recommended
DRIFT: Final = 1  # steps that a telephone's clock may be wrong, either way


def new_secret() -> str:
    """A fresh secret in base32, as it is typed into an app."""
    return base64.b32encode(secrets.token_bytes(SECRET_BYTES)).decode()


def step_at(now: datetime) -> int:
    """The number of the 30 seconds in which `now` lies."""
    return int(now.timestamp()) // STEP


def code_of(secret: str, step: int) -> str:
    """The six digits of a step (RFC 4226, section 5.3)."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**DIGITS:0{DIGITS}}"


def looks_right(code: str) -> bool:
    """Six digits, with blanks as people type them."""
    code = "".join(code.split())
    return len(code) == DIGITS and code.isascii() and code.isdigit()


def find_step(secret: str, code: str, now: datetime, *, after: int = 0) -> int | None:
    """The step whose code this is; None for a wrong one. A step up to `after` has been used: no code works twice."""
    if not looks_right(code):
        return None
    code = "".join(code.split())
    here, found = step_at(now), None
    for step in range(here - DRIFT, here + DRIFT + 1):
        if hmac.compare_digest(code_of(secret, step), code) and step > after:
            found = step
    return found


def app_address(secret: str, *, account: str, issuer: str) -> str:
    """What the QR code says that adds the account to an app."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer}, quote_via=quote)}"


def spoken_secret(secret: str) -> str:
    """In groups of four, for those who type it."""
    return " ".join(secret[place : place + 4] for place in range(0, len(secret), 4))
