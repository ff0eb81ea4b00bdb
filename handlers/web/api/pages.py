"""The API in the application: its operations, its description, and the page that people read."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from bot.identity import Actor
from handlers.web.api.callers import RATES, Rates, find_caller
from handlers.web.api.definitions import PREFIX
from handlers.web.api.guard import handler_of
from handlers.web.api.openapi import document
from handlers.web.api.table import OPERATIONS
from handlers.web.keys import ENGINE
from handlers.web.problems import EXPECTED, trouble_of
from handlers.web.views import page


def add_api(app: web.Application) -> None:
    engine = app[ENGINE]
    app[RATES] = Rates(engine.settings.api_per_minute, engine.clock.monotonic)
    for operation in OPERATIONS:
        app.router.add_route(operation.method, PREFIX + operation.path, handler_of(operation))
    app.router.add_route("GET", f"{PREFIX}/openapi.json", description)


async def description(request: web.Request) -> web.StreamResponse:
    """For whoever is signed in, by session or by token, whatever they may do."""
    try:
        await find_caller(request)
    except EXPECTED as error:
        return trouble_of(error).answer()
    return web.json_response(await asyncio.to_thread(document))


async def docs(request: web.Request, actor: Actor) -> web.StreamResponse:
    """The description as a page of our own: nothing is loaded from elsewhere."""
    described = await asyncio.to_thread(document)
    return await page(
        request,
        "api_docs.html",
        document=described,
        sections=_sections(described),
        shape=shape_text,
        model_of=model_of,
    )


async def models(request: web.Request, actor: Actor) -> web.StreamResponse:
    """What bodies and answers look like; a page of its own, because together they would be long to load."""
    described = await asyncio.to_thread(document)
    return await page(request, "api_models.html", document=described, shape=shape_text, model_of=model_of)


def _sections(described: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Tag → its operations, each with its method and path."""
    found: dict[str, list[dict[str, Any]]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            found[operation["tags"][0]].append(operation | {"path": path, "method": method.upper()})
    return found


def model_of(schema: dict[str, Any]) -> str:
    """The model that a schema refers to, however it is wrapped; "" for none."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    inner = [*schema.get("anyOf", []), *schema.get("allOf", [])]
    if isinstance(schema.get("items"), dict):
        inner.append(schema["items"])
    return next(filter(None, map(model_of, inner)), "")


def shape_text(schema: dict[str, Any]) -> str:
    """A schema in a few words: a name, a type with its bounds, a list of either."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return "，或 ".join(shape_text(one) for one in schema["anyOf"])
    if "allOf" in schema:
        return shape_text(schema["allOf"][0])
    if "const" in schema:
        return f"“{schema['const']}”"
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if schema.get("type") == "array":
        return f"[{shape_text(schema.get('items', {}))}]" + _bounds(schema)
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"{{ …: {shape_text(schema['additionalProperties'])} }}"
    kind = {"null": "空"}.get(str(schema.get("type")), str(schema.get("format") or schema.get("type", "任意")))
    return kind + _bounds(schema)


_BOUNDS = (("minimum", "≥"), ("maximum", "≤"), ("minLength", "字 ≥"), ("maxLength", "字 ≤"), ("maxItems", "项 ≤"))


def _bounds(schema: dict[str, Any]) -> str:
    told = [f"{sign}{schema[name]}" for name, sign in _BOUNDS if name in schema and schema[name] < 2**31 - 1]
    return f"（{'，'.join(told)}）" if told else ""
