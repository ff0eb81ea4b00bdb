"""The description of the API and its page: made from the table, and nothing from elsewhere in them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import jsonschema_rs
import pytest

from bot import errors
from db.session import Database
from db.states import Role
from handlers.web.api.openapi import document
from handlers.web.api.table import OPERATIONS
from handlers.web.problems import TABLE, status_of
from tests.api import program
from tests.console import Console, open_console


@pytest.fixture
async def console(sqlite_database: Database) -> AsyncIterator[Console]:
    async with open_console(sqlite_database) as opened:
        yield opened


def test_the_description_lists_every_operation_with_its_rights() -> None:
    described = {
        (method.upper(), path.removeprefix("/api/v1")): (one["x-permission"], one["x-scope"])
        for path, methods in document()["paths"].items()
        for method, one in methods.items()
    }
    assert described == {(one.method, one.path): (one.needs.value, one.scope.value) for one in OPERATIONS}


def test_names_of_operations_are_unique() -> None:
    names = [one["operationId"] for methods in document()["paths"].values() for one in methods.values()]
    assert len(names) == len(set(names)) == len(OPERATIONS)


def test_every_schema_is_one_and_every_reference_leads_somewhere() -> None:
    described = document()
    for name in described["components"]["schemas"]:
        whole = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
        jsonschema_rs.Draft202012Validator(whole)  # raises for a schema that is none, or a reference to nothing


def test_what_is_not_known_is_refused_in_every_body() -> None:
    schemas = document()["components"]["schemas"]
    for one in OPERATIONS:
        if one.body is not None:
            assert schemas[one.body.__name__]["additionalProperties"] is False, one.path


def test_every_error_of_ours_has_one_line() -> None:
    """And none is hidden behind a more general one above it."""
    kinds = [kind for kind, _, _ in TABLE]
    assert len(kinds) == len(set(kinds))
    for place, kind in enumerate(kinds):
        assert not any(issubclass(kind, above) for above in kinds[:place]), kind
    user_errors = [
        one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.UserError)
    ]
    assert set(user_errors) <= set(kinds)
    assert status_of(errors.Invalid({})) == 422


async def test_the_pages_show_everything_and_load_nothing_from_elsewhere(console: Console) -> None:
    browser = await console.signed_in(Role.PUBLISHER)
    page, models = await browser.get("/api/docs"), await browser.get("/api/docs/models")
    for one in OPERATIONS:
        assert f'id="{one.name}"' in page.text
        assert one.summary in page.text
    for name in document()["components"]["schemas"]:
        assert f'id="model-{name}"' in models.text
    for text in (page.text, models.text):
        for fragment in ("<script>", "style=", " onclick", "//"):
            assert fragment not in text.replace('xmlns="http://', ""), fragment
        assert len(text.encode()) <= 150 * 1024


async def test_programs_and_browsers_read_the_description(console: Console) -> None:
    caller = await program(console, Role.ADMIN)
    assert (await caller.get("/openapi.json")).json == document()
    browser = await console.signed_in(Role.ADMIN)
    assert (await browser.json("/api/v1/openapi.json")).json["openapi"] == "3.1.0"
    assert (await browser.get("/api/v1/openapi.json")).status == 200  # as the link on the page opens it
