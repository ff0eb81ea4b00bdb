"""What no handler would act on is taken without looking at a row, and ends as if every handler had looked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from bot.alert_texts import AlertTexts
from bot.app import Services
from bot.routing import Router
from db.models import Forward, Incoming, Lead, Question, Reply
from db.session import Database
from handlers.chat import chat_handlers, may_act
from tests.chatting import ALERT_TEXT, Chat, knowledge

EVAL = Path(__file__).parents[2] / "benchmarks" / "eval"
PER_SET = 60


def said() -> list[str]:
    texts = [
        ALERT_TEXT,
        ALERT_TEXT[:80],
        "转发统计",
        "1",
        "那怎么办",
        "@心防 你好",
        "在吗",
        "",
        "😀",
        "http://x/a/aaaaaaaaaaaaaaaaaaaa",
    ]
    for name in ("ordinary", "questions", "scammers", "emergencies"):
        lines = (EVAL / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        texts += [json.loads(line)["text"] for line in lines[:: max(1, len(lines) // PER_SET)]]
    return texts


async def test_silence_is_the_same_with_and_without_looking(sqlite_database: Database) -> None:
    chat = await Chat(sqlite_database).build()
    await chat.release()
    services = Services(chat.settings, knowledge(), chat.live)
    texts = AlertTexts(chat.settings)
    chat.router = Router(sqlite_database, chat.clock, chat.events, chat_handlers(), services, texts)
    passed_by = 0
    for text in said():
        chat.clock.advance(120)  # nobody is over a limit
        message = chat.message(text, group="HB01")
        await chat.router.take(message)
        async with sqlite_database.read() as session:
            query = sa.select(Incoming.outcome).where(Incoming.message_id == message.message_id)
            outcome = (await session.scalars(query)).one()
        if not may_act(message, services):
            passed_by += 1
            assert outcome == "silent", text
    assert passed_by >= PER_SET / 2


async def test_what_is_passed_by_is_on_record_once_and_nothing_else(database: Database) -> None:
    chat = await Chat(database).build()
    message = chat.message("中午食堂糖醋排骨不错", group="HB01")
    for _ in range(3):
        await chat.router.take(message)
    async with database.read() as session:
        taken = (await session.execute(sa.select(Incoming.message_id, Incoming.outcome))).all()
        assert [tuple(row) for row in taken] == [(message.message_id, "silent")]
        for table in (Reply, Question, Lead, Forward):
            assert await session.scalar(sa.select(sa.func.count()).select_from(table)) == 0


@pytest.mark.parametrize("text", ["中午食堂糖醋排骨不错", "在吗"])
async def test_a_private_message_always_matters(sqlite_database: Database, text: str) -> None:
    chat = await Chat(sqlite_database).build()
    services = Services(chat.settings, knowledge(), chat.live)
    assert may_act(chat.message(text, group=""), services)
