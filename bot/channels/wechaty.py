"""Real groups, through any Wechaty puppet service: one gateway for each account (docs/wechaty.md)."""

from __future__ import annotations

import asyncio

from bot.channels.base import AccountChanged, Capabilities, Deliver
from bot.channels.wechaty_account import WechatyAccount
from bot.channels.wechaty_incoming import CHANNEL
from bot.channels.wechaty_sending import MAX_TEXT
from bot.clock import Clock
from bot.errors import AccountOffline
from bot.messages import Outgoing
from bot.picture_matching import KnownPictures
from bot.settings import Settings
from db.session import Database


class WechatyChannel:
    """Implements `bot.channels.base.Channel`. A gateway serves one program at a time: whoever holds the account."""

    name = CHANNEL
    capabilities = Capabilities(
        echoes=True,
        hears_all=True,
        pictures=True,
        links=True,
        max_text=MAX_TEXT,
        captions=False,
        counts_arrivals=True,
        remembers=False,
    )

    def __init__(self, database: Database, clock: Clock, settings: Settings) -> None:
        pictures = KnownPictures(database)
        self._accounts = {
            gateway.name: WechatyAccount(gateway, settings, database, clock, pictures, self._is_ours)
            for gateway in settings.wechaty_gateways
        }
        self._held: set[str] = set()
        self._engine: tuple[Deliver, AccountChanged] | None = None

    async def start(self, deliver: Deliver, account_changed: AccountChanged) -> None:
        for account in self._accounts.values():
            await account.announce(account_changed)
        self._engine = (deliver, account_changed)  # from now on `hold` begins by itself
        for name in self._held & self._accounts.keys():
            await self._accounts[name].start(deliver, account_changed)

    async def hold(self, account: str) -> None:
        self._held.add(account)
        if self._engine is not None and account in self._accounts:
            await self._accounts[account].start(*self._engine)

    async def let_go(self, account: str) -> None:
        self._held.discard(account)
        if account in self._accounts:
            await self._accounts[account].stop()

    async def stop(self) -> None:
        self._engine = None
        await asyncio.gather(*(account.stop() for account in self._accounts.values()))

    async def send(self, account: str, room_id: str, message: Outgoing) -> str | None:
        if account not in self._accounts:
            raise _no_gateway(account)
        return await self._accounts[account].send(room_id, message)

    async def forward(self, account: str, room_id: str, message_id: str) -> str | None:
        if account not in self._accounts:
            raise _no_gateway(account)
        return await self._accounts[account].forward(room_id, message_id)

    def _is_ours(self, contact_id: str) -> bool:
        return any(account.self_id == contact_id for account in self._accounts.values())


def _no_gateway(account: str) -> AccountOffline:
    return AccountOffline(f"设置中没有账号“{account}”的网关（wechaty_gateways）")
