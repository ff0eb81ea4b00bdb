"""The Wechaty channel keeps the contract of all channels, over a real gateway."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.channels.wechaty import WechatyChannel
from bot.clock import SystemClock
from bot.pictures import save_picture
from bot.settings import load_settings
from db.session import Database
from db.states import ContentKind
from tests.contract.channel_contract import Arrived, ChannelContract, a_picture
from tests.gateway.driver import SELF, TOKEN, Gateway

ACCOUNT = "心防一号"


class WechatyHarness:
    account = ACCOUNT
    rooms = ["r1@chatroom", "r2@chatroom", "r3@chatroom"]  # noqa: RUF012 - never changed
    foreign_room = "r4@chatroom"
    private_room = "wang"
    person_id = "wang"

    def __init__(self, database: Database, gateway: Gateway, folder: Path) -> None:
        self._database, self._gateway = database, gateway
        gateways = [{"name": ACCOUNT, "endpoint": gateway.endpoint, "token": TOKEN}]
        self._settings = load_settings(data_dir=folder, wechaty_gateways=gateways)

    async def prepare(self) -> WechatyHarness:
        await self._gateway.make_people({"wang": "王芳"})
        await self._gateway.make_rooms(dict.fromkeys(self.rooms, 20))
        await self._gateway.make_rooms({self.foreign_room: 5}, with_bot=False)
        return self

    def channel(self) -> WechatyChannel:
        return WechatyChannel(self._database, SystemClock(), self._settings)

    async def person_shows(self, room_id: str, *, picture: bytes = b"", link: dict[str, str] | None = None) -> None:
        if link is not None:
            await self._gateway.say("wang", room_id, kind="link", link=link)
        else:
            await self._gateway.say("wang", room_id, picture=picture)

    async def person_says(self, room_id: str, text: str) -> None:
        mentions = [SELF] if "@心防" in text else []
        await self._gateway.say("wang", SELF if room_id == "wang" else room_id, text, mentions=mentions)

    async def arrived(self, room_id: str) -> list[Arrived]:
        return [
            Arrived(
                by_bot=True,
                kind=ContentKind(arrival.kind),
                text=arrival.text,
                link_url=(arrival.link or {}).get("url", ""),
                has_picture=bool(arrival.picture),
                mentions=tuple(arrival.mentions),
            )
            for arrival in await self._gateway.arrivals(to=room_id)
        ]

    async def picture_id(self) -> int:
        return (await save_picture(self._database, a_picture())).id


@pytest.fixture
async def harness(database: Database, gateway: Gateway, tmp_path: Path) -> WechatyHarness:
    return await WechatyHarness(database, gateway, tmp_path).prepare()


class TestWechatyChannel(ChannelContract):
    pass
