"""Every operation of the API as every role, as nobody, and with every scope of a token, against a matrix by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db.session import Database
from db.states import Role, TokenScope
from handlers.web.api.table import OPERATIONS
from tests.api import Program, make_token, program
from tests.console import Console, County, make_county, open_console
from tests.factories import make_unit

# a admin, p publisher, r reviewer, l liaison; the scope that a token needs
MATRIX = """
GET    /alerts                               apr  read
POST   /alerts                               apr  write
GET    /alerts/{id}                          apr  read
PUT    /alerts/{id}                          apr  write
POST   /alerts/{id}/submit                   apr  write
POST   /alerts/{id}/send_back                apr  write
POST   /alerts/{id}/release                  ar   release
POST   /alerts/{id}/pause                    apr  write
POST   /alerts/{id}/resume                   apr  write
POST   /alerts/{id}/cancel                   apr  write
GET    /alerts/{id}/progress                 apr  read
GET    /alerts/{id}/deliveries               apr  read
POST   /alerts/{id}/deliveries/{delivery}    apr  write
POST   /alerts/{id}/remind                   apr  write
GET    /alerts/{id}/picture                  apr  read
POST   /alerts/{id}/links.csv                apr  write
POST   /pictures                             apr  write
POST   /audience/preview                     apr  read
GET    /reach                                aprl read
GET    /reach/{alert}                        aprl read
GET    /reach/{alert}/missing                aprl read
GET    /reach/{alert}/timeline               aprl read
GET    /reach/{alert}/forwards               aprl read
GET    /league                               aprl read
GET    /units/{id}/record                    aprl read
GET    /units                                aprl read
GET    /units/{id}                           aprl read
GET    /groups                               aprl read
GET    /groups/{id}                          aprl read
PUT    /groups/{id}/warning                  ap   write
PUT    /groups/{id}/account                  ap   write
POST   /groups/{id}/retire                   ap   write
POST   /groups/{id}/restore                  ap   write
GET    /units/{id}/steps                     ap   read
POST   /units/{id}/steps/preview             ap   read
POST   /units/{id}/steps                     ap   write
POST   /units/{id}/undo/{entry}              ap   write
GET    /registry/gaps                        ap   read
POST   /registry/preview                     ap   read
POST   /registry/import                      ap   write
GET    /registry/template.xlsx               ap   read
GET    /registry/export.xlsx                 ap   read
GET    /registry/units.csv                   ap   read
GET    /registry/groups.csv                  ap   read
GET    /accounts                             apr  read
GET    /accounts/{id}                        apr  read
GET    /rooms                                apr  read
POST   /rooms                                ap   write
GET    /shared_groups                        apr  read
GET    /people                               apr  read
POST   /people/{id}/role                     apr  write
POST   /people/{id}/links                    apr  write
POST   /people/{id}/unbind                   apr  write
GET    /bind_codes                           apr  read
POST   /bind_codes                           apr  write
DELETE /bind_codes/{id}                      apr  write
GET    /questions                            apr  read
GET    /questions/figures                    apr  read
GET    /leads                                apr  read
GET    /leads/{id}                           apr  read
POST   /leads/{id}/claim                     apr  write
POST   /leads/{id}/assign                    apr  write
POST   /leads/{id}/answer                    apr  write
POST   /leads/{id}/example                   apr  write
POST   /leads/{id}/close                     apr  write
GET    /lead_figures                         apr  read
GET    /lead_groups                          apr  read
GET    /library/types                        apr  read
POST   /library/types                        apr  write
GET    /library/types/{type}                 apr  read
POST   /library/types/{type}/revisions       apr  write
POST   /library/types/{type}/retire          apr  write
POST   /library/types/{type}/restore         ar   release
GET    /library/revisions                    apr  read
GET    /library/revisions/{id}               apr  read
PUT    /library/revisions/{id}               apr  write
POST   /library/revisions/{id}/submit        apr  write
POST   /library/revisions/{id}/send_back     apr  write
POST   /library/revisions/{id}/discard       apr  write
POST   /library/revisions/{id}/approve       ar   release
POST   /library/preview                      apr  read
POST   /library/try                          apr  read
GET    /audit                                ar   read
GET    /audit/export.xlsx                    ar   read
GET    /audit/export.csv                     ar   read
GET    /settings                             a    admin
GET    /users                                a    admin
POST   /users                                a    admin
GET    /users/{id}                           a    admin
POST   /users/{id}/reset                     a    admin
POST   /users/{id}/disable                   a    admin
POST   /users/{id}/enable                    a    admin
POST   /users/{id}/unlock                    a    admin
POST   /users/{id}/second_factor_off         a    admin
POST   /unlock_addresses                     a    admin
GET    /me                                   aprl read
GET    /overview                             apr  read
GET    /me/tokens                            aprl read
DELETE /me/tokens/{id}                       aprl read
"""
ROWS = [tuple(line.split()) for line in MATRIX.strip().splitlines()]
ROLES = {"a": Role.ADMIN, "p": Role.PUBLISHER, "r": Role.REVIEWER, "l": Role.LIAISON}
JSON = "application/json"
WRONG_BODY = {"there is": "no such field"}  # rights are looked at before anything that was sent


@pytest.fixture
async def console(sqlite_database: Database) -> AsyncIterator[Console]:
    async with open_console(sqlite_database, api_per_minute=100_000, login_attempts=100) as opened:
        yield opened


@pytest.fixture
async def county(console: Console) -> County:
    return await make_county(console.database)


def address(path: str) -> str:
    for name in ("{id}", "{delivery}", "{alert}", "{entry}"):
        path = path.replace(name, "987654")
    return path.replace("{type}", "nothing")


async def _status(caller: Program, method: str, path: str) -> int:
    body = None if method in ("GET", "DELETE") else WRONG_BODY
    return (await caller.call(method, address(path), body)).status


def test_the_matrix_lists_every_operation() -> None:
    assert {(one.method, one.path) for one in OPERATIONS} == {(row[0], row[1]) for row in ROWS}


async def test_the_application_has_no_other_operations(console: Console) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in console.client.app.router.routes()  # type: ignore[union-attr]
        if route.resource is not None and route.resource.canonical.startswith("/api/v1/")
    }
    assert routes == {(row[0], f"/api/v1{row[1]}") for row in ROWS} | {("GET", "/api/v1/openapi.json")}


@pytest.mark.parametrize("letter", ["a", "p", "r", "l"])
async def test_each_role_may_do_what_the_matrix_says(console: Console, county: County, letter: str) -> None:
    caller = await program(console, ROLES[letter], unit=county.east)
    wrong = []
    for method, path, who, _ in ROWS:
        status = await _status(caller, method, path)
        if (status == 403) == (letter in who) or status in (401, 429) or status >= 500:
            wrong.append((method, path, status))
    assert wrong == []


async def test_a_scope_opens_its_operations_only(console: Console, county: County) -> None:
    """As an administrator, who may do everything: what is refused is refused for the scope."""
    wrong = []
    for scope in TokenScope:
        caller = await program(console, Role.ADMIN, scope)
        for method, path, _, needed in ROWS:
            status = await _status(caller, method, path)
            if (status == 403) == (scope == needed) or status in (401, 429) or status >= 500:
                wrong.append((scope, method, path, status))
    assert wrong == []


async def test_nobody_may_do_anything(console: Console) -> None:
    nobody, liar = Program(console, ""), Program(console, "xf_" + "a" * 43)
    for method, path, _, _ in ROWS:
        for caller in (nobody, liar):
            answer = await caller.call(method, address(path), headers={} if caller.token else {"Authorization": ""})
            assert answer.status == 401, (method, path)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert (await nobody.call("GET", "/openapi.json", headers={"Authorization": ""})).status == 401


async def test_a_browser_needs_the_secret_and_our_own_page_for_every_change(console: Console) -> None:
    browser = await console.signed_in(Role.ADMIN)
    wrong = []
    for method, path, _, _ in ROWS:
        if method == "GET":
            continue
        for headers in ({}, {"Origin": "https://evil.example", "X-CSRF-Token": browser.csrf}):
            answer = await browser.request(
                method, f"/api/v1{address(path)}", headers=headers, accept=JSON, json=WRONG_BODY
            )
            if answer.status != 403:
                wrong.append((method, path, headers, answer.status))
        allowed = await browser.request(
            method, f"/api/v1{address(path)}", headers={"X-CSRF-Token": browser.csrf}, accept=JSON, json=WRONG_BODY
        )
        if allowed.status in (401, 403):
            wrong.append((method, path, "with the secret", allowed.status))
    assert wrong == []
    assert (await browser.request("GET", "/api/v1/me", accept=JSON)).status == 200


async def test_a_wrong_token_is_never_made_good_by_a_cookie(console: Console) -> None:
    browser = await console.signed_in(Role.ADMIN)
    answer = await browser.request("GET", "/api/v1/me", accept=JSON, headers={"Authorization": "Bearer xf_wrong"})
    assert answer.status == 401


# ── liaisons: their own subtree ──


async def test_a_liaison_reads_the_own_subtree_only(console: Console, county: County) -> None:
    async with console.database.write() as session:  # paths are compared whole: 3309/ is not above 33091/
        alike = await make_unit(session, parent=county.county, code=f"{county.east.code}1", name="邻镇")
    caller = await program(console, Role.LIAISON, unit=county.east)
    units = (await caller.get("/units")).json
    assert [unit["name"] for unit in units["items"]] == ["菜园镇", "基湖村"]
    assert [group["name"] for group in (await caller.get("/groups")).json["items"]] == ["菜园群", "基湖群"]
    for unit in (county.county, county.west, alike):
        assert (await caller.get(f"/units/{unit.id}")).status == 404
        assert (await caller.get("/groups", unit=unit.id)).status == 404
    for group in (county.groups[0], county.groups[2]):
        assert (await caller.get(f"/groups/{group.id}")).status == 404
    assert (await caller.get(f"/units/{county.village.id}")).json["trail"] == [
        {"id": county.east.id, "name": "菜园镇"}
    ]


async def test_a_liaison_without_a_unit_is_refused(console: Console) -> None:
    caller = Program(console, await make_token(console, Role.LIAISON))
    assert (await caller.get("/units")).status == 401
