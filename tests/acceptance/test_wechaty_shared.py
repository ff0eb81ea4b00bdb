"""Two senders share two Wechaty accounts: each gateway is listened to by whoever holds its account."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.app import Engine
from db.models import Account, Alert, Unit
from db.session import Database
from db.states import AccountState
from handlers.compose import build_engine
from tests.factories import make_account, make_group
from tests.gateway.driver import Gateway
from tests.gateway.office import ACCOUNT, Office, gateway_settings, open_office, room_id
from tests.world import until

OTHER = "心防二号"
ROOMS = [room_id(number) for number in range(6)]
MINE, THEIRS = ROOMS[:3], ROOMS[3:]

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.timeout(120),
    pytest.mark.parametrize("database_url", ["postgresql"], indirect=True),
]


@pytest.fixture
def second(tmp_path: Path) -> Iterator[Gateway]:
    gateway = Gateway(tmp_path / "second")
    gateway.start()
    yield gateway
    gateway.kill()


@asynccontextmanager
async def sender(office: Office, folder: Path) -> AsyncIterator[Engine]:
    """A program of its own, but for the process."""
    database = Database(office.database.url.render_as_string(hide_password=False))
    engine = build_engine(office.settings.model_copy(update={"data_dir": folder}), database)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop()
        await database.close()


async def test_accounts_move_between_senders_and_are_heard_where_they_are(
    database: Database, gateway: Gateway, second: Gateway, tmp_path: Path
) -> None:
    office = await _office(database, {ACCOUNT: gateway, OTHER: second}, tmp_path)
    await gateway.make_rooms(dict.fromkeys(MINE, 20))
    await second.tell("reset")
    await second.make_rooms(dict.fromkeys(THEIRS, 20))
    async with sender(office, tmp_path / "b") as staying:
        await until(lambda: _held(office, {staying: 2}), 20)
        async with sender(office, tmp_path / "a") as leaving:
            await until(lambda: _held(office, {staying: 1, leaving: 1}), 30)
            await _arrives_and_is_heard(office, staying, gateway, second)
        await until(lambda: _held(office, {staying: 2}), 30)
        await _arrives_and_is_heard(office, staying, gateway, second)


async def _office(database: Database, gateways: dict[str, Gateway], folder: Path) -> Office:
    office = await open_office(database, gateway_settings(gateways, folder), MINE)
    async with database.write() as session:
        account = await make_account(session, channel="wechaty", name=OTHER, state=AccountState.OFFLINE)
        unit = await session.get_one(Unit, 1)
        for room in THEIRS:
            await make_group(session, unit=unit, account=account, channel="wechaty", room_id=room)
    return office


async def _held(office: Office, wanted: dict[Engine, int]) -> bool:
    """Every account is logged in, and the senders hold so many."""
    async with office.database.read() as session:
        accounts = list(await session.scalars(sa.select(Account)))
    held = Counter(account.lease_owner for account in accounts)
    online = all(account.state is AccountState.ONLINE for account in accounts)
    return online and held == {engine.delivery.owner: count for engine, count in wanted.items()}


async def _arrives_and_is_heard(office: Office, engine: Engine, *gateways: Gateway) -> None:
    """In every room once, and every echo came back: both gateways' streams are listened to."""
    before = await _arrivals(gateways)
    alert = await office.release(engine=engine)
    await until(lambda: office.finished(alert), 20)
    await until(lambda: _confirmed(office, alert), 10)
    assert await _arrivals(gateways) - before == Counter(ROOMS)


async def _arrivals(gateways: Sequence[Gateway]) -> Counter[str]:
    return Counter([arrival.to for gateway in gateways for arrival in await gateway.arrivals()])


async def _confirmed(office: Office, alert: Alert) -> bool:
    return await office.confirmed(alert) == len(ROOMS)
