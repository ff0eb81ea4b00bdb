"""Broadcasts in the console: watched live, paused, cancelled, and decided about group by group."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from db.models import Delivery
from db.session import Database
from db.states import AlertState, DeliveryState, Role
from handlers.web.live import GAP_SECONDS, Shared
from tests.broadcasts import TITLE, event, fold, form, mark, running, submitted
from tests.console import Browser, Console, County, make_county, open_console
from tests.factories import NOW, make_alert

# ── going out ──


async def test_pause_resume_and_cancel_by_number(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await running(console, writer, reviewer)
    assert (await writer.post(f"/alerts/{alert.id}/pause")).location.endswith("done=pause")
    assert await console.state_of(alert) is AlertState.PAUSED
    again = await writer.post(f"/alerts/{alert.id}/pause")
    assert again.status == 409
    assert again.shows("已暂停，不能暂停")
    await writer.post(f"/alerts/{alert.id}/resume")
    wrong = await writer.post(f"/alerts/{alert.id}/cancel", number="20261121-99", reason="写错了")
    assert wrong.status == 422
    assert wrong.shows(f"请输入编号 {alert.number} 以确认取消")
    assert await console.state_of(alert) is AlertState.RUNNING
    await writer.post(f"/alerts/{alert.id}/cancel", number=alert.number, reason="写错了")
    page = await writer.get(f"/alerts/{alert.id}")
    assert page.shows("取消原因：写错了", "已取消 3")


async def test_a_draft_is_cancelled_without_ceremony(console: Console, county: County, writer: Browser) -> None:
    await writer.post("/alerts", **form(action="save"))
    alert = await console.alert_named(TITLE)
    assert (await writer.post(f"/alerts/{alert.id}/cancel")).status == 303
    assert await console.state_of(alert) is AlertState.CANCELLED


async def test_each_group_is_listed_with_its_outcome(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await running(console, writer, reviewer)
    await mark(console, alert, county.groups[0].id, state=DeliveryState.FAILED, reason="群已解散")
    await mark(console, alert, county.groups[1].id, state=DeliveryState.SENT, sent_at=NOW)
    page = await writer.get(f"/alerts/{alert.id}")
    assert page.shows("县反诈群", "群已解散", "菜园群", "洋山群")
    failed = await writer.get(f"/alerts/{alert.id}", delivery="failed")
    assert failed.shows("县反诈群")
    assert "洋山群" not in failed.text.split('id="deliveries"')[1]


@pytest.mark.parametrize(("decision", "state"), [("resend", DeliveryState.WAITING), ("leave", DeliveryState.SKIPPED)])
async def test_a_person_decides_about_a_delivery_in_doubt(
    console: Console, county: County, writer: Browser, reviewer: Browser, decision: str, state: DeliveryState
) -> None:
    alert = await running(console, writer, reviewer)
    delivery_id = await mark(console, alert, county.groups[0].id, state=DeliveryState.UNKNOWN, reason="等待回显")
    assert (await writer.get(f"/alerts/{alert.id}")).shows("重发", "不重发")
    path = f"/alerts/{alert.id}/deliveries/{delivery_id}"
    assert (await writer.post(path, decision="maybe")).status == 422
    other = await submitted(console, writer, title="另一条")
    assert (await writer.post(f"/alerts/{other.id}/deliveries/{delivery_id}", decision=decision)).status == 404
    assert (await writer.post(path, decision=decision)).status == 303
    assert (await console.row(Delivery, delivery_id)).state is state
    assert (await writer.post(path, decision=decision)).status == 409


# ── live ──


async def test_the_stream_tells_every_change_with_coverage(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await running(console, writer, reviewer)
    await fold(console)
    response = await writer.request("GET", f"/alerts/{alert.id}/events", accept="text/event-stream")
    assert response.content_type == "text/event-stream"
    (first,) = await event(response)
    assert (first["state"], first["done"], first["audience"]) == ("running", 0, 3)
    assert first["reach"]["groups"] == "0 / 4"
    console.clock.advance(30)
    await mark(console, alert, county.groups[1].id, state=DeliveryState.SENT, sent_at=console.clock.now())
    await fold(console)
    console.engine.events.publish("deliveries")
    (second,) = await event(response)
    assert (second["done"], second["counts"]["sent"], second["counts"]["waiting"]) == (1, 1, 2)
    assert (second["reach"]["percent"], second["reach"]["members"]) == ("25.0%", "200 / 730")
    await writer.post(f"/alerts/{alert.id}/pause")
    (third,) = await event(response)
    assert third["state"] == "paused"
    response.close()


async def test_the_dashboard_stream_tells_how_a_broadcast_ended(
    console: Console, county: County, writer: Browser, reviewer: Browser
) -> None:
    alert = await running(console, writer, reviewer)
    assert (await writer.get("/")).shows("正在推送", TITLE)
    response = await writer.request("GET", "/live", accept="text/event-stream")
    assert [row["id"] for row in await event(response)] == [alert.id]
    await writer.post(f"/alerts/{alert.id}/cancel", number=alert.number)
    assert [row["state"] for row in await event(response)] == ["cancelled"]
    response.close()


async def test_a_stream_of_nothing_is_an_ordinary_error(console: Console, writer: Browser) -> None:
    assert (await writer.get("/alerts/77/events", accept="text/event-stream")).status == 404


async def test_open_streams_do_not_keep_the_program_from_stopping(sqlite_database: Database) -> None:
    async with open_console(sqlite_database) as console:
        county = await make_county(console.database)
        browser = await console.signed_in(Role.PUBLISHER)
        async with console.database.write() as session:
            alert = await make_alert(
                session, state=AlertState.RUNNING, released_at=NOW, audience={"units": [county.east.id]}
            )
        response = await browser.request("GET", f"/alerts/{alert.id}/events", accept="text/event-stream")
        await event(response)
        await console.client.app.shutdown()  # type: ignore[union-attr]
        rest = await response.content.read()
        assert rest is not None
        assert response.content.at_eof()


async def test_many_viewers_cost_one_reading() -> None:
    shared, readings = Shared(), []

    async def read() -> list[dict[str, Any]]:
        readings.append(len(readings))
        await asyncio.sleep(0.01)
        return [{"reading": readings[-1]}]

    first = await asyncio.gather(*(shared.look("alert 1", read) for _ in range(50)))
    assert first == [[{"reading": 0}]] * 50
    impatient = asyncio.create_task(shared.look("alert 2", read))
    patient = asyncio.create_task(shared.look("alert 2", read))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient == [{"reading": 1}]
    await asyncio.sleep(GAP_SECONDS)
    assert await shared.look("alert 1", read) == [{"reading": 2}]


async def test_a_stream_that_fails_ends_and_says_so_in_the_log(
    console: Console,
    county: County,
    writer: Browser,
    reviewer: Browser,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    alert = await running(console, writer, reviewer)
    response = await writer.request("GET", f"/alerts/{alert.id}/events", accept="text/event-stream")
    await event(response)

    async def broken(*args: object, **options: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr("handlers.web.live.get_progress", broken)
    assert await response.content.read() == b""
    assert "the disk is gone" in caplog.text
