"""The description of the API (OpenAPI 3.1), made from the table and the models: it cannot say anything else than they."""

from __future__ import annotations

import copy
import inspect
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from db import states
from handlers.web.api.definitions import PREFIX, Operation
from handlers.web.api.models.common import ErrorAnswer
from handlers.web.api.repeating import KEY_HEADER, PATTERN
from handlers.web.api.table import OPERATIONS

VERSION = "1.0.0"
_JSON = "application/json"
_REFERENCE = "#/components/schemas/{model}"
_ERRORS = {
    400: "请求读不懂，或这样不行",
    401: "没有登录，或令牌无效",
    403: "没有权限",
    404: "没有找到，或不在管辖范围内",
    406: "没有所要的格式",
    409: "现在的状态不允许，或已有变动",
    413: "内容过大",
    415: "请求体不是 JSON",
    422: "有字段需要修改",
    429: "太频繁",
}
_INTRO = """心防 JSON 接口。令牌在“我的账号 › 接口令牌”生成，放在请求头 `Authorization: Bearer xf_…`。
时间一律为带时区的 ISO 8601。列表用 `limit` 与 `cursor` 翻页：把上一页的 `next` 填入 `cursor`。
不认识的字段和参数一律拒绝。出错时一律答复 `{"error": {"code", "message", "fields"}}`。"""


@cache
def document() -> dict[str, Any]:
    """Built once: the table does not change while the program runs. Do not change what it returns."""
    schemas = _schemas()
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(PREFIX + operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "心防 Xinfang", "version": VERSION, "description": _INTRO},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(one.tag for one in OPERATIONS)],
        "security": [{"token": []}, {"session": [], "csrf": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions,
            "responses": _problems(schemas),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "个人令牌"},
                "session": {"type": "apiKey", "in": "cookie", "name": "xinfang_session"},
                "csrf": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "X-CSRF-Token",
                    "description": "浏览器登录时，更改须带上",
                },
            },
        },
    }


class _Schemas:
    """Every model's schema under one name, and where to refer to it."""

    def __init__(self, models: list[tuple[type[BaseModel], JsonSchemaMode]]) -> None:
        found, top = models_json_schema(models, ref_template=_REFERENCE)
        self._references = found
        self.definitions: dict[str, Any] = top["$defs"]
        labels = _labels()
        for name, schema in self.definitions.items():
            if name in labels:
                schema["description"] = labels[name]
            elif "description" in schema and not _is_chinese(schema["description"]):
                del schema["description"]  # docstrings are for whoever reads the code

    def reference(self, model: type[BaseModel], mode: JsonSchemaMode) -> dict[str, Any]:
        return dict(self._references[model, mode])


def _schemas() -> _Schemas:
    models: list[tuple[type[BaseModel], JsonSchemaMode]] = [(ErrorAnswer, "serialization")]
    for operation in OPERATIONS:
        if operation.body is not None:
            models.append((operation.body, "validation"))
        if operation.answer is not None:
            models.append((operation.answer, "serialization"))
    return _Schemas(list(dict.fromkeys(models)))


def _labels() -> dict[str, str]:
    """Enum → what its values mean: draft 草稿、in_review 待审核、…"""
    kinds = (kind for _, kind in inspect.getmembers(states, inspect.isclass) if issubclass(kind, states.Labelled))
    return {kind.__name__: "、".join(f"{one.value} {one.label}" for one in kind) for kind in kinds}


def _is_chinese(text: str) -> bool:
    return any("一" <= character <= "鿿" for character in text)


def _operation(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    written: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": _rights(operation),
        "x-permission": operation.needs.value,
        "x-scope": operation.scope.value,
        "responses": _responses(operation, schemas),
    }
    if parameters := _parameters(operation):
        written["parameters"] = parameters
    if operation.body is not None:
        written["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": schemas.reference(operation.body, "validation")}},
        }
    return written


def _rights(operation: Operation) -> str:
    return f"权限 `{operation.needs.value}`，令牌范围 `{operation.scope.value}`（{operation.scope.label}）"


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": _schema_of(operation.hints[name])}
        for name in operation.names
    ]
    if operation.query is not None:
        schema = operation.query.model_json_schema(ref_template=_REFERENCE)
        definitions = schema.pop("$defs", {})
        for name, field in schema["properties"].items():
            field = _plain(field, definitions)
            description = field.pop("description", None)
            found.append({"name": name, "in": "query", "required": False, "schema": field})
            if description:
                found[-1]["description"] = description
    if operation.repeatable:
        found.append(
            {
                "name": KEY_HEADER,
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": PATTERN},
                "description": "同一个键 24 小时内只做一次，重发得到同样的答复；用于别的请求则答复 409",
            }
        )
    return found


def _schema_of(hint: Any) -> dict[str, Any]:
    return TypeAdapter(hint).json_schema()


def _plain(field: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A query's parameter without references and without null, which an address cannot say."""
    field = copy.deepcopy(field)
    kinds = [one for one in field.pop("anyOf", []) if one.get("type") != "null"]
    if kinds:
        field |= kinds[0]
    if "$ref" in field:
        name = field.pop("$ref").rpartition("/")[2]
        field |= {key: value for key, value in definitions[name].items() if key not in ("title", "description")}
        field.setdefault("description", _labels().get(name, ""))
    if field.get("default", "") in (None, ""):
        field.pop("default", None)
    field.pop("title", None)
    return field


def _responses(operation: Operation, schemas: _Schemas) -> dict[str, Any]:
    success: dict[str, Any] = {"description": "成功"}
    if operation.answer is not None:
        success["content"] = {_JSON: {"schema": schemas.reference(operation.answer, "serialization")}}
    elif operation.media:
        binary = {"schema": {"type": "string", "format": "binary"}}
        success["content"] = dict.fromkeys(operation.media, binary)
    if operation.repeatable:
        header = {"schema": {"type": "string", "const": "true"}, "description": "这是从前的答复"}
        success["headers"] = {"Idempotency-Replayed": header}
    answers: dict[str, Any] = {str(operation.success): success}
    for status in _possible(operation):
        answers[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    return answers


def _problems(schemas: _Schemas) -> dict[str, Any]:
    content = {_JSON: {"schema": schemas.reference(ErrorAnswer, "serialization")}}
    return {f"Problem{status}": {"description": text, "content": content} for status, text in _ERRORS.items()}


def _possible(operation: Operation) -> list[int]:
    """Which errors an operation can end with. A 500 is a defect, so it is not among them; it has the same shape."""
    possible = {400, 401, 403, 406, 429}
    if operation.names or not operation.reads:
        possible.add(404)
    if operation.query is not None or operation.body is not None or operation.repeatable:
        possible.add(422)
    if operation.query is not None:
        possible.add(404)
    if not operation.reads:
        possible |= {409, 413, 422}
    if operation.body is not None:
        possible.add(415)
    return sorted(possible)
