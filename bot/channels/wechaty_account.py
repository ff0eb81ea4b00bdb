"""One account on its gateway: its state, what it hears, and what it says."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.breaker import open_breaker
from bot.channels.base import AccountChanged, Deliver
from bot.channels.wechaty_errors import as_send_error
from bot.channels.wechaty_inbox import GatewayAway, Inbox
from bot.channels.wechaty_incoming import CHANNEL, as_incoming, is_notice
from bot.channels.wechaty_link import GatewayLink
from bot.channels.wechaty_rooms import RoomSync
from bot.channels.wechaty_sending import check, pass_on, read_picture, say
from bot.clock import Clock
from bot.errors import AccountOffline, MessageRefused, RoomGone
from bot.messages import Incoming, Outgoing
from bot.picture_matching import UNKNOWN_PICTURE, KnownPictures, PictureMatch
from bot.pictures import MAX_BYTES
from bot.settings import Settings, WechatyGateway
from db.accounts import find_account, keep_account, record_login_code
from db.pictures import find_picture
from db.rooms import find_owner
from db.session import Database
from db.states import AccountState, ContentKind

log = logging.getLogger(__name__)

# The numbers of the gateway's event types (wechaty-grpc, EventType).
MESSAGE, ROOM_JOIN, ROOM_LEAVE, ROOM_TOPIC, SCAN, READY, LOGIN, LOGOUT = 2, 19, 20, 21, 22, 23, 25, 26
NOT_CONNECTED = (AccountState.OFFLINE, "正在连接网关")
NAMES_KEPT = 5000
READ_SECONDS = 10.0  # for the gateway's answer about one message
RELAPSE_SECONDS = 0.5  # after a send said "offline": is it true?


class WechatyAccount:
    """`is_ours` says whether a contact is one of our accounts on any gateway."""

    def __init__(
        self,
        gateway: WechatyGateway,
        settings: Settings,
        database: Database,
        clock: Clock,
        pictures: KnownPictures,
        is_ours: Callable[[str], bool],
    ) -> None:
        self.name = gateway.name
        self.self_id = ""  # of the contact that is logged in
        self._self_name = ""
        self._settings, self._database, self._clock = settings, database, clock
        self._pictures, self._is_ours = pictures, is_ours
        self._link = GatewayLink(gateway, settings.data_dir)
        self._rooms = RoomSync(CHANNEL, gateway.name, database, clock, settings.zone, self._link.puppet)
        self._names: OrderedDict[str, str] = OrderedDict()
        self._state: tuple[AccountState, str] = NOT_CONNECTED
        self._inbox: Inbox | None = None
        self._account_changed: AccountChanged | None = None
        self._sending = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    # ── life ──

    async def announce(self, account_changed: AccountChanged) -> None:
        """Let the office know that the account is there, whoever will serve it."""
        async with self._database.write() as session:
            await keep_account(session, CHANNEL, self.name, at=self._clock.now())
        await account_changed(self.name, *self._state)

    async def start(self, deliver: Deliver, account_changed: AccountChanged) -> None:
        """Begin to listen, if we do not yet."""
        if self._account_changed is not None:
            return
        self._account_changed = account_changed
        kept = self._settings.data_dir / "wechaty" / f"{self._file_name()}.untaken.json"
        self._inbox = Inbox(kept, self._read, deliver)
        await self._report(*NOT_CONNECTED)
        self._begin(self._link.run(self._on_event, self._on_lost, self._on_silence), "wechaty-link")

    def _file_name(self) -> str:
        return "".join(letter if letter.isalnum() else "_" for letter in self.name)

    async def stop(self) -> None:
        """Listen no more; `start` begins anew."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._rooms.end()
        if self._inbox is not None:
            await self._inbox.stop()
        self.self_id, self._state = "", NOT_CONNECTED
        changed, self._account_changed = self._account_changed, None
        if not self._sending:
            self._link.close()
        if changed is not None:
            await changed(self.name, *NOT_CONNECTED)

    def _begin(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=f"{name}-{self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ── state ──

    async def _report(self, state: AccountState, reason: str = "") -> None:
        self._state = (state, reason)
        if self._account_changed is not None:
            await self._account_changed(self.name, state, reason)

    async def _on_lost(self, reason: str) -> None:
        self.self_id = ""
        await self._rooms.end()
        await self._report(AccountState.OFFLINE, reason)

    async def _on_silence(self, silent: bool) -> None:
        """A gateway that hangs gets nothing more to send; it stays logged in as far as we know."""
        if not self.self_id:
            return
        if silent:
            await self._report(AccountState.OFFLINE, "网关没有答复")
        else:
            await self._report(AccountState.ONLINE)

    async def _on_event(self, kind: int, event: dict[str, Any]) -> None:
        if kind == MESSAGE and self._inbox is not None:
            self._inbox.add(str(event.get("messageId", "")))
        elif kind == LOGIN:
            await self._on_login(str(event.get("contactId", "")))
        elif kind == LOGOUT:
            self.self_id = ""
            await self._rooms.end()
            await self._report(AccountState.OFFLINE, "账号已退出登录")
        elif kind == SCAN:
            await self._on_scan(str(event.get("qrcode") or ""))
        elif kind == READY:
            self._rooms.look_at_all()
        elif kind in (ROOM_JOIN, ROOM_TOPIC):
            self._rooms.look_at(str(event.get("roomId", "")))
        elif kind == ROOM_LEAVE:
            await self._on_leave(event)

    async def _on_login(self, contact_id: str) -> None:
        self.self_id = contact_id
        async with self._database.write() as session:
            await record_login_code(session, CHANNEL, self.name, "")
        await self._report(AccountState.ONLINE)
        self._begin(self._learn_own_name(contact_id), "wechaty-name")
        self._rooms.begin(contact_id)
        if self._inbox is not None:
            self._inbox.take_kept()

    async def _learn_own_name(self, contact_id: str) -> None:
        self._self_name = await self._name_of(contact_id)

    async def _on_scan(self, code: str) -> None:
        if not code:
            return
        async with self._database.write() as session:
            await record_login_code(session, CHANNEL, self.name, code)
        await self._report(AccountState.WAITING_SCAN, "请用这个账号的手机扫描登录二维码")

    async def _on_leave(self, event: dict[str, Any]) -> None:
        room_id = str(event.get("roomId", ""))
        if self.self_id in event.get("removeeIdList", []):
            await self._rooms.left(room_id)
        else:
            self._rooms.look_at(room_id)

    # ── hearing ──

    async def _read(self, message_id: str) -> Incoming | None:
        """Ask the gateway what was said."""
        try:
            puppet = await self._link.puppet()
            async with asyncio.timeout(READ_SECONDS):
                payload = await puppet.puppet_stub.message_payload(id=message_id)
                return await self._translate(puppet, payload)
        except (AccountOffline, OSError, TimeoutError, self._link.sdk.stream_terminated) as error:
            raise GatewayAway from error

    async def _translate(self, puppet: Any, payload: Any) -> Incoming | None:
        if payload.from_id != self.self_id and is_notice(payload):
            await self._throttled(payload.text)
            return None
        if payload.from_id != self.self_id and self._is_ours(payload.from_id):
            return None  # another of our accounts in the same room: its own gateway tells of it
        message = as_incoming(
            payload,
            account=self.name,
            self_id=self.self_id,
            self_name=self._self_name,
            sender_name="" if payload.from_id == self.self_id else await self._name_of(payload.from_id),
        )
        if message is None or await self._is_anothers(message):
            return None
        if message.is_self:
            return message
        if message.kind is ContentKind.PICTURE:
            shown = await self._picture_of(puppet, message)
            return replace(message, picture_id=shown.picture_id, picture_doubts=shown.doubts)
        if message.kind is ContentKind.LINK:
            card = await puppet.message_url(message.message_id)
            return replace(message, link_url=card.url, link_title=card.title, text=card.description or "")
        return message

    async def _is_anothers(self, message: Incoming) -> bool:
        """Two accounts in one room hear the same: only the one that serves the group acts."""
        if message.private or message.is_self:
            return False
        async with self._database.read() as session:
            owner = await find_owner(session, CHANNEL, message.room_id)
            account = await find_account(session, CHANNEL, self.name)
        return owner is not None and account is not None and owner != account.id

    async def _picture_of(self, puppet: Any, message: Incoming) -> PictureMatch:
        since = self._clock.now() - timedelta(days=self._settings.forward_days + self._settings.outdated_days)
        data = await read_picture(puppet, message.message_id, most=MAX_BYTES)
        return await self._pictures.match(data, since=since) if data else UNKNOWN_PICTURE

    async def _name_of(self, contact_id: str) -> str:
        """Asked once per person who speaks, never for a whole room."""
        if contact_id not in self._names:
            try:
                puppet = await self._link.puppet()
                async with asyncio.timeout(READ_SECONDS):
                    payload = await puppet.puppet_stub.contact_payload(id=contact_id)
            except (AccountOffline, OSError, TimeoutError, self._link.sdk.stream_terminated) as error:
                raise GatewayAway from error
            except self._link.sdk.grpc_error:
                return ""
            self._names[contact_id] = payload.name
            if len(self._names) > NAMES_KEPT:
                self._names.popitem(last=False)
        return self._names[contact_id]

    async def _throttled(self, text: str) -> None:
        """The notice came as a message: the send it is about was accepted."""
        async with self._database.write() as session:
            account = await find_account(session, CHANNEL, self.name)
            if account is not None:
                await open_breaker(
                    session,
                    account.id,
                    seconds=self._settings.throttle_minutes * 60,
                    reason=f"平台提示：{text[:100]}",
                    now=self._clock.now(),
                )
        if self._account_changed is not None:  # nothing new to write: wakes whoever waits for accounts
            await self._account_changed(self.name, AccountState.BLOCKED, f"平台提示：{text[:100]}")

    # ── saying ──

    async def send(self, room_id: str, message: Outgoing) -> str | None:
        check(message)
        picture = None
        if message.kind is ContentKind.PICTURE:
            async with self._database.read() as session:
                picture = await find_picture(session, message.picture_id or 0)
            if picture is None:
                raise MessageRefused(f"图片 {message.picture_id} 不存在")
        return await self._speak(room_id, lambda puppet: say(puppet, room_id, message, picture))

    async def forward(self, room_id: str, message_id: str) -> str | None:
        return await self._speak(room_id, lambda puppet: self._pass_on(puppet, room_id, message_id))

    async def _pass_on(self, puppet: Any, room_id: str, message_id: str) -> str | None:
        try:
            original = await puppet.puppet_stub.message_payload(id=message_id)
        except self._link.sdk.grpc_error as error:
            raise MessageRefused("找不到要转发的消息") from error
        return await pass_on(puppet, room_id, original, most=MAX_BYTES)

    async def _speak(self, room_id: str, words: Callable[[Any], Awaitable[str | None]]) -> str | None:
        if self._account_changed is not None and not self.self_id:
            raise self._offline()
        self._sending += 1
        try:
            return await self._say(room_id, words)
        finally:
            self._sending -= 1
            if self._account_changed is None and not self._sending:
                self._link.close()  # said after the stop, or without a start

    async def _say(self, room_id: str, words: Callable[[Any], Awaitable[str | None]]) -> str | None:
        puppet = await self._link.puppet()
        try:
            return await words(puppet)
        except Exception as error:
            meaning = as_send_error(error, self._link.sdk, throttle_seconds=self._settings.throttle_minutes * 60)
            if isinstance(meaning, AccountOffline):
                self._link.retry_now(str(meaning))  # the stream said otherwise: what is true?
            if isinstance(meaning, RoomGone):
                self._rooms.look_at(room_id)
            raise meaning from error

    def _offline(self) -> AccountOffline:
        """The sender will write that the account is offline, perhaps after we have found it online again: say the
        truth once more when that is over."""
        self._begin(self._say_again(), "wechaty-state")
        return AccountOffline(self._state[1] or "账号未登录")

    async def _say_again(self) -> None:
        await asyncio.sleep(RELAPSE_SECONDS)
        await self._report(*self._state)
