"""The built-in channel: rooms and messages are rows. Demo, training ground and the tests' people, all real."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.channels.base import AccountChanged, Capabilities, Deliver
from bot.channels.local_feed import Feed, Subscription
from bot.channels.local_listener import Listener, as_outgoing, bot_sender
from bot.channels.together import Together
from bot.clock import Clock
from bot.errors import MessageRefused, RoomGone, SendError
from bot.messages import Outgoing
from db import local_chat
from db.pictures import existing_pictures
from db.session import Database
from db.states import ContentKind

BOT_NAME = "心防"  # how the bot is called in every room
MAX_TEXT = 600  # characters; what people still read of one WeChat message (domain facts)


@dataclass(frozen=True)
class _Send:
    account: str
    room_id: str
    message: Outgoing
    at: datetime


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
        self._sends = Together(self._write)

    async def start(self, deliver: Deliver, account_changed: AccountChanged) -> None:
        await self._listener.start(deliver, account_changed)

    async def stop(self) -> None:
        await self._feed.close()
        await self._listener.stop()

    def subscribe(self) -> contextlib.AbstractAsyncContextManager[Subscription]:
        """`async with channel.subscribe() as news: async for batch in news:` — batches of new `LocalMessage`s."""
        return self._feed.subscribe()

    async def hold(self, account: str) -> None:
        """Any process may hear any account: what was said is in the database, and is taken once."""

    async def let_go(self, account: str) -> None: ...

    async def send(self, account: str, room_id: str, message: Outgoing) -> str | None:
        """Raises `RoomGone` when there is no such room or the account is not in it, `MessageRefused` for what can
        never be said. The inserted row is the witness of what arrived: nothing is deduplicated here."""
        _check(message)
        said = await self._sends.add(_Send(account, room_id, message, self.clock.now()))
        if isinstance(said, SendError):
            raise said
        self.wake(room_id)
        return f"local-{said}"

    async def forward(self, account: str, room_id: str, message_id: str) -> str | None:
        async with self.database.read() as session:
            original = await local_chat.find_heard(session, account, message_id)
        if original is None:
            raise MessageRefused("找不到要转发的消息")
        return await self.send(account, room_id, as_outgoing(original))

    def wake(self, room_id: str) -> None:
        """Called after something was said in the room by this process: do not wait for the next poll."""
        self._listener.wake(room_id)
        self._feed.wake()

    def rooms_changed(self) -> None:
        """Called after rooms or accounts were changed by this process: new accounts are reported at once."""
        self._listener.look_for_accounts()

    async def _write(self, sends: list[_Send]) -> list[int | SendError]:
        return await self.database.batched(lambda session: _insert(session, sends))


async def _insert(session: AsyncSession, sends: list[_Send]) -> list[int | SendError]:
    """The new message's id for each send, or why it cannot be. Refusals are no exceptions here: the transaction is
    shared with neighbours, for whom it would be undone."""
    accounts = await local_chat.accounts_in(session, {send.room_id for send in sends})
    wanted = {send.message.picture_id for send in sends if send.message.picture_id is not None}
    pictures = await existing_pictures(session, wanted) if wanted else set()
    refusals = [_refusal(send, accounts, pictures) for send in sends]
    pairs = zip(sends, refusals, strict=True)
    ids = iter(await local_chat.add_messages(session, [_row(send) for send, refusal in pairs if refusal is None]))
    return [next(ids) if refusal is None else refusal for refusal in refusals]


def _refusal(send: _Send, accounts: dict[str, str | None], pictures: set[int]) -> SendError | None:
    if send.room_id not in accounts:
        return RoomGone(f"群不存在：{send.room_id}")
    if accounts[send.room_id] != send.account:
        return RoomGone(f"账号 {send.account} 不在群 {send.room_id} 中")
    if send.message.kind is ContentKind.PICTURE and send.message.picture_id not in pictures:
        return MessageRefused(f"图片 {send.message.picture_id} 不存在")
    return None


def _row(send: _Send) -> dict[str, Any]:
    return {
        "room_id": send.room_id,
        "sender_id": bot_sender(send.account),
        "sender_name": BOT_NAME,
        "kind": send.message.kind,
        "text": send.message.text,
        "payload": _payload(send.message),
        "at": send.at,
        "taken": False,
    }


def _check(message: Outgoing) -> None:
    if len(message.text) > MAX_TEXT:
        raise MessageRefused(f"消息有 {len(message.text)} 个字，超过 {MAX_TEXT} 个字的上限")
    if message.kind is ContentKind.TEXT and not message.text.strip():
        raise MessageRefused("消息没有内容")
    if message.kind is ContentKind.LINK and not message.link_url:
        raise MessageRefused("链接消息没有网址")


def _payload(message: Outgoing) -> dict[str, Any]:
    if message.kind is ContentKind.PICTURE:
        return {"picture_id": message.picture_id}
    if message.kind is ContentKind.LINK:
        return {"link_url": message.link_url, "link_title": message.link_title}
    return {"mention_ids": list(message.mention_ids)} if message.mention_ids else {}
