"""The second factor and the list of sessions, as a browser meets them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from bot import alerts, library_desk, second_factor, totp
from bot.errors import Forbidden
from bot.identity import Actor
from bot.passwords import hash_password
from db.models import Alert, AuditEntry, User, WebSession
from db.session import Database
from db.states import AlertState, Role
from tests.console import Browser, Console, Page, make_county, open_console
from tests.factories import make_alert, make_user

PASSWORD = "heart-guard-2026"


@pytest.fixture
async def console(database: Database) -> AsyncIterator[Console]:
    async with open_console(database, release_code=True) as opened:
        async with database.write() as session:
            hashed = await hash_password(PASSWORD)
            await make_user(session, username="zhaoming", name="赵明", role=Role.REVIEWER, password_hash=hashed)
        yield opened


async def sign_in(console: Console, password: str = PASSWORD) -> tuple[Browser, Page]:
    browser = console.browser()
    await browser.get("/login")
    return browser, await browser.post("/login", username="zhaoming", password=password)


async def secret_of(console: Console) -> str:
    async with console.database.read() as session:
        user = (await session.scalars(sa.select(User).where(User.username == "zhaoming"))).one()
    return second_factor.secret_of(user, console.engine.settings)


async def code(console: Console) -> str:
    """The next code of the telephone: the clock goes on, because a code works once."""
    console.clock.advance(60)
    return totp.code_of(await secret_of(console), totp.step_at(console.clock.now()))


async def turn_on(console: Console) -> tuple[Browser, list[str]]:
    """A signed-in browser with the second factor on, and the recovery codes."""
    browser, _ = await sign_in(console)
    await browser.get("/account")
    offered = await browser.post("/account/second_factor", password=PASSWORD)
    assert offered.location == "/account/second_factor"
    assert "<svg" in (await browser.get("/account/second_factor")).text
    shown = await browser.post("/account/second_factor/confirm", code=await code(console))
    return browser, re.findall(r"<li>([a-z0-9]{5}-[a-z0-9]{5})</li>", shown.text)


async def test_turned_on_the_password_alone_opens_nothing(console: Console) -> None:
    _, codes = await turn_on(console)
    assert len(set(codes)) == 8
    browser, answer = await sign_in(console)
    assert answer.location == "/login/code"
    assert (await browser.get("/")).location == "/login"
    assert (await browser.post("/login/code", code="000000")).status == 401
    assert (await browser.post("/login/code", code=await code(console))).location == "/"
    assert (await browser.get("/")).shows("赵明")


async def test_the_half_signed_in_token_is_worthless_after_five_minutes_and_after_use(console: Console) -> None:
    await turn_on(console)
    browser, _ = await sign_in(console)
    half = dict(browser.cookies)
    assert (await browser.post("/login/code", code=await code(console))).status == 303
    thief = console.browser()
    await thief.get("/login")
    thief.cookies |= {"xinfang_session": half["xinfang_session"]}
    assert (await thief.post("/login/code", code=await code(console))).status == 401
    late, _ = await sign_in(console)
    console.clock.advance(301)
    answer = await late.post("/login/code", code=await code(console))
    assert answer.status == 401
    assert answer.shows("过了太久")


async def test_a_recovery_code_works_once(console: Console) -> None:
    _, codes = await turn_on(console)
    browser, _ = await sign_in(console)
    assert (await browser.post("/login/code", code=codes[0].upper().replace("-", " "))).location == "/"
    assert (await browser.get("/account")).shows("恢复码还剩 7 个")
    again, _ = await sign_in(console)
    assert (await again.post("/login/code", code=codes[0])).status == 401
    async with console.database.read() as session:
        stored = (await session.scalars(sa.select(User.recovery).where(User.username == "zhaoming"))).one()
    assert codes[1] not in stored


async def test_guessing_codes_locks_the_account_though_the_password_is_known(console: Console) -> None:
    await turn_on(console)
    statuses = []
    for _ in range(6):  # signing in anew must not wipe the failures at the code away
        browser, answer = await sign_in(console)
        if answer.status != 303:
            statuses.append(answer.status)
            break
        statuses.append((await browser.post("/login/code", code="123456")).status)
    assert statuses == [401] * 5 + [429]
    admin = await console.signed_in(Role.ADMIN)
    page = await admin.get("/users")
    assert page.shows("登录已锁定", "两步验证")
    async with console.database.read() as session:
        user_id = (await session.scalars(sa.select(User.id).where(User.username == "zhaoming"))).one()
    assert (await admin.post(f"/users/{user_id}/unlock")).location == "/users?done=unlock"
    assert (await sign_in(console))[1].location == "/login/code"
    assert (await admin.post(f"/users/{user_id}/second_factor_off")).location == "/users?done=second_factor_off"
    assert (await sign_in(console))[1].location == "/"


async def test_turning_it_on_and_off_asks_who_is_there(console: Console) -> None:
    browser, _ = await sign_in(console)
    await browser.get("/account")
    assert (await browser.post("/account/second_factor", password="wrong-password")).status == 422
    assert await secret_of(console) == ""
    browser, codes = await turn_on(console)
    await browser.get("/account")
    assert (await browser.post("/account/second_factor/off", code="000000")).status == 422
    renewed = await browser.post("/account/second_factor/codes", code=await code(console))
    assert renewed.shows("旧的全部失效")
    assert (await browser.post("/account/second_factor/off", code=codes[0])).status == 422
    assert (
        await browser.post("/account/second_factor/off", code=await code(console))
    ).location == "/account?done=off"
    assert (await sign_in(console))[1].location == "/"
    async with console.database.read() as session:
        actions = list(await session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)))
    assert [each for each in actions if "factor" in each or "recovery" in each] == [
        "user.second_factor_on",
        "user.recovery_codes",
        "user.second_factor_off",
    ]


async def test_a_stolen_session_cannot_guess_the_password(console: Console) -> None:
    browser, _ = await sign_in(console)
    await browser.get("/account")
    tries = [await browser.post("/account/second_factor", password=f"guess-number-{n}") for n in range(6)]
    assert [each.status for each in tries] == [422] * 5 + [429]
    change = await browser.post("/account/password", old=PASSWORD, new="brand-new-words", again="brand-new-words")
    assert change.status == 429


async def _alert(console: Console) -> Alert:
    await make_county(console.database)
    async with console.database.write() as session:
        return await make_alert(session, state=AlertState.IN_REVIEW)


async def test_a_release_asks_for_a_fresh_code(console: Console) -> None:
    alert = await _alert(console)
    plain, _ = await sign_in(console)
    page = await plain.get(f"/alerts/{alert.id}")
    assert 'name="code"' in page.text
    refused = await plain.post(f"/alerts/{alert.id}/release", version=alert.version)
    assert refused.status == 409
    assert refused.shows("请先在“我的账号”开启两步验证")
    browser, _ = await turn_on(console)
    await browser.get(f"/alerts/{alert.id}")
    wrong = await browser.post(f"/alerts/{alert.id}/release", version=alert.version, code="000000")
    assert wrong.status == 422
    assert await console.state_of(alert) is AlertState.IN_REVIEW
    used = totp.code_of(await secret_of(console), totp.step_at(console.clock.now()))
    assert (await browser.post(f"/alerts/{alert.id}/release", version=alert.version, code=used)).status == 422
    done = await browser.post(f"/alerts/{alert.id}/release", version=alert.version, code=await code(console))
    assert done.location == f"/alerts/{alert.id}?done=release"
    assert await console.state_of(alert) is AlertState.RUNNING


async def test_sessions_are_listed_and_ended(console: Console) -> None:
    here, _ = await sign_in(console)
    there, _ = await sign_in(console)
    third, _ = await sign_in(console)
    page = await here.get("/account")
    names = re.findall(r'name="session" value="([0-9a-f]{16})"', page.text)
    assert len(names) == 2
    assert page.shows("现在这一处", "127.0.0.1")
    assert (await here.post("/account/sessions", session=names[0])).location == "/account?done=session"
    alive = [(await each.get("/")).status == 200 for each in (here, there, third)]
    assert alive[0]
    assert sum(alive) == 2
    await here.post("/account/sessions", session="others")
    assert [(await each.get("/")).status for each in (here, there, third)] == [200, 303, 303]


async def test_nobody_ends_the_sessions_of_others(console: Console) -> None:
    victim, _ = await sign_in(console)
    page = await (await sign_in(console))[0].get("/account")
    names = re.findall(r'name="session" value="([0-9a-f]{16})"', page.text)
    stranger = await console.signed_in(Role.ADMIN)
    await stranger.get("/account")
    for name in [*names, "others"]:
        await stranger.post("/account/sessions", session=name)
    assert (await victim.get("/")).status == 200
    async with console.database.read() as session:
        assert await session.scalar(sa.select(sa.func.count()).select_from(WebSession)) == 3


async def test_an_edit_of_the_library_asks_for_a_code_as_well(console: Console) -> None:
    """Where the setting asks for one, no way of approving goes without: the engine itself refuses."""
    actor = Actor(name="赵明", role=Role.REVIEWER, user_id=1)
    async with console.database.write() as session:
        with pytest.raises(Forbidden, match="动态码"):
            await library_desk.approve(session, actor, 1, settings=console.engine.settings, now=console.clock.now())
        with pytest.raises(Forbidden, match="动态码"):
            await alerts.release(session, actor, 1, settings=console.engine.settings, now=console.clock.now())
    browser, _ = await turn_on(console)
    assert (await browser.post("/library/revisions/987654/approve", version=1, code="000000")).status in (404, 422)


async def test_the_secret_is_sealed_and_an_older_programs_is_sealed_at_the_start(console: Console) -> None:
    await turn_on(console)
    secret = await secret_of(console)
    async with console.database.write() as session:
        user = (await session.scalars(sa.select(User).where(User.username == "zhaoming"))).one()
        assert secret not in user.totp_secret
        user.totp_secret = secret  # as it was stored before
    assert await secret_of(console) == secret
    browser, _ = await sign_in(console)
    assert (await browser.post("/login/code", code=await code(console))).location == "/"
    async with console.database.write() as session:
        assert await second_factor.seal_secrets(session, console.engine.settings) == 1
        assert await second_factor.seal_secrets(session, console.engine.settings) == 0
    assert await secret_of(console) == secret


async def test_without_the_key_a_recovery_code_still_opens(console: Console) -> None:
    _, codes = await turn_on(console)
    now = await code(console)
    console.engine.settings = console.engine.settings.model_copy(update={"secret_key": "another"})
    browser, _ = await sign_in(console)
    refused = await browser.post("/login/code", code=now)
    assert refused.status == 400
    assert "secret.key" in refused.text
    assert (await browser.post("/login/code", code=codes[0])).location == "/"
