"""One shape for everything that goes wrong, whatever sends it: no page, no stack, nothing silently ignored."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from db.session import Database
from db.states import Role
from handlers.web.api import office
from tests.api import Program, program
from tests.console import Console, Page, open_console

ALERT = {"title": "谨防刷单返利", "body": "凡是要求垫付的刷单都是诈骗。", "severity": "orange"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def console(sqlite_database: Database) -> AsyncIterator[Console]:
    async with open_console(sqlite_database, api_per_minute=60) as opened:
        yield opened


@pytest.fixture
async def admin(console: Console) -> Program:
    return await program(console, Role.ADMIN)


def problem(answer: Page) -> tuple[int, str, dict[str, str]]:
    """The answer, after looking at its shape."""
    assert answer.headers["Content-Type"].startswith("application/json")
    assert set(answer.json) == {"error"}
    error = answer.json["error"]
    assert set(error) == {"code", "message", "fields"}
    assert any("一" <= character <= "鿿" for character in error["message"])
    return answer.status, error["code"], error["fields"]


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"data": b"{no json", "headers": JSON}, (400, "malformed")),
        ({"data": b'{"title": "\\ud800"}', "headers": JSON}, (400, "malformed")),
        ({"data": b"\xff\xfe", "headers": JSON}, (400, "malformed")),
        ({"data": b"title=x"}, (415, "unknown_media")),
        ({"data": b"{}", "headers": JSON | {"Accept": "text/html"}}, (406, "not_acceptable")),
        ({"data": b'"' + b"x" * 300_000 + b'"', "headers": JSON}, (413, "too_large")),
    ],
)
async def test_bodies_that_cannot_be_read(admin: Program, sent: dict[str, Any], expected: tuple[int, str]) -> None:
    assert problem(await admin.call("POST", "/alerts", **sent)) == (*expected, {})


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"titel": "x"}, "titel"),
        ({"title": 5}, "title"),
        ({"title": "x" * 61}, "title"),
        ({"body": "a\0b"}, "body"),
        ({"severity": "pink"}, "severity"),
        ({"audience": {"units": [0]}}, "audience.units[0]"),
        ({"audience": {"levels": [99]}}, "audience.levels[0]"),
        ({"audience": {"everybody": True}}, "audience.everybody"),
        ({"scheduled_at": "2026-11-22T09:00:00"}, "scheduled_at"),
        ({"scheduled_at": "9999-12-31T23:59:59Z"}, "scheduled_at"),
        ({"related_id": 2**63}, "related_id"),
    ],
)
async def test_faulty_fields_are_named_and_unknown_ones_refused(
    admin: Program, changes: dict[str, Any], field: str
) -> None:
    status, code, fields = problem(await admin.post("/alerts", ALERT | changes))
    assert (status, code, list(fields)) == (422, "invalid", [field])


async def test_missing_fields_are_named_together(admin: Program) -> None:
    _, _, fields = problem(await admin.post("/alerts", {}))
    assert fields == dict.fromkeys(("title", "body", "severity"), "必填")


async def test_queries(admin: Program) -> None:
    for query, field in (({"limit": 201}, "limit"), ({"cursor": -1}, "cursor"), ({"sort": "x"}, "sort")):
        assert problem(await admin.get("/alerts", **query)) == (422, "invalid", {field: _any(query)})
    assert problem(await admin.get("/me", verbose=1))[:2] == (400, "malformed")
    twice = await admin.call("GET", "/alerts?limit=1&limit=2")
    assert problem(twice)[:2] == (400, "malformed")


def _any(query: dict[str, Any]) -> str:
    return {"limit": "不能大于 200", "cursor": "不能小于 0", "sort": "没有这个字段"}[next(iter(query))]


async def test_operations_without_a_body_take_none(admin: Program) -> None:
    assert problem(await admin.call("POST", "/alerts/1/submit", {"force": True}))[:2] == (400, "malformed")
    assert (await admin.call("POST", "/alerts/1/submit", {})).status == 404  # no such alert: it was looked for


@pytest.mark.parametrize(
    "path", ["/nothing", "/alerts/x", "/alerts/-1", f"/alerts/{2**63}", "/alerts/0x1", "/leads/１"]
)
async def test_addresses_that_are_none(admin: Program, path: str) -> None:
    assert problem(await admin.get(path)) == (404, "not_found", {})


async def test_methods_that_are_none(admin: Program) -> None:
    answer = await admin.call("DELETE", "/alerts")
    assert problem(answer)[:2] == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET,POST"


async def test_a_defect_is_answered_in_the_same_shape_and_says_nothing(
    admin: Program, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(office, "list_audit_page", broken)
    answer = await admin.get("/audit")
    assert problem(answer) == (500, "internal", {})
    assert "secret" not in answer.text
    assert any(record.message == "request failed" for record in caplog.records)


async def test_so_many_requests_a_minute_of_one_caller(console: Console, admin: Program) -> None:
    other = await program(console, Role.ADMIN)
    statuses = [(await admin.get("/me")).status for _ in range(61)]
    assert statuses == [200] * 60 + [429]
    late = await admin.get("/me")
    assert problem(late)[:2] == (429, "too_many_requests")
    assert late.headers["Retry-After"] == "60"
    assert (await other.get("/me")).status == 200
    console.clock.advance(60)
    assert (await admin.get("/me")).status == 200
