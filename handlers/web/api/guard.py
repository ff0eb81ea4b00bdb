"""In front of every operation of the API: negotiate, find out who asks, may they, read what they sent, answer.

Everything is refused before anything is done, in the order of `_take`; whatever goes wrong is answered in one shape
(`handlers.web.problems`).
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from bot.errors import Forbidden
from bot.permissions import Permission, require
from handlers.web.api.callers import find_caller
from handlers.web.api.definitions import Call, File, Operation
from handlers.web.api.reading import JSON, fingerprint, path_values, query_of, read_body
from handlers.web.api.repeating import KEY_HEADER, do_once
from handlers.web.problems import EXPECTED, NotAcceptable, Trouble, trouble_of

log = logging.getLogger(__name__)

Answer = BaseModel | File | None


def handler_of(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The operation as the application sees it."""

    async def take(request: web.Request) -> web.StreamResponse:
        try:
            return await _take(request, operation)
        except EXPECTED as error:
            return trouble_of(error).answer()
        except web.HTTPException as error:
            return trouble_of(error).answer()
        except Exception:
            reference = secrets.token_hex(4)
            log.exception("request failed", extra={"reference": reference, "path": request.path})
            return Trouble(500, "internal", f"系统出错了，已记录（编号 {reference}）").answer()

    return take


async def _take(request: web.Request, operation: Operation) -> web.StreamResponse:
    _negotiate(request, operation)
    call = await find_caller(request)
    _permit(call, operation)
    values = path_values(request, operation) | query_of(request, operation)
    raw, body = await read_body(request, operation)
    values |= body
    key = request.headers.get(KEY_HEADER) if operation.repeatable else None
    if key is not None:
        once = await do_once(
            call,
            key,
            fingerprint(request, raw),
            operation.success,
            lambda session: _do(call, operation, values, session),
        )
        response = web.Response(text=once.text, status=once.status, content_type=JSON)
        if once.replayed:
            response.headers["Idempotency-Replayed"] = "true"
            return response
    else:
        response = _response(operation, await _run(call, operation, values))
    for step in call.afterwards:
        await step()
    if call.topics:
        call.engine.events.publish(*call.topics)
    return response


def _negotiate(request: web.Request, operation: Operation) -> None:
    """Whoever names media types must be able to take one of ours: errors are JSON, so that is among them."""
    wanted = request.headers.get("Accept", "*/*")
    kinds = {part.partition(";")[0].strip().lower() for part in wanted.split(",")}
    ours = {JSON, "application/*", "*/*", "", *operation.media}
    if not kinds & (ours | {f"{media.partition('/')[0]}/*" for media in operation.media}):
        raise NotAcceptable(f"答复的格式是 {'、'.join(operation.media or (JSON,))}，请修改请求头 Accept")


def _permit(call: Call, operation: Operation) -> None:
    if isinstance(operation.needs, Permission):
        require(call.actor, operation.needs)
    if operation.scope not in call.scopes:
        raise Forbidden(f"这个令牌没有“{operation.scope.label}”的权限范围，请重新生成")


async def _run(call: Call, operation: Operation, values: dict[str, Any]) -> Any:
    if "session" not in operation.parameters:
        return await _do(call, operation, values, None)
    database = call.engine.database
    async with database.read() if operation.reads else database.write() as session:
        return await _do(call, operation, values, session)


async def _do(call: Call, operation: Operation, values: dict[str, Any], session: AsyncSession | None) -> Any:
    given = values | {"call": call, "session": session}
    return await operation.handler(**{name: given[name] for name in operation.parameters})


def _response(operation: Operation, answer: Answer) -> web.Response:
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, BaseModel):
        return web.Response(text=answer.model_dump_json(), status=operation.success, content_type=JSON)
    response = web.Response(body=answer.data, status=operation.success, content_type=answer.media_type)
    if answer.name:
        response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(answer.name)}"
    return response
