"""The chat page: what its requests do, what its live feed tells, and who is kept out."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from aiohttp.test_utils import TestClient, TestServer
from PIL import Image

from bot.channels.local import LocalChannel
from bot.channels.local_people import LocalPeople
from bot.clock import SystemClock
from bot.events import Events
from bot.messages import Outgoing
from bot.settings import Settings, load_settings
from bot.sign_in import token_hash
from db.models import LocalRoom, WebSession
from db.session import Database
from db.states import ContentKind, Role
from handlers.web.app import create_web
from tests.factories import make_account, make_unit, make_user

ACCOUNT = "心防一号"
CSRF = "c" * 40
HOSTILE = "<img src=x onerror=alert(1)>\x00\n第二行"


@dataclass
class ChannelOnly:
    """The part of the engine that the chat page uses; nothing answers here."""

    settings: Settings
    database: Database
    clock: SystemClock = field(default_factory=SystemClock)
    channels: dict[str, Any] = field(default_factory=dict)
    knowledge: Any = None
    library: Any = None
    events: Events = field(default_factory=Events)


class Chat:
    """A signed-in page: its requests carry what a browser would send."""

    def __init__(self, client: TestClient, channel: LocalChannel) -> None:
        self.client = client
        self.channel = channel
        self.people = LocalPeople(channel)
        self.origin = f"http://{client.host}:{client.port}"

    async def get(self, path: str, expect: int = 200, **query: Any) -> Any:
        response = await self.client.get(path, params=query, headers={"Accept": "application/json"})
        assert response.status == expect, await response.text()
        return await response.json()

    async def post(self, path: str, expect: int = 200, headers: dict[str, str] | None = None, **body: Any) -> Any:
        sent = {"Accept": "application/json", "Origin": self.origin, "X-CSRF-Token": CSRF} | (headers or {})
        response = await self.client.post(path, json=body, headers=sent)
        assert response.status == expect, await response.text()
        return await response.json()

    async def upload(self, data: bytes, expect: int = 200, **query: str) -> Any:
        sent = {"Accept": "application/json", "Origin": self.origin, "X-CSRF-Token": CSRF}
        response = await self.client.post("/chat/api/pictures", params=query, data=io.BytesIO(data), headers=sent)
        assert response.status == expect, await response.text()
        return await response.json()

    async def live(self, person_id: str, room_id: str = "") -> ClientWebSocketResponse:
        socket = await self.client.ws_connect(f"/chat/ws?person_id={person_id}", headers={"Origin": self.origin})
        assert await socket.receive_json(timeout=5) == {"type": "hello"}
        if room_id:
            await socket.send_json({"type": "open", "room_id": room_id})
            assert await socket.receive_json(timeout=5) == {"type": "opened", "room_id": room_id}
        return socket


@pytest.fixture
async def chat(database: Database) -> AsyncIterator[Chat]:
    async with database.write() as session:
        await make_account(session, name=ACCOUNT)
        for number in range(3):
            session.add(LocalRoom(room_id=f"room-{number}", name=f"第{number}网格群", account=ACCOUNT))
        session.add(LocalRoom(room_id="quiet", name="转发群 100%", account=None))
        await _sign_in(session, "admin", Role.ADMIN)
        await _sign_in(session, "liaison", Role.LIAISON)
    channel = LocalChannel(database, SystemClock(), poll_seconds=0.05)
    for person_id, name in (("wang", "王芳"), ("li", "李志强")):
        await LocalPeople(channel).ensure_person(person_id, name)
    engine = ChannelOnly(load_settings(), database, channels={"local": channel})
    client = TestClient(TestServer(create_web(cast("Any", engine))), cookies={"xinfang_session": "admin"})
    async with client:
        yield Chat(client, channel)
        await channel.stop()


async def _sign_in(session: Any, token: str, role: Role) -> None:
    unit = await make_unit(session)  # without one a liaison is nobody
    user = await make_user(session, role=role, unit_id=unit.id)
    now = SystemClock().now()
    session.add(
        WebSession(
            token_hash=token_hash(token),
            user_id=user.id,
            csrf=CSRF,
            created_at=now,
            expires_at=now + timedelta(hours=1),
        )
    )


def png(size: tuple[int, int] = (30, 20)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "green").save(buffer, "PNG")
    return buffer.getvalue()


# ── the page and its lists ──


async def test_the_page_holds_what_its_scripts_need_and_nothing_inline(chat: Chat) -> None:
    response = await chat.client.get("/chat")
    text = await response.text()
    assert response.status == 200
    assert f'<meta name="csrf" content="{CSRF}">' in text
    assert 'data-zone="Asia/Shanghai"' in text
    assert "style=" not in text
    assert "onclick" not in text
    assert text.count("<script") == 1
    assert "http://" not in text
    assert "https://" not in text


async def test_every_file_that_the_page_loads_is_there(chat: Chat) -> None:
    for name in ("chat.css", "chat.js", "chat_api.js", "chat_composer.js", "chat_dialogs.js", "chat_view.js"):
        response = await chat.client.get(f"/static/{name}")
        assert response.status == 200, name
        assert "innerHTML" not in await response.text(), name


async def test_people_can_be_listed_and_added(chat: Chat) -> None:
    added = await chat.post("/chat/api/people", name="  赵  秀英 ")
    assert added["name"] == "赵 秀英"
    listed = await chat.get("/chat/api/people")
    assert {person["name"] for person in listed["people"]} == {"王芳", "李志强", "赵 秀英"}
    assert listed["accounts"] == [ACCOUNT]


async def test_a_name_that_would_mislead_is_refused(chat: Chat) -> None:
    for name in ("", "   ", "心防", "长" * 41, "坏\u202e名"):
        refused = await chat.post("/chat/api/people", expect=400, name=name)
        assert refused["error"]["message"]


async def test_rooms_are_listed_last_spoken_in_first_with_the_last_line(chat: Chat) -> None:
    await chat.people.say("li", "room-2", "大家\n注意 <b>")
    await chat.people.say("wang", "room-1", "收到")
    rooms = (await chat.get("/chat/api/rooms"))["rooms"]
    assert [room["room_id"] for room in rooms] == ["room-1", "room-2", "room-0", "quiet"]
    assert [room["last"] and room["last"]["line"] for room in rooms] == [
        "王芳：收到",
        "李志强：大家 注意 <b>",
        None,
        None,
    ]
    assert [room["account"] for room in rooms] == [ACCOUNT, ACCOUNT, ACCOUNT, None]


async def test_rooms_are_searched_by_name_as_it_is_written(chat: Chat) -> None:
    for search, found in {"网格": 3, "100%": 1, "1_": 0, "%": 1, "没有": 0, "\x00": 4}.items():
        assert len((await chat.get("/chat/api/rooms", search=search))["rooms"]) == found, search


# ── saying ──


async def test_what_is_said_is_kept_as_it_was_written_and_mentions_the_bot(chat: Chat) -> None:
    said = await chat.post("/chat/api/messages", person_id="wang", room_id="room-0", text=HOSTILE + " @心防")
    (message,) = (await chat.get("/chat/api/messages", room_id="room-0"))["messages"]
    assert message["id"] == said["id"]
    assert message["text"] == "<img src=x onerror=alert(1)>\n第二行 @心防"
    assert (message["sender_name"], message["by_bot"]) == ("王芳", False)
    (row,) = await chat.people.history("room-0")
    assert row.payload == {"mentions": True}


async def test_what_cannot_be_said_is_answered_with_the_reason(chat: Chat) -> None:
    whole = {"person_id": "wang", "room_id": "room-0", "text": "在吗"}
    cases: list[tuple[dict[str, Any], int]] = [
        (whole | {"text": "  \n "}, 400),
        (whole | {"text": "长" * 2001}, 400),
        (whole | {"text": ["不是文字"]}, 400),
        (whole | {"person_id": "nobody"}, 404),
        (whole | {"person_id": f"bot:{ACCOUNT}"}, 404),
        (whole | {"room_id": "no-such"}, 404),
        (whole | {"room_id": "\ud800"}, 404),
        ({}, 404),
    ]
    for body, status in cases:
        refused = await chat.post("/chat/api/messages", expect=status, **body)
        assert list(refused) == ["error"]
        assert refused["error"]["message"]
    assert await chat.people.history("room-0") == []


async def test_the_past_is_read_page_by_page(chat: Chat) -> None:
    for number in range(60):
        await chat.people.say("wang", "room-0", str(number))
    last = (await chat.get("/chat/api/messages", room_id="room-0"))["messages"]
    assert [m["text"] for m in last] == [str(n) for n in range(10, 60)]
    older = (await chat.get("/chat/api/messages", room_id="room-0", before=last[0]["id"]))["messages"]
    assert [m["text"] for m in older] == [str(n) for n in range(10)]
    newer = (await chat.get("/chat/api/messages", room_id="room-0", after=last[-3]["id"]))["messages"]
    assert [m["text"] for m in newer] == ["58", "59"]


async def test_a_private_room_is_seen_by_its_person_only(chat: Chat) -> None:
    room = await chat.post("/chat/api/private", person_id="wang", account=ACCOUNT)
    assert (room["name"], room["private"]) == ("心防", True)
    await chat.post("/chat/api/messages", person_id="wang", room_id=room["room_id"], text="绑定 1234")
    again = await chat.post("/chat/api/private", person_id="wang", account=ACCOUNT)
    assert again["last"]["line"] == "绑定 1234"
    seen = {r["room_id"] for r in (await chat.get("/chat/api/rooms", person_id="wang"))["rooms"]}
    others = {r["room_id"] for r in (await chat.get("/chat/api/rooms", person_id="li"))["rooms"]}
    assert seen - others == {room["room_id"]}
    await chat.get("/chat/api/messages", expect=404, room_id=room["room_id"], person_id="li")
    await chat.post("/chat/api/messages", expect=404, person_id="li", room_id=room["room_id"], text="偷看")
    (secret,) = await chat.people.history(room["room_id"])
    await chat.post("/chat/api/forward", expect=404, person_id="li", message_id=secret.id, room_ids=["room-0"])
    await chat.post("/chat/api/private", expect=404, person_id="wang", account="没有的账号")


# ── pictures and forwarding ──


async def test_a_picture_is_sent_and_can_be_looked_at(chat: Chat) -> None:
    await chat.upload(png(), person_id="wang", room_id="room-0")
    (message,) = (await chat.get("/chat/api/messages", room_id="room-0"))["messages"]
    assert message["kind"] == "picture"
    response = await chat.client.get(message["picture"])
    assert response.status == 200
    assert response.content_type == "image/png"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert Image.open(io.BytesIO(await response.read())).size == (30, 20)


async def test_what_is_no_picture_is_refused(chat: Chat) -> None:
    cases = [(b"", 400), (b"<svg onload=alert(1)>", 400), (png((4097, 1)), 400), (b"x" * 2_200_000, 413)]
    for data, status in cases:
        refused = await chat.upload(data, expect=status, person_id="wang", room_id="room-0")
        assert refused["error"]["message"]
    assert await chat.people.history("room-0") == []


async def test_a_message_is_forwarded_into_several_rooms_and_mentions_nobody_there(chat: Chat) -> None:
    await chat.channel.send(ACCOUNT, "room-0", Outgoing(ContentKind.TEXT, "【红色预警】请问 @心防"))
    link = Outgoing(ContentKind.LINK, "看", link_url="https://example.com/", link_title="案例")
    await chat.channel.send(ACCOUNT, "room-0", link)
    for message in await chat.people.history("room-0"):
        targets = ["room-1", "quiet", "no-such", "room-1"]
        answer = await chat.post("/chat/api/forward", person_id="li", message_id=message.id, room_ids=targets)
        assert answer == {"forwarded": 2, "failed": 1}
    first, second = await chat.people.history("quiet")
    assert (first.text, first.sender_id, first.payload) == ("【红色预警】请问 @心防", "li", {})
    assert second.payload == {"link_url": "https://example.com/", "link_title": "案例"}


async def test_a_forward_that_makes_no_sense_is_refused(chat: Chat) -> None:
    said = await chat.people.say("wang", "room-0", "原话")
    cases: list[tuple[dict[str, Any], int]] = [
        ({"message_id": 999}, 404),
        ({"message_id": "1"}, 404),
        ({"message_id": 2**70}, 404),
        ({"room_ids": []}, 400),
        ({"room_ids": [1, None]}, 400),
        ({"room_ids": [f"room-{n}" for n in range(60)]}, 400),
        ({"person_id": ""}, 404),
    ]
    for change, status in cases:
        body = {"person_id": "li", "message_id": said, "room_ids": ["room-1"]} | change
        refused = await chat.post("/chat/api/forward", expect=status, **body)
        assert refused["error"]["message"]
    assert await chat.people.history("room-1") == []


# ── the live feed ──


async def test_the_open_room_is_told_whole_and_the_others_as_a_line(chat: Chat) -> None:
    socket = await chat.live("wang", "room-0")
    await chat.people.say("li", "room-0", "这里")
    news = await socket.receive_json(timeout=5)
    assert [message["text"] for message in news["messages"]] == ["这里"]
    assert [(room["room_id"], room["fresh"]) for room in news["rooms"]] == [("room-0", 1)]
    await chat.people.say("li", "room-1", "那里")
    news = await socket.receive_json(timeout=5)
    assert news["messages"] == []
    assert [(r["room_id"], r["fresh"], r["last"]["line"]) for r in news["rooms"]] == [("room-1", 1, "李志强：那里")]
    await chat.people.say("wang", "room-1", "我自己说的")
    news = await socket.receive_json(timeout=5)
    assert [(room["room_id"], room["fresh"]) for room in news["rooms"]] == [("room-1", 0)]
    await socket.close()


async def test_it_tells_what_another_process_said(chat: Chat) -> None:
    socket = await chat.live("wang", "room-0")
    elsewhere = Database(chat.channel.database.url.render_as_string(hide_password=False))
    await LocalChannel(elsewhere, SystemClock()).send(ACCOUNT, "room-0", Outgoing(ContentKind.TEXT, "预警"))
    news = await socket.receive_json(timeout=5)
    assert [(message["text"], message["by_bot"]) for message in news["messages"]] == [("预警", True)]
    await socket.close()
    await elsewhere.close()


async def test_a_burst_is_told_completely_and_in_order(chat: Chat) -> None:
    socket = await chat.live("wang", "room-0")
    await asyncio.gather(*(chat.people.say("li", f"room-{n % 2}", str(n)) for n in range(400)))
    told: list[int] = []
    fresh = 0
    while fresh < 400:
        news = await socket.receive_json(timeout=10)
        told += [message["id"] for message in news["messages"]]
        fresh += sum(room["fresh"] for room in news["rooms"])
    assert told == [message.id for message in await chat.people.history("room-0", limit=1000)]
    await socket.close()


async def test_nobody_is_told_of_somebody_elses_private_room(chat: Chat) -> None:
    room_id = await chat.people.open_private("wang", ACCOUNT)
    socket = await chat.live("li", room_id)
    await chat.people.say("wang", room_id, "悄悄话")
    await chat.people.say("wang", "room-0", "公开的话")
    told = await socket.receive_json(timeout=5)
    assert [room["room_id"] for room in told["rooms"]] == ["room-0"]
    assert told["messages"] == []
    await socket.close()


async def test_nonsense_on_the_socket_is_passed_over(chat: Chat) -> None:
    socket = await chat.live("wang")
    for nonsense in ("{", "[]", '"x"', '{"type": "open", "room_id": 5}', '{"type": "dance"}'):
        await socket.send_str(nonsense)
    assert await socket.receive_json(timeout=5) == {"type": "opened", "room_id": ""}
    await chat.people.say("li", "room-0", "还在")
    assert (await socket.receive_json(timeout=5))["rooms"]
    await socket.close()


async def test_sockets_end_when_the_channel_stops(chat: Chat) -> None:
    socket = await chat.live("wang")
    await chat.channel.stop()
    assert (await socket.receive(timeout=5)).type is WSMsgType.CLOSE


async def test_a_socket_is_renewed_so_that_a_session_that_ended_is_noticed(
    chat: Chat, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("handlers.web.local_chat_live.LIFE_SECONDS", 0.1)
    socket = await chat.live("wang")
    closed = await socket.receive(timeout=5)
    assert (closed.type, closed.data) == (WSMsgType.CLOSE, 4000)


# ── who is kept out ──


async def test_a_foreign_page_gets_no_socket(chat: Chat) -> None:
    for origin in ("", "http://evil.example", "null", "http://127.0.0.1.evil.example"):
        with pytest.raises(WSServerHandshakeError) as refused:
            await chat.client.ws_connect("/chat/ws?person_id=wang", headers={"Origin": origin} if origin else {})
        assert refused.value.status == 403


async def test_a_request_that_is_not_from_our_page_says_nothing(chat: Chat) -> None:
    body = {"person_id": "wang", "room_id": "room-0", "text": "伪造"}
    for headers in ({"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 40}, {"Origin": "http://evil.example"}):
        refused = await chat.post("/chat/api/messages", expect=403, headers=headers, **body)
        assert refused["error"]["message"]
    assert await chat.people.history("room-0") == []


async def test_only_those_who_may_train_get_in(chat: Chat) -> None:
    for token, status in {"liaison": 403, "nobody": 401, "": 401}.items():
        chat.client.session.cookie_jar.clear()
        chat.client.session.cookie_jar.update_cookies({"xinfang_session": token})
        await chat.get("/chat/api/rooms", expect=status)
        await chat.get("/chat/api/messages", expect=status, room_id="room-0")
