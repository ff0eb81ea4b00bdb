"""What people do on the built-in channel: the chat page, the demo and the tests speak through this."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.channels.local import BOT_NAME, LocalChannel
from bot.errors import NotFound, UserError
from db import local_chat
from db.local_chat import RoomSummary
from db.models import LocalMessage, LocalPerson, LocalRoom
from db.pictures import existing_pictures
from db.session import Database
from db.states import ContentKind

MAX_TEXT = 2000  # characters that a person may say at once; more than the bot, as on WeChat
MAX_NAME = 40
_PERSON_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # no colon: it separates the parts of a private room's id
_WEB_ADDRESS = re.compile(r"https?://\S+", re.IGNORECASE)


async def sync_rooms(session: AsyncSession) -> None:
    """A room for every group of the registry on this channel. Call `LocalChannel.rooms_changed` when committed."""
    await local_chat.sync_rooms(session)


@dataclass(frozen=True)
class Saying:
    """The content of a person's message."""

    kind: ContentKind
    text: str
    payload: dict[str, Any] = field(default_factory=dict)
    mentions_bot: bool = False  # even if the text does not show it


class LocalPeople:
    """The people's side of the channel. Every method raises `UserError` for what cannot be done."""

    def __init__(self, channel: LocalChannel) -> None:
        self._channel = channel

    @property
    def _database(self) -> Database:
        return self._channel.database

    async def ensure_person(self, person_id: str, name: str) -> LocalPerson:
        """The person with this id under this name, made if there is none."""
        name = " ".join(name.split())
        if not _PERSON_ID.fullmatch(person_id):
            raise UserError("人物编号只能用 1 至 40 个字母、数字、- 和 _")
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise UserError(f"请填写名字，最多 {MAX_NAME} 个字")
        if name == BOT_NAME:
            raise UserError(f"“{BOT_NAME}”是机器人的名字，请换一个")
        async with self._database.write() as session:
            return await local_chat.save_person(session, person_id, name)

    async def list_people(self) -> list[LocalPerson]:
        async with self._database.glance() as session:
            return await local_chat.list_people(session)

    async def list_accounts(self) -> list[str]:
        """The accounts with which a private chat can be opened."""
        async with self._database.read() as session:
            return await local_chat.list_accounts(session)

    async def open_private(self, person_id: str, account: str) -> str:
        """The id of the private room of the person and the account."""
        async with self._database.write() as session:
            person = await _person(session, person_id)
            if account not in await local_chat.list_accounts(session):
                raise NotFound(f"没有账号“{account}”")
            room = await local_chat.open_private(session, person, account)
        self._channel.rooms_changed()
        return room.room_id

    async def list_rooms(self, search: str = "", *, person_id: str = "", limit: int = 200) -> list[RoomSummary]:
        """Rooms whose name contains `search`, last spoken in first, with the person's own private rooms."""
        async with self._database.read() as session:
            return await local_chat.list_rooms(session, person_id=person_id, search=search.strip(), limit=limit)

    async def find_rooms(self, room_ids: Collection[str], *, person_id: str = "") -> list[RoomSummary]:
        """Those of the rooms that exist and that the person may see."""
        async with self._database.glance() as session:
            return await local_chat.list_rooms(
                session, person_id=person_id, room_ids=room_ids, limit=max(1, len(room_ids))
            )

    async def may_see(self, room_id: str, *, person_id: str = "") -> bool:
        """Whether the room exists, and is open to everybody or the person's own."""
        async with self._database.glance() as session:
            return await local_chat.is_visible(session, room_id, person_id=person_id)

    async def history(
        self, room_id: str, before: int | None = None, limit: int = 50, *, after: int | None = None
    ) -> list[LocalMessage]:
        """The last `limit` messages, or those before or after an id, in the order in which they were said."""
        async with self._database.glance() as session:
            return await local_chat.list_history(session, room_id, before=before, after=after, limit=limit)

    async def say(self, person_id: str, room_id: str, text: str, mentions_bot: bool = False) -> int:
        """The id of the message. The bot counts as mentioned when the text says @心防 or @ and its account."""
        return await self._speak(person_id, room_id, Saying(ContentKind.TEXT, text, mentions_bot=mentions_bot))

    async def send_picture(self, person_id: str, room_id: str, picture_id: int, text: str = "") -> int:
        """`picture_id` is a row of `pictures`, see `bot.pictures.save_picture`; `text` is the caption."""
        return await self._speak(person_id, room_id, Saying(ContentKind.PICTURE, text, {"picture_id": picture_id}))

    async def send_link(self, person_id: str, room_id: str, url: str, title: str, text: str = "") -> int:
        payload = {"link_url": url.strip(), "link_title": title.strip()}
        return await self._speak(person_id, room_id, Saying(ContentKind.LINK, text, payload))

    async def forward(self, person_id: str, message_id: int, to_room_id: str) -> int:
        """Say again, in another room, what was said; it mentions nobody there. Returns the new message's id."""

        async def original(session: AsyncSession) -> Saying:
            message = await local_chat.find_message(session, message_id)
            if message is None:
                raise NotFound("要转发的消息不存在")
            await _room(session, message.room_id, person_id)
            payload = {key: value for key, value in message.payload.items() if key != "mentions"}
            return Saying(message.kind, message.text, payload)

        return await self._insert(person_id, to_room_id, original, mentions=False)

    async def _speak(self, person_id: str, room_id: str, saying: Saying) -> int:
        async def checked(session: AsyncSession) -> Saying:
            await _check(session, saying)
            return saying

        return await self._insert(person_id, room_id, checked, mentions=True)

    async def _insert(
        self, person_id: str, room_id: str, find: Callable[[AsyncSession], Awaitable[Saying]], *, mentions: bool
    ) -> int:
        async def insert(session: AsyncSession) -> int:
            person = await _person(session, person_id)
            room = await _room(session, room_id, person_id)
            saying = await find(session)
            payload = dict(saying.payload)
            if mentions and (saying.mentions_bot or _mentions(saying.text, room)):
                payload["mentions"] = True
            said = await local_chat.add_message(
                session,
                room,
                sender_id=person.person_id,
                sender_name=person.name,
                kind=saying.kind,
                text=saying.text,
                payload=payload,
                at=self._channel.clock.now(),
            )
            return said.id

        said = await self._database.batched(lambda session: _refusable(insert, session))
        if isinstance(said, UserError):
            raise said
        self._channel.wake(room_id)
        return said


async def _refusable(work: Callable[[AsyncSession], Awaitable[int]], session: AsyncSession) -> int | UserError:
    """A refusal is given back instead of raised: the transaction is shared with neighbours, for whom it would be
    undone. `work` raises before it has written anything."""
    try:
        return await work(session)
    except UserError as refusal:
        return refusal


async def _person(session: AsyncSession, person_id: str) -> LocalPerson:
    person = await local_chat.find_person(session, person_id)
    if person is None:
        raise NotFound("没有这个人物，请先新建")
    return person


async def _room(session: AsyncSession, room_id: str, person_id: str) -> LocalRoom:
    """The room, when this person may be in it: a private one has one person only."""
    room = await local_chat.find_room(session, room_id)
    if room is None or (room.private and not room_id.endswith(f":{person_id}")):
        raise NotFound("没有这个群，可能已经停用")
    return room


async def _check(session: AsyncSession, saying: Saying) -> None:
    if len(saying.text) > MAX_TEXT:
        raise UserError(f"消息最多 {MAX_TEXT} 个字，现在有 {len(saying.text)} 个字")
    if saying.kind is ContentKind.TEXT and not saying.text.strip():
        raise UserError("不能发送空白消息")
    picture_ids = [saying.payload["picture_id"]] if saying.kind is ContentKind.PICTURE else []
    if picture_ids and not await existing_pictures(session, picture_ids):
        raise NotFound("图片不存在，请重新上传")
    if saying.kind is ContentKind.LINK:
        if not _WEB_ADDRESS.fullmatch(saying.payload["link_url"]):
            raise UserError("链接应以 http:// 或 https:// 开头")
        if not saying.payload["link_title"]:
            raise UserError("请填写链接标题")


def _mentions(text: str, room: LocalRoom) -> bool:
    return f"@{BOT_NAME}" in text or (room.account is not None and f"@{room.account}" in text)
