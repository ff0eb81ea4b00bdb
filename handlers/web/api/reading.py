"""What somebody sent, as values: numbers of the path, the query and the body, each checked against its model."""

from __future__ import annotations

import hashlib
from typing import Any, get_origin

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from bot.errors import Invalid, NotFound
from handlers.web.api.definitions import Operation
from handlers.web.api.models.common import Id
from handlers.web.problems import Malformed, UnknownMedia

JSON = "application/json"
NOTHING = (b"", b"{}")  # of an operation that takes no body

_MESSAGES = {
    "missing": "必填",
    "extra_forbidden": "没有这个字段",
    "string_too_long": "最多 {max_length} 个字",
    "string_too_short": "至少 {min_length} 个字",
    "string_pattern_mismatch": "含有不允许的字符",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
    "greater_than_equal": "不能小于 {ge}",
    "less_than_equal": "不能大于 {le}",
    "enum": "只能是 {expected}",
    "literal_error": "只能是 {expected}",
    "timezone_aware": "时间要带时区，如 2026-11-21T09:30:00+08:00",
    "datetime_from_date_parsing": "时间的格式是 2026-11-21T09:30:00+08:00",
    "datetime_parsing": "时间的格式是 2026-11-21T09:30:00+08:00",
    "int_type": "应是整数",
    "int_parsing": "应是整数",
    "bool_type": "应是 true 或 false",
    "string_type": "应是一段文字",
    "list_type": "应是列表",
}


def path_values(request: web.Request, operation: Operation) -> dict[str, Any]:
    """Raises `NotFound` for what no row can have as its number."""
    values: dict[str, Any] = {}
    for name in operation.names:
        text = request.match_info[name]
        if operation.hints[name] == Id and not (text.isascii() and text.isdigit()):  # nor "+1" nor "１"
            raise NotFound("没有这个地址")
        try:
            values[name] = TypeAdapter(operation.hints[name]).validate_python(text)
        except ValidationError as error:
            raise NotFound("没有这个地址") from error
    return values


def query_of(request: web.Request, operation: Operation) -> dict[str, Any]:
    """Raises `Malformed` for parameters that the operation does not have, `Invalid` for values that it cannot take."""
    model = operation.query
    if model is None:
        if request.query:
            raise Malformed("这个操作没有查询参数")
        return {}
    given: dict[str, Any] = {}
    for name in dict.fromkeys(request.query):
        values = request.query.getall(name)
        field = model.model_fields.get(name)
        many = field is not None and get_origin(field.annotation) is list
        if len(values) > 1 and not many:
            raise Malformed(f"查询参数 {name[:40]} 出现了多次")
        given[name] = values if many else values[0]
    try:
        return {"query": model.model_validate(given)}
    except ValidationError as error:
        raise Invalid(faults_of(error)) from error


async def read_body(request: web.Request, operation: Operation) -> tuple[bytes, dict[str, Any]]:
    """The body as it came and as its model. Raises 413 through aiohttp, `UnknownMedia`, `Malformed`, `Invalid`."""
    if operation.reads:
        return b"", {}
    raw = await request.clone(client_max_size=operation.limit).read()
    if operation.body is None:
        if raw.strip() not in NOTHING:
            raise Malformed("这个操作没有请求体")
        return raw, {}
    if request.content_type != JSON:
        raise UnknownMedia(f"请求体应是 JSON，请求头 Content-Type 应为 {JSON}")
    return raw, {"body": parsed(operation.body, raw)}


def parsed(model: type[BaseModel], raw: bytes) -> BaseModel:
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        if any(fault["type"] == "json_invalid" for fault in error.errors(include_url=False)):
            raise Malformed("请求体不是正确的 JSON") from error
        raise Invalid(faults_of(error)) from error


def fingerprint(request: web.Request, raw: bytes) -> str:
    """The same for requests that ask for the same."""
    parts = (request.method.encode(), request.path.encode(), raw)
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def faults_of(error: ValidationError) -> dict[str, str]:
    """Field (audience.units[0]) → what to write instead."""
    faults: dict[str, str] = {}
    for fault in error.errors(include_url=False, include_input=False):
        text = _MESSAGES.get(fault["type"])
        if fault["type"] == "value_error":
            text = str(fault["ctx"]["error"])
        faults.setdefault(_place(fault["loc"]), (text or "值不正确").format(**fault.get("ctx", {})))
    return faults


def _place(loc: tuple[int | str, ...]) -> str:
    place = ""
    for part in loc:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    return place[:120] or "body"
