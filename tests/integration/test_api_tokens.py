"""Personal tokens: made once, kept as hashes, and ended by everything that should end them; on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from bot.identity import Actor
from bot.passwords import hash_password
from bot.tokens import MOST
from bot.users import disable_user, enable_user, reset_password
from db.models import ApiToken, AuditEntry, User
from db.states import Role, TokenScope
from tests.api import Program, make_token, program
from tests.console import Console
from tests.factories import make_user

ADMIN = Actor("管理员", Role.ADMIN)
PASSWORD = "correct horse 嵊泗"


async def _user(console: Console) -> User:
    async with console.database.write() as session:
        return await make_user(session, role=Role.REVIEWER, password_hash=await hash_password(PASSWORD))


async def _token(console: Console) -> ApiToken:
    async with console.database.read() as session:
        return (await session.scalars(sa.select(ApiToken).order_by(ApiToken.id.desc()).limit(1))).one()


async def _works(caller: Program) -> bool:
    return (await caller.get("/me")).status == 200


# ── the page ──


async def test_a_token_is_made_with_the_password_and_shown_once(console: Console) -> None:
    browser = await console.signed_in(Role.REVIEWER, user=await _user(console))
    fields = {"name": "每日报表", "scope": ["read", "release"], "days": 30}
    refused = await browser.post("/account/tokens", password="wrong", **fields)
    assert refused.status == 422
    assert refused.shows("密码不正确")
    made = await browser.post("/account/tokens", password=PASSWORD, **fields)
    text = next(word for word in made.text.replace("<", " ").replace(">", " ").split() if word.startswith("xf_"))
    token = await _token(console)
    assert text not in (token.token_hash, token.hint)
    assert token.expires_at == console.clock.now() + timedelta(days=30)
    me = await Program(console, text).get("/me")
    assert (me.json["role"], me.json["token_scopes"]) == ("reviewer", ["read", "release"])
    again = await browser.get("/account/tokens")
    assert again.shows("每日报表")
    assert text not in again.text


async def test_every_fault_of_a_token_is_named(console: Console) -> None:
    browser = await console.signed_in(Role.REVIEWER, user=await _user(console))
    page = await browser.post("/account/tokens", name=" ", days=999, password=PASSWORD)
    assert page.status == 422
    assert page.shows("请写明用途", "请至少选择一项", "有效期为 1–366 天")


async def test_a_user_has_only_so_many_tokens_and_may_end_them(console: Console) -> None:
    user = await _user(console)
    for _ in range(MOST):
        text = await make_token(console, user.role, user=user)
    browser = await console.signed_in(user.role, user=user)
    fields = {"name": "又一个", "scope": "read", "days": 9, "password": PASSWORD}
    assert (await browser.post("/account/tokens", **fields)).shows(f"有效的令牌最多 {MOST} 个")
    last = await _token(console)
    assert (await browser.post(f"/account/tokens/{last.id}/revoke")).location == "/account/tokens?done=revoke"
    assert not await _works(Program(console, text))
    assert (await browser.post("/account/tokens", **fields)).status == 201


async def test_nobody_ends_the_token_of_another(console: Console) -> None:
    caller, other = await program(console, Role.ADMIN), await program(console, Role.ADMIN)
    token = await _token(console)  # of `other`
    assert (await caller.call("DELETE", f"/me/tokens/{token.id}")).status == 404
    browser = await console.signed_in(Role.ADMIN)
    assert (await browser.post(f"/account/tokens/{token.id}/revoke")).status == 404
    assert await _works(other)
    assert (await other.call("DELETE", f"/me/tokens/{token.id}")).status == 204
    assert not await _works(other)


# ── what ends a token ──


async def test_a_token_ends_when_its_time_is_over(console: Console) -> None:
    caller = Program(console, await make_token(console, Role.ADMIN, days=2))
    console.clock.advance(2 * 86400 - 1)
    assert await _works(caller)
    console.clock.advance(1)
    answer = await caller.get("/me")
    assert (answer.status, answer.json["error"]["code"]) == (401, "token_refused")


@pytest.mark.parametrize("step", [disable_user, reset_password])
async def test_a_token_ends_with_its_user_and_does_not_come_back(console: Console, step: object) -> None:
    user = await _user(console)
    caller = Program(console, await make_token(console, user.role, user=user))
    async with console.database.write() as session:
        await step(session, ADMIN, user.id, now=console.clock.now())  # type: ignore[operator]
        await enable_user(session, ADMIN, user.id, now=console.clock.now())
    assert (await caller.get("/me")).status == 401


async def test_a_token_of_somebody_with_a_one_time_password_waits(console: Console) -> None:
    async with console.database.write() as session:
        user = await make_user(session, role=Role.ADMIN, must_change=True)
    answer = await Program(console, await make_token(console, user.role, user=user)).get("/me")
    assert (answer.status, answer.json["error"]["code"]) == (403, "password_needed")


async def test_a_token_waits_while_its_user_is_locked_out(console: Console) -> None:
    user = await _user(console)
    caller = Program(console, await make_token(console, user.role, user=user))
    browser = console.browser()
    await browser.get("/login")
    for _ in range(5):
        await browser.post("/login", username=user.username, password="guess")
    answer = await caller.get("/me")
    assert (answer.status, answer.json["error"]["code"]) == (429, "too_many_attempts")
    assert 0 < int(answer.headers["Retry-After"]) <= 900
    console.clock.advance(901)
    assert await _works(caller)


async def test_wrong_tokens_are_counted_by_address_and_shut_out_nobody_with_a_right_one(console: Console) -> None:
    caller, liar = await program(console, Role.ADMIN), Program(console, "xf_guess")
    statuses = [(await liar.get("/me")).status for _ in range(22)]
    assert statuses == [401] * 20 + [429] * 2
    assert await _works(caller)


async def test_what_a_token_did_is_in_the_audit_log_with_its_name(console: Console) -> None:
    caller = await program(console, Role.PUBLISHER)
    alert = await caller.post("/alerts", {"title": "谨防刷单", "body": "凡是垫付都是骗局。", "severity": "red"})
    async with console.database.read() as session:
        entry = (await session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "alert.create"))).one()
        made = (await session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "user.token"))).one()
    assert entry.subject == f"预警 {alert.json['number']}"
    assert entry.origin == "127.0.0.1 令牌“测试”"
    assert caller.token not in str(made.detail)


async def test_last_use_is_written_once_a_minute(console: Console) -> None:
    caller = await program(console, Role.ADMIN)
    assert (await _token(console)).used_at is None
    first = console.clock.now()
    await caller.get("/me")
    console.clock.advance(59)
    await caller.get("/me")
    used = await _token(console)
    assert (used.used_at, used.used_from) == (first, "127.0.0.1")
    console.clock.advance(1)
    await caller.get("/me")
    assert (await _token(console)).used_at == console.clock.now()


async def test_a_token_does_no_more_than_its_user(console: Console) -> None:
    caller = await program(console, Role.PUBLISHER, *TokenScope)
    answer = await caller.get("/users")
    assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden")
    assert answer.json["error"]["message"].startswith("编写员没有此项权限")
