"""The API for tests: tokens, requests as programs send them, and something of every kind to work on."""

from __future__ import annotations

from typing import Any

from bot.identity import SYSTEM
from bot.tokens import create_token
from db.models import Alert, Lead, Question, Unit, User
from db.states import AlertState, LeadReason, Role, TokenScope
from tests.console import Console, County, Page
from tests.factories import make_alert, make_user


async def make_token(
    console: Console,
    role: Role,
    *scopes: TokenScope,
    unit: Unit | None = None,
    user: User | None = None,
    days: int = 30,
) -> str:
    """The text of a token of a new user of this role, or of `user`; without scopes, of all scopes."""
    async with console.database.write() as session:
        owner = user or await make_user(session, role=role, unit_id=unit.id if unit else None)
        _, text = await create_token(
            session,
            SYSTEM,
            owner,
            name="测试",
            scopes=scopes or tuple(TokenScope),
            days=days,
            now=console.clock.now(),
        )
    return text


class Program:
    """Sends what a program sends: JSON and a token, no cookie and no Origin."""

    def __init__(self, console: Console, token: str) -> None:
        self._client = console.client
        self.token = token

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        data: Any = None,
        **query: Any,
    ) -> Page:
        sent: dict[str, Any] = {"json": body} if body is not None else {"data": data} if data is not None else {}
        given = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        response = await self._client.request(
            method, f"/api/v1{path}", headers={k: v for k, v in given.items() if v}, params=query, **sent
        )
        raw = await response.read()
        content = await response.json() if response.content_type == "application/json" else None
        return Page(response.status, raw.decode(errors="replace"), "", response.headers, content)

    async def get(self, path: str, **query: Any) -> Page:
        return await self.call("GET", path, **query)

    async def post(self, path: str, body: Any = None, **headers: str) -> Page:
        return await self.call("POST", path, body, headers={name.replace("_", "-"): v for name, v in headers.items()})

    async def put(self, path: str, body: Any) -> Page:
        return await self.call("PUT", path, body)


async def program(console: Console, role: Role, *scopes: TokenScope, unit: Unit | None = None) -> Program:
    return Program(console, await make_token(console, role, *scopes, unit=unit))


async def make_work(console: Console, county: County) -> list[Alert]:
    """Alerts in several states, a question and two leads."""
    now = console.clock.now()
    async with console.database.write() as session:
        states = (AlertState.DRAFT, AlertState.IN_REVIEW, AlertState.RUNNING, AlertState.PAUSED)
        made = [
            await make_alert(session, state=state, released_at=now if state in states[2:] else None)
            for state in states
        ]
        question = Question(
            channel="local",
            room_id="room-1",
            group_id=county.groups[1].id,
            member_hash="0" * 32,
            text="刷单是不是骗人的",
            kind="none",
            asked_at=now,
        )
        session.add(question)
        await session.flush()
        for reason in (LeadReason.UNANSWERED, LeadReason.EMERGENCY):
            session.add(
                Lead(
                    question_id=question.id,
                    reason=reason,
                    group_id=question.group_id,
                    text=question.text,
                    created_at=now,
                )
            )
    return made
