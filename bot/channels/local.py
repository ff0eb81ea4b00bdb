"""The built-in channel: rooms and messages are rows. Demo, training ground and the tests' people, all real."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.channels.base import AccountChanged, Capabilities, Deliver
from bot.channels.local_feed import Feed, Subscription
from bot.channels.local_listener import Listener, bot_sender
from bot.clock import Clock
from bot.errors import MessageRefused, RoomGone, XinfangError
from bot.messages import Outgoing
from db import local_chat
from db.models import LocalMessage, LocalRoom
from db.pictures import picture_exists
from db.session import Database
from db.states import ContentKind

BOT_NAME = "心防"  # how the bot is called in every room
MAX_TEXT = 600  # characters; what people still read of one WeChat message (domain facts)


class LocalChannel:
    """Implements `bot.channels.base.Channel`. Several processes may use the same database: what another process
    inserts is found by polling, what this one inserts wakes the listener and the feed at once."""

    name = local_chat.CHANNEL
    capabilities = Capabilities(echoes=True, hears_all=True, pictures=True, links=True, max_text=MAX_TEXT)

    def __init__(
        self, database: Database, clock: Clock, poll_seconds: float = 0.5, retry_seconds: float = 0.5
    ) -> None:
        self.database = database
        self.clock = clock
        self._listener = Listener(database, poll_seconds, retry_seconds)
        self._feed = Feed(database, poll_seconds)

    async def start(self, deliver: Deliver, account_changed: AccountChanged) -> None:
        await self._listener.start(deliver, account_changed)

    async def stop(self) -> None:
        await self._feed.close()
        await self._listener.stop()

    def subscribe(self) -> contextlib.AbstractAsyncContextManager[Subscription]:
        """`async with channel.subscribe() as news: async for batch in news:` — batches of new `LocalMessage`s."""
        return self._feed.subscribe()

    async def send(self, account: str, room_id: str, message: Outgoing) -> str | None:
        """Raises `RoomGone` when there is no such room or the account is not in it, `MessageRefused` for what can
        never be said. The inserted row is the witness of what arrived: nothing is deduplicated here."""
        _check(message)

        async def insert(session: AsyncSession) -> LocalMessage:
            return await local_chat.add_message(
                session,
                await _room_with(session, account, room_id),
                sender_id=bot_sender(account),
                sender_name=BOT_NAME,
                kind=message.kind,
                text=message.text,
                payload=await _payload(session, message),
                at=self.clock.now(),
            )

        said = await self.insert(insert)
        return f"local-{said.id}"

    async def insert(self, work: Callable[[AsyncSession], Awaitable[LocalMessage]]) -> LocalMessage:
        """Run the insertion of one message in a shared transaction and let everybody hear it. `work` may raise one
        of our errors before it has written anything."""

        async def refusable(session: AsyncSession) -> LocalMessage | XinfangError:
            # Raised outside of the shared transaction, which an exception would undo for all its neighbours.
            try:
                return await work(session)
            except XinfangError as refusal:
                return refusal

        said = await self.database.batched(refusable)
        if isinstance(said, XinfangError):
            raise said
        self._listener.wake(said.room_id)
        self._feed.wake()
        return said

    def rooms_changed(self) -> None:
        """Called after rooms or accounts were changed by this process: new accounts are reported at once."""
        self._listener.look_for_accounts()


async def _room_with(session: AsyncSession, account: str, room_id: str) -> LocalRoom:
    room = await local_chat.find_room(session, room_id)
    if room is None:
        raise RoomGone(f"群不存在：{room_id}")
    if room.account != account:
        raise RoomGone(f"账号 {account} 不在群“{room.name}”中")
    return room


def _check(message: Outgoing) -> None:
    if len(message.text) > MAX_TEXT:
        raise MessageRefused(f"消息有 {len(message.text)} 个字，超过 {MAX_TEXT} 个字的上限")
    if message.kind is ContentKind.TEXT and not message.text.strip():
        raise MessageRefused("消息没有内容")
    if message.kind is ContentKind.LINK and not message.link_url:
        raise MessageRefused("链接消息没有网址")


async def _payload(session: AsyncSession, message: Outgoing) -> dict[str, Any]:
    if message.kind is ContentKind.PICTURE:
        if message.picture_id is None or not await picture_exists(session, message.picture_id):
            raise MessageRefused(f"图片 {message.picture_id} 不存在")
        return {"picture_id": message.picture_id}
    if message.kind is ContentKind.LINK:
        return {"link_url": message.link_url, "link_title": message.link_title}
    return {}
