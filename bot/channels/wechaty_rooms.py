"""An account's rooms, brought in step with the registry: two calls per room at most, never one per member."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from bot.clock import Clock
from bot.events import set_within
from db import rooms as store
from db.accounts import find_account
from db.rooms import Sighting
from db.session import Database

log = logging.getLogger(__name__)

ASKING = 8  # rooms asked for at the same time: the gateway has messages to carry as well
PER_WRITE = 50  # rooms written in one transaction: a long one would keep sends waiting
AGAIN_SECONDS = (30.0, 120.0, 900.0)  # the first lists after a login may be incomplete (wechaty/wechaty#1648, #2670)
MAX_DOUBTS = 50  # rooms missing from a list that are asked about by themselves, per sync


class RoomSync:
    """Runs while the account is logged in; `puppet` gives the SDK's connected client."""

    def __init__(
        self,
        channel: str,
        account: str,
        database: Database,
        clock: Clock,
        zone: ZoneInfo,
        puppet: Callable[[], Awaitable[Any]],
    ) -> None:
        self._channel, self._account = channel, account
        self._database, self._clock, self._zone = database, clock, zone
        self._puppet = puppet
        self._task: asyncio.Task[None] | None = None
        self._changed: set[str] = set()
        self._nudge = asyncio.Event()
        self._whole = False
        self.self_id = ""

    def begin(self, self_id: str) -> None:
        """The account has logged in. Sending does not wait for any of this."""
        self.self_id = self_id
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"rooms-{self._account}")
        else:
            self.look_at_all()

    def look_at_all(self) -> None:
        self._whole = True
        self._nudge.set()

    def look_at(self, room_id: str) -> None:
        """Something about the room has changed."""
        self._changed.add(room_id)
        self._nudge.set()

    async def end(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def left(self, room_id: str) -> None:
        """The account was removed from the room."""
        self._changed.discard(room_id)
        async with self._database.write() as session:
            account = await find_account(session, self._channel, self._account)
            if account is not None:
                await store.record_left(session, account, room_id, at=self._clock.now())

    async def _run(self) -> None:
        looks = 0
        self._whole = True
        while True:
            try:
                await self._step()
            except Exception:
                log.exception("rooms could not be looked at; trying again", extra={"account": self._account})
                self._whole = True
            pause = AGAIN_SECONDS[min(looks, len(AGAIN_SECONDS) - 1)]
            if await set_within(self._nudge, pause):
                continue
            looks += 1
            self._whole = True

    async def _step(self) -> None:
        self._nudge.clear()
        whole, self._whole = self._whole, False
        changed, self._changed = self._changed, set()
        if whole:
            await self.sync()
        elif changed:
            await self._forget(changed)
            await self._take_in(sorted(changed))

    async def _forget(self, room_ids: Collection[str]) -> None:
        """Gateways remember rooms; one that was read while it changed is remembered as it was."""
        puppet = await self._puppet()
        for room_id in room_ids:
            try:
                await puppet.room_payload_dirty(room_id)
            except Exception as error:
                log.debug("gateway forgets nothing", extra={"room": room_id, "why": str(error)[:100]})

    async def sync(self) -> int:
        """Look at every room once; returns how many the account is in."""
        puppet = await self._puppet()
        listed = list(dict.fromkeys(await puppet.room_list()))
        async with self._database.read() as session:
            account = await find_account(session, self._channel, self._account)
            missing = await store.list_present(session, account.id) - set(listed) if account is not None else set()
        for start in range(0, len(listed), PER_WRITE):
            await self._take_in(listed[start : start + PER_WRITE])
        for room_id in sorted(missing)[:MAX_DOUBTS]:
            if not await self._still_in(puppet, room_id):
                await self.left(room_id)
        log.info("rooms in step", extra={"account": self._account, "rooms": len(listed), "missing": len(missing)})
        return len(listed)

    async def _take_in(self, room_ids: Sequence[str]) -> None:
        """Look at these rooms and write down what is true."""
        seen = await self._look(room_ids)
        await self._record([room for room in seen if not room.without_us])
        for room in seen:
            if room.without_us:
                await self.left(room.room_id)

    async def _look(self, room_ids: Sequence[str]) -> list[Sighting]:
        puppet = await self._puppet()
        slots = asyncio.Semaphore(ASKING)

        async def look(room_id: str) -> Sighting | None:
            async with slots:
                try:
                    payload = await puppet.room_payload(room_id)
                    ids = payload.member_ids or await puppet.room_members(room_id)
                except Exception as error:
                    log.warning("room could not be looked at", extra={"room": room_id, "why": str(error)[:100]})
                    return None
            without_us = bool(ids) and self.self_id not in ids
            return Sighting(room_id, " ".join(payload.topic.split()), len(ids), without_us)

        return [seen for seen in await asyncio.gather(*map(look, room_ids)) if seen is not None]

    async def _still_in(self, puppet: Any, room_id: str) -> bool:
        """A room that is not in the list may only be slow to appear: the room itself is asked."""
        try:
            return self.self_id in await puppet.room_members(room_id)
        except Exception as error:
            return "not exist" not in str(error)  # anything else says nothing about the room

    async def _record(self, sightings: Sequence[Sighting]) -> None:
        now = self._clock.now()
        async with self._database.write() as session:
            account = await find_account(session, self._channel, self._account)
            if account is not None:
                day = now.astimezone(self._zone).date()
                await store.record_rooms(session, account, sightings, at=now, day=day)
