"""Every error that a request can end with, as a status and a code: one table, for the pages and for the API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from aiohttp import web

from bot.errors import (
    DatabaseBehind,
    Forbidden,
    ImportRefused,
    Invalid,
    NotFound,
    SettingsError,
    SheetFault,
    UserError,
    WrongState,
)
from bot.portal import TooManyQuestions
from bot.registry_rows import GROUP_COLUMNS, GROUP_SHEET, UNIT_COLUMNS, UNIT_SHEET
from bot.throttle import TooManyAttempts
from bot.tokens import TokenRefused
from db.accounts import NoSuchAccount
from db.groups import NoSuchGroup
from db.units import NoSuchUnit
from db.users import NoSuchUser
from handlers.web.rights import PasswordNeeded, SignInNeeded

MOST_FIELDS = 500  # of a faulty file: more is mended in several goes anyway


class Malformed(UserError):
    """A request that is not even readable: no JSON, or a parameter that is none."""


class NotAcceptable(UserError):
    """The asker wants another media type than there is."""


class UnknownMedia(UserError):
    """The body comes in another media type than the operation takes."""


class KeyReused(UserError):
    """An Idempotency-Key that belongs to another request."""


class TooManyRequests(UserError):
    """More requests a minute than the setting allows. `retry_after` is in seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("请求太频繁，请稍候再试")
        self.retry_after = retry_after


TABLE: tuple[tuple[type[Exception], int, str], ...] = (
    (SignInNeeded, 401, "sign_in_needed"),
    (TokenRefused, 401, "token_refused"),
    (PasswordNeeded, 403, "password_needed"),
    (Forbidden, 403, "forbidden"),
    (NotFound, 404, "not_found"),
    (NoSuchUnit, 404, "not_found"),
    (NoSuchGroup, 404, "not_found"),
    (NoSuchAccount, 404, "not_found"),
    (NoSuchUser, 404, "not_found"),
    (NotAcceptable, 406, "not_acceptable"),
    (KeyReused, 409, "key_reused"),
    (WrongState, 409, "wrong_state"),
    (UnknownMedia, 415, "unknown_media"),
    (Invalid, 422, "invalid"),
    (ImportRefused, 422, "import_refused"),
    (TooManyAttempts, 429, "too_many_attempts"),
    (TooManyQuestions, 429, "too_many_requests"),
    (TooManyRequests, 429, "too_many_requests"),
    (SettingsError, 500, "settings"),
    (DatabaseBehind, 503, "database_behind"),
    (Malformed, 400, "malformed"),
    (UserError, 400, "refused"),
)
"""The first line that fits counts."""

_HTTP = {
    400: ("malformed", "请求的格式不正确"),
    404: ("not_found", "没有这个页面"),
    405: ("method_not_allowed", "这个地址不支持这样的请求"),
    413: ("too_large", "提交的内容过大"),
}
_UNIT_FIELDS = ("code", "name", "kind", "parent", "tags", "liaison")
_GROUP_FIELDS = ("code", "name", "unit", "channel", "room_id", "account", "mode", "members", "state", "warns")
_COLUMNS = {
    UNIT_SHEET: dict(zip(UNIT_COLUMNS, _UNIT_FIELDS, strict=True)),
    GROUP_SHEET: dict(zip(GROUP_COLUMNS, _GROUP_FIELDS, strict=True)),
}


@dataclass(frozen=True)
class Trouble:
    """An error as it is answered."""

    status: int
    code: str
    message: str
    fields: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def answer(self) -> web.Response:
        error = {"code": self.code, "message": self.message, "fields": self.fields}
        text = json.dumps({"error": error}, ensure_ascii=False)
        return web.Response(text=text, status=self.status, headers=self.headers, content_type="application/json")


def status_of(error: Exception) -> int:
    return _line(error)[0]


def _line(error: Exception) -> tuple[int, str]:
    return next((status, code) for kind, status, code in TABLE if isinstance(error, kind))


EXPECTED: tuple[type[Exception], ...] = tuple({kind for kind, _, _ in TABLE})
"""What may be raised on purpose; anything else is a defect and is logged."""


def trouble_of(error: Exception) -> Trouble:
    """For an error of `EXPECTED`, or an HTTP error of aiohttp's own."""
    if isinstance(error, web.HTTPException):
        code, message = _HTTP.get(error.status, ("http", error.reason))
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        return Trouble(error.status, code, message, headers=allow)
    status, code = _line(error)
    message = str(error) if isinstance(error, UserError) else "没有找到，或不在您的管辖范围内"
    return Trouble(status, code, message, _fields(error), _headers(error, status))


def _fields(error: Exception) -> dict[str, str]:
    if isinstance(error, Invalid):
        return dict(error.faults)
    if isinstance(error, ImportRefused):
        return {_place(fault): str(fault) for fault in error.faults[:MOST_FIELDS]}
    return {}


def _place(fault: SheetFault) -> str:
    """Where a fault of a table stands in the request: 单位 row 2, 类型 is `units[0].kind`."""
    sheet = {UNIT_SHEET: "units", GROUP_SHEET: "groups"}.get(fault.sheet, fault.sheet or "file")
    place = f"{sheet}[{fault.row - 2}]" if fault.row >= 2 else sheet
    column = _COLUMNS.get(fault.sheet, {}).get(fault.column, fault.column)
    return f"{place}.{column}" if column else place


def _headers(error: Exception, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="xinfang"'}
    retry = getattr(error, "retry_after", None)
    return {"Retry-After": str(max(1, round(retry)))} if retry is not None else {}
