"""Cases 6 and 7 of the Wechaty channel: what people pass on becomes reach; an event given twice acts once."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from bot.pictures import save_picture
from db.models import Alert, Forward, Incoming, Reach, Reply
from db.session import Database
from db.states import ContentKind, DeliveryState, Way
from tests.gateway.driver import SELF, Gateway
from tests.gateway.office import ACCOUNT, Office, gateway_settings, open_office, room_id, running_engine
from tests.world import content, until

PUSHED, RELAYED = room_id(1), room_id(2)
URL = "https://example.com/case?id=7"

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]


def poster(*, quality: int = 0, scale: float = 1.0) -> bytes:
    """A warning poster; with `quality` as an app would pass it on: smaller and encoded anew."""
    picture = Image.new("RGB", (640, 960), "white")
    draw = ImageDraw.Draw(picture)
    for row in range(12):
        draw.rectangle(
            [40 + row * 17, 60 + row * 70, 420 + row * 13 % 200, 100 + row * 70], fill=(200 - row * 9, 30, 30)
        )
    draw.ellipse([300, 500, 600, 800], fill=(20, 40, 160))
    buffer = io.BytesIO()
    if quality:
        picture.resize((int(640 * scale), int(960 * scale))).save(buffer, "JPEG", quality=quality)
    else:
        picture.save(buffer, "PNG")
    return buffer.getvalue()


async def prepare(database: Database, gateway: Gateway, folder: Path) -> Office:
    """One group that is pushed into, one relay-only group in which the bot hears."""
    await gateway.make_rooms({PUSHED: 20, RELAYED: 30})
    await gateway.make_people({"zhou": "周敏"})
    return await open_office(database, gateway_settings({ACCOUNT: gateway}, folder), [PUSHED, RELAYED])


async def reached(office: Office, alert: Alert) -> bool:
    group = await office.group_of(RELAYED)
    return bool(
        await office.count(Reach, Reach.alert_id == alert.id, Reach.group_id == group.id, Reach.way == Way.FORWARD)
    )


@pytest.mark.parametrize("kind", list(ContentKind))
async def test_6_a_forward_of_each_kind_is_recognised(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path, kind: ContentKind
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path)
    async with sqlite_database.write() as session:
        (await session.merge(await office.group_of(RELAYED))).mode = "relay"  # type: ignore[assignment]
    wanted = {"kind": kind}
    if kind is ContentKind.PICTURE:
        wanted["picture_id"] = (await save_picture(sqlite_database, poster())).id
    if kind is ContentKind.LINK:
        wanted |= {"link_url": URL, "link_title": "快递理赔是骗局"}
    async with running_engine(office) as engine:
        alert = await office.release(content(**wanted), engine=engine)
        await until(lambda: office.deliveries(alert, DeliveryState.SENT), 10)
        said = await gateway.arrivals(to=PUSHED)
        if kind is ContentKind.TEXT:
            await gateway.say("zhou", RELAYED, said[-1].text)
        elif kind is ContentKind.PICTURE:
            assert base64.b64decode(said[0].picture)
            await gateway.say("zhou", RELAYED, picture=poster(quality=60, scale=0.7))
        else:
            assert said[0].link is not None
            await gateway.say("zhou", RELAYED, kind="link", link=said[0].link)
        await until(lambda: reached(office, alert), 10)
        await until(lambda: office.confirmed(alert), 10)
    assert [arrival.kind for arrival in said] == ([kind.value, "text"] if kind is not ContentKind.TEXT else ["text"])
    assert await gateway.arrivals(to=RELAYED) == [], "a forward is not answered"
    print(
        f"\ncase 6: forward of a {kind.value} recognised, reach by forward recorded, the push confirmed by its echo"
    )


async def test_6_another_picture_and_another_link_are_nobodys_alert(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path)
    picture_id = (await save_picture(sqlite_database, poster())).id
    other = Image.effect_noise((400, 400), 80).convert("RGB")
    buffer = io.BytesIO()
    other.save(buffer, "JPEG")
    async with running_engine(office) as engine:
        await office.release(content(kind=ContentKind.PICTURE, picture_id=picture_id), engine=engine)
        await gateway.say("zhou", RELAYED, picture=buffer.getvalue())
        await gateway.say("zhou", RELAYED, kind="link", link={"url": "https://example.com/x", "title": "菜谱"})
        await until(lambda: _taken(office, 2), 10)
    assert await office.count(Forward) == 0


async def _taken(office: Office, count: int) -> bool:
    return await office.count(Incoming, Incoming.outcome != "echo") >= count


async def test_7_an_event_given_twice_gets_one_reply(
    sqlite_database: Database, gateway: Gateway, tmp_path: Path
) -> None:
    office = await prepare(sqlite_database, gateway, tmp_path)
    async with running_engine(office):
        message_id = await gateway.say("zhou", PUSHED, "@心防 有人叫我刷单，先垫付再返佣金", mentions=[SELF])
        await gateway.tell("again", id=message_id)
        await until(lambda: office.count(Reply, Reply.state == DeliveryState.SENT), 10)
        await gateway.tell("again", id=message_id)
        await asyncio.sleep(0.5)
    async with running_engine(office):  # another run of the program, which remembers nothing but rows
        await gateway.tell("again", id=message_id)
        await asyncio.sleep(1)
    assert len(await gateway.arrivals(to=PUSHED)) == 1
    assert await office.count(Reply) == 1
    print("\ncase 7: one event given four times, in two runs of the program: one reply")
