"""A console for tests: the whole web application over a test's database, and browsers that are signed in to it."""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from aiohttp import ClientResponse, DummyCookieJar, FormData
from aiohttp.test_utils import TestClient, TestServer

from bot.app import Engine
from bot.settings import Settings
from bot.sign_in import token_hash
from db.models import Alert, Unit, User, WebSession
from db.session import Database
from db.states import AlertState, Role
from handlers.compose import build_engine
from handlers.web.app import create_web
from tests.factories import NOW, make_account, make_group, make_unit, make_user
from tests.fakes import FakeClock

_tokens = itertools.count(1)
CSRF = "f" * 32


@dataclass(frozen=True)
class Page:
    """An answer, read to its end."""

    status: int
    text: str
    location: str
    headers: Any
    json: Any = None

    def shows(self, *words: str) -> bool:
        plain = re.sub(r"<[^>]+>", "", self.text)
        return all(word in plain for word in words)


class Browser:
    """Keeps cookies and sends what a browser sends with a form of the console's own page."""

    def __init__(self, client: TestClient[Any, Any], token: str = "") -> None:
        self._client = client
        self.cookies = {"xinfang_session": token} if token else {}
        self.csrf = CSRF

    async def get(self, path: str, *, accept: str = "text/html", **query: Any) -> Page:
        return await self._answer(await self.request("GET", path, accept=accept, params=query))

    async def json(self, path: str, **query: Any) -> Page:
        return await self.get(path, accept="application/json", **query)

    async def post(self, path: str, data: Any = None, *, accept: str = "text/html", **fields: Any) -> Page:
        """Send a form with the CSRF field; a list makes several fields of one name."""
        if data is None:
            data = FormData([("csrf", self.csrf)])
            for name, values in fields.items():
                for value in values if isinstance(values, list) else [values]:
                    data.add_field(name, str(value))
        return await self._answer(await self.request("POST", path, accept=accept, data=data))

    async def upload(self, path: str, name: str, content: bytes, filename: str, **fields: str) -> Page:
        data = FormData({"csrf": self.csrf} | fields)
        data.add_field(name, content, filename=filename)
        return await self.post(path, data)

    async def request(self, method: str, path: str, *, accept: str = "text/html", **options: Any) -> ClientResponse:
        origin = f"http://{self._client.host}:{self._client.port}"
        headers = {"Accept": accept, "Origin": origin} | options.pop("headers", {})
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = await self._client.request(method, path, headers=headers, allow_redirects=False, **options)
        for name, morsel in response.cookies.items():
            if morsel.value and morsel["max-age"] != "0":
                self.cookies[name] = morsel.value
            else:
                self.cookies.pop(name, None)
        return response

    async def _answer(self, response: ClientResponse) -> Page:
        text = (await response.read()).decode(errors="replace")
        found = re.search(r'<meta name="csrf" content="([^"]+)"', text)
        if found:
            self.csrf = found[1]
        data = await response.json() if response.content_type == "application/json" else None
        return Page(response.status, text, response.headers.get("Location", ""), response.headers, data)


class Console:
    """The application, its engine, and whoever sits before it."""

    def __init__(self, client: TestClient[Any, Any], engine: Engine, clock: FakeClock) -> None:
        self.client = client
        self.engine = engine
        self.database = engine.database
        self.clock = clock

    def browser(self) -> Browser:
        """Nobody is signed in."""
        return Browser(self.client)

    async def signed_in(
        self, role: Role, *, unit: Unit | None = None, user: User | None = None, **columns: Any
    ) -> Browser:
        """The browser of a new user of this role, or of `user`."""
        token = f"token-{next(_tokens)}"
        async with self.database.write() as session:
            if user is None:
                user = await make_user(session, role=role, unit_id=unit.id if unit else None, **columns)
            now = self.clock.now()
            session.add(
                WebSession(
                    token_hash=token_hash(token),
                    user_id=user.id,
                    csrf=CSRF,
                    created_at=now,
                    expires_at=now + timedelta(hours=12),
                )
            )
        return Browser(self.client, token)

    async def row(self, table: type[Any], row_id: int) -> Any:
        async with self.database.read() as session:
            return await session.get(table, row_id)

    async def alert_named(self, title: str) -> Alert:
        async with self.database.read() as session:
            return (await session.scalars(sa.select(Alert).where(Alert.title == title))).one()

    async def state_of(self, alert: Alert) -> AlertState:
        return (await self.row(Alert, alert.id)).state


@asynccontextmanager
async def open_console(database: Database, **settings: Any) -> AsyncIterator[Console]:
    """The engine is the real one, but it is not started: nothing is sent or swept by itself."""
    clock = FakeClock(NOW)
    engine = build_engine(Settings(**({"secret_key": "of the tests"} | settings)), database, clock)
    server = TestServer(create_web(engine))
    async with TestClient(server, cookie_jar=DummyCookieJar()) as client:
        yield Console(client, engine, clock)


@dataclass(frozen=True)
class County:
    """A county with two towns; `east` has a village. Three groups are pushed into, one waits for people."""

    county: Unit
    east: Unit
    west: Unit
    village: Unit
    groups: list[Any]


async def make_county(database: Database) -> County:
    async with database.write() as session:
        county = await make_unit(session, name="嵊泗县")
        east = await make_unit(session, parent=county, name="菜园镇", liaison="周敏", tags="|渔业|")
        west = await make_unit(session, parent=county, name="洋山镇", liaison="沈刚")
        village = await make_unit(session, parent=east, name="基湖村")
        account = await make_account(session, name="心防一号")
        groups = [
            await make_group(session, unit=county, account=account, name="县反诈群", members=300),
            await make_group(session, unit=east, account=account, name="菜园群", members=200),
            await make_group(session, unit=west, account=account, name="洋山群", members=150),
            await make_group(session, unit=village, name="基湖群", members=80, mode="relay", room_id=None),
        ]
    return County(county, east, west, village, groups)
