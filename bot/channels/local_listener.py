"""How the built-in channel hears: untaken rows are handed to the engine, per room in the order they were said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from bot.channels.base import AccountChanged, Deliver
from bot.channels.together import Together
from bot.messages import Incoming, Outgoing
from db import local_chat
from db.models import LocalMessage, LocalRoom
from db.session import Database
from db.states import AccountState

log = logging.getLogger(__name__)

MAX_TRIES = 5  # then a message that the engine cannot take is given up, so that its room goes on
WORKERS = 16  # messages handed over at the same time
MAX_ROOMS = 1000  # rooms being worked on or waiting for another try; the database's parameter limit is far above
PAGE = 200
STOP_SECONDS = 3.0  # what a handler may still take when we stop; the whole program has 5
ACCOUNTS_SECONDS = 10.0  # between two looks for accounts that another process has added

Heard = tuple[LocalMessage, LocalRoom]


class Listener:
    """Hands each untaken message to `deliver`, then marks it taken; after a crash between the two it is given
    again. One message at a time per room, `WORKERS` rooms at a time, so that a slow handler stops only its room."""

    def __init__(self, database: Database, poll_seconds: float, retry_seconds: float) -> None:
        self._database = database
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._slots = asyncio.Semaphore(WORKERS)
        self._rooms: dict[str, asyncio.Task[None]] = {}
        self._stirred: set[str] = set()  # rooms in which something was said since they were last read
        self._taken = Together(self._mark_taken)
        self._known_accounts: set[str] = set()
        self._look_at = 0.0
        self._loop: asyncio.Task[None] | None = None
        self._deliver: Deliver
        self._account_changed: AccountChanged

    async def start(self, deliver: Deliver, account_changed: AccountChanged) -> None:
        self._deliver, self._account_changed = deliver, account_changed
        self._stopping.clear()
        self._known_accounts.clear()
        await self._report_accounts()
        self._loop = asyncio.create_task(self._listen(), name="local-listener")

    async def stop(self) -> None:
        """What is being handed over is finished first, for at most `STOP_SECONDS`."""
        self._stopping.set()
        self._woken.set()
        if self._loop is not None:
            await asyncio.wait([self._loop])
        tasks = list(self._rooms.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=STOP_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def wake(self, room_id: str) -> None:
        """Something was said in the room by this process: do not wait for the next poll."""
        self._stirred.add(room_id)
        if room_id not in self._rooms:
            self._woken.set()

    def look_for_accounts(self) -> None:
        self._look_at = 0.0
        self._woken.set()

    async def _listen(self) -> None:
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                await self._begin_rooms()
                if asyncio.get_running_loop().time() >= self._look_at:
                    await self._report_accounts()
            except Exception:
                log.exception("local messages could not be read; trying again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll_seconds):
                    await self._woken.wait()

    async def _report_accounts(self) -> None:
        self._look_at = asyncio.get_running_loop().time() + ACCOUNTS_SECONDS
        async with self._database.read() as session:
            accounts = await local_chat.list_accounts(session)
        for account in accounts:
            if account not in self._known_accounts:
                await self._account_changed(account, AccountState.ONLINE, "")
                self._known_accounts.add(account)

    async def _begin_rooms(self) -> None:
        while len(self._rooms) < MAX_ROOMS and not self._stopping.is_set():
            self._stirred.intersection_update(self._rooms)  # the others are read now; what comes meanwhile counts
            async with self._database.read() as session:
                heard = await local_chat.list_untaken(session, except_rooms=list(self._rooms), limit=PAGE)
            by_room: dict[str, list[Heard]] = {}
            for message, room in heard:
                by_room.setdefault(room.room_id, []).append((message, room))
            for room_id, messages in by_room.items():
                # A room that has more than this page holds is looked at again when it is done.
                if len(heard) == PAGE:
                    self._stirred.add(room_id)
                self._rooms[room_id] = asyncio.create_task(self._work(room_id, messages), name="local-room")
            if len(heard) < PAGE:
                return

    async def _work(self, room_id: str, messages: Sequence[Heard]) -> None:
        try:
            for message, room in messages:
                if self._stopping.is_set():
                    return
                await self._hand_over(message, room)
        except Exception:
            log.exception("room %s could not be worked on; trying again", room_id)
            await self._pause(self._retry_seconds)
        finally:
            del self._rooms[room_id]
            if room_id in self._stirred or len(self._rooms) == MAX_ROOMS - 1:
                self._woken.set()

    async def _hand_over(self, message: LocalMessage, room: LocalRoom) -> None:
        incoming = as_incoming(message, room)
        for attempt in range(1, MAX_TRIES + 1):
            try:
                async with self._slots:
                    await self._deliver(incoming)
                break
            except Exception:
                log.exception("message %s was not taken, try %d of %d", incoming.message_id, attempt, MAX_TRIES)
            if attempt < MAX_TRIES:
                await self._pause(self._retry_seconds * 2 ** (attempt - 1))
                if self._stopping.is_set():
                    return
        else:
            log.error("message %s given up after %d tries", incoming.message_id, MAX_TRIES)
        await self._taken.add(message.id)

    async def _mark_taken(self, message_ids: list[int]) -> list[None]:
        await self._database.batched(lambda session: local_chat.mark_taken(session, message_ids))
        return [None] * len(message_ids)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but not beyond the stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def as_incoming(message: LocalMessage, room: LocalRoom) -> Incoming:
    """A row as the engine sees it. The room must have an account."""
    account = room.account or ""
    payload = message.payload
    return Incoming(
        channel=local_chat.CHANNEL,
        account=account,
        message_id=f"local-{message.id}",
        room_id=room.room_id,
        private=room.private,
        sender_id=message.sender_id,
        sender_name=message.sender_name,
        kind=message.kind,
        text=message.text,
        at=message.at,
        is_self=message.sender_id == bot_sender(account),
        mentions_bot=bool(payload.get("mentions")),
        picture_id=payload.get("picture_id"),
        link_url=payload.get("link_url", ""),
        link_title=payload.get("link_title", ""),
    )


def as_outgoing(message: LocalMessage) -> Outgoing:
    """A row that is said again; it mentions nobody."""
    payload = message.payload
    return Outgoing(
        message.kind,
        message.text,
        picture_id=payload.get("picture_id"),
        link_url=payload.get("link_url", ""),
        link_title=payload.get("link_title", ""),
    )


def bot_sender(account: str) -> str:
    """The sender id under which an account's own messages stand."""
    return f"bot:{account}"
