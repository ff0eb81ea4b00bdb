"""Every route as every role and as nobody, against a matrix written by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db.models import WebSession
from db.session import Database
from db.states import Role
from handlers.web.rights import PUBLIC
from handlers.web.routes import ROUTES
from tests.console import Browser, Console, County, make_county, open_console
from tests.factories import make_alert, make_unit

# a admin, p publisher, r reviewer, l liaison, - nobody
MATRIX = """
GET  /healthz                             aprl-
GET  /readyz                              aprl-
GET  /metrics                             aprl-
GET  /login                               aprl-
POST /login                               aprl-
POST /logout                              aprl
GET  /login/code                          aprl-
POST /login/code                          aprl-
GET  /account                             aprl
GET  /account/password                    aprl
POST /account/password                    aprl
POST /account/second_factor               aprl
GET  /account/second_factor               aprl
POST /account/second_factor/confirm       aprl
POST /account/second_factor/codes         aprl
POST /account/second_factor/off           aprl
POST /account/sessions                    aprl
GET  /account/tokens                      aprl
POST /account/tokens                      aprl
POST /account/tokens/{id}/revoke          aprl
GET  /api/docs                            aprl
GET  /api/docs/models                     aprl
GET  /                                    aprl
GET  /live                                apr
GET  /alerts                              apr
POST /alerts                              apr
GET  /alerts/new                          apr
GET  /alerts/audience                     apr
GET  /alerts/{id}                         apr
GET  /alerts/{id}/events                  apr
GET  /alerts/{id}/reach                   aprl
GET  /alerts/{id}/reach/rows              aprl
GET  /alerts/{id}/reach/timeline          aprl
GET  /alerts/{id}/reach/files/{name}      aprl
POST /alerts/{id}/reach/draft             apr
GET  /alerts/{id}/edit                    apr
POST /alerts/{id}/edit                    apr
POST /alerts/{id}/submit                  apr
POST /alerts/{id}/send_back               apr
POST /alerts/{id}/release                 ar
POST /alerts/{id}/pause                   apr
POST /alerts/{id}/resume                  apr
POST /alerts/{id}/cancel                  apr
POST /alerts/{id}/deliveries/{delivery}   apr
POST /alerts/{id}/remind                  apr
GET  /m/{token}                           aprl-
POST /m/{token}/report                    aprl-
POST /m/{token}/undo                      aprl-
GET  /pictures/{id}/{token}               apr
GET  /alerts/{id}/links.csv               apr
GET  /a/{token}                           aprl-
GET  /a/{token}/picture                   aprl-
GET  /units                               aprl
GET  /units/search                        aprl
GET  /units/{id}                          aprl
GET  /units/{id}/children                 aprl
GET  /units/{id}/manage                   ap
POST /units/{id}/steps                    ap
POST /units/{id}/undo/{entry}             ap
POST /groups/{id}/retire                  ap
POST /groups/{id}/restore                 ap
GET  /units/{id}/reach                    aprl
GET  /units/{id}/reach/files/{name}       aprl
POST /units/{id}/reach/draft              apr
GET  /reach                               aprl
GET  /reach/files/{name}                  aprl
POST /reach/draft                         apr
GET  /groups/search                       aprl
GET  /questions                           apr
GET  /questions/all                       apr
GET  /leads/now                           apr
GET  /leads/events                        apr
GET  /leads/alarms                        apr
POST /leads/{id}/claim                    apr
POST /leads/{id}/assign                   apr
POST /leads/{id}/answer                   apr
POST /leads/{id}/example                  apr
POST /leads/{id}/close                    apr
POST /groups/{id}/warning                 ap
GET  /library                             apr
GET  /library/new                         apr
POST /library/new                         apr
POST /library/preview                     apr
GET  /library/try                         apr
POST /library/try                         apr
GET  /library/types/{type}                apr
GET  /library/types/{type}/seed           apr
POST /library/types/{type}/edit           apr
POST /library/types/{type}/retire         apr
POST /library/types/{type}/restore        ar
GET  /library/revisions/{id}              apr
GET  /library/revisions/{id}/edit         apr
POST /library/revisions/{id}/edit         apr
POST /library/revisions/{id}/submit       apr
POST /library/revisions/{id}/send_back    apr
POST /library/revisions/{id}/discard      apr
POST /library/revisions/{id}/approve      ar
GET  /ask                                 aprl-
GET  /ask/messages                        aprl-
POST /ask/messages                        aprl-
GET  /widget.js                           aprl-
GET  /accounts                            apr
GET  /accounts/now                        apr
POST /accounts/rooms                      ap
POST /accounts/groups/{id}                ap
GET  /registry                            ap
POST /registry/preview                    ap
POST /registry/import                     ap
GET  /registry/template.xlsx              ap
GET  /registry/export.xlsx                ap
GET  /registry/units.csv                  ap
GET  /registry/groups.csv                 ap
GET  /people                              apr
POST /people/codes                        apr
POST /people/codes/{id}/revoke            apr
POST /people/{id}/role                    apr
POST /people/{id}/links                   apr
POST /people/{id}/unbind                  apr
GET  /audit                               ar
GET  /audit/files/{name}                  ar
GET  /system                              a
GET  /settings                            a
GET  /users                               a
POST /users                               a
POST /users/unlock_addresses              a
POST /users/{id}/unlock                   a
POST /users/{id}/second_factor_off        a
POST /users/{id}/reset                    a
POST /users/{id}/disable                  a
POST /users/{id}/enable                   a
GET  /chat                                apr
GET  /chat/ws                             apr
GET  /chat/pictures/{id}                  apr
GET  /chat/api/people                     apr
POST /chat/api/people                     apr
GET  /chat/api/rooms                      apr
POST /chat/api/private                    apr
GET  /chat/api/messages                   apr
POST /chat/api/messages                   apr
POST /chat/api/pictures                   apr
POST /chat/api/forward                    apr
"""
ALLOWED = {(line.split()[0], line.split()[1]): line.split()[2] for line in MATRIX.strip().splitlines()}
ROLES = {"a": Role.ADMIN, "p": Role.PUBLISHER, "r": Role.REVIEWER, "l": Role.LIAISON}


@pytest.fixture
async def console(sqlite_database: Database) -> AsyncIterator[Console]:
    async with open_console(sqlite_database) as opened:
        opened.engine.started = True  # as /readyz sees it
        yield opened


@pytest.fixture
async def county(console: Console) -> County:
    return await make_county(console.database)


def address(path: str) -> str:
    """With ids that no row has: rights are looked at before anything is looked up."""
    return (
        path.replace("{id}", "987654")
        .replace("{delivery}", "987654")
        .replace("{entry}", "987654")
        .replace("{token}", "0" * 24)
        .replace("{type}", "nothing")
        .replace("{name}", "audit.csv" if path.startswith("/audit") else "table.csv")
    )


def test_the_matrix_lists_every_route() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(ALLOWED)


async def test_the_application_has_no_other_routes(console: Console) -> None:
    routes = {
        (route.method, route.resource.canonical)
        for route in console.client.app.router.routes()  # type: ignore[union-attr]
        if route.resource is not None
        and not route.resource.canonical.startswith(("/static", "/api/v1/"))  # tests/integration/test_api_rights.py
    }
    assert {(method, path) for method, path in routes if method != "HEAD"} == set(ALLOWED)


async def _status(browser: Browser, method: str, path: str) -> int:
    fields = {"csrf": browser.csrf} if method == "POST" else None
    async with await browser.request(method, address(path), accept="application/json", data=fields) as response:
        return response.status


def _refused(status: int, path: str) -> bool:
    """A wrong password is a 401 of the way in, which is open."""
    return status == 403 or (status == 401 and not path.startswith("/login"))


@pytest.mark.parametrize("letter", ["a", "p", "r", "l"])
async def test_each_role_opens_what_the_matrix_says_and_nothing_else(
    console: Console, county: County, letter: str
) -> None:
    wrong = []
    for (method, path), who in ALLOWED.items():
        browser = await console.signed_in(ROLES[letter], unit=county.east)  # anew: signing out is among them
        status = await _status(browser, method, path)
        if _refused(status, path) == (letter in who) or status >= 500:
            wrong.append((method, path, status))
    assert wrong == []


async def test_nobody_opens_only_the_way_in(console: Console) -> None:
    wrong = []
    for (method, path), who in ALLOWED.items():
        browser = console.browser()
        await browser.get("/login")
        status = await _status(browser, method, path)
        if _refused(status, path) == ("-" in who) or status >= 500:
            wrong.append((method, path, status))
    assert wrong == []


async def test_no_change_is_taken_without_the_secret_or_from_elsewhere(console: Console, county: County) -> None:
    browser = await console.signed_in(Role.ADMIN)
    wrong = []
    for method, path in ALLOWED:
        if method != "POST":
            continue
        cases = [({"Origin": "https://evil.example"}, {"csrf": browser.csrf})]
        if path != "/ask/messages" and not path.startswith("/m/"):  # take no session from a cookie: nothing to misuse
            cases.append(({}, {}))
        for headers, fields in cases:
            response = await browser.request(
                "POST", address(path), accept="application/json", headers=headers, data=fields
            )
            if response.status != 403:
                wrong.append((path, headers, response.status))
    assert wrong == []
    assert (await browser.get("/")).status == 200  # signing out was among them and was refused too


async def test_a_socket_from_another_site_is_refused(console: Console) -> None:
    browser = await console.signed_in(Role.ADMIN)
    headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Origin": "https://evil.example"}
    assert (await browser.request("GET", "/chat/ws", headers=headers)).status == 403


async def test_a_one_time_password_opens_nothing_but_its_own_change(console: Console, county: County) -> None:
    open_before = {"/logout", "/account", "/account/password"}
    for route in ROUTES:
        if route.needs is PUBLIC:
            continue
        browser = await console.signed_in(Role.ADMIN, must_change=True)
        status = await _status(browser, route.method, route.path)
        assert (status != 403) == (route.path in open_before), (route.path, status)


# ── liaisons: their own subtree ──


async def test_a_liaison_sees_the_own_subtree_only(console: Console, county: County) -> None:
    browser = await console.signed_in(Role.LIAISON, unit=county.east)
    assert (await browser.get(f"/units/{county.east.id}")).status == 200
    assert (await browser.get(f"/units/{county.village.id}")).status == 200
    for unit in (county.county, county.west):
        assert (await browser.get(f"/units/{unit.id}")).status == 404
        assert (await browser.get(f"/units/{unit.id}/children")).status == 404


async def test_a_liaison_finds_and_reads_nothing_of_the_neighbours(console: Console, county: County) -> None:
    browser = await console.signed_in(Role.LIAISON, unit=county.east)
    assert (await browser.json("/units/search", q="洋山")).json == {"found": []}
    assert (await browser.json("/groups/search", q="洋山")).json == {"found": []}
    assert [row["name"] for row in (await browser.json("/units/search", q="镇")).json["found"]] == ["菜园镇"]
    for path in ("/", "/units", f"/units/{county.east.id}?q=洋山"):
        page = await browser.get(path)
        assert page.shows("菜园镇"), path
        assert "洋山群" not in page.text, path
        assert "沈刚" not in page.text, path


async def test_a_liaison_whose_unit_merely_begins_alike_is_kept_out(console: Console, county: County) -> None:
    """Paths are compared whole: 3309/ is not above 33091/."""
    async with console.database.write() as session:
        neighbour = await make_unit(session, parent=county.county, code=f"{county.east.code}1", name="邻镇")
    browser = await console.signed_in(Role.LIAISON, unit=county.east)
    assert (await browser.get(f"/units/{neighbour.id}")).status == 404


async def test_the_navigation_offers_only_what_opens(console: Console, county: County) -> None:
    for role in Role:
        browser = await console.signed_in(role, unit=county.east)
        home = await browser.get("/")
        for path in ("/alerts", "/units", "/questions", "/registry", "/audit", "/users"):
            offered = f'<a href="{path}"' in home.text
            assert offered == ((await browser.get(path)).status == 200), (role, path)


async def test_sessions_are_stored_as_hashes(console: Console) -> None:
    browser = await console.signed_in(Role.ADMIN)
    assert await console.row(WebSession, browser.cookies["xinfang_session"]) is None  # type: ignore[arg-type]


async def test_pages_hold_nothing_inline_and_nothing_from_elsewhere(console: Console, county: County) -> None:
    async with console.database.write() as session:
        alert = await make_alert(session, title="<script>alert(1)</script>")
    browser = await console.signed_in(Role.ADMIN)
    for path in ("/", "/alerts", "/alerts/new", f"/alerts/{alert.id}", "/units", "/questions", "/questions/all"):
        text = (await browser.get(path)).text
        assert "<script>" not in text, path
        assert "style=" not in text, path
        assert " onclick" not in text, path
        assert "//" not in text.replace('xmlns="http://', "").replace('https://"', ""), path
    for path in ("/registry", "/audit", "/users", "/account", "/login"):
        text = (await browser.get(path)).text
        assert "style=" not in text, path
        assert "<script>" not in text, path
