"""A process that takes a burst of messages and says on stdout which ones are done: it is killed in the middle.

python -m tests.acceptance.taker DATABASE-URL COUNT
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime

from bot.alert_texts import AlertTexts
from bot.app import Services
from bot.clock import SystemClock
from bot.events import Events
from bot.forwarding import LiveAlerts
from bot.knowledge import Knowledge
from bot.messages import Incoming
from bot.routing import Router
from bot.settings import load_settings
from db.session import Database
from db.states import ContentKind
from handlers.chat import chat_handlers, may_act

ACCOUNT, ROOM = "心防一号", "room-burst"
EVERY = 5  # each fifth message is a question that is answered
QUESTION = "@心防 有人叫我刷单，先垫付再返佣金，这个能做吗"


def is_question(number: int) -> bool:
    return number % EVERY == 0


def message(number: int) -> Incoming:
    return Incoming(
        channel="local",
        account=ACCOUNT,
        message_id=f"m{number}",
        room_id=ROOM,
        private=False,
        sender_id=f"wxid_{number}",
        sender_name="",
        kind=ContentKind.TEXT,
        text=QUESTION if is_question(number) else "中午食堂糖醋排骨不错",
        at=datetime.now(UTC),
    )


async def take(url: str, count: int) -> None:
    database, clock = Database(url), SystemClock()
    settings = load_settings(answers_per_group=1000, answers_per_person=1000)
    knowledge = Knowledge()
    knowledge.load()
    services = Services(settings, knowledge, LiveAlerts(settings, database, clock))
    texts = AlertTexts(settings)
    router = Router(database, clock, Events(), chat_handlers(), services, texts, may_act=may_act)

    async def one(number: int) -> None:
        await router.take(message(number))
        os.write(1, f"{number}\n".encode())

    os.write(1, b"ready\n")
    await asyncio.gather(*(one(number) for number in range(count)))


if __name__ == "__main__":
    asyncio.run(take(sys.argv[1], int(sys.argv[2])))
