"""The same program in parts: each role a process of its own, over one database."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from bot.clock import SystemClock
from bot.errors import UserError
from bot.roles import ALL, Part
from db.models import Account
from db.session import Database
from handlers.cli.serve import parts_of
from tests.acceptance.fleet import SETTINGS, Fleet, alive, build, ended, fleet, prove
from tests.world import content, release, until

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]
CLOCK = SystemClock()


async def _read(address: str, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as client, client.get(f"{address}{path}") as answer:
        return answer.status, await answer.text()


async def _addresses(database: Database, roles: int) -> dict[str, str]:
    """Role → where its process tells its health."""

    async def found() -> bool:
        return len([one for one in await alive(database) if one.address]) == roles

    await until(found, 20)
    return {"+".join(sorted(one.roles)): one.address for one in await alive(database)}


async def test_each_role_does_its_part_and_tells_its_health(shared: Database, tmp_path: Path) -> None:
    database = shared
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    world = await build(database, accounts=2, groups=10)
    with fleet(url, tmp_path) as machines:
        for role in ("web", "sender", "scheduler"):
            machines.start(role)
        addresses = await _addresses(database, 3)
        assert addresses.keys() == {"web", "sender", "scheduler"}
        for role, address in addresses.items():
            await until(lambda address=address: _ready(address), 20)  # type: ignore[misc]
            assert (await _read(address, "/healthz"))[0] == 200
            if role != "sender":  # a reading serves whoever asks for some seconds, and the sender's is wanted later
                status, text = await _read(address, "/metrics")
                assert (status, "xinfang_sends_total" in text) == (200, True)
            assert ((await _read(address, "/login"))[0] == 200) is (role == "web")
        alert = await release(database, world, SETTINGS, CLOCK.now(), content())
        await until(lambda: ended(database, alert), 30)
        await prove(database, alert, len(world.groups), unknown=0)
        _, sent = await _read(addresses["sender"], "/metrics")
        assert f'xinfang_sends_total{{outcome="sent"}} {len(world.groups)}' in sent
        _follow(machines)


async def _ready(address: str) -> bool:
    return (await _read(address, "/readyz"))[0] == 200


def _follow(machines: Fleet) -> None:
    """One delivery through the logs of all processes, by its id."""
    number = machines.said(event="sent")[-1]["delivery"]
    steps = machines.said(delivery=number)
    assert [line["event"] for line in steps][:2] == ["sending", "sent"]
    assert "echo" in [line["event"] for line in steps]
    assert len({line["process"] for line in steps}) == 1


async def test_sqlite_has_one_sender(sqlite_database: Database, tmp_path: Path) -> None:
    """The second one is told in Chinese what to do instead; the first goes on."""
    async with sqlite_database.write() as session:
        session.add(Account(channel="local", name="心防一号", state_since=CLOCK.now()))
    url = sqlite_database.url.set(drivername="sqlite").render_as_string(hide_password=False)
    with fleet(url, tmp_path) as machines:
        machines.start("sender")
        await until(lambda: machines.said(event="account taken"), 20)
        machines.start("scheduler", "sender")
        await until(lambda: "只能有一个发送或定时进程" in machines.log.read_text(), 20)
        assert len(await alive(sqlite_database)) == 1


def test_a_role_that_does_not_exist_is_explained() -> None:
    with pytest.raises(UserError, match="没有这样的角色：senders；只能是 web、sender、scheduler 或 all"):
        parts_of(["web", "senders"])
    assert parts_of([]) == parts_of(["web", "all"]) == ALL
    assert parts_of(["web", "web", "sender"]) == {Part.WEB, Part.SENDER}
